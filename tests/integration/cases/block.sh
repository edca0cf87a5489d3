# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Block devices of the host, as devices of a container and as its root file system.

# shellcheck source=tests/integration/loop.sh
. tests/integration/loop.sh

# Sets DISK to a new file system with the files of the image.
image_disk() { # FSTYPE
	DISK=$LAB/root.$1
	rm -f "$DISK"
	truncate -s 64M "$DISK"
	case $1 in
	ext4) mkfs.ext4 -q -d "$LAB/image" "$DISK" ;;
	erofs) mkfs.erofs "$DISK" "$LAB/image" >/dev/null ;;
	xfs)
		truncate -s 512M "$DISK"
		lab_xfs "$DISK"
		mkdir -p "$LAB/mnt"
		mount -o loop "$DISK" "$LAB/mnt"
		cp -a "$LAB/image/." "$LAB/mnt/"
		umount "$LAB/mnt"
		;;
	esac
}

# Runs a shell script in a container on that root file system and prints its output. LINUX: further members of "linux",
# MOUNT: a further mount, each with a comma after it.
on_root() { # SCRIPT TYPE SOURCE [OPTION...]
	local id bundle spec status=0
	id=$(lab_id)
	bundle=$LAB/bundle-$id
	mkdir -p "$bundle"
	lab_spec "$bundle/config.json" "[\"sh\",\"-c\",\"$1\"]"
	spec=$(<"$bundle/config.json")
	spec=${spec/"\"path\":\"$LAB/image\""/'"path":"rootfs"'}
	spec=${spec/'"linux":{'/"\"linux\":{${LINUX:-}"}
	printf '%s\n' "${spec/'"mounts":['/"\"mounts\":[${MOUNT:-}"}" >"$bundle/config.json"
	: >"$bundle/out"
	shift
	(
		# The shim takes the path of its configuration from this variable.
		export KATA_CONF_FILE=${CONF:-$PREFIX/share/defaults/kata-containers/configuration.toml}
		timeout 300 "$TOOLS/task-run" "$PREFIX/bin/containerd-shim-kata-v2" "$bundle" "$id" \
			"$bundle/out" "$@"
	) || status=$?
	cat "$bundle/out"
	expect "mounted on the host" "$(awk -v b="$bundle" 'index($5, b) { print $5 }' /proc/self/mountinfo)" ""
	rm -rf "$bundle"
	return "$status"
}

test_device_of_the_host_is_given() {
	local conf id driver file=$LAB/disk
	for driver in virtio-blk virtio-scsi; do
		conf=$(configured '[hypervisor.qemu]' "block_device_driver = \"$driver\"")
		id=$(lab_id)
		loop_device "$file" 4
		printf 'from the host' | dd of="$LOOP" conv=fsync status=none
		expect "$driver" "$(run --runtime-config-path "$conf" --device "$LOOP" "$IMAGE" "$id" \
			sh -c "dd if=$LOOP bs=13 count=1 2>/dev/null; printf guest | dd of=$LOOP conv=fsync 2>/dev/null")" \
			'from the host'
		expect "written" "$(head -c 5 "$LOOP")" guest
		loop_gone "$file"
	done
}

test_device_is_refused_with_the_remedy() {
	local conf id said file=$LAB/disk
	conf=$(configured '[hypervisor.qemu]' 'machine_type = "microvm"')
	id=$(lab_id)
	loop_device "$file" 4
	said=$(fails 1 run --runtime-config-path "$conf" --device "$LOOP" "$IMAGE" "$id" true)
	has "the error" "$said" "disk $LOOP: the machine microvm"
	has "the remedy" "$said" '; set machine_type = "q35" in '
	loop_gone "$file"
}

