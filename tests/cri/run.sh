#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Pods and their containers, asked for as a kubelet does: real containerd with CRI and CNI.
#
#	[HANDLERS="runc kata"] run.sh PREFIX [TEST...]
#
# Each test is a function test_* of cases/ and runs once with each handler, under "set -e" in a
# subshell, so that the first command that fails ends it. After every test nothing may be left. All is
# in namespaces of its own: mounts, network, IPC and processes; runc needs no PREFIX with a shim in it.
set -u
if [ -z "${CRI_APART:-}" ]; then
	[ "$(id -u)" = 0 ] || {
		echo "skipped: pods need root"
		exit 0
	}
	CRI_APART=1 exec unshare --mount --propagation private --net --ipc --pid --fork --kill-child \
		--mount-proc "$0" "$@"
fi
PREFIX=$(realpath -m -- "$1")
shift
[ -z "${CRITEST:-}" ] || CRITEST=$(realpath -e -- "$CRITEST") || exit
cd "$(dirname "$0")/../.." || exit
# shellcheck source=tests/cri/lib.sh
. tests/cri/lib.sh
# shellcheck source=tests/integration/expect.sh
. tests/integration/expect.sh
TOOLS=$(dirname "$PREFIX")/tools
# shellcheck disable=SC2034 # for cri_now
TEST_GROUP=$(sed 's/.*) . [0-9]* \([0-9]*\) .*/\1/' /proc/self/stat)
exec </dev/null # whatever we were started from, no test depends on it
mount -t tmpfs -o mode=0755 run /run
mkdir -p /run/lock /var/lib/cni
mount -t tmpfs cni /var/lib/cni
ip link set lo up

for cases in tests/cri/cases/*.sh; do
	# shellcheck source=/dev/null
	. "$cases"
done

trap 'exit 130' INT TERM # else the first process of a namespace ignores them
cri_start "$PREFIX" || exit
if [ -n "${CRITEST:-}" ]; then
	# shellcheck source=tests/cri/critest.sh
	. tests/cri/critest.sh
	critest_compare
	exit
fi
passed=0 failed=0
mapfile -t tests < <(declare -F | awk '$3 ~ /^test_/ { print $3 }')
[ $# -eq 0 ] || tests=("$@")
for HANDLER in ${HANDLERS:-runc}; do
	for t in "${tests[@]}"; do
		start=$SECONDS
		log=$(($(wc -l <"$LAB/containerd.log") + 1))
		(
			set -e
			trap - EXIT
			"$t"
		)
		status=$? left=
		unconfigured
		[ "$status" != 0 ] || left=$(cri_left_at_last) # one that failed leaves its own
		if [ "$status" = 0 ] && [ -z "$left" ]; then
			passed=$((passed + 1))
			echo "  ok    $HANDLER $t ($((SECONDS - start)) s)"
		else
			failed=$((failed + 1))
			echo "  FAIL  $HANDLER $t ($((SECONDS - start)) s)"
			[ -z "$left" ] || echo "$left"
			tail -n +"$log" "$LAB/containerd.log" | grep -E 'level=(warning|error)' |
				tail -n 5 | cut -c1-400 | sed 's/^/    log: /'
			cri_clear # what it left would fail the others too
		fi
	done
done
[ $# -gt 0 ] || echo "  skipped: cri-tools' suite; CRITEST=PATH runs it (tests/cri/README.md)"
echo "cri: $passed passed, $failed failed"
[ "$failed" = 0 ]
