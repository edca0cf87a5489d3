#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs the packages for building and testing on Debian 12, without prompts: deps.sh [GROUP...].
# docs/dependencies.md lists the purpose of each package. Groups for further tests: "images" (container images),
# "packages" (Debian packages in other distributions, the snap, bare nodes, the SBOM), "kubernetes" (clusters),
# "ansible" (the collection); "guests" is for building guests of a distribution.
set -euo pipefail

packages=(
	# compilers and build tools
	git gcc clang clang-tidy libclang-rt-14-dev make binutils pkg-config clang-format protobuf-c-compiler
	# libraries
	libprotobuf-c-dev libjansson-dev libseccomp-dev libcap-dev libssl-dev libarchive-dev
	libyaml-dev libzstd-dev zlib1g-dev libcurl4-openssl-dev libc-ares-dev libnghttp2-dev
	ca-certificates
	# the guest kernel and root images
	linux-source-6.1 bc bison flex libelf-dev xz-utils patch e2fsprogs erofs-utils cpio
	# the release's own QEMU: tools, and the static libraries that it is linked with
	meson ninja-build python3 libglib2.0-dev libpixman-1-dev libcap-ng-dev libattr1-dev liburing-dev
	libaio-dev libfdt-dev seabios
	# tests
	check libsubunit-dev codespell shellcheck busybox-static minisign zstd openssl nghttp2-server
	xfsprogs cryptsetup-bin systemd
	# running containers
	qemu-system-x86 qemu-system-common containerd runc containernetworking-plugins iptables iproute2 procps
)

guests=(mmdebstrap)
packages_tests=(debootstrap lintian snapd squashfs-tools jq)
ansible=(ansible-core python3-yaml openssh-server openssh-client busybox-static)
images=(skopeo umoci docker-registry podman runc)
kubernetes=(etcd-server golang-go jq patch systemd unzip)
for group; do
	case $group in
	images) packages+=("${images[@]}") ;;
	ansible) packages+=("${ansible[@]}") ;;
	packages) packages+=("${packages_tests[@]}") ;;
	kubernetes)
		packages+=("${kubernetes[@]}")
		# A Node.js that is not Debian's brings its own npm.
		command -v npm >/dev/null || packages+=(npm)
		;;
	guests) packages+=("${guests[@]}") ;;
	*)
		echo "deps: unknown group $group" >&2
		exit 2
		;;
	esac
done

missing=()
for p in "${packages[@]}"; do
	[ "$(dpkg-query -W -f '${Status}' "$p" 2>/dev/null)" = "install ok installed" ] ||
		missing+=("$p")
done
if [ ${#missing[@]} -eq 0 ]; then
	echo "deps: everything is installed"
	exit 0
fi
if [ "$(id -u)" != 0 ]; then
	echo "deps: run as root to install: ${missing[*]}" >&2
	exit 1
fi
echo "deps: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >/dev/null
apt-get install -qy --no-install-recommends "${missing[@]}" >/dev/null
