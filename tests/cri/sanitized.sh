#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the pods' tests with the shim and the agent of a build with a sanitizer. A report of the sanitizer counts as left
# behind, so the test that caused it fails.
#
#	sanitized.sh STAGE BUILD [TEST...]	BUILD: of SAN=..., STAGE: of a plain build
set -eu
cd "$(dirname "$0")/../.."
stage=$1 build=$2 out=$1-${2##*/} tools=$(dirname "$1")/tools
shift 2

rm -rf "$out"
cp -a "$stage" "$out"
cp "$build/bin/containerd-shim-kata-v2" "$out/bin/"

# The initrd has the agent, the shared libraries that it needs in such a build, and the program that runs before it.
manifest=$out/sanitized.manifest
{
	cat <<-END
		dir  /lib 0755 0 0
		dir  /lib/x86_64-linux-gnu 0755 0 0
		dir  /lib64 0755 0 0
		file /init 0755 0 0 $(realpath "$tools/early")
	END
	ldd "$build/bin/kata-agent" | awk '
		/=> \// { print "file /lib/x86_64-linux-gnu/" $1 " 0755 0 0 " $3 }
		$1 ~ /^\/lib64\// { print "file " $1 " 0755 0 0 " $1 }'
} >"$manifest"
sed '/^link \/init /d' osbuilder/initrd.manifest | sed "s| rootfs/| $PWD/osbuilder/rootfs/|" >"$out/base.manifest"
"$tools/mkinitrd" -z none -D INIT="$(realpath "$build/bin/kata-agent")" \
	-o "$out/share/kata-containers/kata-containers-initrd.img" "$out/base.manifest" "$manifest"

export SANITIZED=1 HANDLERS=kata KATA_TEST_CONFIG="${KATA_TEST_CONFIG:-}
[hypervisor.qemu]
enable_debug = true
default_memory = 768
[agent.kata]
dial_timeout = 120"
exec tests/cri/run.sh "$out" "$@"
