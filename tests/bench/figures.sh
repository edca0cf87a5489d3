# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Records measurements: one JSON object per line in the file FIGURES.

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
row() { # FIGURE VALUE UNIT [BAR [least]]: BAR is an upper bound, or with `least` a lower bound
	local holds=null
	[ -z "${4:-}" ] || holds=$(awk -v v="$2" -v b="$4" -v least="${5:-}" \
		'BEGIN { print (least ? v >= b : v <= b) ? "true" : "false" }')
	printf '  %-44s %10s %-4s bar %-8s %s\n' "$1" "$2" "$3" "${4:--}" "$holds"
	echo "{\"figure\":\"$1\",\"value\":$2,\"unit\":\"$3\",\"bar\":${4:-null},\"holds\":$holds}" \
		>>"$FIGURES"
}
ms() { # COMMAND...: prints the milliseconds of one run
	local begin=$EPOCHREALTIME
	"$@" >/dev/null
	awk -v b="$begin" -v e="$EPOCHREALTIME" 'BEGIN { printf "%.1f\n", (e - b) * 1000 }'
}
# Measures two functions that do the same, in turn. They get the number of the run as their argument.
beside_runc() { # NAME BAR RUNS KATA RUNC
	local i k r
	rm -f "$LAB"/{kata,runc,prices}
	for i in $(seq "$3"); do
		k=$(ms "$4" "$i")
		r=$(ms "$5" "$i")
		echo "$k" >>"$LAB/kata"
		echo "$r" >>"$LAB/runc"
		ratio "$k" "$r" >>"$LAB/prices"
	done
	row "$1, runc" "$(median <"$LAB/runc")" ms
	row "$1, kata" "$(median <"$LAB/kata")" ms
	row "$1, kata / runc, each time" "$(median <"$LAB/prices")" x "$2"
}
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f\n", a / b }'; }
