#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the integration tests with a real containerd and real VMs. [SLICE="1 2"] run.sh PREFIX [TEST...]
#
# Each test is a function test_* of cases/. It runs under "set -e" in a subshell, so that the first failing command ends
# it. After every test nothing may be left on the host.
set -u
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
lab_apart "$0" "$@"
PREFIX=$(realpath -e -- "$1") || exit
shift
cd "$(dirname "$0")/../.." || exit
# shellcheck source=tests/integration/expect.sh
. tests/integration/expect.sh

# shellcheck disable=SC2034 # for the cases
TOOLS=$PREFIX/../tools
exec </dev/null # no test may depend on our own standard input

run() { # CONTAINER-ARGS... as `ctr run --rm`
	timeout 120 ctr --address "$LAB/containerd.sock" run --rm --runtime "$RUNTIME" "$@"
}

status_of() {
	local status=0
	"$@" >/dev/null 2>&1 || status=$?
	echo "$status"
}

detached() { # ID ARGS...: starts a container in the background
	timeout 120 ctr --address "$LAB/containerd.sock" run -d --runtime "$RUNTIME" "$IMAGE" "$@" \
		>/dev/null
}

# Deletes a task that has ended and prints its exit status.
deleted() { # ID
	lab_ctr tasks delete "$1" 2>&1 | sed -n 's/.*exit code \([0-9]*\).*/\1/p'
	lab_ctr containers rm "$1" >/dev/null
}

removed() { # ID
	lab_ctr tasks kill -s KILL "$1" >/dev/null 2>&1 || true
	lab_ctr tasks delete -f "$1" >/dev/null 2>&1 || true
	lab_ctr containers rm "$1" >/dev/null
}

stopped() { # ID: waits until its task has ended
	for _ in $(seq 600); do
		lab_ctr tasks ls | grep -q "^$1 .*STOPPED" && return 0
		sleep 0.1
	done
	return 1
}

listen() { # notes containerd's events until the test ends
	timeout 300 ctr --address "$LAB/containerd.sock" events >"$LAB/events" &
	# shellcheck disable=SC2064
	trap "kill $! 2>/dev/null || true" EXIT
}

heard() { # TOPIC ID: waits for an event of that topic with that id, and prints it
	for _ in $(seq 600); do
		grep -F "$2" "$LAB/events" | grep -m 1 -F " $1 " && return 0
		sleep 0.05
	done
	echo "    no event $1 of $2" >&2
	return 1
}

field() { # NAME: prints the value of that field in the event on standard input
	sed "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/"
}

# Prints the time of an event in seconds. ctr writes it as text before containerd 2, and as an object since then.
exited_at() {
	local event
	read -r event
	if [[ $event =~ \"exited_at\":\{\"seconds\":([0-9]+)(,\"nanos\":([0-9]+))? ]]; then
		printf '%d.%09d\n' "${BASH_REMATCH[1]}" "${BASH_REMATCH[3]:-0}"
	else
		date -d "$(field exited_at <<<"$event")" +%s.%N
	fi
}

# Prints how many milliseconds after MOMENT (a value of $EPOCHREALTIME) a process ended, according to its event.
ended_after() { # MOMENT ID
	local at
	at=$(heard /tasks/exit "$2" | exited_at)
	awk -v a="$1" -v b="$at" 'BEGIN { printf "%d", (b - a) * 1000 }'
}

configured() { # TOML...: makes a configuration with these additional lines; prints its path
	mkdir -p "$LAB/conf/config.d"
	cp -r "$PREFIX"/share/defaults/kata-containers/. "$LAB/conf/"
	printf '%s\n' "$@" >"$LAB/conf/config.d/10-test.toml"
	echo "$LAB/conf/configuration.toml"
}

# If two cases defined functions with the same name, both would use the second one.
twice=$(grep -hoE '^[a-z0-9_]+\(\)' tests/integration/lib.sh tests/integration/containerd.sh tests/integration/expect.sh tests/integration/cases/*.sh | sort | uniq -d)
[ -z "$twice" ] || {
	echo "defined twice: $twice" >&2
	exit 1
}
for cases in tests/integration/cases/*.sh; do
	# shellcheck source=/dev/null
	. "$cases"
done

trap 'exit 130' INT TERM # PID 1 of a namespace ignores signals without a handler
lab_start "$PREFIX"
# shellcheck disable=SC2034 # for the cases
PREFIX=$LAB_PREFIX
lab_image
choose_tests "$@"
choose_slice
for t in "${tests[@]}"; do
	start=$SECONDS
	log=$(($(wc -l <"$LAB/containerd.log") + 1))
	(
		set -e
		trap - EXIT
		"$t"
	)
	status=$?
	lab_gone || status=1
	counted "$status" "$t" "$start" || {
		tail -n +"$log" "$LAB/containerd.log" | grep -E 'level=(warning|error).*shim-kata' |
			tail -n 5 | sed 's/^/    log: /'
		lab_clear # or else the other tests would fail, too
	}
done
totals integration
