#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds the release's own QEMU, virtiofsd and firmware: packaging/qemu/build.sh OUTPUT-FOLDER
#
# Debian's source of QEMU with Debian's patches, linked statically, with the devices that the runtime can
# ask for (runtime/vmm/qemu/devices.def) and nothing else. OUTPUT-FOLDER gets what is installed below a
# prefix: bin/qemu-system-x86_64, libexec/virtiofsd, share/kata-qemu/ with firmware, licences and
# sources.yaml, which names what went in (deploy/release/build.h has the format). QEMU finds share/kata-qemu/ from where it is itself.
#
# What comes out depends on the source, the list of devices, this file, the compiler and the libraries
# that are linked in; their digest is the name below which a result is cached, because a compile takes
# minutes. The tarball's digest is pinned here, so is that of the patches, of which a security update may
# bring newer ones. Each device of the list is looked for in the result, and so is what must not be there.
#
# Environment
#   QEMU_SOURCE   folder that has the two source files already (default: apt fetches them)
#   QEMU_JOBS     parallel jobs (default: number of processors)
#   QEMU_SEABIOS  SeaBIOS (default: that of Debian's package seabios)
#   KATA_CACHE    folder of cached results (default ~/.cache/kata)

set -euo pipefail
export LC_ALL=C
umask 022
unset MAKEFLAGS MAKELEVEL MFLAGS MAKEOVERRIDES CFLAGS CXXFLAGS CPPFLAGS LDFLAGS CC CPP AR NM STRIP OBJCOPY

tarball=qemu_7.2+dfsg.orig.tar.xz
tarball_sha256=91aca71520040edc40b8d437aa3004dae614f58e286cf653ee8996c07af2962f
patches_sha256=28a1c86310ee53b6bf1854cffe6f6be6ed29a08db7d05759f8ac57b8d6a6cb2f # 7.2+dfsg-7+deb12u18
seabios_sha256=2da2018c7555e50b660a84a273a14a79cb87b9070fe6a90e9f151a53e357f7e6 # 1.16.2-1
# What is linked in: ARCHIVE PACKAGE LICENCE.
libraries='
libc.a libc6-dev LGPL-2.1-or-later
libm-2.36.a libc6-dev LGPL-2.1-or-later
libgcc.a libgcc-12-dev GPL-3.0-or-later WITH GCC-exception-3.1
libgcc_eh.a libgcc-12-dev GPL-3.0-or-later WITH GCC-exception-3.1
libglib-2.0.a libglib2.0-dev LGPL-2.1-or-later
libgthread-2.0.a libglib2.0-dev LGPL-2.1-or-later
libpcre2-8.a libpcre2-dev BSD-3-Clause
libpixman-1.a libpixman-1-dev MIT
libseccomp.a libseccomp-dev LGPL-2.1-only
libcap-ng.a libcap-ng-dev LGPL-2.1-or-later
libattr.a libattr1-dev LGPL-2.1-or-later
liburing.a liburing-dev LGPL-2.1-or-later OR MIT
libaio.a libaio-dev LGPL-2.1-or-later
libfdt.a libfdt-dev GPL-2.0-or-later OR BSD-2-Clause
libz.a zlib1g-dev Zlib'

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=packaging/debian-source.sh
. "$here/../debian-source.sh"
devices=$here/../../runtime/vmm/qemu/devices.def
started=$SECONDS

die() {
	echo "qemu: $*" >&2
	exit 1
}

step() {
	printf 'qemu: [%4d s] %s\n' $((SECONDS - started)) "$*"
}

