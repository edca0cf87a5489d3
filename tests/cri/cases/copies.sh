# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Pods without a file share with the node (shared_fs = "none"): files are copied into the guest.

copied_pod() { # NAME: runs such a pod
	configured '[hypervisor.qemu]' 'shared_fs = "none"'
	pod "$1"
}

test_copies_root_and_volumes() {
	local pod a b dir=$LAB/copies empty
	[ "$HANDLER" = kata ] || return 0
	mkdir -p "$dir/tree/below" "$dir/tree/closed"
	head -c 3000000 /dev/urandom >"$dir/large"
	echo words >"$dir/tree/below/file"
	: >"$dir/tree/empty"
	ln -s below/file "$dir/tree/link"
	chown 7:8 "$dir/tree/below/file"
	chmod 4750 "$dir/tree/below/file"
	chmod 0700 "$dir/tree/closed"
	empty=$(empty_dir scratch)
	pod=$(copied_pod copied)
	a=$(started "$pod" a 'sleep 1000' "$(mounts "$(volume "$dir/tree" /tree ',"readonly":true')" \
		"$(volume "$dir/large" /etc/large)" "$(volume "$empty" /scratch)")")
	b=$(started "$pod" b 'sleep 1000' "$(mounts "$(volume "$empty" /scratch)")")
	expect "no share" "$(in_container "$a" grep -cE 'virtiofs|9p' /proc/mounts || true)" 0
	expect hostname "$(in_container "$a" cat /etc/hostname)" host-copied
	expect words "$(in_container "$a" cat /tree/link)" words
	expect modes "$(in_container "$a" sh -c 'cd /tree; stat -c "%a %u %g" below/file closed; stat -c %s empty' | tr '\n' ' ')" \
		'4750 7 8 700 0 0 0 '
	expect digest "$(in_container "$a" sha256sum </dev/null /etc/large | cut -d' ' -f1)" \
		"$(sha256sum "$dir/large" | cut -d' ' -f1)"
	in_container "$a" sh -c 'echo new >/root/file; echo changed >/etc/large; echo shared >/scratch/file'
	expect "in the other" "$(in_container "$b" cat /scratch/file)" shared
	[ "$(stat -c %s "$dir/large")" = 3000000 ]
	pod_gone "$pod"
	empty_dirs_gone
	rm -rf "$dir"
}

test_copies_follow_the_kubelet() {
	[ "$HANDLER" = kata ] || return 0
	configured '[hypervisor.qemu]' 'shared_fs = "none"'
	config_is_updated
}

# A volume that cannot be a copy is refused, and the pod goes on.
test_copies_that_would_lose_something() {
	local pod id dir=$LAB/copies
	[ "$HANDLER" = kata ] || return 0
	mkdir -p "$dir/data" "$dir/big"
	mkfifo "$dir/fifo"
	truncate -s 1G "$dir/big/file"
	pod=$(copied_pod lossy)
	fails_saying "a directory to write to" 12 'what is written there would be lost' started "$pod" a 'sleep 1000' \
		"$(mounts "$(volume "$dir/data" /data)")"
	fails_saying "a FIFO" 12 'only directories and regular files' started "$pod" b 'sleep 1000' \
		"$(mounts "$(volume "$dir/fifo" /fifo)")"
	# containerd 1.6 does not pass the code on.
	fails_saying "too much" '1|10' 'too much for a copy' started "$pod" c 'sleep 1000' \
		"$(mounts "$(volume "$dir/big" /big ',"readonly":true')")"
	id=$(started "$pod" d 'sleep 1000')
	expect "another" "$(in_container "$id" echo alive)" alive
	pod_gone "$pod"
	rm -rf "$dir"
}

# The guest's memory is free again after the container was removed.
test_copies_are_removed() {
	local pod watcher id i
	# shellcheck disable=SC2034 # for container
	local CONTEXT='"capabilities":{"add_capabilities":["SYS_PTRACE"]}'
	[ "$HANDLER" = kata ] || return 0
	pod=$(copied_pod clean)
	watcher=$(started "$pod" watcher 'sleep 1000' "$(mounts "$(volume /proc /guest)")")
	for i in 1 2 3; do
		id=$(started "$pod" "c$i" 'sleep 1000')
		stop "$id"
		remove "$id"
	done
	expect "what is there" "$(in_container "$watcher" \
		ls /guest/1/root/run/kata-containers/shared/containers/copied | sort)" \
		"$(printf '%s\n' "$pod" "$watcher" | sort)"
	pod_gone "$pod"
}
