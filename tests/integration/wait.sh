# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
#	answers NAME PID-FILE LOG COMMAND...
#			waits until the command succeeds, while the process in PID-FILE runs; on failure prints
#			the end of LOG

answers() {
	local name=$1 pid=$2 log=$3
	shift 3
	for _ in $(seq 1200); do
		"$@" >/dev/null 2>&1 && return 0
		[ ! -s "$pid" ] || kill -0 "$(cat "$pid")" 2>/dev/null || break
		sleep 0.05
	done
	echo "$name did not start; its log:" >&2
	tail -n 20 "$log" >&2
	return 1
}
