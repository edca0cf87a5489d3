# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2154 # dir is theirs
#
# What tests of whole artifacts count: sourced by image.sh, deb.sh, snap.sh and collect.sh.
#
#	check NAME COMMAND...	a failure prints the end of what the command said, kept as $dir/said
#	result STATUS NAME [TEXT]
#	checked NAME		prints the totals; the exit status
#
# where goes in front of each name.

passed=0 failed=0 where=

result() {
	if [ "$1" = 0 ]; then
		passed=$((passed + 1))
		echo "  ok    $where$2"
	else
		failed=$((failed + 1))
		echo "  FAIL  $where$2: ${3:-$(tail -n 5 "$dir/said")}"
	fi
}

check() {
	local name=$1
	shift
	"$@" >"$dir/said" 2>&1
	result $? "$name"
}

checked() {
	echo "$1: $passed passed, $failed failed"
	[ "$failed" = 0 ]
}
