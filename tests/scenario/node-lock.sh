#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The lock of `kata-deploy node`: one such program for each prefix: node-lock.sh KATA-DEPLOY
set -eu
deploy=$(realpath "$1")
lab=$(mktemp -d "${TMPDIR:-/tmp}/node-lock.XXXXXX")
pids=()
cleanup() {
	[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null || :
	wait
	rm -rf "$lab"
}
trap cleanup EXIT
fail() {
	echo "  FAIL  $*"
	cat "$lab"/says.*
	exit 1
}

# begins N PREFIX TEXT: the program says that. Its verbs fail, since nothing is mounted at --host.
begins() {
	: >"$lab/says.$1"
	"$deploy" node --alone --verbose --host "$lab" --prefix "$2" --state "$lab/state.$1" --port 0 2>"$lab/says.$1" &
	pids+=($!)
	for _ in $(seq 200); do
		if grep -q "$3" "$lab/says.$1"; then return 0; fi
		sleep 0.05
	done
	fail "with $2 it does not say: $3"
}

began="msg=begins"
waits="another kata-deploy node runs"
begins 1 /opt/kata "$began"
begins 2 /opt//kata/. "$waits"
begins 3 /opt/kata/ "$waits"
begins 4 /opt-kata "$began"
begins 5 /opt/-kata "$began"
begins 6 /opt%2dkata "$began"
begins 7 /opt--kata "$began"
begins 8 /opt-kata/ "$waits"
[ -f "$lab/run/lock/kata-deploy-node-opt-kata.lock" ] || fail "the lock of /opt/kata has another name"
echo "  ok    one kata-deploy node for each prefix, however it is spelled"
