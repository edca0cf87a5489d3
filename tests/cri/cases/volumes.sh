# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Volumes as a kubelet creates them on the node, below a directory of the pod; their paths show of which kind they are.

# Creates an emptyDir like the kubelet and prints its path.
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

volume() { # SOURCE DESTINATION [JSON]: prints an element of the list of mounts
	echo "{\"host_path\":\"$1\",\"container_path\":\"$2\"${3:-}}"
}

mounts() { # VOLUME...
	local IFS=,
	echo ",\"mounts\":[$*]"
}

mounted_at() { # ID PATH: prints type and options of the mount there
	# shellcheck disable=SC2016
	in_container "$1" awk -v path="$2" '$2 == path { print $3, $4 }' /proc/mounts
}

has_word() { # WHAT LIST WORD
	has "$1" ",${2// /,}," ",$3,"
}

# /dev/shm is memory of the VM, not of the node, with the size that containerd sets.
test_volume_dev_shm() {
	local pod a b is words=(size=65536k)
	[ "$HANDLER" != kata ] || words+=(nosuid nodev noexec) # runc clears them since 1.2, because containerd does not name them
	pod=$(pod shm)
	a=$(started "$pod" a 'sleep 1000')
	b=$(started "$pod" b 'sleep 1001')
	is=$(mounted_at "$a" /dev/shm)
	has type "$is" '^tmpfs '
	for word in "${words[@]}"; do has_word options "$is" "$word"; done
	expect size "$(in_container "$a" df -k /dev/shm | awk 'END { print $2 }')" 65536
	expect mode "$(in_container "$a" stat -c %a /dev/shm)" 1777
	in_container "$a" sh -c 'echo words >/dev/shm/file'
	expect "in the other" "$(in_container "$b" cat /dev/shm/file)" words
	[ "$HANDLER" != kata ] || expect "on the node" "$(find "$LAB/state" /run/containerd \
		-path '*/shm/file' 2>/dev/null)" ""
	fails_saying "too much" 1 'No space' in_container "$a" dd if=/dev/zero of=/dev/shm/big bs=1M count=65
	stop "$a"
	remove "$a"
	a=$(started "$pod" again 'sleep 1000')
	expect "afterwards" "$(in_container "$a" cat /dev/shm/file)" words
	pod_gone "$pod"
}

# An emptyDir belongs to the pod: its containers share it, and its contents outlive them.
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
	fails_saying "its write" 1 'Read-only file system' in_container "$b" touch /data/x
	stop "$a"
	remove "$a"
	a=$(started "$pod" again 'sleep 1000' "$(mounts "$(volume "$dir" /data)")")
	expect "one that is started later" "$(in_container "$a" cat /data/file)" words
	expect "on the node" "$(cat "$dir/file")" words # the kubelet measures its size there
	pod_gone "$pod"
	empty_dirs_gone
}

# With a configuration that keeps emptyDirs in the guest, in the root file system of the pod's sandbox container.
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
	fails_saying "too much" 1 'No space' in_container "$a" dd if=/dev/zero of=/fast/big bs=1M count=4
	in_container "$a" sh -c 'rm /fast/big; echo words >/fast/file'
	stop "$a"
	remove "$a"
	b=$(started "$pod" b 'sleep 1000' "$(mounts "$(volume "$dir" /fast ',"readonly":true')")")
	expect "in the other" "$(in_container "$b" cat /fast/file)" words
	fails_saying "its write" 1 'Read-only file system' in_container "$b" touch /fast/x
	[ "$HANDLER" != kata ] || expect "on the node" "$(ls "$dir")" ""
	pod_gone "$pod"
	empty_dirs_gone
}

