# SPDX-License-Identifier: Apache-2.0
#
# Makes docs/errors.md from the list ERR_CODES in libs/base/err.h: awk -f docs/errors.awk err.h

BEGIN {
	print "# Error codes\n"
	print "<!-- Made by docs/errors.awk from libs/base/err.h; `make docs/errors.md` makes it anew. -->\n"
	print "Every failure has one of these codes. The slug stands in JSON output, the exit status is that"
	print "of a command-line program, the RPC status is the `code` of a ttRPC response (google.rpc.Code)."
	print "Slugs and statuses are stable; the text of a message is not.\n"
	print "| slug | exit status | RPC status | meaning |"
	print "|---|---|---|---|"
}

/^\tX\(E_[A-Z_]+, / {
	split($0, part, "\"")
	split(part[3], number, /, */)
	printf "| `%s` | %d | %d | %s |\n", part[2], number[2], number[3], part[4]
}
