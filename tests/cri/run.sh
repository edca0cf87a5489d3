#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tests pods and their containers over the CRI, like a kubelet, with a real containerd and CNI.
#
#	[HANDLERS="runc kata"] [CRI_SHORT=1] [SLICE="1 2"] run.sh PREFIX [TEST...]
#
# Each test is a function test_* of cases/ and runs once with each handler, under "set -e" in a subshell, so that the
# first failing command ends it. After every test nothing may be left. Everything runs in mount, network, IPC and PID
# namespaces of its own. For runc PREFIX need not contain a shim.
set -u
# shellcheck source=tests/cri/lib.sh
. "$(dirname "$0")/lib.sh"
LEFT_OUT=() # cases that are not run
# shellcheck source=tests/cri/crio.sh
[ -z "${CRIO:-}" ] || . "$(dirname "$0")/crio.sh"
lab_apart "$0" "$@"
PREFIX=$(realpath -m -- "$1")
shift
[ -z "${CRITEST:-}" ] || CRITEST=$(realpath -e -- "$CRITEST") || exit
cd "$(dirname "$0")/../.." || exit
# shellcheck source=tests/integration/expect.sh
. tests/integration/expect.sh
TOOLS=$(dirname "$PREFIX")/tools
# shellcheck disable=SC2034 # for cri_now
TEST_GROUP=$(sed 's/.*) . [0-9]* \([0-9]*\) .*/\1/' /proc/self/stat)
exec </dev/null # no test may depend on our own standard input

LONG=() # cases that are skipped if CRI_SHORT is set
# If two cases defined functions with the same name, both would use the second one.
twice=$(grep -hoE '^[a-z0-9_]+\(\)' tests/cri/lib.sh tests/integration/containerd.sh tests/integration/expect.sh tests/cri/cases/*.sh | sort | uniq -d)
[ -z "$twice" ] || {
	echo "defined twice: $twice" >&2
	exit 1
}
lost=$(grep -nE '"\$\(([^=]* )?fails [0-9]' tests/cri/cases/*.sh tests/integration/cases/*.sh tests/integration/node/*.sh tests/engines/*.sh)
[ -z "$lost" ] || {
	echo "the status that is checked there is lost; use fails_saying: $lost" >&2
	exit 1
}
for cases in tests/cri/cases/*.sh; do
	# shellcheck source=/dev/null
	. "$cases"
done

# The VM of a sanitized build has more memory than these expect or fill.
[ -z "${SANITIZED:-}" ] ||
	LEFT_OUT+=(test_neighbour_of_one_that_fills_its_memory_disk test_update_of_a_running_container
		test_vm_grows_and_shrinks_with_its_containers test_vm_has_the_pods_size_at_once)

trap 'exit 130' INT TERM # PID 1 of a namespace ignores signals without a handler
cri_start "$PREFIX" || exit
if [ -n "${CRITEST:-}" ]; then
	# shellcheck source=tests/cri/critest.sh
	. tests/cri/critest.sh
	critest_compare
	exit
fi
choose_tests "$@"
[ ${#LEFT_OUT[@]} = 0 ] ||
	mapfile -t tests < <(printf '%s\n' "${tests[@]}" | grep -vxF "$(printf '%s\n' "${LEFT_OUT[@]}")")
if [ -n "${CRI_SHORT:-}" ]; then
	mapfile -t tests < <(printf '%s\n' "${tests[@]}" | grep -vxF "$(printf '%s\n' "${LONG[@]}")")
	echo "  skipped: ${#LONG[@]} long cases of pods; make check-cri runs them"
fi
choose_slice
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
		[ "$status" != 0 ] || left=$(cri_left_at_last) # a failed test may leave things behind
		[ -z "$left" ] || status=1
		counted "$status" "$HANDLER $t" "$start" || {
			[ -z "$left" ] || echo "$left"
			tail -n +"$log" "$LAB/containerd.log" | grep -E 'level=(warning|error)' |
				tail -n 5 | cut -c1-400 | sed 's/^/    log: /'
			cri_clear # or else the other tests would fail, too
		}
	done
done
totals cri
