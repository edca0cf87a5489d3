#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The tests on the engines that people run today: run.sh BUILD [PART...]
#
# BUILD is the build directory, below this tree, with the stage and two releases. Each part runs in
# what chroot.sh makes; one after the other, each to its end.
set -u
cd "$(dirname "$0")/../.." || exit
build=$(realpath --relative-to=. "$1")
shift
[ $# -gt 0 ] || set -- docker docker-node containerd containerd-qemu-virtiofsd containerd-9p node

root=$(tests/engines/chroot.sh) || exit
integration() { # KATA_TEST_CONFIG
	KATA_TEST_CONFIG=$1 tests/engines/enter.sh "$root" tests/integration/run.sh "/src/$build/stage"
}
node() { # SCRIPT
	tests/engines/enter.sh "$root" "$1" "/src/$build/bin/kata-deploy" "/src/$build/bin/kata-manager" \
		"/src/$build/static/kata-deploy" "/src/$build/demo/this" "/src/$build/demo/next"
}

node_vmm='[hypervisor.qemu]
path = "/usr/bin/qemu-system-x86_64"'

part() {
	case $1 in
	docker) tests/engines/enter.sh "$root" tests/engines/docker.sh "/src/$build/stage" ;;
	docker-node) node tests/engines/docker-node.sh ;;
	# The node's QEMU and its virtiofsd in Rust, of today, instead of the release's own.
	containerd) integration "$node_vmm
virtio_fs_daemon = \"/usr/libexec/virtiofsd\"" ;;
	# The daemon that QEMU had until version 8, as this machine has it.
	containerd-qemu-virtiofsd)
		[ -x /usr/lib/qemu/virtiofsd ] || {
			echo "skipped: /usr/lib/qemu/virtiofsd is missing"
			return 0
		}
		KATA_HOST_FILES=/usr/lib/qemu/virtiofsd integration "$node_vmm
virtio_fs_daemon = \"/opt/host/virtiofsd\""
		;;
	containerd-9p) integration "$node_vmm
shared_fs = \"virtio-9p\"" ;;
	node) node tests/integration/node/run.sh ;;
	*)
		echo "engines: there is no part $1" >&2
		return 2
		;;
	esac
}

bad=()
for p in "$@"; do
	echo "engines: $p"
	part "$p" || bad+=("$p")
done
echo "engines: $(($# - ${#bad[@]})) passed, ${#bad[@]} failed${bad[*]:+: ${bad[*]}}"
[ ${#bad[@]} = 0 ]
