#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the agent's VM tests in guests whose root is an image:
#
#   tests/integration/image-vm.sh BUILD IMAGE [TEST...]
set -eu
build=$1 image=$(realpath "$2")
shift 2
[ $# -gt 0 ] || set -- agent_vm_test agent_vm_storage_test

param() { sed "s/.*\\<$1=\\([^,]*\\).*/\\1/" "$image.verity"; }

# The magic number of the superblock in the first partition, whose first sector is in the partition table.
first=$(od -An -tu4 -j 454 -N 4 "$image" | tr -d ' ')
case $(od -An -tx4 -j $((first * 512 + 1024)) -N 4 "$image" | tr -d ' ') in
e0f5e1e2) type=erofs ;;
*) type=ext4 ;;
esac
words="root=/dev/vda1 rootfstype=$type ro systemd.unit=kata-containers.target systemd.show_status=false"
words+=" systemd.mask=systemd-networkd.service systemd.mask=systemd-networkd.socket"
if [ -e "$image.verity" ]; then
	blocks=$(param data_blocks)
	words+=" root=/dev/dm-0 dm-mod.create=\"dm-verity,,,ro,0 $((blocks * 8)) verity 1 /dev/vda1 /dev/vda2 4096 4096"
	words+=" $blocks 0 sha256 $(param root_hash) $(param salt) 1 panic_on_corruption\""
fi
export KATA_ROOT_IMAGE=$image KATA_ROOT_WORDS=$words
for t; do
	"$build/tests/$t"
done
