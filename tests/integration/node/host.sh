# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2034,SC2154
# shellcheck shell=bash
# Tests `kata-deploy node` in a container on a simulated host with a real systemd. systemd runs a real containerd, and in
# place of a kubelet a unit "pod" that runs the image of the release with the mounts and capabilities of
# docs/design/node.md, and that ends when containerd is restarted. A script takes the part of the pod's other container.

HOST_CAPS=-all,+chown,+dac_override,+fowner,+fsetid,+setuid,+setgid,+setpcap,+sys_chroot,+sys_ptrace,+kill

# The simulated host has these directories of its own; all others are this machine's.
host_files() {
	SYSTEMD_DIR=$LAB/host
	mkdir -p "$LAB"/host/{etc,opt,memory,root,units,pod,kept,shared}
	cat >"$LAB/host/etc/config.toml" <<-EOF
		# An administrator's configuration.
		version = 2
		[plugins."io.containerd.grpc.v1.cri"]
		  restrict_oom_score_adj = true
		  sandbox_image = "localhost/pause:1"
		  [plugins."io.containerd.grpc.v1.cri".cni]
		    conf_dir = "/etc/containerd/cni"
		    bin_dir = "/usr/lib/cni"
	EOF
	mkdir "$LAB/host/etc/cni"
	cat >"$LAB/host/etc/cni/10-node.conflist" <<-END
		{"cniVersion":"0.4.0","name":"node","plugins":[{"type":"ptp","ipMasq":false,"ipam":
		 {"type":"host-local","dataDir":"$LAB/host/ipam","ranges":[[{"subnet":"10.87.0.0/24"}]]}}]}
	END
	systemd_containerd "$PATH"
	# In the test with HOST_PART_OF the pod is killed together with containerd.
	cat >"$LAB/host/units/pod.service" <<-EOF
		[Unit]
		DefaultDependencies=no
		${HOST_PART_OF:+PartOf=containerd.service}
		StartLimitIntervalSec=0
		[Service]
		ExecStart=/bin/bash $LAB/host/pod.sh
		KillSignal=SIGKILL
		StandardOutput=append:$LAB/host/pod.log
		StandardError=append:$LAB/host/pod.log
	EOF
}

