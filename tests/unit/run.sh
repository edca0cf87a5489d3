#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs unit test programs; closes with a line of totals. run.sh PROGRAM...
#
# UNDER is a command that each runs under, such as valgrind; UNIT_TIMEOUT how many seconds each program may take.
#
# Each has a /tmp and mounts of its own if we may give it them, so that a test that fails, and with
# that skips its teardown, leaves nothing behind.
set -u
cd "$(dirname "$0")/../.." || exit

# Check's own 4 seconds are not much on a busy machine or under a sanitizer; the caller may give more.
export CK_DEFAULT_TIMEOUT="${CK_DEFAULT_TIMEOUT:-120}"
# Check ends each test; this is for a program that does not end all the same.
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
	out=$(timeout "$most" "${apart[@]}" "${under[@]}" "$program" 2>&1)
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
