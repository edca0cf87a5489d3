#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs unit test programs and ends with a line of totals. run.sh PROGRAM...
#
# UNDER is a command that runs each program, such as valgrind; UNIT_TIMEOUT the time limit of each program in seconds.
#
# If possible each program gets a /tmp and a mount namespace of its own, so that a failed test, which skips its teardown,
# leaves nothing behind.
set -u
cd "$(dirname "$0")/../.." || exit

# Check's default of 4 seconds is too short for a busy machine or a sanitizer; the caller may set more.
export CK_DEFAULT_TIMEOUT="${CK_DEFAULT_TIMEOUT:-120}"
# Check limits each test; this limit is for a program that hangs all the same.
most=${UNIT_TIMEOUT:-$((15 * CK_DEFAULT_TIMEOUT))}
under=()
[ -z "${UNDER:-}" ] || read -ra under <<<"$UNDER"

scratch=$(mktemp -d /tmp/kata-unit-XXXXXX) || exit
chmod 1777 "$scratch"
trap 'rm -rf "$scratch"' EXIT
apart=()
if unshare --mount true 2>/dev/null && [[ $PWD != /tmp/* ]]; then
	# shellcheck disable=SC2016
	apart=(unshare --mount sh -c 'mount --bind "$0" /tmp && exec "$@"' "$scratch")
fi

passed=0 failed=0
for program in "$@"; do
	# Under nohup SIGHUP is ignored, and stays so in programs that catch signals.
	out=$(timeout "$most" env --default-signal=HUP "${apart[@]}" "${under[@]}" "$program" 2>&1)
	status=$?
	checks=$(sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\)$/\1 \2 \3/p' \
		<<<"$out" | awk '{ c += $1; f += $2 + $3 } END { print c + 0, f + 0 }')
	read -r all bad <<<"$checks"
	[ "$status" = 0 ] || [ "$bad" -gt 0 ] || bad=1
	passed=$((passed + all - (bad < all ? bad : all)))
	failed=$((failed + bad))
	printf '  %-5s %s (%s checks)\n' "$([ "$bad" = 0 ] && echo ok || echo FAIL)" \
		"$(basename "$program")" "$all"
	[ "$bad" = 0 ] || printf '%s\n' "$out" | tail -n 20
	[ "$status" != 124 ] || echo "  it did not end within $most seconds"
	grep -i '^skipped' <<<"$out"
done
echo "unit: $passed passed, $failed failed"
[ "$failed" = 0 ]
