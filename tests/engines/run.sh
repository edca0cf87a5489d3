#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs one part of the tests with newer container engines: [CASES="test_exec ..."] run.sh BUILD PART
#
# HANDLERS and CRITEST are as for tests/cri/run.sh; a part cri-2-3 is the second third of the cases of the part cri.
#
# BUILD is the build directory, below this tree, with the stage and two releases. The part runs in a root directory of
# chroot.sh. Each line that it prints begins with its name, because parts run in parallel.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
build=$(realpath --relative-to=. "$1")

read -ra cases <<<"${CASES:-}"
integration() { # ROOT KATA_TEST_CONFIG [TEST...]
	local root=$1 config=$2
	shift 2
	[ ${#cases[@]} = 0 ] || set -- "${cases[@]}"
	KATA_TEST_CONFIG=$config tests/engines/enter.sh "$root" tests/integration/run.sh "/src/$build/stage" "$@"
}
node() { # ROOT SCRIPT
	tests/engines/enter.sh "$1" "$2" "/src/$build/bin/kata-deploy" "/src/$build/bin/kata-manager" \
		"/src/$build/static/kata-deploy" "/src/$build/demo/this" "/src/$build/demo/next" "${cases[@]}"
}
cri() { # ROOT PART
	local slice=${2##*cri} host=() program=${CRITEST:-}
	slice=${slice#-}
	[ -z "$program" ] || host=("$program")
	[ ! -x "${program%/*}/ginkgo" ] || host+=("${program%/*}/ginkgo")
	KATA_HOST_FILES=${host[*]} tests/engines/enter.sh "$1" env HANDLERS="${HANDLERS:-runc kata}" SLICE="${slice/-/ }" \
		CRITEST="${program:+/opt/host/${program##*/}}" CRITEST_AT_ONCE="${CRITEST_AT_ONCE:-}" \
		tests/cri/run.sh "/src/$build/stage" "${cases[@]}"
}

# The node's QEMU and its virtiofsd in Rust instead of the release's own.
node_vmm='[hypervisor.qemu]
path = "/usr/bin/qemu-system-x86_64"'
virtiofs="$node_vmm
virtio_fs_daemon = \"/usr/libexec/virtiofsd\""
p9="$node_vmm
shared_fs = \"virtio-9p\""

# Tests that depend on QEMU, virtiofsd and containerd, for versions between this machine's and the newest.
chosen=(
	test_120_layers test_a_guest_on_an_image test_a_guest_on_an_nvdimm test_a_macvtap_gives_the_vm_an_interface
	test_a_pod_has_the_interface_of_its_namespace test_a_replaced_program_is_run_as_what_it_is
	test_a_rich_specification_as_with_runc test_containerd_restarted test_containers_share_the_vm_of_their_pod
	test_device_of_the_host_is_given test_exec test_exit_event test_limits_are_changed_while_it_runs
	test_many_at_once test_memory_comes_as_dimms test_memory_comes_as_virtio_mem test_microvm_boots
	test_mounts test_output_into_a_program test_pause_resume_stats test_root_file_system_on_a_block_device
	test_statistics_follow_the_load test_terminal test_virtiofsd_killed test_vm_killed
	test_what_a_pod_receives_is_limited
)

part() {
	local root
	case $1 in
	this-*) root=/ ;;
	trixie*) root=$(tests/engines/chroot.sh engines-trixie) ;;
	*) root=$(tests/engines/chroot.sh engines) ;;
	esac || return
	case $1 in
	docker) tests/engines/enter.sh "$root" tests/engines/docker.sh "/src/$build/stage" "${cases[@]}" ;;
	docker-node) node "$root" tests/engines/docker-node.sh ;;
	containerd) integration "$root" "$virtiofs" ;;
	# With the virtiofsd in C of QEMU before version 8, from this machine.
	containerd-qemu-virtiofsd)
		[ -x /usr/lib/qemu/virtiofsd ] || {
			echo "skipped: /usr/lib/qemu/virtiofsd is missing"
			return 0
		}
		KATA_HOST_FILES=/usr/lib/qemu/virtiofsd integration "$root" "$node_vmm
virtio_fs_daemon = \"/opt/host/virtiofsd\""
		;;
	containerd-9p) integration "$root" "$p9" ;;
	node) node "$root" tests/integration/node/run.sh ;;
	cri | cri-[0-9]*-[0-9]* | trixie-cri | trixie-cri-[0-9]*-[0-9]*) cri "$root" "$1" ;;
	trixie) integration "$root" "$virtiofs" "${chosen[@]}" ;;
	trixie-9p) integration "$root" "$p9" "${chosen[@]}" ;;
	client | *-client)
		KATA_HOST_FILES="${CLIENT_TEST:?names the program of the client tests} /usr/bin/docker-registry" \
			tests/engines/enter.sh "$root" tests/engines/client.sh "/src/$build/stage" \
			"/opt/host/${CLIENT_TEST##*/}" /opt/host/docker-registry "${cases[@]}"
		;;
	*)
		echo "engines: there is no part $1" >&2
		return 2
		;;
	esac
}

start=$SECONDS status=0
part "$2" </dev/null 2>&1 | sed -u "s/^/$2: /" || status=1
echo "engines: $2 $([ "$status" = 0 ] && echo passed || echo FAILED) ($((SECONDS - start)) s)"
exit "$status"
