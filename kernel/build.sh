#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds the guest kernel: kernel/build.sh OUTPUT-FOLDER
#
# What comes out depends on the source archive, the fragments, the patches, small.list, this file and the
# compiler, and on nothing else; their digest is the name below which a result is cached, because a compile takes
# minutes. Every option that a fragment asks for is compared with what the kernel's own rules made of
# it: an option that was dropped on the way is an error here and not a surprise in a guest.
#
# Environment
#   KERNEL_SOURCE   archive of the source (default /usr/src/linux-source-6.1.tar.xz)
#   KERNEL_ARCH     x86_64 or aarch64 (default: this machine's)
#   CROSS_COMPILE   prefix of the compiler, e.g. aarch64-linux-gnu-
#   KERNEL_JOBS     parallel jobs (default: number of processors)
#   KATA_CACHE      folder of cached results (default ~/.cache/kata)

set -euo pipefail
export LC_ALL=C
umask 022
# Variables of an outer make would reach into the kernel's.
unset MAKEFLAGS MAKELEVEL MFLAGS MAKEOVERRIDES

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
started=$SECONDS

die() {
	echo "kernel: $*" >&2
	exit 1
}

step() {
	printf 'kernel: [%4d s] %s\n' $((SECONDS - started)) "$*"
}

[ $# -eq 1 ] || die "usage: build.sh OUTPUT-FOLDER"
out=$1
source_archive=${KERNEL_SOURCE:-/usr/src/linux-source-6.1.tar.xz}
arch=${KERNEL_ARCH:-$(uname -m)}
cross=${CROSS_COMPILE:-}
jobs=${KERNEL_JOBS:-$(nproc)}
cache=${KATA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kata}/kernel

case $arch in
x86_64) kernel_arch=x86_64 image=vmlinux ;;
aarch64) kernel_arch=arm64 image=arch/arm64/boot/Image ;;
*) die "no fragments for architecture $arch" ;;
esac
[ -r "$source_archive" ] ||
	die "$source_archive: not there; install the package linux-source-6.1"
command -v "${cross}gcc" >/dev/null || die "${cross}gcc: not there"

fragments=("$here"/fragments/common/*.conf "$here/fragments/$arch"/*.conf)
mapfile -t patches < <(sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$here/patches/series")

inputs() {
	local file

	sha256sum <"$source_archive"
	echo "$arch" "$("${cross}gcc" --version | head -n 1)" "$("${cross}ld" --version | head -n 1)"
	for file in "${fragments[@]}" "$here/patches/series" \
		"${patches[@]/#/$here/patches/}" "$here/small.list" "$here/build.sh"; do
		echo "${file#"$here"/} $(sha256sum <"$file")"
	done
}

# Prints "OPTION VALUE FILE:LINE" for every line of the fragments.
read_fragments() {
	awk -v root="$here/" '
	function bad(why) {
		printf "kernel: %s:%d: %s\n", name, FNR, why | "cat >&2"
		failed = 1
	}
	FNR == 1 { name = FILENAME; sub("^" root, "", name) }
	/^[ \t]*(#.*)?$/ { next }
	!/^CONFIG_[A-Za-z0-9_]+=./ { bad("expected CONFIG_NAME=VALUE"); next }
	{
		split($0, part, "=")
		option = part[1]
		value = substr($0, length(option) + 2)
		if (value !~ /^([yn]|-?[0-9]+|0x[0-9a-fA-F]+|".*")$/)
			bad(option ": a value is y, n, a number or a string in quotes")
		else if (option in asked && asked[option] != value)
			bad(option "=" value " contradicts " asked[option] " of " place[option])
		asked[option] = value
		place[option] = name ":" FNR
		print option "\t" value "\t" place[option]
	}
	END { exit failed }' "${fragments[@]}"
}

# The source without the code of other machines, devices and tools: a third of the files. Kconfig files and
# Makefiles stay, since the kernel's own name each other.
unpack() {
	local folder leave=()

	for folder in Documentation samples sound/{drivers,firewire,isa,pci,soc,usb} tools/{perf,testing} \
		drivers/{comedi,gpu,hwmon,iio,infiniband,media,mtd,staging,usb} drivers/net/{ethernet,wireless} \
		arch/{alpha,arc,csky,hexagon,ia64,loongarch,m68k,microblaze,mips,nios2,openrisc,parisc} \
		arch/{powerpc,riscv,s390,sh,sparc,xtensa}; do
		leave+=(--exclude="*/$folder/*."{c,h,S,dts,dtsi,rst,txt,yaml,json,svg,dot,py,sh,asc,inc,tbl})
	done
	tar -xf "$source_archive" -C "$1" --strip-components=1 --no-same-owner "${leave[@]}"
}

# Has what small.list names compiled for size.
make_small() {
	local name

	while read -r name; do
		case $name in
		'' | '#'*) ;;
		arch/x86/*) [ "$kernel_arch" != x86_64 ] || small "$name" ;;
		*) small "$name" ;;
		esac
	done <"$here/small.list"
}

small() { # DIRECTORY or OBJECT
	local line="subdir-ccflags-y += -Os" makefile=$1/Makefile

	if [ "${1%.o}" != "$1" ]; then
		line="CFLAGS_${1##*/} += -Os" makefile=${1%/*}/Makefile
		[ -e "${1%.o}.c" ] || die "small.list: $1: this source has no ${1%.o}.c"
	fi
	[ -e "$makefile" ] || die "small.list: $1: this source has no $makefile"
	# A line of its own, whether the last one is whole or not.
	printf '\n%s\n' "$line" >>"$makefile"
}

