#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs all given checks, even after one has failed, and ends with a line of totals.
#
#	tests/check.sh LOG MAKE-TARGET...
set -u
cd "$(dirname "$0")/.." || exit
log=$1
shift
mkdir -p "$(dirname "$log")"
: >"$log"
set -o pipefail
bad=() times=()
for target in "$@"; do
	began=$SECONDS
	"${MAKE:-make}" --no-print-directory "$target" 2>&1 | tee -a "$log" || bad+=("$target")
	times+=("$((SECONDS - began)) s $target")
done
# A check that counts its tests prints "NAME: N passed, M failed"; any other is counted as one check only.
awk -v targets=$# -v bad="${bad[*]}" -v seconds="$SECONDS" '
	/^[a-z]+: [0-9]+ passed, [0-9]+ failed$/ { counted++; passed += $2; failed += $4 }
	/^ *skipped|^SKIP/ { skipped++ }
	/^ *FAIL / { names = names "\n" $0 }
	END {
		n = split(bad, list, " ")
		printf "check: %d of %d checks passed, with %d tests; %d tests failed, %d skipped; %d s\n",
			targets - n, targets, passed, failed, skipped, seconds
		if (n)
			printf "check: failed: %s%s\n", bad, names
	}' "$log"
echo "check: the longest: $(printf '%s\n' "${times[@]}" | sort -rn | head -n 6 | paste -sd , | sed 's/,/, /g')"
[ ${#bad[@]} = 0 ]