[ $# -eq 1 ] || die "usage: build.sh OUTPUT-FOLDER"
out=$(realpath -m "$1")
jobs=${QEMU_JOBS:-$(nproc)}
seabios=${QEMU_SEABIOS:-/usr/share/seabios/bios-256k.bin}
cache=${KATA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kata}/qemu

[ "$(uname -m)" = x86_64 ] || die "no list of devices for architecture $(uname -m)"
for need in gcc ld objcopy make meson ninja pkg-config python3 patch xz; do
	command -v "$need" >/dev/null || die "$need: not there; make deps installs it"
done

# Prints "NAME VERSION" of the source package of a package.
source_of() { # PACKAGE
	# shellcheck disable=SC2016 # dpkg's
	dpkg-query -W -f '${source:Package} ${source:Version}\n' "$1"
}

# The rows of sources.pins for the libraries.
pins() {
	local sum archive package licence
	archives | while read -r sum archive package licence; do
		grep -F "$(source_of "$package") " "$here/../sources.pins" || true
	done
}

# Prints "NAME VERSION FILE SHA256 LICENCE" of the source package of each library, once.
library_sources() {
	local sum archive package licence name version
	archives | while read -r sum archive package licence; do
		read -r name version < <(source_of "$package")
		echo "$name $version $(debian_built_from "$name" "$version" "$archive" "$sum") $licence"
	done | sort -u
}

inputs() {
	echo "$tarball_sha256 $patches_sha256 $seabios_sha256"
	sha256sum <"$devices"
	sha256sum <"$here/build.sh"
	cat "$here"/patches/*.patch | sha256sum
	gcc --version | head -n 1
	ld --version | head -n 1
	archives
	pins
}

# Prints "SHA256 ARCHIVE PACKAGE LICENCE" for each library.
archives() {
	local archive package licence file
	while read -r archive package licence; do
		[ -n "$archive" ] || continue
		file=$(gcc -print-file-name="$archive")
		[ -f "$file" ] || die "$archive: not there; make deps installs $package"
		echo "$(sha256sum <"$file" | cut -d ' ' -f 1) $archive $package $licence"
	done <<<"$libraries"
}

source_row() { # NAME VERSION LICENCE FILE SHA256 [true]
	printf '  - name: %s\n    version: "%s"\n    licence: %s\n' "$1" "$2" "$3"
	printf '    package: "pkg:deb/debian/%s@%s?arch=source"\n' "$1" "${2//+/%2B}"
	printf '    file: %s\n    sha256: "%s"\n    linked: %s\n' "$4" "$5" "${6:-false}"
}

# What went in, with the digest of every file.
sources() {
	local name version licence file digest
	cat <<-END
		# qemu-system-x86_64, virtiofsd and the firmware beside this file, but for bios-256k.bin, were compiled
		# from the source package qemu of Debian, under the GNU General Public License, version 2 (COPYING), by
		# packaging/qemu/build.sh of this project, which has the options, and changed by the patches beside that
		# ($(basename -a "$here"/patches/*.patch | paste -sd ' ')). bios-256k.bin is that of Debian's
		# package seabios, under the GNU Lesser General Public License, version 3. What says "linked: true" is
		# part of the two programs, and named by the digest of its source package. Debian keeps the sources of all of
		# them under these names and versions, and whoever gave you this file owes you those of QEMU.
		sources:
	END
	version=$(basename "$patches" .debian.tar.xz)
	source_row qemu "${version#qemu_}" GPL-2.0-only "$tarball" "$tarball_sha256"
	source_row qemu "${version#qemu_}" GPL-2.0-only "$(basename "$patches")" "$have"
	source_row seabios 1.16.2-1 LGPL-3.0-only bios-256k.bin "$seabios_sha256"
	library_sources | while read -r name version file digest licence; do
		source_row "$name" "$version" "$licence" "$file" "$digest" true
	done
}

# The options of QEMU's configuration that the list asks for.
options() {
	sed -nE 's/^QEMU_(MACHINE|DEVICE)\("[^"]*", ([A-Z0-9_]+)\)$/CONFIG_\2=y/p
		s/^QEMU_OPTION\(([A-Z0-9_]+)\)$/CONFIG_\1=y/p' "$devices" | sort -u
}

names() { # MACHINE|DEVICE|OBJECT
	sed -nE "s/^QEMU_$1\(\"([^\"]*)\".*/\1/p" "$devices"
}

# Every row of the list is in the program.
check_devices() { # QEMU
	local kind name missing=
	for kind in MACHINE DEVICE OBJECT; do
		"$1" "-${kind,,}" help >"$work/help"
		while read -r name; do
			grep -qE "^ *(name \"$name\"|$name( |\$))" "$work/help" || missing+=" $name"
		done < <(names $kind)
	done
	[ -z "$missing" ] || die "devices that devices.def lists and the result does not have:$missing"
}

# Devices that nothing asks for, and that come along with the machines and buses. Of USB there are devices, but no
# controller that they could be connected to.
also='acpi-erst floppy i8042 ich9-ahci ide-cd ide-hd isa-fdc mc146818rtc pci-bridge-seat pcie-pci-bridge ramfb scsi-block
scsi-cd scsi-generic usb-hub usb-kbd usb-mouse usb-tablet virtio-balloon-device virtio-mem virtio-scsi-device vmcoreinfo
vmgenid'

back_ends() { # QEMU OPTION: prints what the option can be given
	"$1" -machine none "-$2" help 2>/dev/null | sed -n 's/^ *\([a-z][a-z0-9-]*\) *$/\1/p' | paste -sd ' '
}

# Nothing else is in the program. A type of processor, and another name of a virtio card, is no other device.
check_others() { # QEMU
	local extra option wanted is
	extra=$("$1" -device help | sed -n 's/^name "\([^"]*\)".*/\1/p' | sed -E '/-cpu$/d; s/-(non-)?transitional$//' |
		grep -vxF -f <(names DEVICE && tr ' ' '\n' <<<"$also") | paste -sd ' ') || true
	[ -z "$extra" ] || die "devices that nothing asks for: $extra"
	while read -r option wanted; do
		is=$(back_ends "$1" "$option")
		[ "$is" = "$wanted" ] || die "-$option can be '$is', and should be '$wanted'"
	done <<-END
		netdev tap
		display none
		audiodev none wav
	END
}

# Runs a step whose output matters only if it fails.
quietly() { # NAME COMMAND...
	local name=$1
	shift
	"$@" >"$work/$name.log" 2>&1 || {
		tail -n 20 "$work/$name.log" >&2
		die "$name failed"
	}
}

deliver() {
	mkdir -p "$out"
	cp -rfT "$entry" "$out"
	# make compares with the inputs.
	find "$out" -type f -exec touch {} +
}

list=$(inputs)
digest=$(printf '%s\n' "$list" | sha256sum | cut -d ' ' -f 1)
entry=$cache/$digest
mkdir -p "$cache"
if [ ! -e "$entry" ]; then
	# Whoever comes second waits for the first and finds its result.
	exec 9>"$cache/lock"
	flock 9
fi
if [ -e "$entry" ]; then
	echo "qemu: from cache ($entry)"
	deliver
	exit 0
fi

work=$(mktemp -d "$cache/work.XXXXXX")
trap 'rm -rf "$work"' EXIT

# --- source ---

source=${QEMU_SOURCE:-}
if [ -z "$source" ]; then
	step "fetching Debian's source"
	mkdir "$work/fetched"
	debian_source qemu "$work/fetched" ||
		die "Debian's source package of qemu cannot be fetched; set QEMU_SOURCE to a folder that has it"
	source=$work/fetched
fi
[ "$(sha256sum <"$source/$tarball" | cut -d ' ' -f 1)" = "$tarball_sha256" ] ||
	die "$source/$tarball does not have the pinned digest"
patches=$(find "$source" -maxdepth 1 -name 'qemu_7.2+dfsg-*.debian.tar.xz' | sort -V | tail -n 1)
[ -n "$patches" ] || die "$source has no qemu_7.2+dfsg-*.debian.tar.xz"
have=$(sha256sum <"$patches" | cut -d ' ' -f 1)
[ "$have" = "$patches_sha256" ] || echo "qemu: $(basename "$patches") is not the pinned version"
[ "$(sha256sum <"$seabios" | cut -d ' ' -f 1)" = "$seabios_sha256" ] ||
	die "$seabios is not that of Debian's seabios 1.16.2-1; set QEMU_SEABIOS to a file that is"

sources >"$work/sources.yaml"

step "unpacking $tarball"
mkdir "$work/source" "$work/build" "$work/qboot" "$work/roms" "$work/result"
tar -xf "$source/$tarball" -C "$work/source" --strip-components=1 --no-same-owner
tar -xf "$patches" -C "$work/source" --no-same-owner
cd "$work/source"
sed -e 's/ *#.*//' -e '/^$/d' debian/patches/series | while read -r name; do
	patch -p1 --no-backup-if-mismatch --silent <"debian/patches/$name" || die "patch $name does not apply"
done
for name in "$here"/patches/*.patch; do
	patch -p1 --no-backup-if-mismatch --silent <"$name" || die "our patch $(basename "$name") does not apply"
done
# The build's own git would look for submodules.
export GIT_CEILING_DIRECTORIES=$work

# --- QEMU and virtiofsd ---

options >configs/devices/x86_64-softmmu/kata.mak
cd "$work/build"
step "configuring ($(names DEVICE | wc -l) devices)"
# No image formats: what a guest is given is a device or a file as it is.
quietly configure ../source/configure --static --enable-pie --cc=gcc --meson="$(command -v meson)" \
	--prefix=/opt/kata --with-suffix=kata-qemu --localstatedir=/var --sysconfdir=/etc \
	--target-list=x86_64-softmmu \
	--without-default-features --without-default-devices --with-devices-x86_64=kata \
	--enable-system --enable-kvm --enable-tcg --enable-seccomp --enable-membarrier --enable-avx2 \
	--enable-linux-aio --enable-linux-io-uring --enable-fdt=system --enable-malloc-trim \
	--enable-coroutine-pool --block-drv-rw-whitelist=raw,file,host_device \
	--enable-virtfs --enable-attr --enable-cap-ng \
	--enable-vhost-net --enable-vhost-kernel --enable-vhost-user --enable-virtiofsd \
	--disable-tools --disable-docs --disable-install-blobs --disable-debug-info --audio-drv-list= \
	--enable-trace-backends=nop --with-git-submodules=ignore \
	--with-pkgversion="$(basename "$patches" .debian.tar.xz | sed 's/^qemu_/Debian /'), kata" \
	--extra-cflags="-ffunction-sections -fdata-sections -ffile-prefix-map=$work=." \
	--extra-ldflags="-Wl,--gc-sections -Wl,--build-id=none"
step "compiling with $jobs jobs; on 2 processors this usually takes about 6 minutes"
quietly compile ninja -j "$jobs" qemu-system-x86_64 tools/virtiofsd/virtiofsd

# --- firmware: both come out as Debian's own ---

step "firmware"
printf '%s\n' "TOPSRC_DIR=../source" CC=gcc OBJCOPY=objcopy PYTHON=python3 TARGET_DIR=rom/ \
	>"$work/roms/config.mak"
quietly roms make -C "$work/roms" -f ../source/pc-bios/optionrom/Makefile linuxboot_dma.bin pvh.bin kvmvapic.bin
CFLAGS=-O2 quietly qboot meson setup --buildtype=plain "$work/source/roms/qboot" "$work/qboot"
quietly qboot-build ninja -C "$work/qboot"

# --- result ---

cd "$work/result"
mkdir -p bin libexec share/kata-qemu
strip -s -o bin/qemu-system-x86_64 "$work/build/qemu-system-x86_64"
strip -s -o libexec/virtiofsd "$work/build/tools/virtiofsd/virtiofsd"
for name in linuxboot_dma.bin pvh.bin kvmvapic.bin; do
	cp "$work/roms/$name" share/kata-qemu/
done
cp "$work/qboot/bios.bin" share/kata-qemu/qboot.rom
cp "$seabios" share/kata-qemu/bios-256k.bin
cp "$work/source/COPYING" share/kata-qemu/COPYING
cp "$work/sources.yaml" share/kata-qemu/sources.yaml
find . -type f -exec chmod 644 {} +
chmod 755 bin/qemu-system-x86_64 libexec/virtiofsd
for name in bin/qemu-system-x86_64 libexec/virtiofsd; do
	! readelf -d "$name" | grep -q NEEDED || die "$name needs shared libraries"
done
check_devices bin/qemu-system-x86_64
check_others bin/qemu-system-x86_64
mv -T "$work/result" "$entry"
deliver
step "done: $out, QEMU $(stat -c %s "$out/bin/qemu-system-x86_64") bytes, virtiofsd $(stat -c %s "$out/libexec/virtiofsd")"