# Mounts a subPath like the kubelet and prints its path.
subpath() { # VOLUME-PATH BELOW CONTAINER N
	local at=$LAB/pods/u-1/volume-subpaths/${1##*/}/$3/$4
	mkdir -p "$1/$2" "$at"
	chmod 0777 "$1/$2"
	mount --bind "$1/$2" "$at"
	echo "$at"
}

subpaths_gone() {
	local at
	for at in "$LAB"/pods/u-1/volume-subpaths/*/*/*; do umount "$at"; done
	empty_dirs_gone
}

# Containers see each other's files wherever the volume is; links that a container creates lead nowhere outside.
test_volume_subpath() {
	local pod a b dir sub wicked
	dir=$(empty_dir fast Memory)
	sub=$(subpath "$dir" sub/deep b 0)
	wicked=$(subpath "$dir" wicked c 0)
	pod=$(pod subpath)
	a=$(started "$pod" a 'sleep 1000' "$(mounts "$(volume "$dir" /all)")")
	b=$(CONTEXT='"run_as_user":{"value":1000}' started "$pod" b 'sleep 1000' "$(mounts "$(volume "$sub" /part)")")
	in_container "$a" sh -c 'echo from-a >/all/sub/deep/a'
	in_container "$b" sh -c 'echo from-b >/part/b'
	expect "seen by b" "$(in_container "$b" cat /part/a)" from-a
	expect "seen by a" "$(in_container "$a" cat /all/sub/deep/b)" from-b
	expect "of the directory" "$(in_container "$b" stat -c %a /part)" 777
	if [ "$HANDLER" = kata ]; then
		in_container "$a" sh -c 'rm -rf /all/wicked; ln -s /etc /all/wicked'
		fails_saying "a link to the guest's files" 1 wicked started "$pod" c 'sleep 1000' "$(mounts "$(volume "$wicked" /part)")"
	fi
	stop "$b"
	remove "$b"
	b=$(started "$pod" b2 'sleep 1000' "$(mounts "$(volume "$sub" /part ',"readonly":true')")")
	expect "what the first wrote" "$(in_container "$b" cat /part/b)" from-b
	fails_saying "its write" 1 'Read-only file system' in_container "$b" touch /part/x
	pod_gone "$pod"
	subpaths_gone
}

# Writes a ConfigMap like the kubelet: a new directory, and one rename of the link to it.
write_config() { # DIR WORDS...: the contents of the file config, and of many other files
	local dir=$1 new=..$RANDOM$RANDOM
	shift
	mkdir -p "$dir/$new/nested"
	echo "$*" >"$dir/$new/config"
	echo "$*" >"$dir/$new/nested/config"
	for name in $(seq 20); do echo "$* $name" >"$dir/$new/file-$name"; done
	local old
	old=$(readlink "$dir/..data" || true)
	ln -s "$new" "$dir/..data_tmp"
	mv -T "$dir/..data_tmp" "$dir/..data"
	for name in "$dir/$new"/*; do
		[ -e "$dir/${name##*/}" ] || ln -s "..data/${name##*/}" "$dir/${name##*/}"
	done
	[ -z "$old" ] || rm -r "${dir:?}/$old"
}

# An update is visible within a few seconds and complete, even with many files; a subPath does not change.
config_is_updated() {
	local pod id dir=$LAB/pods/u-1/volumes/kubernetes.io~configmap/settings
	mkdir -p "$dir"
	write_config "$dir" first
	pod=$(pod config)
	id=$(started "$pod" c1 'sleep 1000' "$(mounts "$(volume "$dir" /etc/settings ',"readonly":true')" \
		"$(volume "$dir/config" /etc/one ',"readonly":true')")")
	expect "at first" "$(in_container "$id" cat /etc/settings/config /etc/settings/nested/config | sort -u)" first
	write_config "$dir" second
	until_is update second in_container "$id" cat /etc/settings/config
	expect "all of it" "$(in_container "$id" sh -c 'cd /etc/settings; cat config nested/config file-1 file-20' | tr '\n' ' ')" \
		'second second second 1 second 20 '
	expect "the links" "$(in_container "$id" sh -c 'ls -A /etc/settings | wc -l')" 24
	expect "by subPath" "$(in_container "$id" cat /etc/one)" first
	fails_saying "its write" 1 'Read-only file system' in_container "$id" touch /etc/settings/x
	pod_gone "$pod"
	rm -rf "$LAB/pods/u-1"
}

test_volume_config_is_updated() { config_is_updated; }

test_volume_config_is_updated_by_9p() {
	[ "$HANDLER" = kata ] || return 0
	configured '[hypervisor.qemu]' 'shared_fs = "virtio-9p"'
	config_is_updated
}

# A program that watches its configuration with inotify gets an event for each update, and reads the new contents.
test_volume_config_is_watched() {
	local pod id dir=$LAB/pods/u-1/volumes/kubernetes.io~projected/settings
	mkdir -p "$dir"
	write_config "$dir" first
	pod=$(pod watched)
	id=$(started "$pod" c1 'exec /files watch /etc/settings' "$(mounts "$(volume "$TOOLS/files" /files)" \
		"$(volume "$dir" /etc/settings ',"readonly":true')")")
	until_is "the watch" watching log_of watched c1
	write_config "$dir" second
	until_is "the first update" 'watching changed 1 ' one_line log_of watched c1
	expect "at that time" "$(in_container "$id" cat /etc/settings/config /etc/settings/file-20 | tr '\n' ' ')" 'second second 20 '
	write_config "$dir" third
	ended "$id"
	expect "the updates" "$(log_of watched c1 | tr '\n' ' ')" 'watching changed 1 changed 2 '
	pod_gone "$pod"
	rm -rf "$LAB/pods/u-1"
}

one_line() { "$@" | tr '\n' ' '; } # COMMAND...

# Makes a directory of the node in which mounts are added and removed.
shared_directory() { # DIR
	mkdir -p "$1/now" "$1/later"
	mount --bind "$1" "$1"
	mount --make-shared "$1"
	mount -t tmpfs now "$1/now"
	echo now >"$1/now/file"
}

umount_says() { umount "$1" 2>&1; } # DIR

mounts_propagate() {
	local pod follows private id dir=$LAB/spread
	shared_directory "$dir"
	pod=$(pod spread)
	follows=$(started "$pod" follows 'sleep 1000' \
		"$(mounts "$(volume "$dir" /data ',"propagation":"PROPAGATION_HOST_TO_CONTAINER"')")")
	private=$(started "$pod" private 'sleep 1000' "$(mounts "$(volume "$dir" /data)")")
	for id in "$follows" "$private"; do
		expect "what was there" "$(in_container "$id" cat /data/now/file)" now
	done
	mount -t tmpfs later "$dir/later"
	echo later >"$dir/later/file"
	until_is "what was mounted later" later in_container "$follows" cat /data/later/file
	expect "in the private one" "$(in_container "$private" ls /data/later)" ""
	# Mounts and files of the container do not appear on the node.
	in_container "$follows" sh -c 'echo words >/data/later/by-it'
	expect "what it wrote" "$(cat "$dir/later/by-it")" words
	# It is busy until the guest has forgotten the files that nobody uses any more.
	until_is "umount on the node" "" umount_says "$dir/later"
	until_is "what was unmounted" "" in_container "$follows" ls /data/later
	mount -t tmpfs later "$dir/later"
	pod_gone "$pod"
	mountpoint -q "$dir/now" && mountpoint -q "$dir/later" # the node's mounts must still exist
	umount -R "$dir"
	rm -rf "$dir"
}

test_volume_mounts_propagate() { mounts_propagate; }

test_volume_mounts_propagate_by_9p() {
	[ "$HANDLER" = kata ] || return 0
	configured '[hypervisor.qemu]' 'shared_fs = "virtio-9p"'
	mounts_propagate
}

test_volume_propagation_to_the_node() {
	local pod dir=$LAB/both
	[ "$HANDLER" = kata ] || return 0
	shared_directory "$dir"
	pod=$(pod both)
	fails_saying refusal 12 'HostToContainer' started "$pod" c1 'sleep 1000' \
		"$(mounts "$(volume "$dir" /data ',"propagation":"PROPAGATION_BIDIRECTIONAL"')")"
	pod_gone "$pod"
	umount -R "$dir"
	rm -rf "$dir"
}

# Bind mounts of files, of directories with mounts below them, by subPath, and read-only.
test_volume_binds() {
	local pod id dir=$LAB/binds
	mkdir -p "$dir/a/sub" "$dir/a/disk" "$dir/other"
	mount -t tmpfs disk "$dir/a/disk"
	echo one >"$dir/a/file"
	echo two >"$dir/a/disk/file"
	echo three >"$dir/a/sub/file"
	pod=$(pod binds)
	id=$(started "$pod" c1 'sleep 1000' "$(mounts "$(volume "$dir/a" /a)" \
		"$(volume "$dir/a/file" /etc/file ',"readonly":true')" \
		"$(volume "$dir/a/sub" /sub ',"readonly":true')" "$(volume "$dir/a/file" /a-file)" \
		"$(volume "$dir/other" /a/sub/deep)")")
	expect files "$(in_container "$id" sh -c 'cat /a/file /a/disk/file /a/sub/file /etc/file /sub/file' |
		tr '\n' ' ')" 'one two three one three '
	in_container "$id" sh -c 'echo changed >/a-file; echo new >/a/disk/new; echo deep >/a/sub/deep/file'
	expect "on the node" "$(cat "$dir/a/file" "$dir/a/disk/new" "$dir/other/file" | tr '\n' ' ')" 'changed new deep '
	until_is "of the other mount" changed in_container "$id" cat /etc/file
	for name in /etc/file /sub/file; do
		fails_saying "write of $name" 1 'Read-only file system' in_container "$id" sh -c "echo x >$name"
	done
	pod_gone "$pod"
	umount "$dir/a/disk"
	rm -rf "$dir"
}

