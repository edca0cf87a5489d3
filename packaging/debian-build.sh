# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Compiles what a release links or contains statically, from Debian's source with Debian's patches. Sourced by scripts
# that set these variables, define compile, and call debian_build:
#
#	package, upstream		name of the source package, and the version of its tarball
#	tarball, tarball_sha256		that tarball
#	patches_sha256			digest of Debian's archive of patches; a security update may bring a newer archive,
#					which is used, with a message
#	left_out			pattern of the patches that are not applied (optional)
#	linked_with			binary packages whose versions change the result (an array)
#	source_folder			folder that has both archives (default: apt fetches them, with its signatures)
#	compile RESULTS			a function: compiles in the current folder and puts its results into RESULTS
#
#	debian_build OUTPUT		puts the results into OUTPUT, and "sources": VERSION FILE SHA256 of each archive, for
#					packaging/sources.sh
#
# A result is cached below $KATA_CACHE (default ~/.cache/kata), under the digest of the script, of this file, of the
# compiler and of linked_with; for 7 days it is used without checking Debian's archive.

# shellcheck disable=SC2154 # the caller's variables
# shellcheck source=packaging/debian-source.sh
. "$(dirname "${BASH_SOURCE[0]}")/debian-source.sh"

die() {
	echo "$package: $*" >&2
	exit 1
}

debian_build_key() {
	sha256sum <"$0"
	sha256sum <"${BASH_SOURCE[0]}"
	gcc --version | head -n 1
	dpkg-query -W "${linked_with[@]}"
}

# Runs a step of a build, which is only shown if it fails.
quietly() { # WHAT COMMAND...
	local what=$1
	shift
	"$@" >step.log 2>&1 || {
		tail -n 5 step.log >&2
		die "$what failed"
	}
}

sha256_of() { # FILE
	sha256sum <"$1" | cut -d' ' -f1
}

# Unpacks both archives into the current folder.
debian_unpack() { # SOURCE
	local archive version patch

	[ "$(sha256_of "$1/$tarball")" = "$tarball_sha256" ] ||
		die "$1/$tarball does not have the pinned digest"
	archive=$(find "$1" -maxdepth 1 -name "${package}_$upstream-*.debian.tar.xz" | sort -V | tail -n 1)
	[ -n "$archive" ] || die "$1 has no ${package}_$upstream-*.debian.tar.xz"
	[ "$(sha256_of "$archive")" = "$patches_sha256" ] ||
		echo "$package: $(basename "$archive") is not the pinned version"
	tar --strip-components=1 -xf "$1/$tarball"
	tar -xf "$archive"
	grep -v -e '^#' -e '^$' ${left_out:+-e "$left_out"} debian/patches/series | while read -r patch; do
		patch -s -p1 <"debian/patches/$patch" || die "patch $patch does not apply"
	done
	version=$(basename "$archive" .debian.tar.xz)
	version=${version#"$package"_}
	echo "$version $tarball $tarball_sha256" >"$new/sources"
	echo "$version $(basename "$archive") $(sha256_of "$archive")" >>"$new/sources"
}

debian_build() { # OUTPUT
	local out digest cache=${KATA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kata}/$package

	umask 022
	unset MAKEFLAGS MAKELEVEL MFLAGS MAKEOVERRIDES CFLAGS CPPFLAGS LDFLAGS CC
	out=$(realpath -m "$1")
	mkdir -p "$cache" "$out"
	# Whoever comes second waits for the first and finds its result. A result that is a week old is replaced, so it is
	# also read under the lock.
	exec 9>"$cache/lock"
	flock 9
	digest=$(sha256_of <(debian_build_key))
	if [ -z "${source_folder:-}" ] && [ -n "$(find "$cache/last" -name key -newermt '7 days ago' 2>/dev/null)" ] &&
		[ "$(cat "$cache/last/key")" = "$digest" ]; then
		cp -a "$cache/last"/. "$out"
		echo "$package: from cache"
		return 0
	fi

	work=$(mktemp -d "${TMPDIR:-/tmp}/kata-$package-XXXXXX")
	new=$(mktemp -d "$cache/new.XXXXXX")
	trap 'rm -rf "$work" "$new"' EXIT
	if [ -z "${source_folder:-}" ]; then
		mkdir "$work/archives"
		source_folder=$work/archives
		debian_source "$package" "$source_folder" ||
			die "Debian's source package of $package cannot be fetched; ${package^^}_SOURCE may name a folder that has it"
	fi
	source_folder=$(realpath "$source_folder")
	mkdir "$work/src"
	(
		cd "$work/src" || exit
		debian_unpack "$source_folder"
		compile "$new"
	)
	echo "$digest" >"$new/key"
	chmod 755 "$new" # mktemp's is for us alone
	cp -a "$new"/. "$out"
	rm -rf "$cache/last"
	mv -T "$new" "$cache/last"
	echo "$package: built from Debian's $(sed -n '1s/ .*//p' "$out/sources")"
}
