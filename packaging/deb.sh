#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes Debian packages of a signed release, kata-deploy and kata-containers; `make deb` calls it.
#
#	deb.sh DIR-OF-PORTABLE-PROGRAMS RELEASE OUT
#
# OUT gets NAME_VERSION_ARCH.deb of both; one of the same name is replaced. The same release and programs
# give the same bytes: all times are that of the release's creation. docs/design/deb.md says which file
# belongs to whom. Environment: KEYS, the public keys (default: those beside the release's documents),
# MAINTAINER, COMPRESS (options of dpkg-deb; default: -Zxz -z6).
set -euo pipefail

die() {
	echo "deb: $*" >&2
	exit 1
}

programs=${1%/} release=${2%/} out=${3%/}
here=$(dirname "$0")/deb
deploy=$programs/kata-deploy
[ -f "$release/release.yaml" ] || die "RELEASE=$release is no release: it has no release.yaml"
[ -f "$release/release.yaml.minisig" ] || die "$release is not signed; kata-deploy release sign --key FILE $release"
command -v dpkg-deb >/dev/null || die "dpkg-deb is not here; install the package dpkg"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022
value() { sed -n "s/^$1: *\"\{0,1\}\([^\"]*\)\"\{0,1\}$/\1/p" "$release/release.yaml" | head -n 1; }
# 3.10.0-rc1 comes before 3.10.0, for dpkg too.
version=$(value version | sed 's/-/~/g; s/_/+/g')
case $(value architecture) in
x86_64) arch=amd64 ;;
aarch64) arch=arm64 ;;
*) arch=$(value architecture) ;;
esac
epoch=$(date -ud "$(value created)" +%s)
export SOURCE_DATE_EPOCH=$epoch
pin=$(sha256sum "$release/release.yaml" | cut -d' ' -f1)
maintainer=${MAINTAINER:-The makers of this package <kata@example.org>}
# Until the release has a VMM of its own.
recommends="containerd | docker.io | cri-o"
grep -q '^ *- path: bin/qemu-system' "$release/release.yaml" || recommends="$recommends, qemu-system-x86, qemu-system-common"

# Only what nodes are to believe, and have been seen to.
mkdir -p "$work/keys" "$work/node"
read -ra keys <<<"${KEYS:-$(echo "$release"/*.pub)}"
for key in "${keys[@]}"; do
	[ ! -f "$key" ] || cp "$key" "$work/keys/"
done
env -u KATA_DEPLOY_RELEASE "$deploy" plan --json --cri none --root "$work/node" --release "$release" \
	--trust-dir "$work/keys" --pin "$pin" >/dev/null 2>"$work/said" ||
	die "nodes would not believe it: $(cat "$work/said"); KEYS=\"FILE.pub ...\" are the keys that signed it"

fill() { # TEMPLATE
	awk -v version="$version" -v arch="$arch" -v maintainer="$maintainer" -v size="${size:-0}" -v pin="$pin" \
		-v recommends="$recommends" -v lib="$here/lib.sh" '
		$0 == "@LIB@" { while ((getline line < lib) > 0) if (line !~ /shellcheck/) print line; next }
		{ gsub(/@VERSION@/, version); gsub(/@ARCH@/, arch); gsub(/@MAINTAINER@/, maintainer)
		  gsub(/@SIZE@/, size); gsub(/@PIN@/, pin); gsub(/@RECOMMENDS@/, recommends); print }' "$1"
}
document() { # PACKAGE
	local doc=$work/$1/usr/share/doc/$1
	install -D -m 0644 "$here/copyright" "$doc/copyright"
	printf '%s (%s) stable; urgency=medium\n\n  * Release %s.\n\n -- %s  %s\n' "$1" "$version" \
		"$(value version)" "$maintainer" "$(LC_ALL=C date -uRd "@$epoch")" | gzip -9n >"$doc/changelog.gz"
	[ ! -f "$here/$1.lintian-overrides" ] ||
		install -D -m 0644 "$here/$1.lintian-overrides" "$work/$1/usr/share/lintian/overrides/$1"
}
build() { # PACKAGE
	local tree=$work/$1 script
	document "$1"
	size=$(du -sk --apparent-size "$tree" | cut -f1)
	mkdir -p "$tree/DEBIAN"
	fill "$here/$1.control" >"$tree/DEBIAN/control"
	(cd "$tree" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$tree/DEBIAN/md5sums"
	for script in postinst prerm postrm; do
		[ ! -f "$here/$1.$script" ] || fill "$here/$1.$script" >"$tree/DEBIAN/$script"
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
build kata-deploy

tree=$work/kata-containers/usr/lib/kata-containers
mkdir -p "$tree/keys"
while IFS= read -r -d '' file; do
	case $file in
	*.pub | channel.*) ;;
	*) install -D -m 0644 "$release/$file" "$tree/release/$file" ;;
	esac
done < <(cd "$release" && find . -type f -printf '%P\0' | LC_ALL=C sort -z)
for key in "$work"/keys/*; do
	[ ! -f "$key" ] || install -m 0644 "$key" "$tree/keys/"
done
build kata-containers
