#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tests that packaging/release.sh makes a whole release or none: release.sh KATA-DEPLOY
set -u
cd "$(dirname "$0")/.." || exit 1

deploy=$(realpath "$1")
dir=$(mktemp -d /tmp/kata-release-XXXXXX)
trap 'rm -rf "$dir"' EXIT
failed=0
wrong() {
	echo "  FAIL  $*"
	failed=1
}
make() { # OUT VERSION
	packaging/release.sh "$deploy" "$dir/tree" "$1" "$2" 6.1 >"$dir/said" 2>&1
}
# The command must fail with that text and leave no file behind.
refused() { # WHAT TEXT COMMAND...
	local what=$1 text=$2 before
	shift 2
	before=$(ls -A "$dir")
	! "$@" >"$dir/said" 2>&1 || wrong "$what is not refused"
	grep -qF -- "$text" "$dir/said" || wrong "$what: $(cat "$dir/said")"
	[ "$(ls -A "$dir")" = "$before" ] || wrong "$what leaves something: $(ls -A "$dir")"
}

mkdir -p "$dir/tree/bin"
echo tool >"$dir/tree/bin/tool"
printf 'components:\n  - {name: a, text: a, required: true, paths: [bin]}\ncopies: []\n' >"$dir/components.yaml"
"$deploy" keys generate --no-passphrase "$dir/key" >/dev/null
touch "$dir/said"
export COMPONENTS=$dir/components.yaml BUILD=$dir SOURCE_DATE_EPOCH=1700000000 LEVEL=1 EXPIRES=3650d

KEY=$dir/nowhere refused "a key that is not there" "KEY=$dir/nowhere cannot be read" make "$dir/out" 1.0
KEY=$dir/key.pub refused "a public key" "is not a secret key" make "$dir/out" 1.0
KEY=$dir/key.key COMPONENTS=$dir/nowhere refused "a build that fails" nowhere make "$dir/out" 1.0
KEY=/bad refused "make release KEY=/bad" "KEY=/bad cannot be read" packaging/release.sh check "$dir/out"
OLD=$dir/tree refused "an old release that is none" "has no release.yaml" make "$dir/out" 1.0
refused "a directory that is not empty" "is not empty" make "$dir/tree" 1.0
# A file that passes the script's check of keys, but that kata-deploy rejects after the build.
sed '2s/./x/g' "$dir/key.key" >"$dir/broken.key"
KEY=$dir/broken.key refused "a damaged key" broken.key make "$dir/out" 1.0

export KEY=$dir/key.key
make "$dir/out/" 1.0 || wrong "a release: $(cat "$dir/said")"
"$deploy" release check --allow-expired --key "$dir/key.pub" "$dir/out" >/dev/null || wrong "the release's check"
grep -q "^$dir/out: kata 1.0" "$dir/said" || wrong "what it says: $(cat "$dir/said")"
# Two versions of one commit have the same time of creation.
OLD=$dir/out make "$dir/out2" 1.1 || wrong "the next release: $(cat "$dir/said")"
grep -q "serial 1700000001" "$dir/said" || wrong "its serial: $(cat "$dir/said")"
OLD=$dir/out SERIAL=1700000000 refused "a serial again" "give a higher serial" make "$dir/out3" 1.2

[ "$failed" = 0 ] && echo "  ok    releases"
exit "$failed"
