#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds a libcurl that can be linked statically: packaging/curl.sh OUTPUT-FOLDER
#
# Debian's own libcurl.a needs libraries that Debian has no archives of (Kerberos, LDAP, RTMP ...). This one has HTTP,
# HTTPS and unix sockets only. Names are resolved by c-ares, since glibc's resolver loads shared libraries that a static
# program may not find.
#
# Environment
#   CURL_SOURCE  folder that has the two source files already (default: apt fetches them)
#   KATA_CACHE   folder of cached results (default ~/.cache/kata)
# shellcheck disable=SC2034 # the variables are for debian-build.sh
set -euo pipefail
export LC_ALL=C

package=curl upstream=7.88.1
tarball=curl_7.88.1.orig.tar.gz
tarball_sha256=cdb38b72e36bc5d33d5b8810f8018ece1baa29a8f215b4495e495ded82bbf3c7
patches_sha256=961b78bc48492c5693e4decb352ddd176f343260a8956f48b2887874048ef23b # 7.88.1-10+deb12u15
# They are at the end of the series and for builds with other TLS libraries.
left_out='gnutls\|nss'
linked_with=(libssl-dev libc-ares-dev libnghttp2-dev)
source_folder=${CURL_SOURCE:-}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=packaging/debian-build.sh
. "$here/debian-build.sh"

compile() { # RESULTS
	CFLAGS="-Os -fPIE -ffunction-sections -fdata-sections -fstack-protector-strong -ffile-prefix-map=$PWD=." \
		quietly configure ./configure --quiet --disable-shared --enable-static --with-openssl --enable-ares \
		--with-nghttp2 --enable-unix-sockets --without-libidn2 --without-libpsl --without-librtmp \
		--without-libssh2 --without-brotli --without-zstd --without-zlib --without-gssapi --without-libgsasl \
		--disable-ldap --disable-ftp --disable-file --disable-dict --disable-gopher --disable-imap \
		--disable-mqtt --disable-pop3 --disable-rtsp --disable-smb --disable-smtp --disable-telnet \
		--disable-tftp --disable-manual --disable-cookies --disable-alt-svc --disable-ntlm --disable-netrc \
		--without-ca-bundle --without-ca-path
	quietly make make -s -j"$(nproc)" -C lib
	cp lib/.libs/libcurl.a "$1/"
}

[ $# -eq 1 ] || die "usage: curl.sh OUTPUT-FOLDER"
debian_build "$1"
