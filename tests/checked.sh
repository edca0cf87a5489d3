# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2154 # the caller sets dir
#
# Counts the results of tests of whole artifacts; sourced by image.sh, deb.sh, snap.sh, collect.sh and others.
#
#	check NAME COMMAND...	runs the command; on failure prints the end of its output, which is in $dir/said
#	result STATUS NAME [TEXT]
#	checked NAME		prints the totals; the exit status
#
# $where is printed before each name.

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