host_pod() {
	local layer blobs=$LAB/oci/blobs/sha256 pod=$LAB/host/pod
	KEY=none packaging/image.sh "$portable" "${BUILD:-build}/tools/mkimage" "$one" "$LAB/oci" kata-deploy:test >/dev/null
	for layer in "$blobs"/*; do
		! gzip -t "$layer" 2>/dev/null || tar -xzf "$layer" -C "$pod"
	done
	mkdir -p "$pod"/{proc,run/kata-deploy,run/kata-node,dev} "$pod"/host/{proc,usr,run,opt,dev,tmp} \
		"$pod"/host/etc/containerd "$pod"/host/var/lib/kata-deploy
	touch "$pod"/{,host/}dev/null
	cat >"$LAB/host/pod.sh" <<-EOF
		exec unshare --mount --pid --fork --kill-child bash -ec '
		cd $pod
		mount --make-rprivate /
		mount --bind . .
		cd $pod
		mount --bind $LAB/host/kept run/kata-node
		mount --bind $LAB/host/shared run/kata-deploy
		mount --bind /dev/null dev/null
		mount --bind /dev/null host/dev/null
		mount --bind /proc host/proc
		mount -o remount,bind,ro host/proc
		mount --bind /usr host/usr
		mount -o remount,bind,ro host/usr
		mount --rbind /run host/run
		mount --bind /opt host/opt
		mount -t tmpfs tmpfs host/tmp
		mount --bind /etc/containerd host/etc/containerd
		mount --bind /var/lib/kata-deploy host/var/lib/kata-deploy
		mount -t proc proc proc
		mount -o remount,bind,ro .
		exec env -i PATH=/ KATA_DEPLOY_RELEASE=/release KATA_DEPLOY_TRUST_DIR=/keys \
			/usr/bin/setpriv --bounding-set $HOST_CAPS --inh-caps -all --no-new-privs \
			/usr/sbin/chroot . /kata-deploy node --host /host --check-seconds 2 --hash-seconds 6 --verbose'
	EOF
}

# Plays the other container: writes the messages that it receives to $LAB/host/said, grants every turn, and requests
# the uninstall when $LAB/host/uninstall exists.
host_report() {
	cat >"$LAB/host/report.py" <<-'EOF'
		import json, os, select, socket, sys, time
		lab = sys.argv[1]

		def talk(s):
		    have, asked = b"", False
		    while True:
		        if not asked and os.path.exists(lab + "/uninstall"):
		            s.sendall(b'{"v":1,"type":"uninstall","id":"u1"}\n')
		            asked = True
		        try:
		            more = s.recv(4096)
		        except socket.timeout:
		            continue
		        if not more:
		            return
		        have += more
		        while b"\n" in have:
		            line, have = have.split(b"\n", 1)
		            with open(lab + "/said", "ab") as f:
		                f.write(line + b"\n")
		            m = json.loads(line)
		            if m["type"] == "want-turn":
		                s.sendall(json.dumps({"v": 1, "type": "turn", "id": m["id"]}).encode() + b"\n")

		while True:
		    s = socket.socket(socket.AF_UNIX)
		    try:
		        s.connect(lab + "/shared/node.sock")
		    except OSError:
		        time.sleep(0.2)
		        continue
		    s.settimeout(0.2)
		    try:
		        talk(s)
		    except OSError:
		        pass # node may end at any moment
		    s.close()
	EOF
	python3 "$LAB/host/report.py" "$LAB/host" >/dev/null 2>"$LAB/host/report.log" &
	HOST_REPORT=$!
}

# Starts the host; further COMMANDS run before systemd.
host_boot() { # COMMANDS
	NODE_CLEAN='host_stop'
	systemd_start <<-EOF
		mkdir -p /etc/containerd /opt /var/lib/kata-deploy /var/lib/containerd
		mount --bind $LAB/host/etc /etc/containerd
		mount --bind $LAB/host/opt /opt
		mount --bind $LAB/host/memory /var/lib/kata-deploy
		mount --bind $LAB/host/root /var/lib/containerd
		$1
	EOF
	mkdir "$LAB/pause"
	cp "${BUILD:-build}/tools/pause" "$LAB/pause/pause"
	lab_import "$LAB/pause" '{"Entrypoint":["/pause"]}' localhost/pause:1
	in_systemd ctr -n k8s.io images import "$LAB/image.tar" >/dev/null
}

host_start() {
	host_files
	host_pod
	host_boot ""
	host_report
}

host_can() {
	if ! command -v python3 >/dev/null || ! command -v curl >/dev/null; then
		echo "    skipped: needs curl and python3"
		return 1
	fi
	systemd_can
}

host_stop() {
	[ -z "${HOST_REPORT:-}" ] || kill "$HOST_REPORT" 2>/dev/null || true
	HOST_REPORT=''
	systemd_stop
}

host_get() { # PATH
	in_systemd curl -s -m 5 "http://127.0.0.1:8090$1"
}

host_metric() { # NAME
	host_get /metrics | sed -n "s/^kata_deploy_$1 //p"
}

# Waits until COMMAND succeeds.
host_until() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		! grep -q 'phase=failed' "$LAB/host/pod.log" || SECONDS=$end
		[ "$SECONDS" -lt "$end" ] || {
			echo "not within its time: $*" >&2
			tail -n 15 "$LAB/host/pod.log" >&2
			return 1
		}
		sleep 0.3
	done
}

host_ready() { host_get /readyz | grep -q '^ready'; }
host_starts() { grep -c 'containerd successfully booted' "$LAB/host/containerd.log"; }
host_said() { grep -q "$1" "$LAB/host/said"; }
host_digest() {
	(cd "$LAB/host" && find etc opt -printf '%p %y %m %u %g %l\n' | sort &&
		find etc opt -type f -print0 | sort -z | xargs -0r sha256sum) | sha256sum
}
# Prints the memory of the idle program, and its own processor time in a minute: "RESIDENT-KIB TICKS". It is PID 1 of its
# PID namespace.
host_idle() {
	in_systemd bash -c '
		for p in $(pgrep -f "^/kata-deploy node --host"); do
			[ "$(awk "/^NSpid/ { print \$NF }" "/proc/$p/status")" != 1 ] || pid=$p
		done
		before=$(awk "{ print \$14 + \$15 }" "/proc/$pid/stat")
		sleep 60
		awk "/^VmRSS/ { print \$2 }" "/proc/$pid/status"
		awk -v before="$before" "{ print \$14 + \$15 - before }" "/proc/$pid/stat"' | xargs
}
# Waits until a check of all contents runs, which must leave processor and disks to others.
host_hashes_idly() {
	in_systemd timeout 120 bash -c '
		until pid=$(pgrep -nf "^kata-deploy status .*--check") && read -ra stat <"/proc/$pid/stat" &&
			[ "${stat[18]}" = 19 ] && ionice -p "$pid" | grep -q "^idle"; do
			sleep 0.02
		done 2>/dev/null' || expect "checks of all contents" "in the way of others" "nice 19 and idle"
}
host_next() { sed -n 's/^version: *"\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' "$two/release.yaml"; }
host_repaired() { [ -e "$1" ] && host_ready; }

# The whole life: the install succeeds although the restart of containerd ends the pod in the middle; drift is repaired;
# the idle program is small; the uninstall succeeds although its restart ends the pod again.
test_a_pod_that_its_restart_ends() {
	local before begun lost idle
	host_can || return 0
	HOST_PART_OF=yes host_start
	before=$(host_digest)
	begun=$SECONDS
	in_systemd systemctl start pod
	host_until 240 host_ready
	echo "    ready after $((SECONDS - begun)) s"
	expect "starts of containerd" "$(host_starts)" 2
	[ "$(grep -c 'phase=starting' "$LAB/host/pod.log")" -ge 2 ]
	host_said '"type": *"end-turn".*"good": *true'
	expect "turns" "$(grep '"want-turn"' "$LAB/host/said" | sed 's/.*"id": *"\([^"]*\).*/\1/' | sort -u | wc -l)" 1
	for lost in "$LAB/host/opt/kata/bin" "$(find "$LAB"/host/opt/kata/generations/*/share -name '*.toml' | head -n 1)"; do
		rm "$lost"
		host_until 60 host_repaired "$lost"
	done
	expect "starts of containerd" "$(host_starts)" 2
	host_hashes_idly
	# The next image: another release, no restart; and with the usual time between two checks.
	sed -i 's/ --check-seconds 2 --hash-seconds 6//' "$LAB/host/pod.sh"
	in_systemd systemctl stop pod
	rm -r "$LAB/host/pod/release"
	cp -r "$two" "$LAB/host/pod/release"
	begun=$SECONDS
	in_systemd systemctl start pod
	host_until 120 eval 'host_get /metrics | grep -q "^kata_deploy_info.*version=\"$(host_next)\"" && host_ready'
	echo "    upgraded after $((SECONDS - begun)) s"
	expect "starts of containerd" "$(host_starts)" 2
	idle=$(host_idle)
	echo "    idle: ${idle% *} KiB resident, ${idle#* } ticks of its own in 60 s"
	[ "${idle% *}" -le 4096 ]
	[ "${idle#* }" -le 3 ]
	begun=$SECONDS
	touch "$LAB/host/uninstall"
	host_until 120 host_said '"phase": *"uninstalled"'
	echo "    taken away after $((SECONDS - begun)) s"
	expect "the host" "$(host_digest)" "$before"
	expect "starts of containerd" "$(host_starts)" 3
	# A pod that is started again after the uninstall installs nothing.
	in_systemd systemctl restart pod
	host_until 60 eval 'host_get /healthz | grep -q ^uninstalled'
	expect "the host" "$(host_digest)" "$before"
	host_stop
}

