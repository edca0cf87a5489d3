# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
#	answers NAME PID-FILE LOG COMMAND...
#			waits until the command succeeds, while the process in PID-FILE runs; on failure prints
#			the end of LOG
#	port_of PID	waits until the process listens, and prints its TCP port

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

port_of() { # PID
	local inode port
	for _ in $(seq 600); do
		for inode in $(find "/proc/$1/fd" -lname 'socket:*' -printf '%l\n' 2>/dev/null | tr -dc '0-9\n'); do
			port=$(awk -v i="$inode" '$10 == i && $4 == "0A" { split($2, a, ":"); print a[2] }' /proc/net/tcp)
			[ -z "$port" ] || {
				echo $((16#$port))
				return
			}
		done
		sleep 0.05
	done
}
