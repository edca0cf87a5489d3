#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Measures file operations in a container's root file system, compared with the bare share: files.sh PREFIX [RUNS]
#
# One program in one VM does both: once in the container's root, which on the host is an overlay of an image, and once in a
# directory of the host that it reaches through the agent's own mount of the share. The guest's caches are dropped before
# each operation. Writes the results to the file FIGURES.
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source=tests/integration/lib.sh
. tests/integration/lib.sh
# shellcheck source=tests/bench/figures.sh
. tests/bench/figures.sh
runs=${2:-7}
FIGURES=$(realpath "${FIGURES:?}")

export KATA_TEST_CONFIG='[hypervisor.qemu]
enable_annotations = ["shared_fs"]'
lab_start "$1"
# 500 files, in the image and in the directory.
lab_busybox "$LAB/image"
mkdir -p "$LAB"/image/place/walk/{1..20} "$LAB/bare"
for dir in "$LAB"/image/place/walk/*; do
	for i in $(seq 25); do echo "$dir $i" >"$dir/$i"; done
done
tar -C "$LAB/image/place/walk" -cf "$LAB/bare/tar" {1..6} # 150
cp -a "$LAB/image/place/walk" "$LAB/bare/"
lab_import "$LAB/image" '{"Env":["PATH=/bin"],"Cmd":["sh"]}' "$IMAGE"

names=("unpack 150 files" "walk 500 files" "write 64 MiB")
does=('mkdir new && tar -C new -xf /in/tar' 'find walk -type f -exec cat {} +'
	'dd if=/dev/zero of=new/large bs=256k count=256')

# Starts a shell in the VM that runs each line of input and prints a line when it has finished.
shell_in() { # SHARE
	id=$(lab_id)
	# shellcheck disable=SC2016 # the guest's dollars
	coproc lab_ctr run --rm --privileged --runtime "$RUNTIME" \
		--annotation "io.katacontainers.config.hypervisor.shared_fs=$1" \
		--mount "type=bind,src=$LAB/bare,dst=/bare,options=rbind:rw" \
		--mount "type=tmpfs,src=tmpfs,dst=/in,options=rw" \
		--mount "type=bind,src=/proc,dst=/guest,options=rbind:rw" "$IMAGE" "$id" \
		sh -c 'cp /bare/tar /in/tar; echo; while read -r work; do eval "$work" >/dev/null 2>&1; echo $?; done'
	to=${COPROC[1]} from=${COPROC[0]} pid=$COPROC_PID
	read -r _ <&"$from"
}
in_guest() { # WORK
	local status
	echo "$1" >&"$to"
	read -r status <&"$from"
	[ "$status" = 0 ] || {
		echo "in the guest, '$1': status $status" >&2
		return 1
	}
}
shell_ends() {
	exec {to}>&-
	wait "$pid"
}

# Prints the agent's path of the directory that is the container's /bare.
agents_own() {
	local root=/guest/1/root/run/kata-containers/shared/containers
	in_guest "for dir in $root/*; do [ -d \"\$dir/walk\" ] && ln -s \"\$dir\" /in/bare; done; [ -d /in/bare/walk ]"
}

declare -A took places=([root]=/place [bare]=/in/bare)
timed() { # PLACE WORK
	in_guest "cd ${places[$1]} && echo 3 >/guest/sys/vm/drop_caches"
	took[$1]=$(ms in_guest "${does[$2]}")
}

for share in virtio-fs virtio-9p; do
	shell_in "$share"
	agents_own
	rm -f "$LAB"/{part,root,bare}-?
	for run in $(seq 0 "$runs"); do # the first run translates the guest's code and is not counted
		for i in "${!does[@]}"; do
			order=(root bare)
			[ $((run % 2)) = 0 ] || order=(bare root)
			for where in "${order[@]}"; do timed "$where" "$i"; done
			[ "$run" = 0 ] || {
				ratio "${took[bare]}" "${took[root]}" >>"$LAB/part-$i"
				echo "${took[root]}" >>"$LAB/root-$i"
				echo "${took[bare]}" >>"$LAB/bare-$i"
			}
		done
		in_guest "rm -rf ${places[root]}/new ${places[bare]}/new"
	done
	shell_ends
	for i in "${!does[@]}"; do
		row "${names[$i]} in the root, $share" "$(median <"$LAB/root-$i")" ms
		row "the same on the bare share" "$(median <"$LAB/bare-$i")" ms
		row "${names[$i]}, bare / root, $share, each time" "$(median <"$LAB/part-$i")" x 0.8 least
	done
done
