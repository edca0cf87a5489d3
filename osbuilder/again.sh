#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes the root images once more, in another directory and, if we are root, as another user, and compares them with
# those in BUILD: osbuilder/again.sh BUILD
set -eu
build=$(realpath "$1")
here=$(dirname "$(realpath "$0")")
again=$(mktemp -d /tmp/kata-again-XXXXXX)
trap 'chmod -R u+w "$again"; rm -rf "$again"' EXIT
as=()
if [ "$(id -u)" = 0 ]; then
	chown 65534:65534 "$again"
	as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
fi
# The other user cannot read files below a home directory.
cp "$here/filesystem.sh" "$build/tools/mkroot" "$build/osbuilder/root.cpio" "$again"
for kind in erofs ext4; do
	name=kata-containers.img
	[ $kind = erofs ] || name=kata-containers-ext4.img
	# shellcheck disable=SC2016 # for the other shell
	"${as[@]}" bash -euc 'umask 077 && mkdir -m 0755 "$1/$2" && cd "$1/$2" && cpio -idm --quiet -f "dev/*" <../root.cpio &&
		../filesystem.sh "$2" . ../fs && ../mkroot -o "../$3" ../fs' - "$again" "$kind" "$name"
	cmp "$build/osbuilder/$name" "$again/$name"
	cmp "$build/osbuilder/$name.verity" "$again/$name.verity"
done
echo "  ok    root images, made twice"
