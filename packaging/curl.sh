#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds a libcurl that can be linked statically: packaging/curl.sh OUTPUT-FOLDER
#
# Debian's own libcurl.a needs libraries that Debian has no archives of (Kerberos, LDAP, RTMP ...). This
# is Debian's source with Debian's patches and HTTP, HTTPS and unix sockets only. Names are resolved by
# c-ares, since glibc's resolver loads shared libraries that a static program may not find. The source
# comes through this machine's own package sources, whose signatures apt checks; the tarball's digest
# is pinned here, so is that of the patches, of which a security update may bring newer ones.
#
# Environment
#   CURL_SOURCE  folder that has the two source files already (default: apt fetches them)
#   KATA_CACHE   folder of cached results (default ~/.cache/kata)
set -euo pipefail
export LC_ALL=C
umask 022
unset MAKEFLAGS MAKELEVEL MFLAGS MAKEOVERRIDES

tarball=curl_7.88.1.orig.tar.gz
tarball_sha256=cdb38b72e36bc5d33d5b8810f8018ece1baa29a8f215b4495e495ded82bbf3c7
patches_sha256=961b78bc48492c5693e4decb352ddd176f343260a8956f48b2887874048ef23b # 7.88.1-10+deb12u15

die() {
	echo "curl: $*" >&2
	exit 1
}

[ $# -eq 1 ] || die "usage: curl.sh OUTPUT-FOLDER"
out=$(realpath -m "$1")
cache=${KATA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kata}/curl
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=packaging/debian-source.sh
. "$here/debian-source.sh"
mkdir -p "$cache"
# Whoever comes second waits for the first and finds its result. A result that is a week old is replaced, so it is also
# read under the lock.
exec 9>"$cache/lock"
flock 9
work=$(mktemp -d "${TMPDIR:-/tmp}/kata-curl-XXXXXX")
new=$(mktemp -d "$cache/new.XXXXXX")
trap 'rm -rf "$work" "$new"' EXIT

inputs() {
	sha256sum <"$here/curl.sh"
	gcc --version | head -n 1
	dpkg-query -W libssl-dev libc-ares-dev libnghttp2-dev
}

source=${CURL_SOURCE:-}
digest=$(inputs | sha256sum | cut -d' ' -f1)
# A result of the last 7 days is used without checking Debian's archive.
if [ -z "$source" ] && [ -n "$(find "$cache/last" -name key -newermt '7 days ago' 2>/dev/null)" ] &&
	[ "$(cat "$cache/last/key")" = "$digest" ]; then
	mkdir -p "$out"
	cp -a "$cache/last"/. "$out"
	echo "curl: from cache"
	exit 0
fi

if [ -z "$source" ]; then
	debian_source curl "$work" ||
		die "Debian's source package of curl cannot be fetched; set CURL_SOURCE to a folder that has it"
	source=$work
fi
[ "$(sha256sum <"$source/$tarball" | cut -d' ' -f1)" = "$tarball_sha256" ] ||
	die "$source/$tarball does not have the pinned digest"
patches=$(find "$source" -maxdepth 1 -name 'curl_7.88.1-*.debian.tar.xz' | sort -V | tail -n 1)
[ -n "$patches" ] || die "$source has no curl_7.88.1-*.debian.tar.xz"
[ "$(sha256sum <"$patches" | cut -d' ' -f1)" = "$patches_sha256" ] ||
	echo "curl: $(basename "$patches") is not the pinned version"

mkdir "$work/src"
tar -C "$work/src" --strip-components=1 -xf "$source/$tarball"
tar -C "$work/src" -xf "$patches"
cd "$work/src"
# The patches at the end of the series are for builds with other TLS libraries.
grep -v -e '^#' -e '^$' -e gnutls -e nss debian/patches/series | while read -r patch; do
	patch -s -p1 <"debian/patches/$patch" || die "patch $patch does not apply"
done
CFLAGS="-Os -fPIE -ffunction-sections -fdata-sections -fstack-protector-strong -ffile-prefix-map=$PWD=." \
	./configure --quiet --disable-shared --enable-static --with-openssl --enable-ares --with-nghttp2 \
	--enable-unix-sockets --without-libidn2 --without-libpsl --without-librtmp --without-libssh2 \
	--without-brotli --without-zstd --without-zlib --without-gssapi --without-libgsasl --disable-ldap \
	--disable-ftp --disable-file --disable-dict --disable-gopher --disable-imap --disable-mqtt \
	--disable-pop3 --disable-rtsp --disable-smb --disable-smtp --disable-telnet --disable-tftp \
	--disable-manual --disable-cookies --disable-alt-svc --disable-ntlm --disable-netrc \
	--without-ca-bundle --without-ca-path >configure.log 2>&1 || {
	tail -n 5 configure.log >&2
	die "configure failed"
}
make -s -j"$(nproc)" -C lib >make.log 2>&1 || {
	tail -n 5 make.log >&2
	die "compiling failed"
}
cd "$here/.."
cp "$work/src/lib/.libs/libcurl.a" "$new/"
basename "$patches" >"$new/version"
echo "$digest" >"$new/key"
chmod 755 "$new" # mktemp's is for us alone
mkdir -p "$out"
cp -a "$new"/. "$out"
rm -rf "$cache/last"
mv -T "$new" "$cache/last"
echo "curl: built from $tarball and $(cat "$out/version")"
