#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds and signs a release directory from a staged install tree; `make release` calls it.
#
#   release.sh check OUT			checks, before anything is built, that the release can be made
#   release.sh KATA-DEPLOY TREE OUT VERSION GUEST-KERNEL
#
# OUT is made completely or not at all. Environment: KEY, a secret key, or "none" to sign elsewhere (without KEY a
# development key is made below build/, and its public key is copied into the release; nodes trust it only with
# --key OUT/development.pub), PASSPHRASE_FD, SERIAL (default: that of `release build`), SOURCE_DATE_EPOCH (default: the
# time of the last commit), OLD (release directories to make patches from), LEVEL (of zstd), CHANNEL, EXPIRES,
# COMPONENTS.
set -euo pipefail

die() {
	echo "release: $*" >&2
	exit 1
}

check() { # OUT
	[ ! -e "$1" ] || [ -z "$(ls -A "$1")" ] || die "OUT=$1 is not empty; name a new directory, or remove it"
	if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
		SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null) ||
			die "the creation time is unknown: git finds no commit here; set SOURCE_DATE_EPOCH"
	fi
	export SOURCE_DATE_EPOCH
	for old in ${OLD:-}; do
		[ -f "$old/release.yaml" ] || die "OLD=$old is not a release: it has no release.yaml"
	done
	[ -n "${KEY:-}" ] && [ "$KEY" != none ] || return 0
	[ -r "$KEY" ] || die "KEY=$KEY cannot be read; kata-deploy keys generate NAME makes NAME.key"
	# A secret key is a comment and a line of 158 bytes in base64; the line of a public key has 42 bytes.
	awk 'NR == 1 && !/^untrusted comment:/ { exit 1 } NR == 2 { exit length($0) < 200 } END { if (NR < 2) exit 1 }' \
		"$KEY" || die "KEY=$KEY is not a secret key; kata-deploy keys generate NAME makes NAME.key"
}

if [ "${1:-}" = check ]; then
	check "$2"
	exit 0
fi
deploy=$1 tree=$2 out=${3%/} version=$4 kernel=$5
build=${BUILD:-build}
check "$out"

part=$out.part.$$
trap 'rm -rf "$part"' EXIT
args=(--tree "$tree" --out "$part" --components "${COMPONENTS:-packaging/components.yaml}"
	--version "$version" --agent "$version" --guest-kernel "$kernel" --builder "urn:kata:make-release")
commit=$(git rev-parse HEAD 2>/dev/null || true)
[ -z "$commit" ] || args+=(--commit "$commit" --source "${SOURCE:-git:kata}")
[ -z "${SERIAL:-}" ] || args+=(--serial "$SERIAL")
for old in ${OLD:-}; do args+=(--old "$old"); done
[ -z "${LEVEL:-}" ] || args+=(--level "$LEVEL")
[ -z "${CHANNEL:-}" ] || args+=(--channel "$CHANNEL")
[ -z "${EXPIRES:-}" ] || args+=(--expires "$EXPIRES")

summary=$("$deploy" release build "${args[@]}")
sign=()
[ -z "${PASSPHRASE_FD:-}" ] || sign=(--passphrase-fd "$PASSPHRASE_FD")
if [ -z "${KEY:-}" ]; then
	KEY=$build/development.key
	[ -f "$KEY" ] || "$deploy" keys generate --no-passphrase "$build/development" >/dev/null
	cp "$build/development.pub" "$part/development.pub"
	summary="$summary
signed with a development key, which is trusted only with --key $out/development.pub"
fi
[ "$KEY" = none ] || "$deploy" release sign --key "$KEY" "${sign[@]}" "$part" >/dev/null
mv -T "$part" "$out"
printf '%s\n' "${summary//"$part"/"$out"}"
