#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tests the snap of a release: snap.sh DIR-OF-PORTABLE-PROGRAMS
#
# Packs it, mounts it as snapd does, and runs its hooks as snapd does, in a root with nothing but busybox and a
# configuration of containerd.
set -u
cd "$(dirname "$0")/.." || exit 1

programs=$(realpath "$1")
deploy=$programs/kata-deploy
dir=$(mktemp -d /tmp/kata-snap-XXXXXX)
node=$dir/node
snaps=$node/snap/kata-containers
finish() {
	umount "$snaps/x1" "$snaps/x2" 2>/dev/null
	rm -rf --one-file-system "$dir"
}
trap finish EXIT
# shellcheck source=tests/checked.sh
. tests/checked.sh
if ! command -v snap >/dev/null || ! command -v mksquashfs >/dev/null || [ "$(id -u)" != 0 ]; then
	echo "  skipped: snap or mksquashfs is not here, or we are not root"
	exit 0
fi

# The release has expired since; the snap ignores that.
export SOURCE_DATE_EPOCH=1700000000 LEVEL=1 EXPIRES=1d BUILD=$dir COMPONENTS=$dir/components.yaml KEY=$dir/key.key
export KEYS=$dir/key.pub
printf '%s\n' 'components:' '  - {name: a, text: a, required: true, paths: [bin, share]}' 'copies: []' >"$COMPONENTS"
"$deploy" keys generate --no-passphrase "$dir/key" >/dev/null
mkdir -p "$dir/tree/bin" "$dir/tree/share"
# The programs that the apps of the snap start.
for p in kata-runtime containerd-shim-kata-v2 kata-collect-data; do
	printf '#!/bin/sh\necho "%s $*"\n' "$p" >"$dir/tree/bin/$p" && chmod 755 "$dir/tree/bin/$p"
done
make_snap() { # SERIAL VERSION
	echo "$2" >"$dir/tree/share/version"
	SERIAL=$1 packaging/release.sh "$deploy" "$dir/tree" "$dir/$2" "$2" 6.1 &&
		packaging/snap.sh "$programs" "$dir/$2" "$dir/snap-$2"
}
mkdir -p "$dir/snap-1.0/tree" && echo mine >"$dir/snap-1.0/tree/mine"
check "a snap" make_snap 1 1.0
theirs() { [ "$(cat "$dir/snap-1.0/tree/mine")" = mine ] && [ "$(find "$dir/snap-1.0" -mindepth 1 -maxdepth 1 | wc -l)" = 2 ]; }
check "beside what was in its directory" theirs
check "the next" make_snap 2 2.0
# With the key beside the release, in a directory with a blank in its name.
again() {
	local far="$dir/far away"

	cp -r "$dir/1.0" "$far" && cp "$KEYS" "$far/" && chmod -R go-rwx "$far" &&
		(umask 077 && KEYS='' TZ=Asia/Tokyo packaging/snap.sh "$programs" "$far" "$dir/elsewhere/deep") &&
		cmp "$dir/snap-1.0/kata-containers_1.0_amd64.snap" "$dir/elsewhere/deep/kata-containers_1.0_amd64.snap"
}
check "made again it is the same bytes" again

mkdir -p "$node"/{bin,dev,proc,etc/containerd,opt,tmp} "$snaps"/{x1,x2}
mknod -m 666 "$node/dev/null" c 1 3
cp /bin/busybox "$node/bin/" && ln -s busybox "$node/bin/sh"
echo "version = 2" >"$node/etc/containerd/config.toml"
on() { unshare --mount --pid --fork --kill-child --mount-proc="$node/proc" chroot "$node" /bin/busybox env PATH=/bin "$@"; }
hook() { # REVISION HOOK
	on SNAP="/snap/kata-containers/$1" "/snap/kata-containers/$1/meta/hooks/$2"
}
revision() { # NAME VERSION: as snapd links one
	mount -o loop,ro "$dir/snap-$2/kata-containers_$2_amd64.snap" "$snaps/$1" && ln -sfn "$1" "$snaps/current"
}
installed() { [ "$(cat "$node/opt/kata/share/version")" = "$1" ]; }
registered() {
	grep -q /opt/kata/bin/containerd-shim-kata-v2 "$node/etc/containerd/config.toml" &&
		! grep -q /snap "$node/etc/containerd/config.toml"
}
check "revision x1 is mounted" revision x1 1.0
upstream() {
	local app
	for app in runtime shim collect-data deploy manager; do
		grep -q "^  $app:\$" "$snaps/x1/meta/snap.yaml" || return
	done
	! grep -q '[@#]' "$snaps/x1/meta/snap.yaml"
}
check "its apps have upstream's names" upstream
check "install" hook x1 install
check "the release is installed" installed 1.0
check "and registered, by a path that is no revision's" registered
app() { [ "$(on /snap/kata-containers/current/bin/run-kata-runtime check -v)" = "kata-runtime check -v" ]; }
check "an app is the installed program" app
held=$(readlink "$node/opt/kata/current")
check "revision x2 is mounted" revision x2 2.0
check "post-refresh" hook x2 post-refresh
check "the next release is current" installed 2.0
back() { ln -sfn "$1" "$snaps/current" && hook "$1" post-refresh; }
check "a refresh to the older revision" back x1
check "goes back to its release" installed 1.0
check "and one to the newer" back x2
check "forward" installed 2.0
check "x1 can go" umount "$snaps/x1"
check "what pods have of it is there" [ -x "$node/opt/kata/$held/bin/kata-runtime" ]
check "uninstalled by hand" on /snap/kata-containers/x2/bin/kata-deploy uninstall --yes
check "post-refresh leaves it so" hook x2 post-refresh
cp "$dir/said" "$dir/printed"
check "it is" [ ! -e "$node/opt/kata/current" ]
as_printed() {
	local words
	read -ra words < <(sed -n 's/^    //p' "$dir/printed")
	[ "${words[0]}" = kata-containers.deploy ] &&
		on /snap/kata-containers/current/bin/kata-deploy "${words[@]:1}" --yes --no-proof
}
check "the command that it prints" as_printed
check "installs it" installed 2.0
check "install finds it there" hook x2 install
check "remove" hook x2 remove
fresh() { revision x1 1.0 && hook x1 install; }
check "an older one is installed after a removal" fresh
check "its release" installed 1.0
check "remove that too" hook x1 remove
check "nothing is left of it" [ ! -e "$node/opt/kata" ]
check "nor of its registration" [ "$(cat "$node/etc/containerd/config.toml")" = "version = 2" ]
checked snap
