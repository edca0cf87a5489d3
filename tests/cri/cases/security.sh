# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Identity and rights of a container, which are the same with every handler.

# Makes an image whose users have names and further groups.
security_image() {
	lab_busybox "$LAB/people"
	printf 'staff:x:3003:user,other\nguests:x:3004:other\n' >>"$LAB/people/etc/group"
	printf 'other:x:1500:1000::/:/bin/sh\n' >>"$LAB/people/etc/passwd"
	lab_import "$LAB/people" '{"Env":["PATH=/bin"],"User":"other"}' localhost/kata-test:people
	cri_has_image localhost/kata-test:people
}

status_of() { # ID NAME: prints that field of the status of its PID 1
	in_container "$1" sed -n "s/^$2:[[:space:]]*//p" /proc/1/status
}

# Releases of containerd differ in what they read from the image's /etc/group, so read the groups in config.json.
told_groups() { # ID
	tr -d ' \n' <"$LAB/state/io.containerd.runtime.v2.task/k8s.io/$1/config.json" |
		sed -n 's/.*"additionalGids":\[\([0-9,]*\)\].*/\1/p' | tr ',' '\n' | sort
}

test_security_users() {
	# shellcheck disable=SC2034 # for container
	local pod id CRI_IMAGE=localhost/kata-test:people
	security_image
	pod=$(pod users)
	id=$(started "$pod" image 'sleep 1000')
	has "the image's" "$(in_container "$id" id)" '^uid=1500(other) gid=1000(user) '
	expect "of its first process" "$(status_of "$id" Uid) $(status_of "$id" Gid)" "$(printf '1500\t1500\t1500\t1500 1000\t1000\t1000\t1000')"
	expect "its groups" "$(status_of "$id" Groups | tr ' ' '\n' | grep . | sort)" "$(told_groups "$id")"
	id=$(CONTEXT='"run_as_username":"user"' started "$pod" name 'sleep 1000')
	has "by name" "$(in_container "$id" id)" '^uid=1000(user) gid=1000(user) '
	expect "its groups" "$(status_of "$id" Groups | tr ' ' '\n' | grep . | sort)" "$(told_groups "$id")"
	id=$(CONTEXT='"run_as_user":{"value":4321}' started "$pod" number 'sleep 1000')
	has "by number" "$(in_container "$id" id)" '^uid=4321 gid=0(root) '
	id=$(CONTEXT='"run_as_user":{"value":1000},"run_as_group":{"value":7777},"supplemental_groups":[5005,6006]' \
		started "$pod" groups 'sleep 1000')
	expect "with groups" "$(in_container "$id" id -u) $(in_container "$id" id -g)" '1000 7777'
	expect "supplementary" "$(in_container "$id" id -G | tr ' ' '\n' | grep -x -e 5005 -e 6006 | sort | tr '\n' ' ')" '5005 6006 '
	CONTEXT='"run_as_username":"nobody-there"' \
		fails_saying "nobody of that name" 1 'nobody-there\|no users found' started "$pod" none 'true'
	pod_gone "$pod"
}

# fsGroup as a kubelet implements it: a volume that belongs to the group, and the group for every process.
test_security_fs_group() {
	local pod id dir=$LAB/fs-group
	mkdir -p "$dir"
	chgrp 4004 "$dir"
	chmod 2770 "$dir"
	pod=$(pod fsgroup)
	id=$(CONTEXT='"run_as_user":{"value":1000},"run_as_group":{"value":1000},"supplemental_groups":[4004]' \
		started "$pod" c1 'sleep 1000' ',"mounts":[{"host_path":"'"$dir"'","container_path":"/data"}]')
	in_container "$id" sh -c 'umask 002; echo words >/data/file; mkdir /data/below'
	expect "of the file" "$(stat -c '%u %g' "$dir/file")" '1000 4004'
	expect "of the directory" "$(stat -c '%u %g %a' "$dir/below")" '1000 4004 2775'
	id=$(CONTEXT='"run_as_user":{"value":1001},"run_as_group":{"value":1001}' \
		started "$pod" c2 'sleep 1000' ',"mounts":[{"host_path":"'"$dir"'","container_path":"/data"}]')
	fails_saying "one without the group" 1 'Permission denied' in_container "$id" cat /data/file
	pod_gone "$pod"
	rm -rf "$dir"
}

