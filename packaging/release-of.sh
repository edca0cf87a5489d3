# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# What packages are made of, for scripts that have set deploy, release and here: $version and $arch as
# package systems write them, $epoch, $pin; copy_release and fill. Refuses (with die) what is no signed
# release that nodes with the keys of KEYS would believe. Makes $work, which goes with the script.
[ -f "$release/release.yaml" ] || die "RELEASE=$release is no release: it has no release.yaml"
[ -f "$release/release.yaml.minisig" ] || die "$release is not signed; kata-deploy release sign --key FILE $release"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
value() { sed -n "s/^$1: *\"\{0,1\}\([^\"]*\)\"\{0,1\}$/\1/p" "$release/release.yaml" | head -n 1; }
# 3.10.0-rc1 comes before 3.10.0, for packages too.
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
read -ra keys <<<"${KEYS:-$(echo "$release"/*.pub)}"
for key in "${keys[@]}"; do
	[ ! -f "$key" ] || cp "$key" "$work/keys/"
done
env -u KATA_DEPLOY_RELEASE "$deploy" plan --json --cri none --root "$work/node" --release "$release" \
	--trust-dir "$work/keys" --pin "$pin" >/dev/null 2>"$work/said" ||
	die "nodes would not believe it: $(cat "$work/said"); KEYS=\"FILE.pub ...\" are the keys that signed it"

# The release without its channel, which would expire, and the keys.
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
fill() { # TEMPLATE [NAME=VALUE...]: with @NAME@ replaced, and @HOOKS@ by hooks.sh
	local template=$1
	shift
	awk -v hooks="$here/hooks.sh" '
		BEGIN { for (i = 2; i < ARGC; i++) { n = index(ARGV[i], "="); by["@" substr(ARGV[i], 1, n - 1) "@"] = substr(ARGV[i], n + 1); delete ARGV[i] } }
		$0 == "@HOOKS@" { while ((getline line < hooks) > 0) if (line !~ /shellcheck/) print line; next }
		{ for (name in by) while ((at = index($0, name)) > 0) $0 = substr($0, 1, at - 1) by[name] substr($0, at + length(name)); print }' \
		"$template" "VERSION=$version" "ARCH=$arch" "PIN=$pin" "$@"
}
