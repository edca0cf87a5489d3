#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Prints the manifest lines that bring iptables into the initrd: osbuilder/iptables.sh >FILE
#
# The agent runs these programs for GetIPTables and SetIPTables. They come from this machine's package iptables,
# together with the libraries that ldd lists. Only the extensions that sandboxes are known to use are included.

set -euo pipefail
export LC_ALL=C

die() {
	echo "iptables.sh: $*" >&2
	exit 1
}

binary=$(PATH=$PATH:/usr/sbin:/sbin command -v xtables-legacy-multi) ||
	die "xtables-legacy-multi was not found; install the package iptables"

extensions=(
	libxt_{addrtype,comment,conntrack,connmark,CONNMARK,CT,iprange,limit,LOG,mac,mark,MARK}
	libxt_{multiport,NFLOG,owner,set,SET,socket,standard,state,statistic,tcp,TCPMSS,TPROXY,udp}
	libxt_{DNAT,SNAT,NAT,MASQUERADE,REDIRECT}
	libipt_{icmp,LOG,MASQUERADE,REDIRECT,REJECT,DNAT,SNAT}
	libip6t_{icmp6,LOG,MASQUERADE,REDIRECT,REJECT,DNAT,SNAT}
)

# ldd prints NAME => PATH (ADDRESS), or PATH (ADDRESS) for the loader.
mapfile -t libraries < <(ldd "$binary" | awk '/=> \// { print $3; next } $1 ~ /^\// { print $1 }')
[ ${#libraries[@]} -ge 2 ] || die "ldd does not list the libraries of $binary"

folder=
for library in "${libraries[@]}"; do
	case $library in */libxtables.so*) folder=$(dirname "$(realpath "$library")")/xtables ;; esac
done
[ -d "$folder" ] || die "no directory of extensions beside libxtables; reinstall the package iptables"

declare -A made=()
directory() {
	[ "$1" != / ] && [ -z "${made[$1]:-}" ] || return 0
	directory "$(dirname "$1")"
	made[$1]=1
	case $1 in /sbin | /etc) return 0 ;; esac
	echo "dir $1 0755 0 0"
}

add() {
	directory "$(dirname "$1")"
	echo "file $1 0755 0 0 $(realpath "$2")"
}

# Adds the file of an extension once, since it stays in the guest's memory, and its further names as links.
declare -A added=()
add_extension() { # NAME
	local file
	file=$(basename "$(realpath "$folder/$1.so")")
	[ -n "${added[$file]:-}" ] || add "$folder/$file" "$folder/$file"
	added[$file]=1
	[ "$file" = "$1.so" ] || echo "link $folder/$1.so $file"
}

add /sbin/xtables-legacy-multi "$binary"
for name in iptables ip6tables; do
	for verb in '' -save -restore; do
		echo "link /sbin/$name$verb xtables-legacy-multi"
	done
done
for library in "${libraries[@]}"; do
	add "$library" "$library"
done
for extension in "${extensions[@]}"; do
	# Versions differ in which extensions exist, and which are part of another.
	[ ! -f "$folder/$extension.so" ] || add_extension "$extension"
done
