// SPDX-License-Identifier: Apache-2.0
/*
 * Unquoted values. Their syntax is checked here, exactly as specified; the C library only converts
 * digits that were validated.
 */
#include "toml/toml-internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct cursor {
	const char *at, *end;
};

static char look(const struct cursor *c)
{
	return c->at < c->end ? *c->at : '\0';
}

static bool take(struct cursor *c, char wanted)
{
	if (look(c) != wanted)
		return false;
	c->at++;
	return true;
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 16;
}

static bool is_word(const struct cursor *c, const char *word)
{
	size_t len = strlen(word);

	return (size_t)(c->end - c->at) == len && memcmp(c->at, word, len) == 0;
}

/* Digits of a base with single underscores between them; false if there is none or an underscore is
 * misplaced. */
static bool take_digits(struct cursor *c, int base)
{
	bool digit = false;

	for (;; c->at++) {
		if (c->at < c->end && digit_of(*c->at) < base) {
			digit = true;
		} else if (digit && look(c) == '_') {
			digit = false;
		} else {
			return digit;
		}
	}
}

static const char *number_problem = "neither a number, a date, true nor false; "
				    "a text value is written in quotes";

static int fail(const char **why, const char *text)
{
	*why = text;
	return -1;
}

/* Accumulates below zero, because that side of int64_t is the larger one. */
static int set_integer(struct toml_value *out, const char *from, const char *to, int base,
		       bool negative, const char **why)
{
	int64_t sum = 0;

	for (; from < to; from++) {
		if (*from == '_')
			continue;
		if (__builtin_mul_overflow(sum, base, &sum) ||
		    __builtin_sub_overflow(sum, digit_of(*from), &sum))
			return fail(why, "the integer does not fit into 64 bits");
	}
	if (!negative && __builtin_sub_overflow(0, sum, &sum))
		return fail(why, "the integer does not fit into 64 bits");
	out->type = TOML_INTEGER;
	out->integer = sum;
	return 0;
}

static int set_float(struct toml_value *out, const char *text, const char *end, const char **why)
{
	AUTO(buf) struct buf digits = BUF_INIT((size_t)(end - text));

	for (; text < end; text++)
		if (*text != '_')
			buf_chr(&digits, *text);
	out->type = TOML_FLOAT;
	out->number = strtod(buf_cstr(&digits), NULL);
	if (isinf(out->number))
		return fail(why, "the number is too large for a float; infinity is written inf");
	return 0;
}

static int scan_prefixed(struct cursor c, struct toml_value *out, const char **why)
{
	char letter = c.at[1];
	int base = letter == 'x' ? 16 : letter == 'o' ? 8 : 2;
	const char *digits = c.at + 2;

	c.at = digits;
	if (!take_digits(&c, base) || c.at != c.end)
		return fail(why, "malformed digits after 0x, 0o or 0b");
	return set_integer(out, digits, c.end, base, false, why);
}

static int scan_number(struct cursor c, struct toml_value *out, const char **why)
{
	const char *start = c.at, *digits;
	bool negative = look(&c) == '-', real = false;

	if (c.end - c.at > 1 && c.at[0] == '0' && memchr("xob", c.at[1], 3))
		return scan_prefixed(c, out, why);
	if (negative || look(&c) == '+')
		c.at++;
	if (is_word(&c, "inf") || is_word(&c, "nan")) {
		out->type = TOML_FLOAT;
		out->number = *c.at == 'i' ? INFINITY : NAN;
		out->number = negative ? -out->number : out->number;
		return 0;
	}
	digits = c.at;
	if (!take_digits(&c, 10))
		return fail(why, number_problem);
	if (*digits == '0' && c.at - digits > 1)
		return fail(why, "a number does not begin with 0");
	if (c.at == c.end)
		return set_integer(out, digits, c.end, 10, negative, why);
	if (take(&c, '.')) {
		real = true;
		if (!take_digits(&c, 10))
			return fail(why, "a digit is needed on both sides of the decimal point");
	}
	if (look(&c) == 'e' || look(&c) == 'E') {
		real = true;
		c.at++;
		if (look(&c) == '+' || look(&c) == '-')
			c.at++;
		if (!take_digits(&c, 10))
			return fail(why, "malformed exponent");
	}
	if (!real || c.at != c.end)
		return fail(why, number_problem);
	return set_float(out, start, c.end, why);
}

