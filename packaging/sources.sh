#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Prints the third-party sources of a component, for SBOM and provenance, in the format of deploy/release/build.h:
# sources.sh WHAT...
#
#	-lNAME		a static library of the build machine that was linked in, as the source package that it was built
#			from; libc and libgcc are added
#	linux		the source that kernel/build.sh compiles
#	NAME=FOLDER	what packaging/debian-build.sh compiled into FOLDER
#	/PATH		an unchanged file of one of Debian's packages
#
# A library without a licence in the table below is an error: add its row.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."
# shellcheck source=packaging/debian-source.sh
. packaging/debian-source.sh

die() {
	echo "sources: $*" >&2
	exit 1
}

declare -A licences=(
	[glibc]="LGPL-2.1-or-later"
	[gcc-12]="GPL-3.0-or-later WITH GCC-exception-3.1"
	[jansson]="MIT"
	[protobuf-c]="BSD-2-Clause"
	[libseccomp]="LGPL-2.1-only"
	[libcap2]="BSD-3-Clause OR GPL-2.0-only"
	[openssl]="Apache-2.0"
	[libarchive]="BSD-2-Clause"
	[libzstd]="BSD-3-Clause OR GPL-2.0-only"
	[zlib]="Zlib"
	[libyaml]="MIT"
	[nghttp2]="MIT"
	[c-ares]="MIT"
	[curl]="curl"
	[linux]="GPL-2.0-only WITH Linux-syscall-note"
	[iptables]="GPL-2.0-or-later"
)

row() { # NAME VERSION FILE SHA256 LINKED
	[ -n "${licences[$1]:-}" ] || die "$1 ($3) has no licence in packaging/sources.sh; add its row"
	printf '  - name: %s\n    version: "%s"\n    licence: %s\n' "$1" "$2" "${licences[$1]}"
	printf '    package: "pkg:deb/debian/%s@%s?arch=source"\n' "$1" "${2//+/%2B}"
	printf '    file: %s\n    sha256: "%s"\n    linked: %s\n' "$3" "$4" "$5"
}

# Prints name and version of the source package that a file of the system comes from.
source_of() { # FILE
	local file package
	file=$(realpath "$1")
	package=$(dpkg -S "$file" 2>/dev/null || dpkg -S "${file#/usr}" 2>/dev/null) || die "$file belongs to no package"
	# shellcheck disable=SC2016 # dpkg's
	dpkg-query -W -f '${source:Package} ${source:Version}\n' "${package%%: *}"
}

packaged() { # FILE
	local name version
	read -r name version < <(source_of "$1")
	row "$name" "$version" "$(basename "$(realpath "$1")")" "$(sha256sum <"$1" | cut -d ' ' -f 1)" false
}

linked() { # FILE
	local name version file digest
	read -r name version < <(source_of "$1")
	read -r file digest < <(debian_built_from "$name" "$version" "$(basename "$1")" "$(sha256sum <"$1" | cut -d ' ' -f 1)")
	row "$name" "$version" "$file" "$digest" true
}

compiled() { # NAME FOLDER
	local version file digest
	[ -s "$2/sources" ] || die "$2/sources: not there; $1 is built first"
	while read -r version file digest; do row "$1" "$version" "$file" "$digest" false; done <"$2/sources"
}

one() { # WHAT
	local file
	case $1 in
	-l*)
		file=$(gcc -print-file-name="lib${1#-l}.a")
		[ -f "$file" ] || die "lib${1#-l}.a: not there; make deps installs its package"
		linked "$file"
		;;
	*=*) compiled "${1%%=*}" "${1#*=}" ;;
	linux)
		file=${KERNEL_SOURCE:-$(sed -n 's/^source_archive=.*:-\(.*\)}$/\1/p' kernel/build.sh)}
		[ -f "$file" ] || die "$file: not there; make deps installs linux-source-6.1"
		packaged "$file"
		;;
	/*) packaged "$1" ;;
	*) die "$1 is no library, file or known source" ;;
	esac
}

# Several libraries may come from one source package.
unique() {
	awk '/^  - name: / { if (!seen[row]++) printf "%s", row; row = "" } { row = row $0 "\n" } END { if (!seen[row]++) printf "%s", row }'
}

libraries=()
[[ " $* " != *" -l"* ]] || libraries=(-lc -lgcc)
echo "# The parts of this component that are not made of this project's source."
echo "sources:"
printf '%s\n' "${libraries[@]}" "$@" | awk 'NF && !seen[$0]++' | while read -r what; do one "$what"; done | unique
