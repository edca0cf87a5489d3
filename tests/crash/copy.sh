#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Kills `kata-deploy fetch` into an older copy at every system call that changes something:
# copy.sh CRASH-AT KATA-DEPLOY
#
# After each kill the copy must be the old release or the new one, whole and signed, or have no release.yaml, and then
# be reported as incomplete. The same command, run again, must result in the same files as a fresh copy.
set -eu
at=$(realpath "$1") deploy=$(realpath "$2")
# shellcheck source=tests/signed-release.sh
. "$(dirname "$0")/../signed-release.sh"
LAB=$(mktemp -d "${TMPDIR:-/tmp}/crash-copy.XXXXXX")
trap 'rm -rf "$LAB"' EXIT
failed=0 old=0 new=0 incomplete=0

"$deploy" keys generate --no-passphrase "$LAB/second" >/dev/null
mkdir -p "$LAB/tree/bin" "$LAB/tree/share"
echo "always the same" >"$LAB/tree/share/data"
for n in 1 2; do
	echo "the shim of $n" >"$LAB/tree/bin/containerd-shim-kata-v2"
	signed_release "$LAB/key" "$LAB/tree" "$LAB/$n" "$n.0.0" "$n"
done
# The old release has what the new one lacks: a second signature, a channel.
"$deploy" release sign --key "$LAB/second.key" "$LAB/1" >/dev/null
rm "$LAB"/2/channel.yaml*

options=(--key "$LAB/key.pub" --trust-dir "$LAB/none" --cache "$LAB/cache" --prefix "$LAB/opt"
	--lock "$LAB/lock")
fetch=("$deploy" fetch "${options[@]}" --quiet --release)
"${fetch[@]}" "$LAB/1" --to "$LAB/older"
"${fetch[@]}" "$LAB/2" --to "$LAB/fresh"

wrong() {
	failed=$((failed + 1))
	echo "  FAIL  a copy killed at call $call: $*"
}

check() {
	local said
	if [ -e "$LAB/copy/release.yaml" ]; then
		"$deploy" release check "$LAB/copy" >/dev/null || wrong "it is not whole"
		"$deploy" plan "${options[@]}" --cri none --release "$LAB/copy" >/dev/null ||
			wrong "it is not what was signed"
		if cmp -s "$LAB/copy/release.yaml" "$LAB/1/release.yaml"; then
			old=$((old + 1))
		else
			new=$((new + 1))
		fi
	else
		incomplete=$((incomplete + 1))
		! said=$("$deploy" plan "${options[@]}" --cri none --release "$LAB/copy" 2>&1) ||
			wrong "without a release.yaml it is used"
		[[ $said == *incomplete* ]] || wrong "it does not say that it is incomplete: $said"
	fi
	"${fetch[@]}" "$LAB/2" --to "$LAB/copy" || wrong "once more failed"
	diff -r "$LAB/fresh" "$LAB/copy" || wrong "once more is not a fresh copy"
}

for ((call = 1; ; call++)); do
	rm -rf "$LAB/copy"
	cp -a "$LAB/older" "$LAB/copy"
	read -r calls status _ < <("$at" "$call" "${fetch[@]}" "$LAB/2" --to "$LAB/copy")
	if [ "$calls" -lt "$call" ]; then
		[ "$status" = 0 ] || wrong "to its end it does not work"
		break
	fi
	check
done
call=any
[ "$old" -gt 0 ] || wrong "none left the older one"
[ "$new" -gt 0 ] || wrong "none left the new one"
[ "$failed" = 0 ] || exit 1
echo "  ok    a copy over an older one ($calls calls: $old old, $incomplete incomplete, $new new)"
