#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Packs a Helm chart: chart.sh CHART-FOLDER VERSION OUT. The same files give the same bytes, unlike with `helm package`,
# which stores the current time. Chart and application get the version of the release, whose image the chart names.
set -euo pipefail
export LC_ALL=C
umask 022

chart=$1 version=$2 out=$3
name=$(basename "$chart")
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] || {
	echo "chart: Helm wants a version like 3.10.0 or 3.10.0-rc1, not $version; set VERSION" >&2
	exit 1
}
work=$(mktemp -d) part=$out.part.$$
trap 'rm -rf "$work" "$part"' EXIT
cp -r "$chart" "$work/$name"
sed -i -e "s/^version: .*/version: $version/" -e "s/^appVersion: .*/appVersion: \"$version\"/" "$work/$name/Chart.yaml"
find "$work/$name" -type d -exec chmod 0755 {} + -o -type f -exec chmod 0644 {} +
mkdir -p "$(dirname "$out")"
# Helm expects Chart.yaml to be the first file.
(cd "$work" && {
	echo "$name/Chart.yaml"
	find "$name" -type f ! -path "$name/Chart.yaml" ! -name '*~' | sort
} | tar --owner=0 --group=0 --numeric-owner --mtime=@0 --format=ustar --no-recursion -T - -cf -) |
	gzip -9n >"$part"
mv "$part" "$out"
echo "$out: $(stat -c %s "$out") bytes, $(sha256sum <"$out" | cut -d' ' -f1)"
