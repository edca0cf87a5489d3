# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Fetches Debian's source packages from this machine's package sources, whose signatures apt checks. Sourced by the
# scripts that build programs for which Debian has no usable binary package.
#
#	debian_source PACKAGE FOLDER	puts the files of the source package into FOLDER, which exists
#	debian_dsc PACKAGE VERSION	prints "FILE SHA256" of the .dsc of a source package: that of sources.pins, or of
#					the archive's index
#	debian_built_from PACKAGE VERSION FILE SHA256
#					the same for a file that was built from it; FILE SHA256 itself, with a warning, where
#					the .dsc is not known: the archive forgets a version when there is a newer one
#
# Return 1, with apt's last lines on standard error, if the source package cannot be fetched or found. Change nothing on
# the system.
debian_source() {
	local folder=$2 apt=$2/.apt get
	debian_index "$apt"
	(cd "$folder" && "${get[@]}" source --download-only "$1" >"$apt/log" 2>&1) || {
		tail -n 5 "$apt/log" >&2
		return 1
	}
}

# Sets get to an apt-get whose state is in that folder, which gets the index of the source packages.
debian_index() { # FOLDER
	local apt=$1 f
	mkdir -p "$apt/parts" "$apt/lists/partial" "$apt/cache/archives/partial"
	for f in /etc/apt/sources.list.d/*.sources; do
		[ -f "$f" ] && sed 's/^Types:.*/Types: deb-src/' "$f" >"$apt/parts/$(basename "$f")"
	done
	for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -f "$f" ] && sed -n 's/^deb\(-src\)\? /deb-src /p' "$f" >"$apt/parts/$(basename "$f" .list).list"
	done
	get=(apt-get -q -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$apt/parts"
		-o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache"
		-o APT::Sandbox::User=root)
	# A third-party repository without source packages is not an error.
	"${get[@]}" update >/dev/null 2>&1 || true
}

debian_dsc() { # PACKAGE VERSION
	local file=$1_${2#*:}.dsc digest get apt
	digest=$(awk -v name="$1" -v version="$2" '$1 == name && $2 == version { print $3 }' \
		"$(dirname "${BASH_SOURCE[0]}")/sources.pins")
	if [ -z "$digest" ]; then
		apt=$(mktemp -d "${TMPDIR:-/tmp}/debian-dsc.XXXXXX")
		debian_index "$apt"
		digest=$("${get[@]}" --print-uris source --only-source --dsc-only "$1=$2" 2>"$apt/log" |
			awk -v file="$file" '$2 == file && sub(/^SHA256:/, "", $4) { print $4 }')
		[ -n "$digest" ] || tail -n 5 "$apt/log" >&2
		rm -rf "$apt"
	fi
	[ -n "$digest" ] && echo "$file $digest"
}

debian_built_from() { # PACKAGE VERSION FILE SHA256
	debian_dsc "$1" "$2" 2>/dev/null || {
		echo "warning: the SBOM names $3 by its own digest: the archive no longer has the source package $1 $2;" \
			"upgrade the packages of this machine" >&2
		echo "$3 $4"
	}
}
