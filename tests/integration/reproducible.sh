#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds a release with its Debian packages, container image and snap twice, in directories with different names and
# depths, with another umask, time zone, language and, if we are root, user. The bytes must be the same.
# reproducible.sh KATA-DEPLOY
#
# Kernel, QEMU and libcurl come from the cache; with REBUILD=1 the second build compiles them again.
set -eu
deploy=$(realpath "$1")
cd "$(dirname "$0")/../.."

work=$(mktemp -d /tmp/kata-twice-XXXXXX)
trap 'rm -rf "$work"' EXIT
one=$work/one two=$work/second/much/deeper
mkdir -p "$one" "$two" "$work/home" "$work/cache"
for dir in "$one" "$two"; do git ls-files -z | xargs -0 cp -P --parents -t "$dir"; done
cache=${KATA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kata}
for c in curl kernel qemu; do # without the root directories of other tests, which are large
	[ ! -e "$cache/$c" ] || cp -a "$cache/$c" "$work/cache/"
done
"$deploy" keys generate --no-passphrase "$work/key" >/dev/null
export SOURCE_DATE_EPOCH=1700000000 KATA_CACHE=$work/cache KEY=$work/key.key KEYS=$work/key.pub
forms=(deb image)
! command -v snap >/dev/null || ! command -v mksquashfs >/dev/null || forms+=(snap)
build() { # DIR OUT FORM...
	local dir=$1 out=$2 form
	shift 2
	make --no-print-directory -s -C "$dir" -j2 release OUT="$out/release" LEVEL=3 KEY="$KEY" >"$out.log" 2>&1 || {
		tail -n 20 "$out.log" >&2
		return 1
	}
	for form; do
		make --no-print-directory -s -C "$dir" "$form" RELEASE="$out/release" KEY="$KEY" KEYS="$KEYS" \
			DEB="$out/deb" IMAGE="$out/image" SNAP="$out/snap" >"$out.log" 2>&1 || {
			tail -n 20 "$out.log" >&2
			return 1
		}
	done
}
mkdir "$work/a" "$work/b"
(umask 022 && COMPRESS="-Zgzip -z1" build "$one" "$work/a" "${forms[@]}")
[ "${REBUILD:-0}" = 0 ] || {
	mkdir "$work/empty"
	KATA_CACHE=$work/empty
}
as=()
if [ "$(id -u)" = 0 ]; then
	chown -R nobody "$work"
	as=(setpriv --reuid=nobody --clear-groups)
fi
export -f build
"${as[@]}" env HOME="$work/home" TZ=Asia/Tokyo LANG=C.UTF-8 COMPRESS="-Zgzip -z1" \
	bash -c 'umask 077; build "$@"' build "$two" "$work/b" "${forms[@]}"
failed=0
for what in release image.tar "${forms[@]}"; do
	left=$(diff -rq "$work/a/$what" "$work/b/$what") && continue
	failed=$((failed + 1))
	printf '  FAIL  %s\n%s\n' "$what" "$left"
done
echo "reproducible: $((2 + ${#forms[@]} - failed)) passed, $failed failed"
[ "$failed" = 0 ]
