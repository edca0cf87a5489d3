#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tests the runtime on a host with vhost-vsock: run.sh STAGE MKINITRD [CACHE]
#
# The host is a VM with Debian's cloud kernel, unpacked and not installed, and this machine's files below an overlay. The
# sandbox's VM runs inside it, which is slow without KVM.
set -eu
cd "$(dirname "$0")/../.."
stage=$(realpath "$1") TOOLS=$(dirname "$(realpath "$2")") cache=${3:-$(dirname "$2")/../bench}
virtiofsd=/usr/lib/qemu/virtiofsd
# shellcheck source=tests/bench/machines.sh
. tests/bench/machines.sh

for need in qemu-system-x86_64 containerd busybox; do
	command -v "$need" >/dev/null || {
		echo "skipped: vsock: $need is missing"
		exit 0
	}
done
kernel=$(realpath "$(debian_kernel "$cache")")
modules=$(realpath "$cache/lib/modules/${kernel##*/vmlinuz-}/kernel")

LAB=$(mktemp -d /tmp/kata-vsock-XXXXXX)
qemu='' fs=''
finish() {
	[ -z "$qemu" ] || kill "$qemu" 2>/dev/null || true
	[ -z "$fs" ] || kill "$fs" 2>/dev/null || true
	rm -rf "$LAB"
}
trap finish EXIT

# In the order of their dependencies.
load=(drivers/virtio/{virtio_ring,virtio,virtio_pci_legacy_dev,virtio_pci_modern_dev,virtio_pci}
	fs/fuse/{fuse,virtiofs} fs/overlayfs/overlay
	net/vmw_vsock/{vsock,vmw_vsock_virtio_transport_common}
	drivers/vhost/{vhost_iotlb,vhost,vhost_vsock})
{
	echo "dir  /bin     0755 0 0"
	echo "dir  /dev     0755 0 0"
	echo "dir  /modules 0755 0 0"
	echo "file /bin/busybox 0755 0 0 /bin/busybox"
	echo "file /init    0755 0 0 $PWD/tests/vsock/init.sh"
	echo "node /dev/console 0600 0 0 c 5 1"
	for i in "${!load[@]}"; do
		printf 'file /modules/%02d.ko 0644 0 0 %s/%s.ko\n' "$i" "$modules" "${load[i]}"
	done
} >"$LAB/manifest"
"$TOOLS/mkinitrd" -z none -o "$LAB/initrd" "$LAB/manifest"

accel=tcg
if [ "$(cat /run/vc/accelerator 2>/dev/null)" = kvm ]; then accel=kvm; fi
"$virtiofsd" --socket-path="$LAB/fs.sock" -o source=/ -o sandbox=chroot -o cache=always -o no_posix_lock,xattr \
	--thread-pool-size=0 -f >"$LAB/virtiofsd.log" 2>&1 &
fs=$!
for _ in $(seq 600); do
	[ -S "$LAB/fs.sock" ] && break
	sleep 0.05
done

mkfifo "$LAB/silence"
begin=$SECONDS
# timeout passes a signal on to QEMU.
exec 9< <(exec timeout "${VSOCK_TIMEOUT:-3000}" qemu-system-x86_64 \
	-machine "q35,accel=$accel,memory-backend=ram" -cpu max -smp 1 -m 3G \
	-object memory-backend-memfd,id=ram,size=3G,share=on \
	-nodefaults -display none -no-reboot -kernel "$kernel" -initrd "$LAB/initrd" \
	-append "console=ttyS0 quiet panic=-1 project=$PWD stage=$stage" -serial stdio \
	-chardev "socket,id=fs,path=$LAB/fs.sock" -device vhost-user-fs-pci,chardev=fs,tag=host \
	<>"$LAB/silence" 2>"$LAB/qemu.log")
qemu=$!
sed -u 's/\r$//' <&9 | tee "$LAB/said" | sed -u 's/^/  /'
cat "$LAB/qemu.log" >&2
[ ! -s "$LAB/qemu.log" ] || tail -n 5 "$LAB/virtiofsd.log" >&2
echo "vsock: $(grep -c '^ok ' "$LAB/said") passed, $(grep -c '^FAIL' "$LAB/said") failed, $((SECONDS - begin)) s"
grep -q '^END$' "$LAB/said" && ! grep -q '^FAIL' "$LAB/said"
