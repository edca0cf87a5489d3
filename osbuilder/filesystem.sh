#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes a file system image from a directory; the same contents give the same bytes:
#
#   osbuilder/filesystem.sh erofs|ext4 DIRECTORY OUTPUT
#
# Needs no privileges and no loop device. Run by root it keeps the owners of the files; run by another user it makes
# root the owner of all. Times are SOURCE_DATE_EPOCH (default 0), identifiers are fixed.
#
# EROFS_ARGS   more arguments of mkfs.erofs, such as -zlz4hc

set -euo pipefail
export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin

die() {
	echo "filesystem.sh: $*" >&2
	exit 1
}

[ $# -eq 3 ] || die "usage: filesystem.sh erofs|ext4 DIRECTORY OUTPUT"
kind=$1 root=${2%/} out=$3
time=${SOURCE_DATE_EPOCH:-0}
uuid=6b617461-0000-4000-8000-000000000000
[ -d "$root" ] || die "$root is not a directory"
work=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$work"' EXIT

make_erofs() {
	local owner=(--all-root) args=()

	[ "$(id -u)" != 0 ] || owner=()
	read -ra args <<<"${EROFS_ARGS:-}"
	mkfs.erofs -T"$time" -U"$uuid" "${owner[@]}" "${args[@]}" "$work/image" "$root" >"$work/said" 2>&1
}

# mke2fs copies ctime and atime, which nobody can set in the directory, and the owners. debugfs corrects them in the
# image. It cannot quote some names; those are refused.
make_ext4() {
	local bytes entries blocks others=

	bytes=$(du -s --apparent-size --block-size=1 "$root" | cut -f 1)
	entries=$(find "$root" -printf . | wc -c)
	# Each file wastes half a block on average, and the tables need room.
	blocks=$((bytes / 4096 + entries + bytes / 4096 / 16 + 1024))
	! find "$root" -name '*["
]*' | grep -q . || die "$root has a name with a quote or a newline"
	[ "$(id -u)" = 0 ] || others=1
	E2FSPROGS_FAKE_TIME=$((time ? time : 1)) mke2fs -q -t ext4 -b 4096 -m 0 -U "$uuid" -N $((entries + 64)) \
		-O ^has_journal,^resize_inode,^metadata_csum -E "hash_seed=$uuid,root_owner=0:0,lazy_itable_init=0" \
		-d "$root" "$work/image" "$blocks" >"$work/said" 2>&1 || return
	(cd "$root" && find . -print | sort) | while IFS= read -r name; do
		for field in atime ctime mtime crtime; do
			printf 'set_inode_field "/%s" %s @%d\n' "$name" "$field" "$time"
			printf 'set_inode_field "/%s" %s_extra 0\n' "$name" "$field"
		done
		[ -z "$others" ] || printf 'set_inode_field "/%s" %s 0\n' "$name" uid "$name" gid
	done >"$work/fields"
	E2FSPROGS_FAKE_TIME=$((time ? time : 1)) debugfs -w -f "$work/fields" "$work/image" >>"$work/said" 2>&1
}

case $kind in
erofs | ext4) "make_$kind" || {
	cat "$work/said" >&2
	die "cannot make a file system ($kind) from $root"
} ;;
*) die "unknown file system '$kind': erofs or ext4" ;;
esac
mv "$work/image" "$out"
