# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Block devices of the node in containers, as volumes of the mode Block and directly.

# A loop device on a new file: sets LOOP. It is detached when its last user closes it, at the latest.
loop_device() { # FILE MIB
	truncate -s "$2M" "$1"
	LOOP=$(losetup --find --show "$1") || return
	# shellcheck disable=SC2064 # this one
	trap "losetup --detach $LOOP 2>/dev/null || true" EXIT
}

loop_gone() { # FILE: the node has let go of it
	losetup --detach "$LOOP"
	trap - EXIT
	until_is "loop device of $1" "" losetup --noheadings --output NAME --associated "$1"
	rm "$1"
}

with_device() { # HOST-PATH PERMISSIONS: for container; in it /dev/xvda
	echo ",\"devices\":[{\"container_path\":\"/dev/xvda\",\"host_path\":\"$1\",\"permissions\":\"$2\"}]"
}

# How many disks came later: devices of the VM that the sandbox container does not need.
disks_of() { # CONTAINER
	in_container "$1" sh -c 'ls /sys/block | grep -c "^[vs]d" || true'
}

test_block_volume() {
	local pod id file=$LAB/disk
	loop_device "$file" 8
	printf 'from the node' | dd of="$LOOP" conv=fsync status=none
	pod=$(pod block)
	id=$(started "$pod" disk 'sleep 1000' "$(with_device "$LOOP" rwm)")
	expect "what the node wrote" "$(in_container "$id" dd if=/dev/xvda bs=13 count=1 2>/dev/null)" 'from the node'
	expect "its size" "$(in_container "$id" blockdev --getsize64 /dev/xvda)" $((8 << 20))
	in_container "$id" sh -c 'printf "from the pod " | dd of=/dev/xvda conv=fsync 2>/dev/null'
	expect "what the pod wrote" "$(dd if="$LOOP" iflag=direct bs=4096 count=1 status=none | head -c 13)" 'from the pod '
	fails 1 in_container "$id" sh -c 'head -c1 /dev/xvda >/dev/null && mknod /tmp/x b 7 200 && head -c1 /tmp/x' >/dev/null
	pod_gone "$pod"
	loop_gone "$file"
}

test_block_volume_can_only_be_read() {
	local pod id file=$LAB/disk
	loop_device "$file" 4
	printf 'words' | dd of="$LOOP" conv=fsync status=none
	pod=$(pod block-r)
	id=$(started "$pod" disk 'sleep 1000' "$(with_device "$LOOP" r)")
	expect "what is there" "$(in_container "$id" dd if=/dev/xvda bs=5 count=1 2>/dev/null)" words
	fails 1 in_container "$id" dd if=/dev/zero of=/dev/xvda count=1 conv=notrunc >/dev/null
	expect "still" "$(head -c 5 "$file")" words
	pod_gone "$pod"
	loop_gone "$file"
}

# The second of two containers stays when the first goes; the VM has one disk, and then none.
test_block_volume_of_two_containers() {
	local pod a b other file=$LAB/disk
	loop_device "$file" 4
	pod=$(pod block-two)
	other=$(started "$pod" other 'sleep 1000')
	[ "$HANDLER" = runc ] || expect "disks before" "$(disks_of "$other")" 0
	a=$(started "$pod" a 'sleep 1000' "$(with_device "$LOOP" rwm)")
	b=$(started "$pod" b 'sleep 1000' "$(with_device "$LOOP" rwm)")
	[ "$HANDLER" = runc ] || expect "disks" "$(disks_of "$other")" 1
	in_container "$a" sh -c 'printf shared | dd of=/dev/xvda conv=fsync 2>/dev/null'
	expect "what the other reads" "$(in_container "$b" dd if=/dev/xvda bs=6 count=1 2>/dev/null)" shared
	fails 1 in_container "$other" test -e /dev/xvda >/dev/null
	stop "$a"
	remove "$a"
	expect "what it reads then" "$(in_container "$b" dd if=/dev/xvda bs=6 count=1 2>/dev/null)" shared
	stop "$b"
	remove "$b"
	[ "$HANDLER" = runc ] || until_is "disks afterwards" 0 disks_of "$other"
	a=$(started "$pod" again 'sleep 1000' "$(with_device "$LOOP" rwm)")
	expect "the next one reads" "$(in_container "$a" dd if=/dev/xvda bs=6 count=1 2>/dev/null)" shared
	pod_gone "$pod"
	loop_gone "$file"
}

test_file_system_on_a_block_volume() {
	local pod id file=$LAB/disk
	loop_device "$file" 32
	mkfs.ext4 -q "$LOOP"
	pod=$(pod block-fs)
	id=$(CONTEXT='"capabilities":{"add_capabilities":["SYS_ADMIN"]}' \
		started "$pod" a 'sleep 1000' "$(with_device "$LOOP" rwm)")
	in_container "$id" sh -c 'mkdir /m && mount -t ext4 /dev/xvda /m && echo text >/m/file && umount /m'
	pod_gone "$pod"
	mkdir "$LAB/there"
	mount -o ro,loop "$file" "$LAB/there"
	expect "the file" "$(cat "$LAB/there/file")" text
	umount "$LAB/there"
	rmdir "$LAB/there"
	loop_gone "$file"
}
