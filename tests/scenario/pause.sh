#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The pause of `kata-deploy node` after a failure, when the program is started again: pause.sh KATA-DEPLOY
#
# With the same release and options it waits, with another of either it tries at once.
set -eu
[ -w /run/lock ] || {
	echo "skipped: pause: needs to write to /run/lock"
	exit 0
}
deploy=$(realpath "$1")
lab=$(mktemp -d "${TMPDIR:-/tmp}/pause.XXXXXX")
lock=${lab//-/%2d}
trap 'rm -rf "$lab" "/run/lock/kata-deploy-node${lock//\//-}-opt.lock"' EXIT
fail() {
	echo "  FAIL  $*"
	cat "$lab/says"
	exit 1
}

# begins PHASE OPTION...: the program begins with that phase; ends it when it has failed, and waits for the rest.
begins() {
	local phase=$1 status=0
	shift
	: >"$lab/says" # what it has from the run before is not to be read
	KATA_DEPLOY_RELEASE=$lab/release "$deploy" node "${place[@]}" -- --trust-dir "$lab/none" "$@" 2>"$lab/says" &
	until grep -q "phase=failed" "$lab/says"; do
		kill -0 "$!" 2>/dev/null || fail "it ended"
		sleep 0.05
	done
	kill "$!"
	wait "$!" || status=$?
	[ "$status" = 0 ] || fail "status $status"
	sed -n '/ msg=node /{s/.* phase=\([a-z]*\).*/\1/p;q}' "$lab/says" | grep -qx "$phase" || fail "it does not begin $phase"
	grep -q '"failures":1,' "$lab/state/node.json" || fail "failures: $(<"$lab/state/node.json")"
}

place=(--alone --prefix "$lab/opt" --lock "$lab/lock" --trust-memory "$lab/memory" --state "$lab/state" --port 0)
mkdir "$lab/release"
echo "not a release" >"$lab/release/release.yaml"
begins starting --cri none
begins failed --cri none
begins starting --cri containerd
echo "another, with the same name" >"$lab/release/release.yaml"
begins starting --cri containerd
begins failed --cri containerd

# Whoever reads the log ends, as the monitor of a container can: the program goes on, and records the failure.
rm "$lab/state/node.json"
mkfifo "$lab/log"
head -n 1 "$lab/log" >"$lab/says" &
KATA_DEPLOY_RELEASE=$lab/release "$deploy" node "${place[@]}" -- --trust-dir "$lab/none" --cri none 2>"$lab/log" &
node=$!
until grep -q '"failures":1,' "$lab/state/node.json" 2>/dev/null; do
	kill -0 "$node" 2>/dev/null || fail "it ended with the reader of its log"
	sleep 0.05
done
kill "$node"
wait "$node" || fail "it ended with the reader of its log: $?"
echo "  ok    node waits after a failure, unless its release or its options have changed"
