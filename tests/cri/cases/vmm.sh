# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The users and file descriptors of a pod's processes on the node, QEMU and virtiofsd.

process_of() { # POD-ID NAME: prints the pid that the runtime recorded
	tr -d ' \n' <"/run/vc/sbs/$1@$CONTAINERD_NAMESPACE/persist.json" | grep -o "\"name\":\"$2\",\"pid\":[0-9]*" | grep -o '[0-9]*$'
}

# Prints the virtiofsd process that serves; QEMU's virtiofsd does that in a child.
server_of() { # POD-ID
	local pid child
	pid=$(process_of "$1" virtiofsd)
	child=$(cut -d' ' -f1 "/proc/$pid/task/$pid/children")
	echo "${child:-$pid}"
}

files_of() { # PID: prints the kinds of its file descriptors, without numbers
	local fd
	for fd in "/proc/$1/fd"/*; do
		readlink "$fd"
	done | sed 's/\[[0-9]*\]$//; s/ (deleted)$//' | sort | uniq -c | sed 's/^ *//'
}

sockets_of() { # PID: prints the inodes of its sockets
	readlink "/proc/$1/fd"/* | sed -n 's/^socket:\[\([0-9]*\)\]$/\1/p'
}

listening() { # prints the inodes of listening Unix sockets
	awk '$4 == "00010000" { print $7 }' /proc/net/unix
}

# QEMU has connections to the shim and to virtiofsd, taps, the guest's memory, the log and its own event fds, but no file
# descriptor of the shim, of containerd or of other pods.
test_vmm_holds_nothing_else() {
	local pod other id known
	[ "$HANDLER" = kata ] || return 0
	other=$(pod other)
	pod=$(pod held)
	id=$(started "$pod" c1 'sleep 1000')
	known='socket:|anon_inode:.*|/dev/null|/dev/net/tun|/dev/kvm|/dev/vhost-net|/dev/vhost-vsock|/dev/urandom|/memfd:.*'
	expect "files of QEMU" "$(files_of "$(process_of "$pod" vmm)" |
		grep -vxE "[0-9]+ ($known|/run/vc/vm/$pod@$CONTAINERD_NAMESPACE/qemu.log|pipe:)")" ''
	expect "sockets that QEMU listens at" "$(listening | grep -xF "$(sockets_of "$(process_of "$pod" vmm)")")" ''
	listening | grep -xqF "$(sockets_of "$(cat "$LAB/containerd.pid")")" # shows that this check finds listening sockets
	# Its /dev/null is in a mount of the share's namespace that was detached.
	expect "files of virtiofsd" "$(files_of "$(server_of "$pod")" |
		grep -vxE "[0-9]+ ($known|/run/vc/vm/$pod@$CONTAINERD_NAMESPACE/virtiofsd.log|/|/([0-9a-f]{64}|mount-[0-9a-f]{16})(/.*)?|/null|/fd|/[0-9]+/task|/proc/.*)")" ''
	expect "taps of QEMU" "$(files_of "$(process_of "$pod" vmm)" | grep -c tun)" 1
	pod_gone "$other"
	expect "beside it" "$(in_container "$id" echo alive)" alive
	pod_gone "$pod"
}

# Prints the KiB of files in memory, such as the guest's, that a core dump of the process would have: core(5).
dumped() { # PID
	(($((16#$(cat "/proc/$1/coredump_filter"))) & 2)) || {
		echo 0
		return
	}
	awk '/^[0-9a-f]+-[0-9a-f]+ / { memory = /memfd:/ } /^Size:/ { size = $2 } /^VmFlags:/ && memory && !/ dd/ { sum += size }
		END { print sum + 0 }' "/proc/$1/smaps"
}

# A crash must not write gigabytes, nor what the pod keeps secret.
test_vmm_keeps_the_guest_out_of_core_dumps() {
	local pod
	[ "$HANDLER" = kata ] || return 0
	pod=$(pod dumped)
	started "$pod" c1 'sleep 1000' >/dev/null
	for each in "$(process_of "$pod" vmm)" "$(process_of "$pod" virtiofsd)" "$(server_of "$pod")"; do
		grep -q ' rw-s .*memfd:' "/proc/$each/maps" || continue
		expect "KiB of $(cat "/proc/$each/comm")" "$(dumped "$each")" 0
	done
	grep -q 'dump-guest-core=off' "/proc/$(process_of "$pod" vmm)/cmdline"
	pod_gone "$pod"
}

test_vmm_is_filtered() {
	local pod id vmm
	[ "$HANDLER" = kata ] || return 0
	pod=$(pod filtered)
	id=$(started "$pod" c1 'sleep 1000')
	vmm=$(process_of "$pod" vmm)
	expect "seccomp of QEMU" "$(sed -n 's/^Seccomp:\t//p' "/proc/$vmm/status")" 2
	has "its command line" "$(tr '\0' ' ' <"/proc/$vmm/cmdline")" '-sandbox on,'
	expect "seccomp of virtiofsd" "$(sed -n 's/^Seccomp:\t//p' "/proc/$(server_of "$pod")/status")" 2
	expect "the container" "$(in_container "$id" echo alive)" alive
	pod_gone "$pod"
}

user_of() { # PID: prints its ids and capabilities
	sed -n 's/^[UG]id:\t\([0-9]*\)\t\1\t\1\t\1$/\1/p; s/^Groups:\t//p; s/^Cap\(Eff\|Prm\|Bnd\):\t0*\(.*\)$/\1=\2/p' "/proc/$1/status" |
		grep -v '^Bnd' | tr '\n' ' '
}

# Each VMM has a user of its own that owns no files; the pod is not affected.
test_vmm_as_a_user() {
	local pod other id uid dir=$LAB/rootless
	[ "$HANDLER" = kata ] || return 0
	configured '[hypervisor.qemu]' 'rootless = true'
	mkdir -p "$dir"
	pod=$(pod rootless)
	other=$(pod rootless2)
	uid=$(stat -c %u "/proc/$(process_of "$pod" vmm)")
	[ "$uid" -gt 2000200000 ]
	has "ids and rights" "$(user_of "$(process_of "$pod" vmm)")" "^$uid $uid [0-9 ]*Prm= Eff= \$"
	[ "$uid" != "$(stat -c %u "/proc/$(process_of "$other" vmm)")" ]
	expect "whose it is" "$(cat "/run/vc/users/$uid")" "$pod@$CONTAINERD_NAMESPACE"
	expect "its files" "$(find /run /tmp -uid "$uid" 2>/dev/null)" ''
	id=$(CONTEXT='"run_as_user":{"value":1000}' started "$pod" c1 'echo out; sleep 1000' \
		',"mounts":[{"host_path":"'"$dir"'","container_path":"/data"}]')
	chmod 777 "$dir"
	in_container "$id" touch /data/file
	expect "a file of the container" "$(stat -c %u "$dir/file")" 1000
	has address "$(in_container "$id" ip -4 -o address show eth0)" "$(of_pod "$pod" network.ip)/"
	busybox ping -c 1 -W 30 "$(of_pod "$pod" network.ip)" >/dev/null
	pod_gone "$pod"
	[ ! -e "/run/vc/users/$uid" ]
	kill -9 "$(cat "$LAB/state/io.containerd.runtime.v2.task/k8s.io/$other/shim.pid")"
	until_is "state of the other" SANDBOX_NOTREADY of_pod "$other" state
	pod_gone "$other"
	until_is "users when all have gone" '' ls /run/vc/users
	rm -rf "$dir"
}

test_vmm_as_a_user_needs_virtiofs() {
	[ "$HANDLER" = kata ] || return 0
	configured '[hypervisor.qemu]' 'rootless = true' 'shared_fs = "virtio-9p"'
	fails_saying refusal 4 'rootless = true: virtio-9p needs a VMM that is root' pod rootless9p
	[ ! -d /run/vc/users ] || expect "users" "$(ls /run/vc/users)" ''
}
