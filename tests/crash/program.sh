#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the crash walk with kata-deploy itself, below --root: program.sh WALK SUBJECT KATA-DEPLOY [OPTION...]
#
# Uses three small signed releases and a containerd configuration with an administrator's settings.
set -eu
walk=$1 subject=$2 here=$(dirname "$0")
KATA_DEPLOY=$(realpath "$3")
export KATA_DEPLOY
deploy=$KATA_DEPLOY
# shellcheck source=tests/signed-release.sh
. "$(dirname "$0")/../signed-release.sh"
shift 3
RELEASES=$(mktemp -d "${TMPDIR:-/tmp}/crash-releases.XXXXXX")
export RELEASES
trap 'rm -rf "$RELEASES"' EXIT
tree=$RELEASES/tree
mkdir -p "$tree/bin" "$tree/share/kata" "$tree/etc"
for n in 1 2 3; do
	echo "the shim of $n" >"$tree/bin/containerd-shim-kata-v2"
	echo "always the same" >"$tree/bin/kata"
	chmod 0755 "$tree"/bin/*
	echo "a kernel for $n" >"$tree/share/kata/kernel"
	echo "release = $n" >"$tree/etc/configuration.toml"
	signed_release "$RELEASES/key" "$tree" "$RELEASES/$n" "$n.0.0" "$n"
done
"$here/run.sh" "$walk" "$subject" --no-control "$@"
