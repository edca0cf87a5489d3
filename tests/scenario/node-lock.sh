#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The lock of `kata-deploy node`: one such program for each prefix; and that of its verbs: node-lock.sh KATA-DEPLOY
set -eu
deploy=$(realpath "$1")
lab=$(mktemp -d "${TMPDIR:-/tmp}/node-lock.XXXXXX")
own=${lab//-/%2d} own=/run/lock/kata-deploy-node${own//\//-}-opt.lock # without --host
pids=()
cleanup() {
	exec 8>&- # a verb may wait for that lock
	[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null || :
	wait
	rm -rf "$lab" "$own"
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
	for _ in $(seq 600); do
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
# A prefix that is longer than the name of a file may be.
long=/srv$(printf '/%040d' 1 2 3 4 5 6 7 8)
begins 9 "$long/kata" "$began"
begins 10 "$long/kata/" "$waits"
begins 11 "$long/kata2" "$began"
[ -f "$lab/run/lock/kata-deploy-node-opt-kata.lock" ] || fail "the lock of /opt/kata has another name"
echo "  ok    one kata-deploy node for each prefix, however it is spelled"

# In /run/lock every user may make files.
exec 9<>"$lab/run/lock/kata-deploy-node-opt-other.lock"
flock 9
chown 65534 "$lab/run/lock/kata-deploy-node-opt-other.lock"
begins 12 /opt/other "$began"
echo "  ok    another user does not keep kata-deploy node waiting"

# Another installation on the node changes something.
exec 8<>"$lab/others"
flock 8
echo "4711 /opt/kata-b" >&8
# ends N VERB: it waits, and ends with the program; that is no failure.
ends() {
	local pid

	: >"$lab/says.$1"
	"$deploy" node --alone --verbose --prefix "$lab/opt" --lock "$lab/others" --state "$lab/state.$1" --port 0 \
		2>"$lab/says.$1" 8>&- 9>&- &
	pid=$!
	pids+=("$pid")
	for _ in $(seq 600); do
		! grep -q 'holder="process 4711, which works on /opt/kata-b,"' "$lab/says.$1" || break
		sleep 0.05
	done
	grep -q "msg=begins.*verb=$2" "$lab/says.$1" || fail "it does not begin $2"
	grep -q 'holder="process 4711' "$lab/says.$1" || fail "$2 does not say for whom it waits"
	kill -TERM "$pid"
	timeout 20 tail --pid="$pid" -f /dev/null || fail "it does not end while $2 waits"
	! grep -q '"failures":[1-9]' "$lab/state.$1/node.json" 2>/dev/null || fail "the end counts as a failure"
}
ends 13 plan
echo "  ok    a plan waits for another installation, and ends with the program"
mkdir -p "$lab/opt/state"
: >"$lab/opt/state/journal"
ends 14 recover
echo "  ok    so does a verb that changes the node"
