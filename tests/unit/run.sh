#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs unit test programs, as many at a time as there are CPUs, and ends with a line of totals. run.sh PROGRAM...
#
# UNDER is a command that runs each program, such as valgrind; UNIT_TIMEOUT the time limit of each program in seconds;
# UNIT_JOBS the number of programs at a time.
#
# If possible each program gets a /tmp and a mount namespace of its own, so that a failed test, which skips its teardown,
# leaves nothing behind.
set -u
cd "$(dirname "$0")/../.." || exit

# Check's default of 4 seconds is too short for a busy machine or a sanitizer; the caller may set more.
export CK_DEFAULT_TIMEOUT="${CK_DEFAULT_TIMEOUT:-120}"
# Check limits each test; this limit is for a program that hangs all the same.
most=${UNIT_TIMEOUT:-$((15 * CK_DEFAULT_TIMEOUT))}
jobs=${UNIT_JOBS:-$(nproc)}
under=()
[ -z "${UNDER:-}" ] || read -ra under <<<"$UNDER"

scratch=$(mktemp -d /tmp/kata-unit-XXXXXX) || exit
trap 'rm -rf "$scratch"' EXIT
apart=()
if unshare --mount true 2>/dev/null && [[ $PWD != /tmp/* ]]; then
	# shellcheck disable=SC2016
	apart=(unshare --mount sh -c 'mount --bind "$0" /tmp && exec "$@"')
fi

passed=0 failed=0
declare -A program_of=() # a process that runs -> its program
trap 'kill "${!program_of[@]}" 2>/dev/null; exit 130' INT TERM

begin() { # PROGRAM
	local name tmp=()
	name=$(basename "$1")
	if [ ${#apart[@]} != 0 ]; then
		mkdir -m 1777 "$scratch/$name"
		tmp=("$scratch/$name")
	fi
	# Under nohup SIGHUP is ignored, in the background SIGINT and SIGQUIT, and stay so in programs that catch signals.
	timeout "$most" env --default-signal=HUP,INT,QUIT "${apart[@]}" "${tmp[@]}" "${under[@]}" "$1" >"$scratch/$name.out" 2>&1 &
	program_of[$!]=$1
}

end() { # waits for one of the programs, and reports it
	local pid status name out checks all bad
	wait -n -p pid "${!program_of[@]}"
	status=$?
	name=$(basename "${program_of[$pid]}")
	unset "program_of[$pid]"
	out=$(tr -d '\0' <"$scratch/$name.out")
	rm -rf "${scratch:?}/$name"
	checks=$(sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\)$/\1 \2 \3/p' \
		<<<"$out" | awk '{ c += $1; f += $2 + $3 } END { print c + 0, f + 0 }')
	read -r all bad <<<"$checks"
	[ "$status" = 0 ] || [ "$bad" -gt 0 ] || bad=1
	passed=$((passed + all - (bad < all ? bad : all)))
	failed=$((failed + bad))
	printf '  %-5s %s (%s checks)\n' "$([ "$bad" = 0 ] && echo ok || echo FAIL)" "$name" "$all"
	[ "$bad" = 0 ] || printf '%s\n' "$out" | tail -n 20
	[ "$status" != 124 ] || echo "  it did not end within $most seconds"
	grep -i '^skipped' <<<"$out"
}

for program in "$@"; do
	[ ${#program_of[@]} -lt "$jobs" ] || end
	begin "$program"
done
while [ ${#program_of[@]} != 0 ]; do end; done
echo "unit: $passed passed, $failed failed"
[ "$failed" = 0 ]
