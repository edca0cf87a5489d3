#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the crash walk of `kata-deploy node` with a small signed release: node.sh WALK KATA-DEPLOY [OPTION...]
set -eu
walk=$(realpath "$1") deploy=$(realpath "$2")
# shellcheck source=tests/signed-release.sh
. "$(dirname "$0")/../signed-release.sh"
shift 2
LAB=$(mktemp -d "${TMPDIR:-/tmp}/crash-node.XXXXXX")
trap 'rm -rf "$LAB"' EXIT
mkdir -p "$LAB/tree/bin" "$LAB/tree/share" "$LAB/tree/etc"
echo "a shim" >"$LAB/tree/bin/containerd-shim-kata-v2"
echo "a kernel" >"$LAB/tree/share/kernel"
echo "# settings" >"$LAB/tree/etc/configuration.toml"
signed_release "$LAB/key" "$LAB/tree" "$LAB/release" 1.0.0 1
"$walk" "$@" "$deploy" --release "$LAB/release" --key "$LAB/key.pub"
