# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Assertions for the cases of integration, node and engine tests, and functions that choose and count cases:
#
#	choose_tests [TEST...]	sets tests to these, or to all functions test_*
#	choose_slice		with SLICE="2 3" keeps the second of three parts of them
#	for t in "${tests[@]}"; do
#		start=$SECONDS
#		(set -e; "$t")
#		counted $? "$t" "$start" || ...	# not in a condition itself: that would switch -e off
#	done
#	totals NAME		prints the totals, returns the exit status
#
# and for suites of others
#
#	skip_list FILE HANDLER	prints the regular expression of the tests that are not run with a runtime handler: the lines
#				of the file but comments; those with "HANDLER: " in front for that handler only

expect() { # WHAT GOT WANTED
	[ "$2" = "$3" ] || {
		echo "    $1: got '$2', wanted '$3'"
		return 1
	}
}

has() { # WHAT TEXT PATTERN
	grep -q -- "$3" <<<"$2" || {
		echo "    $1: '$2' does not have '$3'"
		return 1
	}
}

# Do not use this in an argument of another command, where its status would be lost; fails_saying checks both.
fails() { # STATUS COMMAND...: prints the output of the command; several statuses: "1|10"
	local wanted=$1 status=0 said
	shift
	said=$("$@" 2>&1) || status=$?
	printf '%s\n' "$said"
	[[ $status =~ ^($wanted)$ ]] || {
		echo "    status $status, wanted $wanted: $said" >&2
		return 1
	}
}

fails_saying() { # WHAT STATUS PATTERN COMMAND...
	local what=$1 wanted=$2 pattern=$3 said
	shift 3
	said=$(fails "$wanted" "$@") && has "$what" "$said" "$pattern"
}

passed=0 failed=0 tests=()
# shellcheck disable=SC2034 # used by the scripts that source this
choose_tests() { # [TEST...]
	tests=("$@")
	[ $# -gt 0 ] || mapfile -t tests < <(declare -F | awk '$3 ~ /^test_/ { print $3 }')
}

choose_slice() {
	[ -z "${SLICE:-}" ] || mapfile -t tests < <(printf '%s\n' "${tests[@]}" |
		awk -v slice="$SLICE" '{ split(slice, s, " "); if (NR % s[2] == s[1] % s[2]) print }')
}

counted() { # STATUS NAME START: the value of SECONDS when the test began; returns STATUS
	local took=$((SECONDS - $3))
	if [ "$1" = 0 ]; then
		passed=$((passed + 1))
		echo "  ok    $2 ($took s)"
	else
		failed=$((failed + 1))
		echo "  FAIL  $2 ($took s)"
	fi
	return "$1"
}

skip_list() { # FILE HANDLER
	sed -n "/^#/d; /^\$/d; s/^$2: //; /^[a-z]*: /!p" "$1" | paste -sd '|'
}

totals() { # NAME
	echo "$1: $passed passed, $failed failed"
	[ "$failed" = 0 ]
}
