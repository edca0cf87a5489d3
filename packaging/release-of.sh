# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# Reads the release that a package or image is made of. Sourced by scripts that have set deploy (the program),
# release (the directory), here (this directory) and die. Sets $version and $arch as package systems write them,
# $epoch, $pin, and $work, a temporary directory that is removed when the script exits; defines copy_release and
# fill. Calls die if the release is not signed, or if a node with the keys of KEYS would reject it.
[ -f "$release/release.yaml" ] || die "RELEASE=$release is not a release: it has no release.yaml"
[ -f "$release/release.yaml.minisig" ] || die "$release is not signed; kata-deploy release sign --key FILE $release"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
value() { sed -n "s/^$1: *\"\{0,1\}\([^\"]*\)\"\{0,1\}$/\1/p" "$release/release.yaml" | head -n 1; }
# For package systems, too, 3.10.0-rc1 must come before 3.10.0: ~ sorts before the end.
version=$(value version | sed 's/-/~/g; s/_/+/g')
case $(value architecture) in
x86_64) arch=amd64 ;;
aarch64) arch=arm64 ;;
*) arch=$(value architecture) ;;
esac
epoch=$(date -ud "$(value created)" +%s)
export SOURCE_DATE_EPOCH=$epoch
pin=$(sha256sum "$release/release.yaml" | cut -d' ' -f1)

mkdir -p "$work/keys" "$work/node"
if [ -n "${KEYS:-}" ]; then
	read -ra keys <<<"$KEYS"
	for key in "${keys[@]}"; do
		[ -f "$key" ] || die "KEYS: no such file: $key; separate paths by blanks, and use none in them"
	done
else
	keys=("$release"/*.pub)
fi
for key in "${keys[@]}"; do
	[ ! -f "$key" ] || cp "$key" "$work/keys/"
done
env -u KATA_DEPLOY_RELEASE "$deploy" plan --json --cri none --root "$work/node" --release "$release" \
	--trust-dir "$work/keys" --pin "$pin" >/dev/null 2>"$work/said" ||
	die "nodes would not accept it: $(cat "$work/said"); KEYS=\"FILE.pub ...\" names the keys that signed it"

# Copies the release without its channel, which would expire, and the keys.
copy_release() { # TO
	local file
	while IFS= read -r -d '' file; do
		case $file in
		*.pub | channel.*) ;;
		*) install -D -m 0644 "$release/$file" "$1/release/$file" ;;
		esac
	done < <(cd "$release" && find . -type f -printf '%P\0' | LC_ALL=C sort -z)
	mkdir -p "$1/keys"
	for file in "$work"/keys/*; do
		[ ! -f "$file" ] || install -m 0644 "$file" "$1/keys/"
	done
}
# Prints the template with @NAME@ replaced by its value, and the line @HOOKS@ by hooks.sh.
fill() { # TEMPLATE [NAME=VALUE...]
	local template=$1
	shift
	awk -v hooks="$here/hooks.sh" '
		BEGIN { for (i = 2; i < ARGC; i++) { n = index(ARGV[i], "="); by["@" substr(ARGV[i], 1, n - 1) "@"] = substr(ARGV[i], n + 1); delete ARGV[i] } }
		$0 == "@HOOKS@" { while ((getline line < hooks) > 0) if (line !~ /shellcheck/) print line; next }
		{ for (name in by) while ((at = index($0, name)) > 0) $0 = substr($0, 1, at - 1) by[name] substr($0, at + length(name)); print }' \
		"$template" "VERSION=$version" "ARCH=$arch" "PIN=$pin" "$@"
}
