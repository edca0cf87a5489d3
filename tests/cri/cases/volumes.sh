# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Volumes as a kubelet makes them: on the node, below a directory of the pod, whose paths say of which
# kind they are.

# Makes an emptyDir as the kubelet does and prints its path.
empty_dir() { # NAME [MEDIUM [MOUNT OPTIONS]]
	local dir=$LAB/pods/u-1/volumes/kubernetes.io~empty-dir/$1
	mkdir -p "$dir"
	case ${2:-} in
	Memory) mount -t tmpfs -o "${3:-size=1m}" tmpfs "$dir" ;;
	HugePages) mount -t hugetlbfs -o "pagesize=${3:-2M}" nodev "$dir" ;;
	esac
	chmod 0777 "$dir"
	echo "$dir"
}

empty_dirs_gone() {
	local dir
	for dir in "$LAB"/pods/u-1/volumes/kubernetes.io~empty-dir/*; do
		! mountpoint -q "$dir" || umount "$dir"
	done
	rm -rf "$LAB/pods/u-1"
}

volume() { # SOURCE DESTINATION [JSON]: of the list of mounts
	echo "{\"host_path\":\"$1\",\"container_path\":\"$2\"${3:-}}"
}

mounts() { # VOLUME...
	local IFS=,
	echo ",\"mounts\":[$*]"
}

mounted_at() { # ID PATH: type and options of what is mounted there
	in_container "$1" awk -v path="$2" '$2 == path { print $3, $4 }' /proc/mounts
}

has_word() { # WHAT LIST WORD
	has "$1" ",${2// /,}," ",$3,"
}

# Memory of the VM, not of the node, with the size that the manager gave it.
test_volume_dev_shm() {
	local pod a b is
	pod=$(pod shm)
	a=$(started "$pod" a 'sleep 1000')
	b=$(started "$pod" b 'sleep 1001')
	is=$(mounted_at "$a" /dev/shm)
	has type "$is" '^tmpfs '
	for word in nosuid nodev noexec size=65536k; do has_word options "$is" $word; done
	expect size "$(in_container "$a" df -k /dev/shm | awk 'END { print $2 }')" 65536
	expect mode "$(in_container "$a" stat -c %a /dev/shm)" 1777
	in_container "$a" sh -c 'echo words >/dev/shm/file'
	expect "in the other" "$(in_container "$b" cat /dev/shm/file)" words
	[ "$HANDLER" != kata ] || expect "on the node" "$(find "$LAB/state" /run/containerd \
		-path '*/shm/file' 2>/dev/null)" ""
	has "too much" "$(fails 1 in_container "$a" dd if=/dev/zero of=/dev/shm/big bs=1M count=65 2>&1)" 'No space'
	stop "$a"
	remove "$a"
	a=$(started "$pod" again 'sleep 1000')
	expect "afterwards" "$(in_container "$a" cat /dev/shm/file)" words
	pod_gone "$pod"
}

# An emptyDir belongs to the pod: its containers see one, and find it again.
test_volume_empty_dir() {
	local pod a b dir
	dir=$(empty_dir scratch)
	chown 0:2000 "$dir"
	chmod 2777 "$dir" # fsGroup
	pod=$(pod empties)
	a=$(started "$pod" a 'sleep 1000' "$(mounts "$(volume "$dir" /data)")")
	b=$(started "$pod" b 'sleep 1000' "$(mounts "$(volume "$dir" /data ',"readonly":true')")")
	expect "mode and group" "$(in_container "$a" stat -c '%a %g' /data)" '2777 2000'
	in_container "$a" sh -c 'echo words >/data/file'
	expect "group of a file" "$(in_container "$b" stat -c %g /data/file)" 2000
	expect "what the other reads" "$(in_container "$b" cat /data/file)" words
	has "its write" "$(fails 1 in_container "$b" touch /data/x)" 'Read-only file system'
	stop "$a"
	remove "$a"
	a=$(started "$pod" again 'sleep 1000' "$(mounts "$(volume "$dir" /data)")")
	expect "one that is started later" "$(in_container "$a" cat /data/file)" words
	expect "on the node" "$(cat "$dir/file")" words # where the kubelet counts it
	pod_gone "$pod"
	empty_dirs_gone
}

# As configured, in the root file system of the pod's sandbox container.
test_volume_empty_dir_in_the_guest() {
	local pod a b dir
	[ "$HANDLER" = kata ] || return 0
	dir=$(empty_dir scratch)
	chown 0:2000 "$dir"
	chmod 2777 "$dir"
	configured '[runtime]' 'disable_guest_empty_dir = false'
	pod=$(pod local)
	a=$(started "$pod" a 'sleep 1000' "$(mounts "$(volume "$dir" /data)")")
	expect "mode and group" "$(in_container "$a" stat -c '%a %g' /data)" '2777 2000'
	in_container "$a" sh -c 'echo words >/data/file'
	stop "$a"
	remove "$a"
	b=$(started "$pod" b 'sleep 1000' "$(mounts "$(volume "$dir" /data)")")
	expect "what the other reads" "$(in_container "$b" cat /data/file)" words
	expect "on the node" "$(ls "$dir")" ""
	pod_gone "$pod"
	empty_dirs_gone
}

test_volume_in_memory() {
	local pod a b dir is
	dir=$(empty_dir fast Memory size=3m)
	chown 0:2000 "$dir"
	chmod 2777 "$dir"
	pod=$(pod memory)
	a=$(started "$pod" a 'sleep 1000' "$(mounts "$(volume "$dir" /fast)")")
	is=$(mounted_at "$a" /fast)
	has type "$is" '^tmpfs '
	has_word options "$is" size=3072k
	expect "mode and group" "$(in_container "$a" stat -c '%a %g' /fast)" '2777 2000'
	has "too much" "$(fails 1 in_container "$a" dd if=/dev/zero of=/fast/big bs=1M count=4 2>&1)" 'No space'
	in_container "$a" sh -c 'rm /fast/big; echo words >/fast/file'
	stop "$a"
	remove "$a"
	b=$(started "$pod" b 'sleep 1000' "$(mounts "$(volume "$dir" /fast ',"readonly":true')")")
	expect "in the other" "$(in_container "$b" cat /fast/file)" words
	has "its write" "$(fails 1 in_container "$b" touch /fast/x)" 'Read-only file system'
	[ "$HANDLER" != kata ] || expect "on the node" "$(ls "$dir")" ""
	pod_gone "$pod"
	empty_dirs_gone
}
