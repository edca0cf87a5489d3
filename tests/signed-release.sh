# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # the caller sets deploy
#
# Makes small signed releases, for tests in which no VM boots. The caller sets deploy, the program kata-deploy.
#
#	signed_release KEY TREE OUT VERSION SERIAL [OPTION...]
#
# Builds a release directory OUT from the files below TREE and signs it with KEY.key, which is made on first use together
# with KEY.pub. share/ is the component "guest", everything else the component "base"; both are required. OPTION... are
# options of `release build`; the default is a fixed time of creation, and no expiry for many years.

signed_release() {
	local key=$1 tree=$2 out=$3 version=$4 serial=$5 dirs=() dir
	shift 5
	[ $# -gt 0 ] ||
		set -- --created 1700000000 --expires 2099-01-01T00:00:00Z --channel-expires 2099-01-01T00:00:00Z
	for dir in "$tree"/*; do
		[ "${dir##*/}" = share ] || dirs+=("${dir##*/}")
	done
	{
		printf 'components:\n'
		printf '  - {name: base, text: programs, required: true, paths: [%s]}\n' "$(IFS=, && echo "${dirs[*]}")"
		[ ! -d "$tree/share" ] || printf '  - {name: guest, text: guest, required: true, paths: [share]}\n'
		printf 'copies: []\n'
	} >"$out.components"
	[ -e "$key.key" ] || "$deploy" keys generate --no-passphrase "$key" >/dev/null || return
	"$deploy" release build --tree "$tree" --out "$out" --components "$out.components" --version "$version" \
		--serial "$serial" --level 1 "$@" >/dev/null || return
	"$deploy" release sign --key "$key.key" "$out" >/dev/null || return
	rm "$out.components"
}
