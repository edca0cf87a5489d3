# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Annotations that choose the files and settings of a VM.

sha512() { sha512sum "$1" | cut -d' ' -f1; }

# QEMU gets the files whose digests were checked, even if their paths change afterwards.
test_annotated_digests() {
	local id conf qemu kernel initrd vmm
	conf=$(configured '[hypervisor.qemu]' 'enable_annotations = ["(kernel|initrd|hypervisor)_hash"]')
	kernel=$PREFIX/share/kata-containers/vmlinux.container
	initrd=$PREFIX/share/kata-containers/kata-containers-initrd.img
	qemu=$("$PREFIX/bin/kata-runtime" env | sed -n 's/^hypervisor.path = "\(.*\)"$/\1/p')
	id=$(lab_id)
	timeout 120 ctr --address "$LAB/containerd.sock" run -d --runtime "$RUNTIME" \
		--annotation "io.katacontainers.config_path=$conf" \
		--annotation "io.katacontainers.config.hypervisor.kernel_hash=$(sha512 "$kernel")" \
		--annotation "io.katacontainers.config.hypervisor.initrd_hash=$(sha512 "$initrd")" \
		--annotation "io.katacontainers.config.hypervisor.hypervisor_hash=$(sha512 "$qemu")" \
		"$IMAGE" "$id" sleep 1000
	vmm=$(pgrep -f "sandbox-$id@" | head -n 1)
	expect "QEMU" "$(readlink "/proc/$vmm/exe")" "$(realpath "$qemu")"
	has "its command line" "$(tr '\0' ' ' <"/proc/$vmm/cmdline")" \
		'-kernel /proc/self/fd/[0-9]* -initrd /proc/self/fd/'
	removed "$id"
	id=$(lab_id)
	has "with another digest" "$(! run --rm --annotation "io.katacontainers.config_path=$conf" \
		--annotation "io.katacontainers.config.hypervisor.initrd_hash=$(sha512 "$kernel")" \
		"$IMAGE" "$id" true 2>&1)" 'initrd_hash: .* is another file'
}