# Special files of the node as volumes.
test_volume_special_files() {
	local pod id dir=$LAB/special
	mkdir -p "$dir"
	mkfifo "$dir/fifo"
	python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$dir/socket"
	pod=$(pod special)
	id=$(started "$pod" c1 'sleep 1000' "$(mounts "$(volume "$dir/fifo" /fifo)" \
		"$(volume "$dir/socket" /socket)" "$(volume /dev/null /null)" \
		"$(volume /dev/zero /etc/zero ',"readonly":true')")")
	expect kinds "$(in_container "$id" stat -c %F /fifo /socket /null /etc/zero | tr '\n' ' ')" \
		'fifo socket character special file character special file '
	expect "what zero has" "$(in_container "$id" sh -c 'head -c 3 /etc/zero | wc -c; echo x >/null')" 3
	expect "through the FIFO" "$(in_container "$id" sh -c 'echo words >/fifo & cat /fifo')" words
	pod_gone "$pod"
	rm -rf "$dir"
}

# sandbox_bind_mounts: directories of the node that every guest gets for its own use.
test_volume_sandbox_bind_mounts() {
	# shellcheck disable=SC2034 # for container
	local pod id dir=$LAB/given CONTEXT='"capabilities":{"add_capabilities":["SYS_PTRACE"]}'
	local place=/guest/1/root/run/kata-containers/shared/containers/sandbox-mounts
	[ "$HANDLER" = kata ] || return 0
	mkdir -p "$dir/read" "$dir/write"
	echo words >"$dir/read/file"
	configured '[runtime]' "sandbox_bind_mounts = [\"$dir/read\", \"$dir/write:rw\"]"
	pod=$(pod given)
	# /proc/1/root shows the guest's directory.
	id=$(started "$pod" c1 'sleep 1000' "$(mounts "$(volume /proc /guest)")")
	expect "in the guest" "$(in_container "$id" cat $place/read/file)" words
	fails_saying "a write" 1 'Read-only file system' in_container "$id" touch $place/read/x
	in_container "$id" sh -c "echo written >$place/write/file"
	expect "on the node" "$(cat "$dir/write/file")" written
	pod_gone "$pod"
	rm -rf "$dir"
}

# Huge pages are the guest's. (containerd passes their limits on only if the node has the cgroup controller hugetlb;
# test_huge_pages_are_set_aside tests limits.)
test_volume_of_huge_pages() {
	local pod a b dir is
	[ "$HANDLER" = kata ] || return 0 # the node may have none
	dir=$(empty_dir huge HugePages 2M)
	pod=$(pod huge)
	a=$(started "$pod" a 'sleep 1000' "$(mounts "$(volume "$dir" /huge)")")
	b=$(started "$pod" b 'sleep 1000' "$(mounts "$(volume "$dir" /huge)")")
	is=$(mounted_at "$a" /huge)
	has type "$is" '^hugetlbfs '
	has_word options "$is" pagesize=2M
	expect mode "$(in_container "$a" stat -c %a /huge)" 777
	in_container "$b" sh -c 'truncate -s 4M /huge/file'
	expect "in the other" "$(in_container "$a" stat -c %s /huge/file)" 4194304
	pod_gone "$pod"
	empty_dirs_gone
}
