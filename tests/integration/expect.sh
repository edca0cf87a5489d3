# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the cases of integration, node and engine tests say when something is not as it should be, and what
# those who run them say in the end:
#
#	choose_tests [TEST...]	sets tests: these, or all functions test_*
#	choose_slice		with SLICE="2 3" the second of three parts of them
#	for t in "${tests[@]}"; do
#		start=$SECONDS
#		(set -e; "$t")
#		counted $? "$t" "$start" || ...	# not in a condition itself: that would switch -e off
#	done
#	totals NAME		the exit status

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

# Not in an argument, where its own status would be lost: fails_saying checks both.
fails() { # STATUS COMMAND...: prints what it printed
	local wanted=$1 status=0 said
	shift
	said=$("$@" 2>&1) || status=$?
	printf '%s\n' "$said"
	[ "$status" = "$wanted" ] || {
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
# shellcheck disable=SC2034 # for who sources this
choose_tests() { # [TEST...]
	tests=("$@")
	[ $# -gt 0 ] || mapfile -t tests < <(declare -F | awk '$3 ~ /^test_/ { print $3 }')
}

choose_slice() {
	[ -z "${SLICE:-}" ] || mapfile -t tests < <(printf '%s\n' "${tests[@]}" |
		awk -v slice="$SLICE" '{ split(slice, s, " "); if (NR % s[2] == s[1] % s[2]) print }')
}

counted() { # STATUS NAME SECONDS: when it began; returns STATUS
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

totals() { # NAME
	echo "$1: $passed passed, $failed failed"
	[ "$failed" = 0 ]
}
