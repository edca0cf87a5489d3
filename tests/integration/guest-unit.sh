#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs unit tests as root in a bare guest with our kernel and only cgroup v2, an environment that build machines seldom
# have. The output arrives over the serial line.
#
#   tests/integration/guest-unit.sh BUILD [TEST...]

set -eu
build=$1
shift
[ $# -gt 0 ] || set -- guest_kernel_test terminal_test cgroup_test mount_test container_test
for need in qemu-system-x86_64 cpio ldd; do
	command -v "$need" >/dev/null || {
		echo "SKIP: $need is missing"
		exit 0
	}
done
[ -e "$build/kernel/vmlinux" ] || {
	echo "SKIP: no $build/kernel/vmlinux; run make kernel"
	exit 0
}

work=$(mktemp -d /tmp/kata-guest-XXXXXX)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root"/{bin,lib64,etc,usr,new}
cp /bin/busybox "$root/bin/"
for t; do
	cp "$build/tests/$t" "$root/bin/"
	ldd "$build/tests/$t" | grep -o '/[^ ]*\.so[^ ]*' | while read -r lib; do
		mkdir -p "$root${lib%/*}"
		cp -L "$lib" "$root$lib"
	done
done

# pivot_root needs a root that is a mount of its own, so change from the initial ramfs to a tmpfs.
cat >"$root/init" <<'EOF'
#!/bin/busybox sh
/bin/busybox mount -t tmpfs -o mode=755,size=90% tmpfs /new
for d in bin lib lib64 etc usr main; do
	[ ! -e /$d ] || /bin/busybox cp -a /$d /new/
done
/bin/busybox mkdir -p /new/proc /new/sys /new/dev /new/tmp
exec /bin/busybox switch_root /new /main
EOF
cat >"$root/main" <<EOF
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ KATA_GUEST=1
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts
mount -t devpts -o ptmxmode=666 devpts /dev/pts
mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup
echo guest >/etc/hostname
hostname guest
ifconfig lo up
for t in $*; do /bin/\$t && echo "passed: \$t"; done
poweroff -f
EOF
chmod +x "$root/init" "$root/main"
(cd "$root" && find . | cpio -o -H newc 2>/dev/null) >"$work/initrd"

# One CPU: under TCG a kernel that patches itself while another CPU runs does not always survive.
timeout 1200 qemu-system-x86_64 -machine q35 -cpu max,erms=off,fsrm=off -accel tcg -smp 1 -m 1024 -no-reboot \
	-nodefaults -display none -monitor none -kernel "$build/kernel/vmlinux" \
	-initrd "$work/initrd" -append "console=hvc0 quiet panic=-1 no_timer_check rdinit=/init" \
	-device virtio-serial-pci -chardev "file,id=c,path=$work/out" \
	-device virtconsole,chardev=c || true
cat "$work/out"
for t; do
	grep -q "^passed: $t" "$work/out" || {
		echo "failed in the guest: $t"
		exit 1
	}
done