# Bits: 0 CHOWN, 7 SETUID, 12 NET_ADMIN, 21 SYS_ADMIN, 25 SYS_TIME.
can_do() { # ID BIT: prints that bit of its effective set
	echo $(((0x$(status_of "$1" CapEff) >> $2) & 1))
}

test_security_capabilities() {
	local pod id
	pod=$(pod caps)
	id=$(started "$pod" usual 'sleep 1000')
	expect usual "$(status_of "$id" CapEff) $(status_of "$id" CapBnd) $(status_of "$id" CapAmb)" \
		'00000000a80425fb 00000000a80425fb 0000000000000000'
	expect "of an exec" "$(in_container "$id" sed -n 's/^CapEff:.//p' /proc/self/status)" 00000000a80425fb
	id=$(CONTEXT='"capabilities":{"add_capabilities":["NET_ADMIN"],"drop_capabilities":["CHOWN"]}' started "$pod" some 'sleep 1000')
	expect "some" "$(can_do "$id" 0) $(can_do "$id" 7) $(can_do "$id" 12) $(can_do "$id" 21)" '0 1 1 0'
	fails_saying "its chown" 1 'not permitted' in_container "$id" chown 5:5 /etc/passwd
	in_container "$id" ip link set lo down
	in_container "$id" ip link set lo up
	id=$(CONTEXT='"capabilities":{"drop_capabilities":["ALL"],"add_capabilities":["SETUID"]}' started "$pod" one 'sleep 1000')
	expect "one" "$(status_of "$id" CapEff) $(status_of "$id" CapBnd)" '0000000000000080 0000000000000080'
	id=$(CONTEXT='"capabilities":{"add_capabilities":["ALL"]}' started "$pod" all 'sleep 1000')
	expect "all" "$(can_do "$id" 0) $(can_do "$id" 21) $(can_do "$id" 25)" '1 1 1'
	id=$(CONTEXT='"run_as_user":{"value":1000},"capabilities":{"add_capabilities":["NET_ADMIN"]}' started "$pod" user 'sleep 1000')
	expect "of a user" "$(status_of "$id" CapEff) $(status_of "$id" CapAmb)" '0000000000000000 0000000000000000'
	pod_gone "$pod"
}

seccomp_profile() { # FILE: writes a profile that denies mkdir, and umask with the argument 077
	cat >"$1" <<-'END'
		{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64"],"syscalls":[
		 {"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":28}]}
	END
}

test_security_seccomp() {
	local pod id
	seccomp_profile "$LAB/profile.json"
	pod=$(pod seccomp)
	id=$(started "$pod" none 'sleep 1000')
	expect "without a profile" "$(status_of "$id" Seccomp)" 0
	id=$(CONTEXT='"seccomp":{"profile_type":"Unconfined"}' started "$pod" unconfined 'sleep 1000')
	expect unconfined "$(status_of "$id" Seccomp)" 0
	id=$(CONTEXT='"seccomp":{"profile_type":"RuntimeDefault"}' started "$pod" default 'sleep 1000')
	expect "the default" "$(status_of "$id" Seccomp)" 2
	fails_saying "its user namespace" 1 'not permitted' in_container "$id" unshare -U true
	id=$(CONTEXT='"seccomp":{"profile_type":"Localhost","localhost_ref":"'"$LAB"'/profile.json"}' started "$pod" local 'sleep 1000')
	expect local "$(status_of "$id" Seccomp)" 2
	fails_saying "its mkdir" 1 'No space left' in_container "$id" mkdir /tmp/x
	CONTEXT='"seccomp":{"profile_type":"Localhost","localhost_ref":"'"$LAB"'/none.json"}' \
		fails_saying "a profile that is not there" 1 'none.json' started "$pod" absent 'true'
	pod_gone "$pod"
}

