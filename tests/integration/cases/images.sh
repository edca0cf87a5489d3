# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2153 # IMAGE is that of containers
#
# Guests whose root is an image.

image_config() { # IMAGE [TOML...]
	local image=$1
	shift
	configured '[hypervisor.qemu]' 'initrd = ""' "image = \"$image\"" \
		'enable_annotations = ["image", "image_hash", "initrd", "kernel_verity_params"]' "$@"
}

with_config() { # CONF ARGS...: as run
	local conf=$1
	shift
	run --annotation "io.katacontainers.config_path=$conf" "$@"
}

# Copies the image of this release, so that a test can change it.
image_copy() { # NAME
	cp "$PREFIX/share/kata-containers/kata-containers.img" "$LAB/$1"
	cp "$PREFIX/share/kata-containers/kata-containers.img.verity" "$LAB/$1.verity"
	echo "$LAB/$1"
}

words_of() { # ID: prints the kernel command line of its guest
	tr '\0' '\n' <"/proc/$(pgrep -f "sandbox-$1@" | head -n 1)/cmdline" | grep -A 1 -x -- -append | tail -n 1
}

# A guest runs on the image, whose path may be one below the prefix. Sets conf and hash.
guest_on() { # IMAGE FILE-SYSTEM
	local id said file=$1
	[ "${1#/}" != "$1" ] || file=$PREFIX/$1
	conf=$(image_config "$1")
	hash=$(sed 's/root_hash=\([^,]*\).*/\1/' "$file.verity")
	said=$("$PREFIX/bin/kata-runtime" --config "$conf" check)
	has "check" "$said" "^ok   image .*${1##*/}: $2, as a disk, verified by the guest$"
	id=$(lab_id)
	timeout 120 ctr --address "$LAB/containerd.sock" run -d --runtime "$RUNTIME" \
		--annotation "io.katacontainers.config_path=$conf" "$IMAGE" "$id" sleep 1000
	has "the kernel's words" "$(words_of "$id")" "root=/dev/dm-0 .*sha256 $hash "
	said=$(lab_ctr tasks exec --exec-id e1 "$id" sh -c 'echo written >/new && cat /new && cat /proc/cmdline')
	has "a program" "$said" '^written$'
	has "what it booted with" "$said" "rootfstype=$2 ro "
	removed "$id"
}

test_a_guest_on_an_image() {
	local conf hash
	guest_on share/kata-containers/kata-containers.img erofs
	has "env" "$("$PREFIX/bin/kata-runtime" --config "$conf" env)" "^hypervisor.image_root_hash = \"$hash\"$"
}

# The image that is made beside the release's, for users who change images.
test_a_guest_on_ext4() {
	local conf hash image
	image=$(realpath "$TOOLS/..")/osbuilder/kata-containers-ext4.img
	[ -e "$image" ] || {
		echo "skipped: needs the image (make rootimage)"
		return 0
	}
	guest_on "$image" ext4
}

# A verified image as an nvdimm, and an image without dm-verity that the guest maps (dax).
test_a_guest_on_an_nvdimm() {
	local conf said image=$PREFIX/share/kata-containers/kata-containers.img sectors
	conf=$(image_config "$image" 'disable_image_nvdimm = false')
	said=$("$PREFIX/bin/kata-runtime" --config "$conf" check)
	has "check" "$said" "^ok   image .*kata-containers.img: erofs, as an nvdimm, verified by the guest$"
	has "what it booted with" "$(with_config "$conf" "$IMAGE" "$(lab_id)" cat /proc/cmdline)" \
		'root=/dev/dm-0 .* verity 1 /dev/pmem0p1 /dev/pmem0p2 '
	sectors=$(od -An -tu4 -j 458 -N 4 "$image")
	dd if="$image" of="$LAB/filesystem" bs=4096 skip=1 count=$((sectors / 8)) status=none
	"$TOOLS/mkroot" --mapped -o "$LAB/mapped.img" "$LAB/filesystem"
	conf=$(image_config "$LAB/mapped.img" 'disable_image_nvdimm = false')
	has "what it booted with" "$(with_config "$conf" "$IMAGE" "$(lab_id)" cat /proc/cmdline)" \
		'root=/dev/pmem0p1 rootwait rootflags=dax rootfstype=erofs ro '
	# The same file works as a disk.
	conf=$(image_config "$LAB/mapped.img")
	has "what it booted with" "$(with_config "$conf" "$IMAGE" "$(lab_id)" cat /proc/cmdline)" \
		'root=/dev/vda1 rootfstype=erofs ro '
}