# The limit of a disk has the host's number; in the guest the disk has another. A limit of a disk that the container does
# not have is left out.
test_block_io_limits_follow_the_disks() {
	local said limits number file=$LAB/disk
	loop_device "$file" 4
	number=$(lsblk --nodeps --noheadings --output MAJ:MIN "$LOOP" | tr -d ' ')
	limits="\"major\":${number%:*},\"minor\":${number#*:}"
	image_disk ext4
	# shellcheck disable=SC2016 # for the guest's shell
	said=$(LINUX="\"devices\":[{\"path\":\"/dev/limited\",\"type\":\"b\",$limits}],\"resources\":{\"blockIO\":{
		\"throttleReadBpsDevice\":[{$limits,\"rate\":123456},{\"major\":259,\"minor\":77,\"rate\":1}],
		\"throttleWriteIOPSDevice\":[{\"major\":259,\"minor\":77,\"rate\":1}]},
		\"unified\":{\"io.max\":\"$number wbps=654321\\n259:77 rbps=1\"}}," \
		MOUNT='{"destination":"/group","type":"cgroup","source":"cgroup"},' \
		on_root 'echo limits $(cat /group/io.max); set -- $(ls -l /dev/limited | tr -d ,); echo disk $5:$6' ext4 "$DISK" loop)
	has "the limit of the disk" "$said" \
		"^limits $(sed -n 's/^disk //p' <<<"$said") rbps=123456 wbps=654321 riops=max wiops=max\$"
	loop_gone "$file"
	rm "$DISK"
}

# The guest mounts the file system of an image file, without a loop device on the host.
test_root_file_system_on_a_block_device() {
	local said fstype
	for fstype in ext4 xfs; do
		image_disk $fstype
		said=$(on_root "grep ' / ' /proc/mounts; echo text >/new; sync" $fstype "$DISK" loop)
		has "root on $fstype" "$said" " / $fstype rw"
	done
	image_disk ext4
	LOOP=$(losetup --find --show "$DISK")
	# shellcheck disable=SC2064 # this one
	trap "losetup --detach $LOOP 2>/dev/null || true" EXIT
	said=$(on_root "echo text >/new; grep ' / ' /proc/mounts" ext4 "$LOOP")
	has "root on a device" "$said" ' / ext4 rw'
	expect "exit status" "$(on_root 'cat /new; exit 7' ext4 "$LOOP" ro || echo $?)" $'text\n7'
	loop_gone "$DISK"
}

test_root_file_system_on_a_scsi_disk() {
	local said CONF
	CONF=$(configured '[hypervisor.qemu]' 'block_device_driver = "virtio-scsi"')
	image_disk ext4
	said=$(on_root "grep ' / ' /proc/mounts; ls /sys/block; echo text >/new" ext4 "$DISK" loop)
	has "root" "$said" ' / ext4 rw'
	has "the disk" "$said" '^sda$'
	expect "written" "$(on_root 'cat /new' ext4 "$DISK" loop ro)" text
	rm "$DISK"
}

# A read-only layer, as snapshotters for erofs provide it.
test_root_file_system_of_erofs() {
	local said
	image_disk erofs
	said=$(on_root "grep ' / ' /proc/mounts; touch /new; ls /bin/busybox" erofs "$DISK" loop ro)
	has "root on erofs" "$said" ' / erofs ro'
	has "a file" "$said" '^/bin/busybox'
	rm "$DISK"
}

# If the VM cannot or must not get a disk, the host mounts the file system and shares it.
test_root_file_system_is_mounted_by_the_host() {
	local said CONF key
	image_disk ext4
	for key in 'disable_block_device_use = true' 'default_bridges = 0'; do
		CONF=$(configured '[hypervisor.qemu]' "$key")
		said=$(on_root "grep ' / ' /proc/mounts; echo text >/new" ext4 "$DISK" loop)
		fails 1 grep -q " / ext4" <<<"$said" >/dev/null
	done
	rm "$DISK"
}

# A container whose limit of memory and swap is above that of its memory uses the difference as swap.
test_container_swaps() {
	local conf id script='grep -c ^/dev /proc/swaps; head -c 33554432 /dev/zero | tail -c 33554432 | wc -c'
	conf=$(configured '[hypervisor.qemu]' 'enable_guest_swap = true')
	id=$(lab_id)
	expect "with swap" "$(run --runtime-config-path "$conf" --memory-limit $((24 << 20)) \
		--annotation "io.katacontainers.container.resource.swap_in_bytes=$((96 << 20))" \
		"$IMAGE" "$id" sh -c "$script")" $'1\n'$((32 << 20))
	id=$(lab_id)
	expect "without" "$(run --runtime-config-path "$conf" --memory-limit $((24 << 20)) \
		"$IMAGE" "$id" sh -c "$script" 2>/dev/null | head -n 1)" 0
}
