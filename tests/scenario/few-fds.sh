#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs every verb with few file descriptors: few-fds.sh KATA-DEPLOY
#
# With each limit a verb must succeed, or end in time with an error that names the limit, with no process left and the node
# as before. With 32 descriptors every verb must succeed.
# shellcheck disable=SC2086 # lists of options are split
set -eu
deploy=$(realpath "$1")
# shellcheck source=tests/signed-release.sh
. "$(dirname "$0")/../signed-release.sh"
ENOUGH=32 DEADLINE=120
lab=$(mktemp -d "${TMPDIR:-/tmp}/few-fds.XXXXXX")
trap 'rm -rf "$lab"' EXIT
failed=0

fail() {
	echo "  FAIL  $*"
	failed=1
}

make_releases() {
	local tree=$lab/tree n
	mkdir -p "$tree/bin" "$tree/share/kata" "$tree/etc"
	for n in 1 2; do
		echo "the shim of $n" >"$tree/bin/containerd-shim-kata-v2"
		chmod 0755 "$tree"/bin/*
		# Large enough to use several threads and several blobs.
		head -c 9000000 /dev/zero | tr '\0' "$n" >"$tree/share/kata/kernel"
		echo "release = $n" >"$tree/etc/configuration.toml"
		signed_release "$lab/key" "$tree" "$lab/$n" "$n.0.0" "$n"
		tar -cf "$lab/$n.tar" -C "$lab/$n" .
	done
}

# Makes nodes/NAME, the state of the node before a verb, without a limit of descriptors.
make_nodes() {
	local name
	for name in none one two; do
		mkdir -p "$lab/nodes/$name/etc/containerd"
		printf 'version = 3\n' >"$lab/nodes/$name/etc/containerd/config.toml"
	done
	for name in one two; do
		"$deploy" install --root "$lab/nodes/$name" --release "$lab/1" $source >/dev/null
	done
	"$deploy" upgrade --root "$lab/nodes/two" --release "$lab/2" $source >/dev/null
	cp -a "$lab/nodes/one" "$lab/nodes/damaged"
	rm "$lab/nodes/damaged/opt/kata/current/share/kata/kernel"
}

# Prints the state of a node, without times.
describe() {
	(cd "$1" && find . -printf '%y %m %n %p %l\n' | sort && find . -type f -print0 | sort -z | xargs -0r sha256sum)
}

# attempt LIMIT NODE STATUS WORD...: runs a verb with that limit on a copy of that node
attempt() {
	local limit=$1 node=$2 wanted=$3 status=0 again=0
	shift 3
	rm -rf "$lab/node"
	cp -a "$lab/nodes/$node" "$lab/node"
	describe "$lab/node" >"$lab/before"
	(ulimit -n "$limit" && exec setsid timeout -k 5 "$DEADLINE" "$deploy" "$@") \
		</dev/null >"$lab/out" 2>"$lab/err" || status=$?
	case $status in
	"$wanted") return 0 ;;
	124 | 1[3-9][0-9]) fail "$limit fds: $*: status $status: $(tail -n 1 "$lab/err")" ;;
	*)
		if [ "$limit" -ge "$ENOUGH" ]; then
			fail "$limit fds: $*: status $status: $(tail -n 1 "$lab/err")"
		elif ! grep -q 'ulimit -n' "$lab/err"; then
			fail "$limit fds: $*: the error does not name the limit: $(tail -n 1 "$lab/err")"
		fi
		;;
	esac
	describe "$lab/node" >"$lab/after"
	cmp -s "$lab/before" "$lab/after" || {
		fail "$limit fds: $*: the node is not as before"
		diff "$lab/before" "$lab/after" | head -n 5
	}
	# The failure must not leave anything that prevents a second run with enough descriptors.
	timeout -k 5 "$DEADLINE" "$deploy" "$@" </dev/null >"$lab/out" 2>"$lab/err" || again=$?
	[ $again = "$wanted" ] || fail "$limit fds: $*: afterwards: status $again: $(tail -n 1 "$lab/err")"
}

left() {
	pgrep -f "^$deploy" || true
}

make_releases
source="--key $lab/key.pub --cache $lab/cache --trust-dir $lab/trust.d --no-proof --yes"
fetch="--key $lab/key.pub --cache $lab/cache --trust-dir $lab/trust.d"
make_nodes
before=$(left)
for limit in 8 9 10 12 16 24 32 64; do
	root="--root $lab/node"
	attempt $limit none 0 install $root --release "$lab/1" $source
	attempt $limit none 0 install $root --release "$lab/1.tar" $source
	attempt $limit one 0 upgrade $root --release "$lab/2" $source
	attempt $limit one 0 plan $root --release "$lab/2" $fetch --json
	attempt $limit two 0 rollback $root --yes
	attempt $limit one 0 status $root
	attempt $limit one 0 verify $root
	attempt $limit damaged 0 repair $root --release "$lab/1" $fetch
	attempt $limit two 0 gc $root --yes
	attempt $limit one 0 recover $root
	attempt $limit one 0 uninstall $root --yes
	attempt $limit none 0 fetch --release "$lab/1" $fetch --to "$lab/node/copy"
	attempt $limit none 0 release check --key "$lab/key.pub" "$lab/1"
	attempt $limit none 0 release diff "$lab/1" "$lab/2"
	attempt $limit none 0 keys generate --no-passphrase "$lab/node/key"
	attempt $limit none 0 keys show "$lab/key.pub"
done
[ "$(left)" = "$before" ] || fail "processes are left: $(left)"
[ $failed = 0 ] && echo "  ok    every verb with few fds"
exit $failed