# Hot-plugged memory does not conflict with the end of the image.
test_memory_comes_beside_an_nvdimm() {
	local id before
	id=$(resizable "$(image_config share/kata-containers/kata-containers.img 'disable_image_nvdimm = false' \
		'enable_virtio_mem = false' 'memory_slots = 2')")
	before=$(memory_of "$id")
	update "$id" '{"memory":{"limit":134217728}}'
	within "more MiB" $(($(memory_of "$id") - before)) 120 128
	removed "$id"
}

test_a_microvm_on_an_image() {
	local conf
	conf=$(image_config share/kata-containers/kata-containers.img 'machine_type = "microvm"')
	has "what it booted with" "$(with_config "$conf" "$IMAGE" "$(lab_id)" cat /proc/cmdline)" \
		'root=/dev/dm-0 .* verity 1 /dev/vda1 '
}

# An annotation may choose the image if the administrator allows it; the VM gets the file that was checked.
test_an_image_by_annotation() {
	local id conf image said
	conf=$(configured '[hypervisor.qemu]' 'enable_annotations = ["image", "image_hash"]')
	image=$(image_copy other.img)
	id=$(lab_id)
	said=$(with_config "$conf" --annotation "io.katacontainers.config.hypervisor.image=$image" \
		--annotation "io.katacontainers.config.hypervisor.image_hash=$(sha512 "$image")" \
		"$IMAGE" "$id" cat /proc/cmdline)
	has "what it booted with" "$said" 'root=/dev/dm-0 '
	id=$(lab_id)
	said=$(! with_config "$conf" --annotation "io.katacontainers.config.hypervisor.image=$image" \
		--annotation "io.katacontainers.config.hypervisor.image_hash=$(sha512 /bin/busybox)" \
		"$IMAGE" "$id" true 2>&1)
	has "another digest" "$said" 'image_hash: .*other.img is another file'
}

# A change in the first block of the file system, a block of a program, a block of the hash tree, or the root hash: the
# guest ends, and the error names the cause.
test_a_changed_image_is_refused() {
	local conf image said at changed
	image=$(image_copy changed.img)
	conf=$(image_config "$image")
	at=$(grep -obaF '"agent is ready' "$image" | head -n 1 | cut -d : -f 1)
	[ -n "$at" ] || at=$(grep -obaF 'agent is ready' "$image" | head -n 1 | cut -d : -f 1)
	for changed in 5160 "$at" $((4096 * (1 + $(sed 's/.*data_blocks=\([0-9]*\).*/\1/' "$image.verity")))) root; do
		image_copy changed.img >/dev/null
		if [ "$changed" = root ]; then
			sed -i 's/root_hash=..../root_hash=0000/' "$image.verity"
		else
			printf '\377' | dd of="$image" bs=1 seek="$changed" conv=notrunc status=none
		fi
		said=$(! with_config "$conf" "$IMAGE" "$(lab_id)" true 2>&1)
		has "changed at $changed" "$said" "the guest's kernel gave up: dm-verity device corrupted"
		has "what to do" "$said" 'changed.img is not what its root hash says'
	done
}

test_an_image_without_its_root_hash_is_refused() {
	local conf image said
	image=$(image_copy lone.img)
	rm "$image.verity"
	conf=$(image_config "$image")
	said=$(! with_config "$conf" "$IMAGE" "$(lab_id)" true 2>&1)
	has "what is missing" "$said" 'its root hash is not known; install .*lone.img.verity beside it'
	said=$(! "$PREFIX/bin/kata-runtime" --config "$conf" check 2>&1)
	has "check" "$said" 'its root hash is not known'
}

# A guest with systemd, an additional package and guest hooks; tests/integration/guest-debian.sh makes its image.
test_a_guest_of_a_distribution() {
	local id conf said
	[ -n "${KATA_GUEST_IMAGE:-}" ] || {
		echo "skipped: needs an image (make check-guest-debian)"
		return 0
	}
	conf=$(image_config "$KATA_GUEST_IMAGE" 'guest_hook_path = "/usr/share/oci/hooks"' '[agent.kata]' 'dial_timeout = 120')
	id=$(lab_id)
	timeout 300 ctr --address "$LAB/containerd.sock" run -d --runtime "$RUNTIME" \
		--annotation "io.katacontainers.config_path=$conf" "$IMAGE" "$id" sleep 1000
	has "the kernel's words" "$(words_of "$id")" 'systemd.unit=kata-containers.target '
	said=$(lab_ctr tasks exec --exec-id e1 "$id" cat /hooked)
	has "what the hook has done" "$said" '^less is there, of systemd$'
	removed "$id"
}
