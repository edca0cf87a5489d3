# SPDX-License-Identifier: Apache-2.0
#
# Prints errors that a user can act on and that name no remedy, one per line: FILE CODE "MESSAGE"; with -v only="CODE..."
# those of these codes. An error has a remedy if its message has one after "; ", as err.h describes, or if the function
# adds a hint before it returns the error.

function flush_function(    rest, at, statement, code, message, before) {
	rest = text
	while ((at = index(rest, "err_set(")) > 0) {
		before = substr(rest, 1, at - 1)
		rest = substr(rest, at + 8)
		statement = until_semicolon(rest)
		if (!match(statement, /E_[A-Z_]+/) || before ~ /[A-Za-z_]$/)
			continue
		code = substr(statement, RSTART, RLENGTH)
		if (!(code in wanted))
			continue
		message = literals(statement)
		if (message ~ /; /)
			continue
		if (before !~ /return[ \t]*$/ && before !~ /[?:][ \t]*$/ && has_hint(substr(rest, length(statement) + 1)))
			continue
		print file " " code " \"" message "\""
	}
	text = ""
}

# A hint counts if the function gives it before it returns the error.
function has_hint(after,    at) {
	at = match(after, /[^A-Za-z_](return|goto)[^A-Za-z_]/)
	return index(at ? substr(after, 1, at - 1) until_semicolon(substr(after, at)) : after, "hint") > 0
}

# Skips semicolons inside string literals.
function until_semicolon(s,    i, c, quoted) {
	for (i = 1; i <= length(s); i++) {
		c = substr(s, i, 1)
		if (c == "\\" && quoted)
			i++
		else if (c == "\"")
			quoted = !quoted
		else if (c == ";" && !quoted)
			return substr(s, 1, i)
	}
	return s
}

function literals(s,    out, i, c, quoted) {
	for (i = 1; i <= length(s); i++) {
		c = substr(s, i, 1)
		if (c == "\"")
			quoted = !quoted
		else if (quoted)
			out = out (c == "\\" ? c substr(s, ++i, 1) : c)
	}
	return out
}

BEGIN {
	n = split(only ? only : "E_INVALID E_IO E_GONE E_PROTOCOL E_HOOK E_USAGE E_CONFIG E_STATE E_EXISTS E_PERMISSION E_UNSUPPORTED E_TRUST E_NOT_FOUND E_LIMIT E_TIMEOUT E_FAILED", codes, " ")
	for (i = 1; i <= n; i++)
		wanted[codes[i]] = 1
}
FNR == 1 { file = FILENAME }
{
	line = $0
	sub(/^[ \t]+/, "", line)
	text = text " " line
}
/^}/ { flush_function() }