test_security_seccomp_off_in_the_guest() {
	local pod id
	[ "$HANDLER" = kata ] || return 0
	configured '[runtime]' 'disable_guest_seccomp = true'
	pod=$(pod noseccomp)
	id=$(CONTEXT='"seccomp":{"profile_type":"RuntimeDefault"}' started "$pod" default 'sleep 1000')
	expect "the default" "$(status_of "$id" Seccomp)" 0
	pod_gone "$pod"
}

test_security_no_new_privileges() {
	local pod id
	pod=$(pod privs)
	id=$(started "$pod" may 'sleep 1000')
	expect "allowed" "$(status_of "$id" NoNewPrivs)" 0
	id=$(CONTEXT='"no_new_privs":true' started "$pod" mayNot 'sleep 1000')
	expect "not allowed" "$(status_of "$id" NoNewPrivs) $(in_container "$id" sed -n 's/^NoNewPrivs:.//p' /proc/self/status)" '1 1'
	pod_gone "$pod"
}

test_security_sysctls() {
	local pod a b
	pod=$(SYSCTLS='"kernel.shm_rmid_forced":"1","kernel.shmmax":"65536","kernel.sem":"100 200 30 40",
	 "fs.mqueue.msg_max":"7","net.ipv4.tcp_syncookies":"0","net/ipv4/conf/eth0/log_martians":"1",
	 "net.ipv4.ip_local_port_range":"1024 2048"' pod sysctls)
	a=$(started "$pod" a 'sleep 1000')
	b=$(started "$pod" b 'sleep 1000')
	for id in "$a" "$b"; do
		expect sysctls "$(in_container "$id" sh -c 'cd /proc/sys; cat kernel/shm_rmid_forced kernel/shmmax kernel/sem \
			fs/mqueue/msg_max net/ipv4/tcp_syncookies net/ipv4/conf/eth0/log_martians net/ipv4/ip_local_port_range' | tr '\t\n' '  ')" \
			'1 65536 100 200 30 40 7 0 1 1024 2048 '
	done
	expect "of the node" "$(cat /proc/sys/net/ipv4/tcp_syncookies)" 1
	pod_gone "$pod"
	# This sysctl would affect every pod of a node; a kubelet never sets it.
	SYSCTLS='"vm.swappiness":"10"' \
		fails_saying "of no namespace" "$([ "$HANDLER" = runc ] && echo 1 || echo 4)" 'vm.swappiness' pod unsafe
	SYSCTLS='"net.ipv4.no_such":"10"' \
		fails_saying "none" 1 'no_such' pod nosuch
}

# With a kubelet's default paths, and without any as for procMount: Unmasked.
test_security_proc_masks() {
	local pod id
	pod=$(pod masks)
	id=$(CONTEXT='"masked_paths":["/proc/asound","/proc/acpi","/proc/kcore","/proc/keys","/proc/latency_stats",
	  "/proc/timer_list","/proc/timer_stats","/proc/sched_debug","/proc/scsi","/sys/firmware","/no/such"],
	 "readonly_paths":["/proc/bus","/proc/fs","/proc/irq","/proc/sys","/proc/sysrq-trigger","/no/such"]' started "$pod" masked 'sleep 1000')
	expect "a masked file" "$(in_container "$id" sh -c 'cat /proc/keys /proc/timer_list | wc -c')" 0
	expect "a masked directory" "$(in_container "$id" sh -c 'ls /sys/firmware | wc -l')" 0
	fails_saying "a path to read" 1 'Read-only' in_container "$id" sh -c 'echo x >/proc/sys/kernel/domainname'
	id=$(started "$pod" unmasked 'sleep 1000')
	[ "$(in_container "$id" sh -c 'cat /proc/timer_list | wc -c')" -gt 0 ]
	in_container "$id" sh -c 'echo 1 >/proc/sys/kernel/shm_rmid_forced'
	pod_gone "$pod"
}

# A privileged container has all rights of root, in the guest or on the node.
test_security_privileged() {
	local pod id beside CONTEXT
	pod=$(POD_CONTEXT='"privileged":true' pod privileged)
	beside=$(started "$pod" beside 'sleep 1000')
	# shellcheck disable=SC2034 # for container
	CONTEXT='"privileged":true,"seccomp":{"profile_type":"RuntimeDefault"}'
	id=$(started "$pod" c1 'sleep 1000')
	expect capabilities "$(can_do "$id" 0) $(can_do "$id" 12) $(can_do "$id" 21)" '1 1 1'
	expect seccomp "$(status_of "$id" Seccomp)" 0
	in_container "$id" sh -c 'mount -t tmpfs none /tmp && touch /tmp/x && umount /tmp'
	in_container "$id" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
	in_container "$id" sh -c 'mknod /tmp/null c 1 3 && echo x >/tmp/null'
	in_container "$id" sh -c 'test -w /sys/kernel && ls /sys/firmware >/dev/null'
	if [ "$HANDLER" = kata ]; then # the node's settings and devices are not visible
		in_container "$id" sh -c 'echo 400000 >/proc/sys/vm/max_map_count'
		expect "seen beside it" "$(in_container "$beside" cat /proc/sys/vm/max_map_count)" 400000
		[ "$(cat /proc/sys/vm/max_map_count)" != 400000 ]
		expect "the node's loop devices" "$(in_container "$id" sh -c 'ls /dev | grep -c loop')" 0
	fi
	expect "beside it" "$(can_do "$beside" 21)" 0
	fails_saying "its mount" 1 'denied\|not permitted' in_container "$beside" mount -t tmpfs none /tmp
	pod_gone "$pod"
}

no_medium() { # prints the node's block devices without a medium, except loop devices
	local dir
	for dir in /sys/block/*; do
		[[ $dir == */loop* ]] || [ "$(<"$dir/size")" != 0 ] || [ ! -e "/dev/${dir##*/}" ] || echo "/dev/${dir##*/}"
	done
}

