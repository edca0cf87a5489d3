#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tests nodes without QEMU, and each way of installing a release on them: nodes.sh BUILD [NODE[:TEST]...]
#
# BUILD is the build directory, with static/ and two releases in demo/. set_of lists the nodes.
set -u
cd "$(dirname "$0")/../.." || exit
# shellcheck source=tests/integration/expect.sh
. tests/integration/expect.sh
build=$(realpath "$1")
shift
[ $# -gt 0 ] || set -- bookworm trixie sid docker small opt-link read-only no-lock bare

fail() {
	echo "nodes: $*" >&2
	exit 1
}
made() { # NAME COMMAND...: makes nodes/NAME, unless it is newer than its inputs
	local out=$build/nodes/$1 release=$build/demo/${1##*-}
	shift
	[ -e "$out" ] && [ -z "$(find packaging "$build"/static/kata-* "$release/release.yaml" -newer "$out")" ] && return
	rm -rf "$out"
	"$@" "$release" "$out" >"$out.log" 2>&1 || fail "$(tail -n 3 "$out.log")"
}
image() { # RELEASE OUT
	local version
	version=$(sed -n 's/^version: "\?\([^"]*\)"\?$/\1/p' "$1/release.yaml")
	KEY=none packaging/image.sh "$build/static/kata-deploy" "$build/tools/mkimage" "$1" "$2" "kata-deploy:$version"
}
mkdir -p "$build/nodes"
for r in this next; do
	made "deb-$r" env COMPRESS=-Znone packaging/deb.sh "$build/static"
	made "image-$r" image
	made "snap-$r" packaging/snap.sh "$build/static"
done

set_of() { # NODE: prints its set of chroot.sh
	case $1 in
	opt-link | no-lock) echo bookworm ;;
	read-only) echo trixie ;;
	docker) echo sid ;;
	bare) echo small ;;
	*) echo "$1" ;;
	esac
}
tests_of() { # NODE
	case $1 in
	small) echo directory http image snap snap_apps no_kvm no_space old_kernel ;;
	read-only) echo directory http image snap ;;
	bare) echo bare ;;
	*) echo directory http deb image snap ;;
	esac
}
one() { # ROOT NODE TEST: runs a test on a new node
	timeout 900 tests/engines/enter.sh --beside "$1" tests/engines/node-lives.sh "$build" "$2" "test_$3" >"$build/nodes/said" 2>&1 && return
	sed 's/^/    /' "$build/nodes/said"
	return 1
}

for node; do
	chosen=$(tests_of "${node%%:*}")
	[ "$node" = "${node%%:*}" ] || chosen=${node#*:} node=${node%%:*}
	root=/
	[ "$node" = this ] || root=$(tests/engines/chroot.sh "$(set_of "$node")") || exit
	for t in ${chosen//,/ }; do
		start=$SECONDS
		one "$root" "$node" "$t"
		counted $? "$node, $t" "$start"
	done
done
totals nodes
