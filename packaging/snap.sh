#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes a snap of a signed release; `make snap` calls it.
#
#	snap.sh DIR-OF-PORTABLE-PROGRAMS RELEASE OUT
#
# Writes kata-containers_VERSION_ARCH.snap to OUT, replacing a file of that name, and nothing else. The snap's apps for
# programs that /opt/kata contains too start those. Environment: KEYS, the public keys (default: those beside the
# release's documents).
set -euo pipefail

die() {
	echo "snap: $*" >&2
	exit 1
}

programs=${1%/} release=${2%/} out=${3%/}
deploy=$programs/kata-deploy
here=$(dirname "$0")
# shellcheck source=packaging/release-of.sh
. "$here/release-of.sh"
command -v snap >/dev/null || die "snap is not here; install the packages snapd and squashfs-tools"

tree=$work/tree
umask 022
mkdir -p "$tree"/{bin,meta/hooks,keys}
install -m 0755 "$programs/kata-deploy" "$programs/kata-manager" "$tree/bin/"
for p in kata-runtime containerd-shim-kata-v2 kata-collect-data; do
	# shellcheck disable=SC2016
	printf '#!/bin/sh\nexec /opt/kata/bin/%s "$@"\n' "$p" >"$tree/bin/run-$p"
	chmod 0755 "$tree/bin/run-$p"
done
copy_release "$tree"
sed "/^#/d; s/@VERSION@/$version/; s/@ARCH@/$arch/" \
	"$here/../snap/snapcraft.yaml" >"$tree/meta/snap.yaml"
for hook in install post-refresh remove; do
	fill "$here/snap/hook.in" >"$tree/meta/hooks/$hook"
	chmod 0755 "$tree/meta/hooks/$hook"
done
find "$tree" -exec touch -hd "@$epoch" {} +
file=kata-containers_${version}_$arch.snap
mkdir -p "$out"
snap pack --compression=xz "--filename=$file" "$tree" "$out" >"$work/said" 2>&1 || die "$(cat "$work/said")"
echo "$out/$file: $(stat -c %s "$out/$file") bytes"
