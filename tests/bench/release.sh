#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Measures the size of a release, and a first install of all of it, beside a peer in the same run:
# release.sh KATA-DEPLOY RELEASE [RUNS]
#
# RELEASE contains the public key of its signature. Writes the results to the file FIGURES.
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source=tests/bench/figures.sh
. tests/bench/figures.sh
# shellcheck source=tests/bench/deploy-lib.sh
. tests/bench/deploy-lib.sh
deploy=$(realpath "$1") release=$(realpath "$2") runs=${3:-5}
FIGURES=$(realpath "${FIGURES:?}")
bench_begin "$release/development.pub"

bytes() { find "$@" -type f -printf '%s\n' | awk '{ n += $1 } END { print n }'; }
row "release, compressed" "$(bytes "$release" ! -name '*.pub' ! -path '*/patches/*')" B 30000000
peer "$release"
row "release, unpacked" "$(bytes "$LAB/peer")" B 80000000
rm -rf "$LAB/peer"

mkdir "$LAB/site"
ln -s "$release" "$LAB/site/one"
bench_serve "$LAB/site"
cold_installs "the release" "$release" "$url/one/" "$runs"
