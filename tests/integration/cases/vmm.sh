# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A container uses the release's QEMU and virtiofsd, unless the configuration names those of the node.

vmm_programs() { # ID: prints the paths of its QEMU and virtiofsd
	local vmm daemon
	vmm=$(pgrep -f "^[^ ]*qemu-system.*sandbox-$1@" | head -n 1)
	daemon=$(pgrep -f "^[^ ]*virtiofsd.*sandboxes/$1@" | head -n 1)
	echo "$(readlink "/proc/$vmm/exe") $(readlink "/proc/$daemon/exe")"
}

test_the_release_brings_its_vmm() {
	local id program=$PREFIX/bin/kata-runtime
	case ${KATA_TEST_CONFIG:-} in
	*path*)
		echo "skipped: these tests run with another QEMU"
		return 0
		;;
	esac
	id=$(lab_id)
	detached "$id" sleep 1000
	expect "its programs" "$(vmm_programs "$id")" "$PREFIX/bin/qemu-system-x86_64 $PREFIX/libexec/virtiofsd"
	removed "$id"
	"$program" check >"$LAB/said"
	grep -q "^ok   QEMU  *$PREFIX/bin/qemu-system-x86_64, of this release$" "$LAB/said"
	grep -q '^ok   devices  *QEMU has all' "$LAB/said"
	"$program" env --json >"$LAB/said"
	grep -q '"of_this_release": *true' "$LAB/said"
}

test_the_nodes_vmm_is_used_where_it_is_named() {
	local id conf program=$PREFIX/bin/kata-runtime
	conf=$(configured '[hypervisor.qemu]' 'path = "/usr/bin/qemu-system-x86_64"' \
		'shared_fs = "virtio-fs"' 'virtio_fs_daemon = "/usr/lib/qemu/virtiofsd"')
	id=$(lab_id)
	timeout 120 ctr --address "$LAB/containerd.sock" run -d --runtime "$RUNTIME" \
		--annotation "io.katacontainers.config_path=$conf" "$IMAGE" "$id" sleep 1000
	expect "its programs" "$(vmm_programs "$id")" "$(realpath /usr/bin/qemu-system-x86_64) $(realpath /usr/lib/qemu/virtiofsd)"
	removed "$id"
	"$program" --config "$conf" check >"$LAB/said"
	grep -q "^ok   QEMU  */usr/bin/qemu-system-x86_64, the node's own$" "$LAB/said"
	grep -q '^ok   devices  *QEMU has all' "$LAB/said"
	"$program" --config "$conf" env --json >"$LAB/said"
	grep -q '"of_this_release": *false' "$LAB/said"
}

# `kata-runtime check` reports a QEMU that lacks devices which some containers need.
test_a_vmm_that_lacks_devices_is_told() {
	local conf said
	printf '#!/bin/sh\nexec /usr/bin/qemu-system-x86_64 "$@" | grep -v virtio-scsi-pci\n' >"$LAB/less"
	chmod 755 "$LAB/less"
	conf=$(configured '[hypervisor.qemu]' "path = \"$LAB/less\"")
	said=$(! "$PREFIX/bin/kata-runtime" --config "$conf" check 2>&1)
	has "what it lacks" "$said" 'lacks what the runtime can ask for: virtio-scsi-pci'
	has "what to do" "$said" 'set path = "bin/qemu-system-x86_64"'
}
