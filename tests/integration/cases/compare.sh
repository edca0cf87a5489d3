# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Runs one specification with runc and with this runtime: a process must see the same. docs/differences.md lists the
# differences, which are not compared here.

report() { # prints the script that runs in the container
	cat <<-'END'
		id; pwd; umask; env | sort; hostname
		grep -E '^(Cap|NoNewPrivs|Seccomp:|Groups)' /proc/self/status
		for l in -n -u -c -s; do ulimit -S $l; ulimit -H $l; done
		cat /proc/self/oom_score_adj /proc/sys/kernel/shm_rmid_forced
		mkdir /tmp/refused 2>&1; touch /refused 2>&1; echo x >/tmp/allowed; cat /tmp/allowed
		cat /masked/file; ls -A /masked-dir; echo x 2>&1 >/proc/sys/kernel/domainname
		ls -l /dev | awk 'NR > 1 { print $1, $3, $4, $5, $6, $10, $11, $12 }' | grep -v kcore | sort
		mount | grep -E ' on /(tmp|cache|data) ' | grep -oE ' on [^ ]*|\b(ro|rw|nosuid|nodev|noexec)\b'
		stat -c '%a %u %g' /data /tmp; ls /proc/self/fd | wc -l
		readlink /proc/self/cwd; cat /proc/self/comm; echo $$
	END
}

rich_spec() { # FILE
	local script
	script=$(report | sed 's/\\/\\\\/g; s/"/\\"/g' | awk '{ printf "%s\\n", $0 }')
	cat >"$1" <<-EOF
		{"ociVersion":"1.0.2","root":{"path":"$LAB/rich","readonly":true},"hostname":"compared",
		 "process":{"user":{"uid":1000,"gid":1000,"additionalGids":[10,20],"umask":7},
		  "cwd":"/home/user","env":["PATH=/bin","A=1","B=two words"],
		  "args":["sh","-c","$script"],"noNewPrivileges":true,"oomScoreAdj":77,
		  "capabilities":{"bounding":["CAP_CHOWN","CAP_KILL","CAP_NET_RAW"],
		   "permitted":["CAP_KILL"],"effective":["CAP_KILL"],"inheritable":["CAP_KILL"],
		   "ambient":["CAP_KILL"]},
		  "rlimits":[{"type":"RLIMIT_NOFILE","soft":100,"hard":200},
		   {"type":"RLIMIT_NPROC","soft":50,"hard":60},
		   {"type":"RLIMIT_CORE","soft":0,"hard":0}]},
		 "mounts":[{"destination":"/proc","type":"proc","source":"proc"},
		  {"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["nosuid","mode=755"]},
		  {"destination":"/dev/pts","type":"devpts","source":"devpts",
		   "options":["newinstance","ptmxmode=0666","mode=0620"]},
		  {"destination":"/tmp","type":"tmpfs","source":"tmpfs","options":["nosuid","nodev",
		   "mode=1777"]},
		  {"destination":"/cache","type":"tmpfs","source":"tmpfs","options":["ro","noexec"]},
		  {"destination":"/data","type":"bind","source":"$LAB/data-dir","options":["rbind","ro"]}],
		 "linux":{"namespaces":[{"type":"pid"},{"type":"ipc"},{"type":"uts"},{"type":"mount"},
		   {"type":"network"}],
		  "sysctl":{"kernel.shm_rmid_forced":"1"},
		  "devices":[{"path":"/dev/other-null","type":"c","major":1,"minor":3,"fileMode":432,
		   "uid":1000,"gid":20}],
		  "maskedPaths":["/masked/file","/masked-dir"],"readonlyPaths":["/proc/sys"],
		  "seccomp":{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64"],
		   "syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":95}]}}}
	EOF
}

test_a_rich_specification_as_with_runc() {
	local fs
	rm -rf "$LAB/rich"
	cp -a "$LAB/image" "$LAB/rich"
	mkdir -p "$LAB/rich"/{home/user,masked,masked-dir,cache,data} "$LAB/data-dir"
	chmod 1777 "$LAB/rich/tmp"
	chmod 750 "$LAB/data-dir"
	echo secret >"$LAB/rich/masked/file"
	echo secret >"$LAB/rich/masked-dir/file"
	rich_spec "$LAB/rich.json"
	RUNTIME=io.containerd.runc.v2 run --config "$LAB/rich.json" "$(lab_id)" >"$LAB/runc" 2>&1 || true
	[ "$(wc -l <"$LAB/runc")" -gt 40 ]
	for fs in virtio-fs virtio-9p; do
		run --runtime-config-path "$(shared_by "$fs")" --config "$LAB/rich.json" "$(lab_id)" >"$LAB/ours" 2>&1 || true
		diff "$LAB/runc" "$LAB/ours" | sed "s/^/    $fs: /"
		cmp -s "$LAB/runc" "$LAB/ours"
	done
}
