#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds and signs a release directory from a staged install tree; `make release` calls it.
#
#   release.sh KATA-DEPLOY TREE OUT VERSION GUEST-KERNEL
#
# Environment: KEY, a secret key, or "none" to sign elsewhere (without it a development key is made
# below build/ and its public key is put beside the release; it is trusted only with --key
# OUT/development.pub), PASSPHRASE_FD,
# SERIAL (default: the time of creation), SOURCE_DATE_EPOCH (default: the time of the last commit),
# OLD (release directories to make patches from), LEVEL (of zstd), CHANNEL, EXPIRES, COMPONENTS.
set -euo pipefail

deploy=$1 tree=$2 out=$3 version=$4 kernel=$5
build=${BUILD:-build}

if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
	SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null) || {
		echo "release: no commit gives the creation time; set SOURCE_DATE_EPOCH" >&2
		exit 1
	}
fi
export SOURCE_DATE_EPOCH

args=(--tree "$tree" --out "$out" --components "${COMPONENTS:-packaging/components.yaml}"
	--version "$version" --serial "${SERIAL:-$SOURCE_DATE_EPOCH}" --agent "$version"
	--guest-kernel "$kernel" --builder "urn:kata:make-release")
commit=$(git rev-parse HEAD 2>/dev/null || true)
[ -z "$commit" ] || args+=(--commit "$commit" --source "${SOURCE:-git:kata}")
for old in ${OLD:-}; do args+=(--old "$old"); done
[ -z "${LEVEL:-}" ] || args+=(--level "$LEVEL")
[ -z "${CHANNEL:-}" ] || args+=(--channel "$CHANNEL")
[ -z "${EXPIRES:-}" ] || args+=(--expires "$EXPIRES")

"$deploy" release build "${args[@]}"
[ "${KEY:-}" != none ] || exit 0
sign=()
[ -z "${PASSPHRASE_FD:-}" ] || sign=(--passphrase-fd "$PASSPHRASE_FD")
if [ -z "${KEY:-}" ]; then
	KEY=$build/development.key
	[ -f "$KEY" ] || "$deploy" keys generate --no-passphrase "$build/development" >/dev/null
	cp "$build/development.pub" "$out/development.pub"
	echo "signed with a development key, which is trusted only with --key $out/development.pub"
fi
"$deploy" release sign --key "$KEY" "${sign[@]}" "$out" >/dev/null
