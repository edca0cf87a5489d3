#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes the Debian packages kata-deploy and kata-containers of a signed release; `make deb` calls it.
#
#	deb.sh DIR-OF-PORTABLE-PROGRAMS RELEASE OUT
#
# Writes NAME_VERSION_ARCH.deb of both to OUT, replacing files of the same name. The same release and programs
# give the same bytes: all times are that of the release's creation. docs/design/deb.md explains which file
# belongs to which package. Environment: KEYS, the public keys (default: those beside the release's documents),
# MAINTAINER, COMPRESS (options of dpkg-deb; default: -Zxz -z6).
set -euo pipefail

die() {
	echo "deb: $*" >&2
	exit 1
}

programs=${1%/} release=${2%/} out=${3%/}
deploy=$programs/kata-deploy
here=$(dirname "$0")
# shellcheck source=packaging/release-of.sh
. "$here/release-of.sh"
command -v dpkg-deb >/dev/null || die "dpkg-deb is not here; install the package dpkg"
umask 022
maintainer=${MAINTAINER:-The makers of this package <kata@example.org>}
# A release without a VMM of its own needs the node's.
recommends="containerd | docker.io | cri-o"
grep -q '^ *- path: bin/qemu-system' "$release/release.yaml" || recommends="$recommends, qemu-system-x86, qemu-system-common"

document() { # PACKAGE
	local doc=$work/$1/usr/share/doc/$1
	install -D -m 0644 "$here/deb/copyright" "$doc/copyright"
	printf '%s (%s) stable; urgency=medium\n\n  * Release %s.\n\n -- %s  %s\n' "$1" "$version" \
		"$(value version)" "$maintainer" "$(LC_ALL=C date -uRd "@$epoch")" | gzip -9n >"$doc/changelog.gz"
	[ ! -f "$here/deb/$1.lintian-overrides" ] ||
		install -D -m 0644 "$here/deb/$1.lintian-overrides" "$work/$1/usr/share/lintian/overrides/$1"
}
build() { # PACKAGE
	local tree=$work/$1 script
	document "$1"
	size=$(du -sk --apparent-size "$tree" | cut -f1)
	mkdir -p "$tree/DEBIAN"
	fill "$here/deb/$1.control" "SIZE=$size" "MAINTAINER=$maintainer" "RECOMMENDS=$recommends" >"$tree/DEBIAN/control"
	(cd "$tree" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$tree/DEBIAN/md5sums"
	for script in preinst postinst prerm postrm; do
		[ ! -f "$here/deb/$1.$script" ] || fill "$here/deb/$1.$script" >"$tree/DEBIAN/$script"
		[ ! -f "$tree/DEBIAN/$script" ] || chmod 0755 "$tree/DEBIAN/$script"
	done
	find "$tree" -exec touch -hd "@$epoch" {} +
	# shellcheck disable=SC2086
	dpkg-deb --root-owner-group ${COMPRESS:--Zxz -z6} --build "$tree" "$work/$1.deb" >/dev/null
	mkdir -p "$out"
	mv "$work/$1.deb" "$out/$1_${version}_$arch.deb"
	echo "$out/$1_${version}_$arch.deb: $(stat -c %s "$out/$1_${version}_$arch.deb") bytes"
}

tree=$work/kata-deploy
for p in kata-deploy kata-manager; do
	install -D -m 0755 "$programs/$p" "$tree/usr/bin/$p"
	install -d "$tree/usr/share/"{man/man8,bash-completion/completions,zsh/vendor-completions,fish/vendor_completions.d}
	"$programs/$p" manual man | gzip -9n >"$tree/usr/share/man/man8/$p.8.gz"
	"$programs/$p" manual bash >"$tree/usr/share/bash-completion/completions/$p"
	"$programs/$p" manual zsh >"$tree/usr/share/zsh/vendor-completions/_$p"
	"$programs/$p" manual fish >"$tree/usr/share/fish/vendor_completions.d/$p.fish"
done
# Not enabled: kata-deploy timer enable, or systemctl enable --now kata-deploy-upgrade.timer.
install -d "$tree/usr/lib/systemd/system"
for kind in timer service; do
	"$deploy" timer unit --program /usr/bin/kata-deploy "$kind" >"$tree/usr/lib/systemd/system/kata-deploy-upgrade.$kind"
done
build kata-deploy

copy_release "$work/kata-containers/usr/lib/kata-containers"
build kata-containers
