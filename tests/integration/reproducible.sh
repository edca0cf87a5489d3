#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds a release twice, in directories of different names and depth, with another umask, time zone,
# language and, if we are root, user: the bytes must be the same. Kernel and QEMU come from the
# cache.
set -eu
cd "$(dirname "$0")/../.."

work=$(mktemp -d /tmp/kata-twice-XXXXXX)
trap 'rm -rf "$work"' EXIT
one=$work/one two=$work/second/much/deeper
mkdir -p "$one" "$two" "$work/home"
for dir in "$one" "$two"; do git ls-files -z | xargs -0 cp -P --parents -t "$dir"; done
cache=${KATA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kata}
cp -a "$cache" "$work/cache"
export SOURCE_DATE_EPOCH=1700000000 KATA_CACHE=$work/cache
build() { # DIR OUT
	make --no-print-directory -s -C "$1" -j2 release OUT="$2" LEVEL=3 >"$2.log" 2>&1 || {
		tail -n 20 "$2.log" >&2
		return 1
	}
}
(umask 022 && build "$one" "$work/a")
as=()
if [ "$(id -u)" = 0 ]; then
	chown -R nobody "$work"
	as=(setpriv --reuid=nobody --clear-groups)
fi
export -f build
"${as[@]}" env HOME="$work/home" TZ=Asia/Tokyo LANG=C.UTF-8 bash -c "umask 077; build '$two' '$work/b'"
# Each tree made a development key of its own.
left=$(diff -rq -x '*.minisig' -x development.pub "$work/a" "$work/b") || {
	printf '%s\n' "$left"
	echo "reproducible: 0 passed, 1 failed"
	exit 1
}
echo "reproducible: 1 passed, 0 failed"