/* Exactly n digits. */
static bool take_fixed(struct cursor *c, int n, int *out)
{
	*out = 0;
	while (n-- > 0) {
		if (look(c) < '0' || look(c) > '9')
			return false;
		*out = *out * 10 + (*c->at++ - '0');
	}
	return true;
}

static bool take_date(struct cursor *c, struct toml_time *t)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap;

	if (!take_fixed(c, 4, &t->year) || !take(c, '-') || !take_fixed(c, 2, &t->month) ||
	    !take(c, '-') || !take_fixed(c, 2, &t->day))
		return false;
	leap = (t->year % 4 == 0 && t->year % 100 != 0) || t->year % 400 == 0;
	return t->month >= 1 && t->month <= 12 && t->day >= 1 &&
	       t->day <= days[t->month - 1] + (leap && t->month == 2);
}

static bool take_time(struct cursor *c, struct toml_time *t)
{
	int weight = 100000000;

	if (!take_fixed(c, 2, &t->hour) || !take(c, ':') || !take_fixed(c, 2, &t->minute) ||
	    !take(c, ':') || !take_fixed(c, 2, &t->second))
		return false;
	if (t->hour > 23 || t->minute > 59 || t->second > 60)
		return false;
	if (!take(c, '.'))
		return true;
	if (look(c) < '0' || look(c) > '9')
		return false;
	for (; look(c) >= '0' && look(c) <= '9'; c->at++, weight /= 10)
		t->nanosecond += (*c->at - '0') * weight;
	return true;
}

static bool take_offset(struct cursor *c, struct toml_time *t)
{
	bool west = look(c) == '-';
	int hours, minutes;

	if (take(c, 'Z') || take(c, 'z'))
		return true;
	if (!take(c, '+') && !take(c, '-'))
		return false;
	if (!take_fixed(c, 2, &hours) || !take(c, ':') || !take_fixed(c, 2, &minutes) ||
	    hours > 23 || minutes > 59)
		return false;
	t->offset = (hours * 60 + minutes) * (west ? -1 : 1);
	return true;
}

static int scan_time(struct cursor c, struct toml_value *out, const char **why)
{
	static const char problem[] = "not a valid time, HH:MM:SS";

	out->type = TOML_LOCAL_TIME;
	if (!take_time(&c, &out->time) || c.at != c.end)
		return fail(why, problem);
	return 0;
}

static int scan_date(struct cursor c, struct toml_value *out, const char **why)
{
	static const char problem[] = "not a valid date, YYYY-MM-DD with or without THH:MM:SS";

	out->type = TOML_LOCAL_DATE;
	if (!take_date(&c, &out->time))
		return fail(why, problem);
	if (c.at == c.end)
		return 0;
	out->type = TOML_LOCAL_DATETIME;
	if ((!take(&c, 'T') && !take(&c, 't') && !take(&c, ' ')) || !take_time(&c, &out->time))
		return fail(why, problem);
	if (c.at == c.end)
		return 0;
	out->type = TOML_OFFSET_DATETIME;
	if (!take_offset(&c, &out->time) || c.at != c.end)
		return fail(why, "not a valid offset from UTC: Z or +HH:MM");
	return 0;
}

int toml_scalar(const char *text, size_t len, struct toml_value *out, const char **why)
{
	struct cursor c = { text, text + len };

	if (is_word(&c, "true") || is_word(&c, "false")) {
		out->type = TOML_BOOL;
		out->boolean = *text == 't';
		return 0;
	}
	if (len > 4 && text[4] == '-' && digit_of(text[0]) < 10 && digit_of(text[3]) < 10)
		return scan_date(c, out, why);
	if (len > 2 && text[2] == ':')
		return scan_time(c, out, why);
	return scan_number(c, out, why);
}
