# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Fetches Debian's source packages from this machine's package sources, whose signatures apt checks. Sourced by the
# scripts that build programs for which Debian has no usable binary package.
#
#	debian_source PACKAGE FOLDER	puts the files of the source package into FOLDER, which exists
#
# Returns 1, with apt's last lines on standard error, if the source package cannot be fetched. Changes nothing on the
# system.
debian_source() {
	local package=$1 folder=$2 apt=$2/.apt f
	mkdir -p "$apt/parts" "$apt/lists/partial" "$apt/cache/archives/partial"
	for f in /etc/apt/sources.list.d/*.sources; do
		[ -f "$f" ] && sed 's/^Types:.*/Types: deb-src/' "$f" >"$apt/parts/$(basename "$f")"
	done
	for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -f "$f" ] && sed -n 's/^deb\(-src\)\? /deb-src /p' "$f" >"$apt/parts/$(basename "$f" .list).list"
	done
	local get=(apt-get -q -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$apt/parts"
		-o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache"
		-o APT::Sandbox::User=root)
	# A third-party repository without source packages is not an error.
	"${get[@]}" update >/dev/null 2>&1 || true
	(cd "$folder" && "${get[@]}" source --download-only "$package" >"$apt/log" 2>&1) || {
		tail -n 5 "$apt/log" >&2
		return 1
	}
}