# Compares what was asked with the configuration that came out.
check_config() {
	local known

	known=$(mktemp "$work/known.XXXXXX")
	find . -name 'Kconfig*' -type f -exec \
		sed -nE 's/^[[:space:]]*(menu)?config[[:space:]]+([A-Za-z0-9_]+).*/CONFIG_\2/p' {} + \
		>"$known"
	awk -F '\t' -v config=.config -v known="$known" '
	BEGIN {
		while ((getline line < known) > 0)
			exists[line] = 1
		while ((getline line < config) > 0) {
			at = index(line, "=")
			if (line ~ /^CONFIG_/ && at)
				got[substr(line, 1, at - 1)] = substr(line, at + 1)
		}
	}
	{
		have = ($1 in got) ? got[$1] : "n"
		if (!($1 in exists))
			printf "kernel: %s: %s: this source has no such option\n", $3, $1
		else if (have != $2)
			printf "kernel: %s: %s: asked %s, got %s\n", $3, $1, $2, have
		else
			next
		failed = 1
	}
	END { exit failed }' "$work/asked" >&2 ||
		die "the configuration is not what the fragments ask for"
}

deliver() {
	local file

	mkdir -p "$out"
	for file in vmlinux config; do
		ln -f "$entry/$file" "$out/$file" 2>/dev/null || cp -f "$entry/$file" "$out/$file"
		# A hard link has the time of the day it was built; make compares with the inputs.
		touch "$out/$file"
	done
}

digest=$(inputs | sha256sum | cut -d ' ' -f 1)
entry=$cache/$digest
mkdir -p "$cache"
if [ ! -e "$entry/vmlinux" ]; then
	# Whoever comes second waits for the first and finds its result.
	exec 9>"$cache/lock"
	flock 9
fi
if [ -e "$entry/vmlinux" ]; then
	echo "kernel: from cache ($entry)"
	deliver
	exit 0
fi

work=$(mktemp -d "$cache/work.XXXXXX")
trap 'rm -rf "$work"' EXIT

read_fragments >"$work/asked" || die "the fragments contradict themselves"

step "unpacking $source_archive"
mkdir "$work/source"
unpack "$work/source"
cd "$work/source"

for name in "${patches[@]}"; do
	step "patch $name"
	patch -p1 --no-backup-if-mismatch --fuzz=0 --silent <"$here/patches/$name" ||
		die "patches/$name does not apply"
done

make_small

# Nothing of the place and the hour may get into the file.
export KBUILD_BUILD_TIMESTAMP='2024-01-01 00:00:00 UTC'
export KBUILD_BUILD_USER=kata KBUILD_BUILD_HOST=kata KBUILD_BUILD_VERSION=1
export LOCALVERSION='' SOURCE_DATE_EPOCH=1704067200
kbuild=(make -s ARCH="$kernel_arch" CROSS_COMPILE="$cross")

step "configuring ($(wc -l <"$work/asked") options asked for)"
cut -f 1,2 "$work/asked" | tr '\t' '=' >"$work/all.config"
KCONFIG_ALLCONFIG=$work/all.config "${kbuild[@]}" allnoconfig
check_config

step "compiling with $jobs jobs; this takes about 12 minutes of processor time"
"${kbuild[@]}" -j "$jobs" "$(basename "$image")"

mkdir "$work/result"
if [ "$image" = vmlinux ]; then
	"${cross}objcopy" --strip-all vmlinux "$work/result/vmlinux"
else
	cp "$image" "$work/result/vmlinux"
fi
cp .config "$work/result/config"
chmod 644 "$work/result"/*
mv -T "$work/result" "$entry"
deliver
step "done: $out/vmlinux, $(stat -c %s "$out/vmlinux") bytes"