# Without privileged_without_host_devices containerd lists all of the node's devices for such a container. The guest gets
# none of the node's disks, and the log says so.
test_security_privileged_with_the_nodes_devices() {
	[ "$HANDLER" = kata ] || return 0
	local HANDLER=kata-devices pod id node from
	from=$(($(wc -l <"$LAB/containerd.log") + 1))
	truncate -s 1M "$LAB/disk"
	node=$(losetup --find --show "$LAB/disk")
	pod=$(POD_CONTEXT='"privileged":true' pod devices)
	id=$(CONTEXT='"privileged":true' started "$pod" c1 'sleep 1000')
	losetup --detach "$node"
	rm "$LAB/disk"
	fails 1 in_container "$id" test -e "$node" >/dev/null
	expect "disks" "$(in_container "$id" find /dev -type b | grep -v loop)" "$(no_medium)"
	expect "/dev/null" "$(in_container "$id" sh -c 'echo x >/dev/null && echo written')" written
	has "what is said" "$(tail -n +"$from" "$LAB/containerd.log")" 'block devices are not given to a privileged container'
	pod_gone "$pod"
}

# A node without AppArmor refuses a container with a profile, with any handler.
test_security_apparmor() {
	local pod id
	pod=$(pod apparmor)
	id=$(CONTEXT='"apparmor":{"profile_type":"Unconfined"}' started "$pod" unconfined 'sleep 1000')
	expect "without" "$(in_container "$id" echo alive)" alive
	[ -e /sys/module/apparmor ] ||
		CONTEXT='"apparmor":{"profile_type":"Localhost","localhost_ref":"mine"}' \
		fails_saying "with one by name" 1 '[Aa]pp[Aa]rmor' started "$pod" named 'true'
	pod_gone "$pod"
}
