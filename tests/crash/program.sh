#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the crash walk with kata-deploy itself, below --root: program.sh WALK SUBJECT KATA-DEPLOY [OPTION...]
#
# Uses three small signed releases and a containerd configuration with an administrator's settings.
set -eu
walk=$1 subject=$2 here=$(dirname "$0")
KATA_DEPLOY=$(realpath "$3")
export KATA_DEPLOY
shift 3
RELEASES=$(mktemp -d "${TMPDIR:-/tmp}/crash-releases.XXXXXX")
export RELEASES
trap 'rm -rf "$RELEASES"' EXIT
tree=$RELEASES/tree
mkdir -p "$tree/bin" "$tree/share/kata" "$tree/etc"
cat >"$RELEASES/components.yaml" <<-END
	components:
	  - {name: base, text: programs, required: true, paths: [bin, etc]}
	  - {name: guest, text: guest, required: true, paths: [share]}
	copies: []
END
"$KATA_DEPLOY" keys generate --no-passphrase "$RELEASES/key" >/dev/null
for n in 1 2 3; do
	echo "the shim of $n" >"$tree/bin/containerd-shim-kata-v2"
	echo "always the same" >"$tree/bin/kata"
	chmod 0755 "$tree"/bin/*
	echo "a kernel for $n" >"$tree/share/kata/kernel"
	echo "release = $n" >"$tree/etc/configuration.toml"
	"$KATA_DEPLOY" release build --tree "$tree" --out "$RELEASES/$n" --components \
		"$RELEASES/components.yaml" --version "$n.0.0" --serial "$n" --created 1700000000 \
		--expires 2099-01-01T00:00:00Z --channel-expires 2099-01-01T00:00:00Z --level 1 >/dev/null
	"$KATA_DEPLOY" release sign --key "$RELEASES/key.key" "$RELEASES/$n" >/dev/null
done
"$here/run.sh" "$walk" "$subject" --no-control "$@"
