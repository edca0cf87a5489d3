# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Block devices of the node in containers, as volumes of the mode Block and directly.

# shellcheck source=tests/integration/loop.sh
. tests/integration/loop.sh

with_device() { # HOST-PATH PERMISSIONS: prints JSON for container; the device is /dev/xvda in it
	echo ",\"devices\":[{\"container_path\":\"/dev/xvda\",\"host_path\":\"$1\",\"permissions\":\"$2\"}]"
}

# Prints the number of disks in the container's VM.
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

# Two containers use one disk of the VM; it stays when the first container is removed, and goes with the second.
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

# --- direct-assigned volumes: only a VM has them ---

direct_volume() { # VERB PATH [OPTION...]
	"$LAB_PREFIX/bin/kata-runtime" direct-volume "$1" --volume-path "$2" "${@:3}"
}

with_direct_volume() { # PATH [JSON]: prints JSON for container; the volume is /data in it
	echo ",\"mounts\":[{\"host_path\":\"$1\",\"container_path\":\"/data\"${2:-}}]"
}

kilobytes() { # CONTAINER: prints the size of its volume
	in_container "$1" sh -c "df -k /data | tail -n 1 | tr -s ' ' | cut -d' ' -f2"
}

test_direct_volume() {
	[ "$HANDLER" = kata ] || return 0
	local pod a b said small large dir=$LAB/volume file=$LAB/disk
	mkdir -p "$dir"
	loop_device "$file" 32
	mkfs.ext4 -q "$LOOP"
	direct_volume add "$dir" --mount-info "{\"volume-type\":\"block\",\"device\":\"$LOOP\",\"fstype\":\"ext4\",
		\"metadata\":{\"fsGroup\":\"2000\"},\"options\":[\"noatime\"]}"
	pod=$(pod direct)
	a=$(started "$pod" a 'sleep 1000' "$(with_direct_volume "$dir")")
	b=$(started "$pod" b 'sleep 1000' "$(with_direct_volume "$dir" ',"readonly":true')")
	has mounted "$(in_container "$a" grep /data /proc/mounts)" '/data ext4 rw,noatime'
	expect group "$(in_container "$a" stat -c %g /data)" 2000
	in_container "$a" sh -c 'dd if=/dev/zero of=/data/much bs=1M count=4 2>/dev/null; echo words >/data/file'
	expect "what the other reads" "$(in_container "$b" cat /data/file)" words
	fails_saying "its write" 1 'Read-only file system' in_container "$b" touch /data/new
	said=$(direct_volume stats "$dir")
	small=$(kilobytes "$a")
	expect total "$(grep -o '"total":[0-9]*' <<<"$said" | head -n 1)" "\"total\":$((small * 1024))"
	has used "$said" '"unit":2'
	fails_saying "not yet" 1 'grow the device first' direct_volume resize "$dir" --size $((64 << 20))
	truncate -s 64M "$file"
	losetup --set-capacity "$LOOP"
	direct_volume resize "$dir" --size $((64 << 20))
	large=$(kilobytes "$a")
	[ "$large" -gt $((small * 3 / 2)) ] || expect "kilobytes" "$large" "about twice $small"
	fails_saying "its users" 7 "$pod" direct_volume remove "$dir"
	stop "$a"
	remove "$a"
	expect "what is left" "$(in_container "$b" cat /data/file)" words
	pod_gone "$pod"
	fails_saying "nobody" 5 'no sandbox uses' direct_volume stats "$dir"
	direct_volume remove "$dir"
	expect "records" "$(find /run/kata-containers/shared/direct-volumes -mindepth 1)" ""
	rmdir "$dir"
	loop_gone "$file"
	[ ! -e "$dir" ]
}

# An image file grows with the volume.
test_direct_volume_in_a_file() {
	[ "$HANDLER" = kata ] || return 0
	local pod id small dir=$LAB/volume file=$LAB/disk
	mkdir -p "$dir"
	truncate -s 512M "$file"
	lab_xfs "$file"
	direct_volume add "$dir" --mount-info "{\"volume-type\":\"directvol\",\"device\":\"$file\",\"fstype\":\"xfs\"}"
	pod=$(pod direct-file)
	id=$(started "$pod" a 'sleep 1000' "$(with_direct_volume "$dir")")
	in_container "$id" sh -c 'echo words >/data/file'
	small=$(kilobytes "$id")
	direct_volume resize "$dir" --size $((640 << 20))
	expect "size of the file" "$(stat -c %s "$file")" $((640 << 20))
	[ "$(kilobytes "$id")" -gt "$small" ]
	fails_saying "smaller" 1 'cannot become smaller' direct_volume resize "$dir" --size 4096
	expect "size of the file" "$(stat -c %s "$file")" $((640 << 20))
	pod_gone "$pod"
	pod=$(pod direct-again)
	id=$(started "$pod" a 'sleep 1000' "$(with_direct_volume "$dir")")
	expect "what was written" "$(in_container "$id" cat /data/file)" words
	pod_gone "$pod"
	direct_volume remove "$dir"
	rm -r "$dir" "$file"
}

# Two containers read the packed files.
test_direct_volume_of_erofs() {
	[ "$HANDLER" = kata ] || return 0
	local pod a b dir=$LAB/volume file=$LAB/disk
	mkdir -p "$dir" "$LAB/packed/sub"
	seq 100000 >"$LAB/packed/sub/numbers"
	mkfs.erofs "$file" "$LAB/packed" >/dev/null
	direct_volume add "$dir" --mount-info "{\"volume-type\":\"block\",\"device\":\"$file\",\"fstype\":\"erofs\",\"options\":[\"ro\"]}"
	pod=$(pod direct-erofs)
	a=$(started "$pod" a 'sleep 1000' "$(with_direct_volume "$dir")")
	b=$(started "$pod" b 'sleep 1000' "$(with_direct_volume "$dir")")
	has mounted "$(in_container "$a" grep /data /proc/mounts)" '/data erofs ro'
	expect "its contents" "$(in_container "$b" sha256sum /data/sub/numbers | cut -c1-64)" \
		"$(sha256sum "$LAB/packed/sub/numbers" | cut -c1-64)"
	fails_saying "its write" 1 'Read-only file system' in_container "$a" touch /data/new
	pod_gone "$pod"
	direct_volume remove "$dir"
	rm -r "$dir" "$file" "$LAB/packed"
}
LONG+=(test_direct_volume_of_erofs)

# After the pod's shim was killed, its record of the volume is removed with everything else.
test_direct_volume_of_a_dead_shim() {
	[ "$HANDLER" = kata ] || return 0
	local pod id dir=$LAB/volume file=$LAB/disk
	mkdir -p "$dir"
	truncate -s 32M "$file"
	mkfs.ext4 -q "$file"
	direct_volume add "$dir" --mount-info "{\"volume-type\":\"block\",\"device\":\"$file\",\"fstype\":\"ext4\"}"
	pod=$(pod direct-dead)
	id=$(started "$pod" a 'sleep 1000' "$(with_direct_volume "$dir")")
	fails_saying users 7 "$pod" direct_volume remove "$dir"
	kill -KILL "$(cat "$LAB/state/io.containerd.runtime.v2.task/k8s.io/$pod/shim.pid")"
	until_is "state of the container" CONTAINER_EXITED of_container "$id" state
	pod_gone "$pod"
	until_is "users" "" find /run/kata-containers/shared/direct-volumes -name "$pod@*"
	direct_volume remove "$dir"
	rm -r "$dir" "$file"
}
