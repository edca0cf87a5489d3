#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs all given checks, even after one has failed, and ends with a line of totals.
#
#	tests/check.sh LOG MAKE-TARGET...
#
# JOBS is the number of checks at a time; without it the make that has called this decides.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
log=$1
shift
mkdir -p "$(dirname "$log")"
"${MAKE:-make}" --no-print-directory --keep-going ${JOBS:+"-j$JOBS"} "$@" 2>&1 | tee "$log"
status=$?
# A check that counts its tests prints "NAME: N passed, M failed"; any other is counted as one check only. Of a check that
# fails make prints the recipe, or that it was "not remade" because of something that it needs.
awk -v targets="$*" -v seconds="$SECONDS" '
	/^[a-z]+: [0-9]+ passed, [0-9]+ failed$/ { passed += $2; failed += $4 }
	/^ *skipped|^SKIP/ { skipped++ }
	/^ *FAIL / { names = names "\n" $0 }
	/^make.*: \*\*\* \[.*\]/ { sub(/\].*/, ""); sub(/.*[ []/, ""); bad[$0] }
	/^make.*: Target .* not remade because of errors/ { sub(/. not remade.*/, ""); sub(/.*Target ./, ""); bad[$0] }
	END {
		n = split(targets, list, " ")
		for (i = 1; i <= n; i++)
			if (list[i] in bad) { count++; which = which " " list[i] }
		printf "check: %d of %d checks passed, with %d tests; %d tests failed, %d skipped; %d s\n",
			n - count, n, passed, failed, skipped, seconds
		if (count)
			printf "check: failed:%s%s\n", which, names
	}' "$log"
echo "check: the longest: $(sed -n 's/^  ok    \(.*\) (\([0-9]*\) s)$/\2 s \1/p' "$log" |
	sort -rn | head -n 6 | paste -sd , | sed 's/,/, /g')"
exit "$status"
