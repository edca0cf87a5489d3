#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Checks that every error of kata-deploy and kata-manager that a user can act on names a remedy, after "; " as
# base/err.h describes. This test reads the source, so it also covers errors that no test causes; tests/scenario checks
# every error that a scenario ends with. tests/errors/without lists the errors that need no remedy, with reasons.
set -u
cd "$(dirname "$0")/.." || exit 1

work=$(mktemp -d /tmp/kata-errors-XXXXXX)
trap 'rm -rf "$work"' EXIT
# First test the scanner itself.
cat >"$work/seen.c" <<-'END'
	int f(void)
	{
		return err_set(err, E_USAGE, "wrong; do this");
	}
	int g(void)
	{
		if (x) {
			err_set(err, E_STATE, "with a hint later; or \"so\"");
			return err_hint(err, "do that");
		}
		err_set(err, E_STATE, "with a hint later");
		return err_hint(err, "do that");
	}
	int h(void)
	{
		if (x)
			return err_set(err, E_CONFIG, "seen %s " "one", ";");
		return x ? 0 : err_set(err, E_TRUST, "seen two");
		err_hint(err, "not for those");
	}
	int i(void)
	{
		err_set(err, E_CANCELLED, "not one of these");
		err_set(err, E_EXISTS, "seen three");
	}
	int j(void)
	{
		if (x) {
			err_set(err, E_IO, "seen four");
			return NULL;
		}
		err_set(err, E_INVALID, "with a hint later");
		return err_hint(err, "do that");
	}
END
got=$(awk -f tests/errors/scan.awk "$work/seen.c" | sed 's/.*"\(seen [a-z%]*\).*/\1/' | tr '\n' ,)
[ "$got" = "seen %s,seen two,seen three,seen four," ] || {
	echo "  FAIL  the search for errors finds '$got'"
	exit 1
}
find deploy libs/cli utils libs/base/opt.c -name '*.c' | sort | xargs awk -f tests/errors/scan.awk >"$work/all"
# Here only the codes that a person can act on: the others concern a peer or a guest.
find runtime libs/http -name '*.c' | sort |
	xargs awk -v only="E_USAGE E_CONFIG E_UNSUPPORTED E_PERMISSION E_LIMIT" -f tests/errors/scan.awk >>"$work/all"
sort -u "$work/all" >"$work/found"
awk '
	FNR == 1 { file++ }
	file == 1 && /^#/ { next }
	file == 1 && !/ # ../ { print "  FAIL  no reason: " $0; next }
	file == 1 { sub(/ # .*/, ""); without[$0] = 0; next }
	{ all = $1 " " $2 " *" }
	$0 in without { without[$0]++; next }
	all in without { without[all]++; next }
	{ print "  FAIL  no remedy: " $0 }
	END { for (e in without) if (!without[e]) print "  FAIL  not there any more: " e }
' tests/errors/without "$work/found" >"$work/wrong"
cat "$work/wrong"
[ ! -s "$work/wrong" ] && echo "  ok    errors say what to do"