# Kills the pod. systemctl fails if a process of the pod ends meanwhile, so only the state of the unit counts.
host_kill() {
	in_systemd systemctl kill --signal=KILL pod 2>/dev/null || true
	for _ in $(seq 600); do
		in_systemd systemctl is-active --quiet pod || return 0
		sleep 0.1
	done
	return 1
}

# Starts the pod again. A start may fail while the previous pod is still being killed.
host_again() {
	host_until 30 in_systemd systemctl restart pod 2>/dev/null
}

# A pod that is killed again and again, at arbitrary moments, still reaches its goal.
test_a_pod_that_is_killed_again_and_again() {
	local before pause
	host_can || return 0
	HOST_PART_OF='' host_start
	before=$(host_digest)
	for pause in 0.3 0.6 0.9 1.2 1.5 2 2.5 3.5; do
		host_again
		sleep "$pause"
		host_kill
	done
	host_again
	host_until 240 host_ready
	expect "the journal" "$(find "$LAB/host/opt/kata/state" -name journal)" ""
	touch "$LAB/host/uninstall"
	for pause in 0.3 0.6 0.9; do
		sleep "$pause"
		host_kill
		host_again
	done
	host_until 240 host_said '"phase": *"uninstalled"'
	expect "the host" "$(host_digest)" "$before"
	host_stop
}
