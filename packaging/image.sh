#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes a container image of a signed release, as an OCI image layout; `make image` calls it.
#
#	image.sh PORTABLE-KATA-DEPLOY MKIMAGE RELEASE OUT NAME:TAG
#
# The image contains kata-deploy, /release, /keys and /host, and an environment in which kata-deploy finds the
# release and the keys. Each blob of the release is a layer of its own, so that a registry or a node that has the
# previous image fetches only what changed. OUT is replaced if it is a layout, and made completely or not at all.
# Artifacts with the image as their subject: the release's SBOM and provenance, and, if there is a key, the
# signature of the index. OUT.tar is the image without artifacts, for engines that import a file.
#
# Environment: PROOF, a program that prints the kernel that it sees (osbuilder/proof), for a pod that tests the
# runtime; KEYS, the public keys (.pub, .channel.pub, root.json; default: those beside the release's documents);
# KEY, the secret key that signs the index, or "none" (default: the development key below BUILD, if the release was
# signed with it); PASSPHRASE_FD; SOURCE, for a label.
set -euo pipefail

die() {
	echo "image: $*" >&2
	exit 1
}

deploy=$1 mkimage=$2 release=${3%/} out=${4%/} name=$5
build=${BUILD:-build}
here=$(dirname "$0")
[ ! -e "$out" ] || [ -f "$out/oci-layout" ] || [ -z "$(ls -A "$out")" ] ||
	die "OUT=$out contains something other than an image; name a new directory, or remove it"
# shellcheck source=packaging/release-of.sh
. "$here/release-of.sh"
part=$out.part.$$
trap 'rm -rf "$work" "$part" "$part.tar"' EXIT
version=$(value version) machine=$(value architecture) created=$(value created)
commit=$(sed -n 's/.*"gitCommit": "\([0-9a-f]*\)".*/\1/p' "$release/provenance.intoto.json" 2>/dev/null || true)

layers=("kata-deploy=$deploy")
[ -z "${PROOF:-}" ] || layers+=("proof=$PROOF")
documents=
while IFS= read -r -d '' file; do
	case $file in
	*.pub) ;;
	blobs/* | patches/*) layers+=("release/$file=$release/$file") ;;
	*) documents+=",release/$file=$release/$file" ;;
	esac
done < <(cd "$release" && find . -type f -printf '%P\0' | LC_ALL=C sort -z)
# An image may have about 127 layers; patches are many.
if [ "${#layers[@]}" -gt 64 ]; then
	layers=("${layers[@]:0:63}" "$(IFS=,; echo "${layers[*]:63}")")
fi
# A pod mounts paths of its node below /host, /usr and /proc among them. Through these links the node's programs in /usr find
# their loader and libraries, whether or not its /lib64 and the others are links into /usr.
mkdir "$work/host"
for beside_usr in bin lib lib64 sbin; do ln -s "/proc/1/root/$beside_usr" "$work/host/$beside_usr"; done
layers+=("${documents#,},keys=$work/keys,host=$work/host")

label() { labels+=(--label "org.opencontainers.image.$1=$2"); }
labels=()
label title kata-deploy
label description "installs Kata Containers $version: the release, its keys and kata-deploy"
label version "$version"
label created "$created"
[ -z "$commit" ] || label revision "$commit"
[ -z "${SOURCE:-}" ] || label source "$SOURCE"

digest=$("$mkimage" build -o "$part" -n "$name" --architecture "$machine" --created "$created" "${labels[@]}" \
	--env PATH=/ --env KATA_DEPLOY_RELEASE=/release --env KATA_DEPLOY_TRUST_DIR=/keys \
	--entrypoint /kata-deploy --command help "${layers[@]}")
artifacts=()
[ ! -f "$release/sbom.spdx.json" ] || artifacts+=("application/spdx+json=$release/sbom.spdx.json")
[ ! -f "$release/provenance.intoto.json" ] ||
	artifacts+=("application/vnd.in-toto+json=$release/provenance.intoto.json")
[ "${#artifacts[@]}" = 0 ] ||
	"$mkimage" attach --to "${name##*:}" --architecture "$machine" "$part" "${artifacts[@]}"

[ -n "${KEY:-}" ] || [ ! -f "$release/development.pub" ] || [ ! -f "$build/development.key" ] ||
	KEY=$build/development.key
if [ -n "${KEY:-}" ] && [ "$KEY" != none ]; then
	cp "$part/blobs/sha256/${digest#sha256:}" "$work/index.json"
	sign=()
	[ -z "${PASSPHRASE_FD:-}" ] || sign=(--passphrase-fd "$PASSPHRASE_FD")
	"$deploy" keys sign --key "$KEY" "${sign[@]}" --comment "image of kata $version, $digest" "$work/index.json" >/dev/null
	"$mkimage" attach --to "${name##*:}" "$part" \
		"application/vnd.kata-containers.minisign=$work/index.json.minisig"
else
	echo "image: the index is not signed; $digest"
fi
"$mkimage" archive --to "${name##*:}" --architecture "$machine" "$part" "$part.tar"
rm -rf "$out"
mv -T "$part" "$out"
mv "$part.tar" "$out.tar"
bytes() { find "$1" -type f -printf '%s\n' | awk '{ n += $1 } END { print n + 0 }'; }
echo "$out: $name, $(bytes "$out") bytes, $(($(bytes "$out") - $(bytes "$release"))) more than the release"
echo "$digest"
