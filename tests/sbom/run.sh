#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Checks the SBOM and provenance of a release with other tools: run.sh RELEASE
#
# SPDX's own library reads the SBOM (tests/sbom/validate.go, in a root directory that has Go, made once
# from Debian's archive; afterwards no network is needed). Its contents, and the provenance, are compared with the
# release: each blob, each file, and each library that a program was linked with.
set -u
release=$(realpath "$1")
cd "$(dirname "$0")/../.." || exit
dir=$(mktemp -d /tmp/kata-sbom-XXXXXX)
trap 'rm -rf "$dir"' EXIT
# shellcheck source=tests/checked.sh
. tests/checked.sh
# shellcheck source=packaging/debian-source.sh
. packaging/debian-source.sh

root=$(tests/engines/chroot.sh sbom) || exit
# shellcheck disable=SC2016 # for the inner shell
own() { # FILE: runs the validator in that root directory, which does not change
	tests/engines/enter.sh --beside "$root" bash -c '
		mkdir "$NODE/tmp/v" && cp tests/sbom/validate.go "$NODE/tmp/v/" && cp "$1" "$NODE/tmp/v/sbom.json" &&
			chroot "$NODE" env HOME=/tmp GO111MODULE=off GOPATH=/usr/share/gocode GOFLAGS=-p=2 \
				go run /tmp/v/validate.go /tmp/v/sbom.json' own "$1"
}
valid() { own "$release/sbom.spdx.json" >"$dir/packages"; }
check "SPDX's library reads the SBOM and finds it valid" valid

blobs() {
	local blob
	for blob in "$release"/blobs/*; do
		grep -q " blobs/${blob##*/} $(sha256sum <"$blob" | cut -d' ' -f1) " "$dir/packages" || return
	done
}
check "each blob is a package with its digest" blobs
for source in qemu linux glibc gcc-12 openssl jansson libseccomp libarchive libzstd zlib libyaml nghttp2 c-ares curl \
	protobuf-c libcap2 iptables seabios; do
	named() { grep -Eq "^$source [^ ]+ [^ ]+ [0-9a-f]{64} [A-Z(c]" "$dir/packages"; }
	check "$source, with version, digest and licence" named
done
# A library that is linked in is named by the digest of the source package that it was built from.
linked() {
	local name version file sum
	jq -r '(.packages | map({(.SPDXID): .}) | add) as $of | .relationships[] | select(.relationshipType == "STATIC_LINK") |
		$of[.relatedSpdxElement] | "\(.name) \(.versionInfo) \(.packageFileName) \(.checksums[0].checksumValue)"' \
		"$release/sbom.spdx.json" | sort -u >"$dir/linked"
	[ -s "$dir/linked" ] || return
	while read -r name version file sum; do
		if [ "$file" != "${name}_${version#*:}.dsc" ] || [ "$(debian_dsc "$name" "$version")" != "$file $sum" ]; then
			echo "$name $version: $file $sum"
			return 1
		fi
	done <"$dir/linked"
}
check "each linked library, with the digest of its source package" linked
# The archive's index, if it still has that version, says the same as packaging/sources.pins.
pinned() {
	local name version digest get said
	debian_index "$dir/apt"
	while read -r name version digest; do
		[ "$name" != "#" ] || continue
		said=$("${get[@]}" --print-uris source --only-source --dsc-only "$name=$version" 2>/dev/null |
			awk '/\.dsc/ && sub(/^SHA256:/, "", $4) { print $4 }')
		[ -z "$said" ] || [ "$said" = "$digest" ] || {
			echo "$name $version: $said in the index"
			return 1
		}
	done <packaging/sources.pins
}
check "sources.pins agrees with the archive" pinned
files() {
	local blob
	for blob in "$release"/blobs/*; do zstd -dcq "$blob" | tar -tf - | grep -v '/$'; done | sort -u >"$dir/have"
	jq -r '.files[].fileName | ltrimstr("./")' "$release/sbom.spdx.json" | sort -u >"$dir/listed"
	# Links are no files to SPDX.
	[ -s "$dir/listed" ] && [ -z "$(comm -13 "$dir/have" "$dir/listed")" ] &&
		[ "$(for blob in "$release"/blobs/*; do zstd -dcq "$blob" | tar -tvf - | grep -c '^-'; done |
			awk '{ n += $1 } END { print n }')" = "$(wc -l <"$dir/listed")" ]
}
check "every file is listed, and no other" files
changed() {
	jq '.packages[0].packageVerificationCode.packageVerificationCodeValue = "0000000000000000000000000000000000000000"' \
		"$release/sbom.spdx.json" >"$dir/changed.json" && ! own "$dir/changed.json" && grep -q "has the code" "$dir/said"
}
check "one with another code is refused" changed
named_by_digest() {
	jq -e '.predicate.buildDefinition.resolvedDependencies | length > 20 and all(.digest != null) and
		(map([.uri, .name]) | length == (unique | length))' "$release/provenance.intoto.json"
}
check "provenance names each source once, by digest" named_by_digest
subjects() {
	jq -r '.subject[] | "\(.digest.sha256)  \(.name)"' "$release/provenance.intoto.json" >"$dir/sums" &&
		(cd "$release" && sha256sum -c --quiet "$dir/sums")
}
check "and what was made, by digest" subjects
checked sbom
