#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tests images built with --root: other-root.sh KATA-DEPLOY. Runs in a mount namespace in which everything except its own
# directory is read-only, and /etc, /var, /run, /opt and /tmp are empty.
#
# - kata-deploy writes nothing outside --root, and reads no configuration, cache or key there
# - two builds at the same time do not collide, and have the same bytes
# - an installation in an image that was moved can be uninstalled
set -eu
deploy=$(realpath "$1")
if [ "${2:-}" != apart ]; then
	if ! unshare --mount true 2>/dev/null; then
		echo "skipped: images below --root: they need root, to mount"
		exit 0
	fi
	exec unshare --mount "$0" "$deploy" apart
fi

# shellcheck source=tests/signed-release.sh
. "$(dirname "$0")/../signed-release.sh"
lab=/mnt
mount --make-rprivate /
mount -t tmpfs none "$lab"
cp "$deploy" "$lab/kata-deploy"
for dir in /etc /var /run /opt /tmp; do
	mount -t tmpfs -o ro none "$dir"
done
mount -o remount,ro,bind /
deploy=$lab/kata-deploy
cd "$lab"
fail() {
	echo "  FAIL  $*"
	exit 1
}

mkdir -p tree/bin tree/etc tree/share/kata
echo "the shim" >tree/bin/containerd-shim-kata-v2
chmod 755 tree/bin/*
echo "a = 1" >tree/etc/configuration.toml
echo "a kernel" >tree/share/kata/vmlinux
signed_release key tree one 1.0.0 1
tar -cf one.tar one

export SOURCE_DATE_EPOCH=1800000000
# Names only key and release. A tar archive is unpacked into the cache.
build() { # IMAGE RELEASE
	"$deploy" install --root "$1" --release "$2" --key key.pub --cri containerd --yes --quiet
}
describe() { (cd "$1" && find . -printf '%P %M %U:%G %n %l\n' | sort && find . -type f -exec sha256sum {} + | sort); }

for image in first second; do
	mkdir -p "$image/etc/containerd" "$image/opt"
	printf 'version = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n' >"$image/etc/containerd/config.toml"
	describe "$image" >"$image.before"
done
build first one.tar &
one=$!
build second one.tar &
two=$!
wait "$one" || fail "one of two builds failed"
wait "$two" || fail "the other of two builds failed"
describe first >first.txt
describe second >second.txt
diff first.txt second.txt || fail "two builds of the same differ"
[ -f first/etc/containerd/conf.d/kata-deploy.toml ] || fail "no directory was made"
! grep -q "$lab/first" first/opt/kata/state/install.json || fail "the image knows where it was built"

mv first moved
"$deploy" status --root moved --json >status.json
"$deploy" verify --root moved --quiet || fail "the moved image is not right"
"$deploy" uninstall --root moved --forget-trust --yes --quiet
describe moved | diff first.before - || fail "the moved image is not as it was"
echo "  ok    images below --root: apart from all else, two at once, the same, moved"
