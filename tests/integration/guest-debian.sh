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
# Private, as the directory of a user may be.
cp -r tests/integration/guest "$work/files"
find "$work/files" -type d -exec chmod 0700 {} +
osbuilder/rootfs.sh -a "$build/bin/kata-agent" -o "$work/debian.img" -p less -f "$work/files" -r "$work/root" debian
[ "$(stat -c %a "$work/root" "$work/root/usr" "$work/root/usr/share" | uniq)" = 755 ]
tests/integration/image-vm.sh "$build" "$work/debian.img"
KATA_GUEST_IMAGE=$work/debian.img tests/integration/run.sh "$prefix" test_a_guest_of_a_distribution
