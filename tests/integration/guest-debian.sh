#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Tests a Debian guest: builds its image, with an additional package and a guest hook, runs the agent's VM tests in it,
# and a container with the real runtime: tests/integration/guest-debian.sh BUILD PREFIX
set -eu
build=$1 prefix=$2
if [ "$(id -u)" != 0 ] || ! command -v mmdebstrap >/dev/null; then
	echo "  skipped: needs root and mmdebstrap (packaging/deps.sh guests)"
	exit 0
fi
work=$(mktemp -d /tmp/kata-debian-XXXXXX)
trap 'rm -rf --one-file-system "$work"' EXIT
osbuilder/rootfs.sh -a "$build/bin/kata-agent" -o "$work/debian.img" -p less -f tests/integration/guest debian
tests/integration/image-vm.sh "$build" "$work/debian.img"
KATA_GUEST_IMAGE=$work/debian.img tests/integration/run.sh "$prefix" test_a_guest_of_a_distribution
