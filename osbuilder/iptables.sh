#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds the guest's iptables: osbuilder/iptables.sh OUTPUT-FOLDER
#
# The agent runs it for GetIPTables and SetIPTables. OUTPUT-FOLDER gets one static program for both families, with all
# extensions, and the manifest (initrd.h) that brings it into the guest's root. It is half the size of Debian's, which
# needs the C library and a shared object of 15 kB for each extension; files of an initrd stay in the guest's memory.
#
# Environment
#   IPTABLES_SOURCE  folder that has the two source files already (default: apt fetches them)
#   KATA_CACHE       folder of cached results (default ~/.cache/kata)
# shellcheck disable=SC2034 # the variables are for debian-build.sh
set -euo pipefail
export LC_ALL=C

package=iptables upstream=1.8.9
tarball=iptables_1.8.9.orig.tar.xz
tarball_sha256=ef6639a43be8325a4f8ea68123ffac236cb696e8c78501b64e8106afb008c87f
patches_sha256=5415053f2033a351cf85c33e13d67388770f803e8bdce24f46371ea6e7488a6b # 1.8.9-2
linked_with=(libc6-dev)
source_folder=${IPTABLES_SOURCE:-}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=packaging/debian-build.sh
. "$here/../packaging/debian-build.sh"

manifest() {
	local name verb

	echo "file /sbin/xtables-legacy-multi 0755 0 0 xtables-legacy-multi"
	for name in iptables ip6tables; do
		for verb in '' -save -restore; do
			echo "link /sbin/$name$verb xtables-legacy-multi"
		done
	done
}

# A static glibc reads /etc/passwd and /etc/protocols itself. It may not resolve names of hosts, which rules of
# iptables-save(8) do not have.
compile() { # RESULTS
	CFLAGS="-Os -fPIE -ffunction-sections -fdata-sections -fstack-protector-strong -ffile-prefix-map=$PWD=." \
		quietly configure ./configure --quiet --prefix=/usr --sbindir=/sbin --disable-shared --enable-static \
		--disable-nftables --disable-libipq --disable-connlabel
	quietly make make -s -j"$(nproc)" CCLD="gcc -static-pie" \
		LDFLAGS="-Wl,--gc-sections -Wl,-z,relro -Wl,-z,now -Wl,-z,pack-relative-relocs"
	strip -s -o "$1/xtables-legacy-multi" iptables/xtables-legacy-multi
	manifest >"$1/manifest"
}

[ $# -eq 1 ] || die "usage: iptables.sh OUTPUT-FOLDER"
debian_build "$1"
