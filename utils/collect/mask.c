// SPDX-License-Identifier: Apache-2.0
/* Masks secrets in one pass from left to right: at each position it tries the rules of a table,
 * each of which recognizes the beginning of a kind of secret and finds its end. */
#include "utils/collect/mask.h"

#include "base/str.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { NAME_MAX_ = 128 };

struct text {
	const char *s;
	size_t len;
};

/* What a rule has found at a position: lengths of the text that stays, and of the secret behind
 * it. */
struct found {
	size_t keep, secret;
};

static char at(const struct text *t, size_t i)
{
	return i < t->len ? t->s[i] : '\0';
}

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.' || c == '+' ||
	       c == '/' || c == '=' || c == '~';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static size_t span(const struct text *t, size_t i, bool (*fits)(char))
{
	size_t n = 0;

	while (i + n < t->len && fits(t->s[i + n]))
		n++;
	return n;
}

static bool begins(const struct text *t, size_t i, const char *prefix)
{
	size_t n = strlen(prefix);

	return t->len - i >= n && strncasecmp(t->s + i, prefix, n) == 0;
}

static bool ends_line(const struct text *t, size_t i)
{
	return i >= t->len || t->s[i] == '\n' || t->s[i] == '\r';
}

static size_t line_end(const struct text *t, size_t i)
{
	while (!ends_line(t, i))
		i++;
	return i;
}

/* --- names and their values --- */

/* Copies the letters and digits of a name, in lower case. */
static void fold(const char *name, size_t len, char folded[NAME_MAX_ + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < len && n < NAME_MAX_; i++)
		if (isalnum((unsigned char)name[i]))
			folded[n++] = (char)tolower((unsigned char)name[i]);
	folded[n] = '\0';
}

/* True for DB_PASS and MYSQL_PWD. */
static bool ends_with_word(const char *name, size_t len, const char *word)
{
	size_t n = strlen(word);

	return len > n && strncasecmp(name + len - n, word, n) == 0 &&
	       !isalnum((unsigned char)name[len - n - 1]);
}

static bool is_secret_name(const char *name, size_t len)
{
	static const char *const parts[] = { "password",  "passwd",     "passphrase", "secret",
					     "token",     "credential", "apikey",     "privatekey",
					     "accesskey", "signature",  "cookie",     "keydata" };
	static const char *const whole[] = { "auth", "authorization", "proxyauthorization",
					     "sig",  "xregistryauth", "pass",
					     "pwd" };
	char folded[NAME_MAX_ + 1];

	/* The end of a long name decides. */
	if (len > NAME_MAX_) {
		name += len - NAME_MAX_;
		len = NAME_MAX_;
	}
	fold(name, len, folded);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (strstr(folded, parts[i]))
			return true;
	for (size_t i = 0; i < ARRAY_LEN(whole); i++)
		if (str_eq(folded, whole[i]))
			return true;
	return ends_with_word(name, len, "pass") || ends_with_word(name, len, "pwd");
}

/* Returns the length of a quote at i, or 0. It may be escaped, as in JSON inside a JSON string. */
static size_t quote_at(const struct text *t, size_t i, char quote[16])
{
	size_t n = 0;

	while (at(t, i + n) == '\\' && n < 14)
		n++;
	if (at(t, i + n) != '"' && at(t, i + n) != '\'')
		return 0;
	memcpy(quote, t->s + i, n + 1);
	quote[n + 1] = '\0';
	return n + 1;
}

/* Returns the end of a string whose opening quote is before i: its closing quote, or the end of the
 * text. */
static size_t string_end(const struct text *t, size_t i, const char *quote)
{
	size_t n = strlen(quote), escaped = n - 1;

	for (; i < t->len; i++) {
		size_t slashes = 0;

		while (at(t, i + slashes) == '\\')
			slashes++;
		if (i + slashes < t->len && t->s[i + slashes] == quote[n - 1] && slashes == escaped)
			return i;
		/* An escaped quote inside, or other escaped characters. */
		if (slashes)
			i += slashes;
	}
	return t->len;
}

static size_t triple_end(const struct text *t, size_t i, char quote)
{
	for (; i + 2 < t->len; i++)
		if (t->s[i] == quote && t->s[i + 1] == quote && t->s[i + 2] == quote)
			return i;
	return t->len;
}

/* Returns the end of a list that begins at i; ignores brackets inside strings. */
static size_t list_end(const struct text *t, size_t i)
{
	size_t depth = 0;

	for (; i < t->len; i++) {
		char quote[16];
		size_t n = t->s[i] == '"' || t->s[i] == '\'' ? quote_at(t, i, quote) : 0;

		if (n) {
			i = string_end(t, i + n, quote);
			continue;
		}
		if (t->s[i] == '[')
			depth++;
		if (t->s[i] == ']' && --depth == 0)
			return i + 1;
	}
	return t->len;
}

static size_t indent_of(const struct text *t, size_t line)
{
	return span(t, line, is_blank);
}

/* How far a rule looks around itself: a text may be one line of megabytes. */
enum { LOOK_MAX = 1024 };

static size_t line_start(const struct text *t, size_t i)
{
	size_t least = i > LOOK_MAX ? i - LOOK_MAX : 0;

	while (i > least && t->s[i - 1] != '\n')
		i--;
	return i;
}

/* Returns the end of a YAML block: of the lines that are indented deeper than its key, or, with
 * items, that are items of its list. An empty line belongs to it if more follows. i: the end of the
 * key's line. */
static size_t block_end(const struct text *t, size_t key, size_t i, bool items)
{
	size_t indent = indent_of(t, line_start(t, key)), end = i;

	while (i < t->len) {
		size_t next = i + 1, inside;

		if (next < t->len && t->s[i] == '\r' && t->s[next] == '\n')
			next++;
		inside = indent_of(t, next);
		i = line_end(t, next);
		if (i == next + inside)
			continue;
		if (inside < indent ||
		    (inside == indent && !(items && at(t, next + inside) == '-')))
			break;
		end = i;
	}
	return end;
}

/* Returns the end of the value of a YAML key whose line has nothing more: of a block, or of a list
 * whose items are as deep as the key. i: the end of the line. */
static size_t below_end(const struct text *t, size_t key, size_t i)
{
	size_t line = line_start(t, key);

	return block_end(t, key, i, at(t, line + indent_of(t, line)) != '-');
}

/* Returns the quote, with its escapes, that ends just before i; 0: there is none. */
static size_t quote_before(const struct text *t, size_t i, char quote[16])
{
	size_t from = i;

	if (!i || (t->s[i - 1] != '"' && t->s[i - 1] != '\''))
		return 0;
	from--;
	while (from && t->s[from - 1] == '\\' && i - from < 14)
		from--;
	return quote_at(t, from, quote);
}

/* Returns the end of a word: at white space or a quote, escaped or not. query: it is in a URL. */
static size_t word_end(const struct text *t, size_t i, bool query)
{
	char quote[16];

	while (i < t->len && !isspace((unsigned char)t->s[i]) && !quote_at(t, i, quote) &&
	       !(query && (t->s[i] == '&' || t->s[i] == '#')))
		i++;
	return i;
}

/* Returns the length of Bearer or Basic with the blanks behind it, or 0. */
static size_t scheme_at(const struct text *t, size_t i)
{
	static const char *const words[] = { "bearer", "basic" };

	for (size_t k = 0; k < ARRAY_LEN(words); k++) {
		size_t n = strlen(words[k]), blanks;

		if (!begins(t, i, words[k]))
			continue;
		blanks = span(t, i + n, is_blank);
		return blanks ? n + blanks : 0;
	}
	return 0;
}

/* Returns the end of a value without quotes that follows '=', or an option. NAME=VALUE that is a
 * line, or a string, may have blanks in it, as in an environment; a name with dots is of the kernel's
 * command line. */
static size_t assigned_end(const struct text *t, size_t key, size_t i)
{
	size_t len = span(t, key, is_name), line = line_start(t, key);
	bool direct = i == key + len + 1 && t->s[i - 1] == '=' && !memchr(t->s + key, '.', len);
	char before = key ? t->s[key - 1] : '\n';
	char quote[16];

	line += indent_of(t, line);
	if (begins(t, line, "export "))
		line += strlen("export ");
	if (direct && line == key)
		return line_end(t, i);
	if (direct && quote_before(t, key, quote))
		return string_end(t, i, quote);
	return word_end(t, i + scheme_at(t, i), before == '?' || before == '&');
}

/* What a value is inside of, in its line. */
struct around {
	bool brackets, string;
};

static struct around around_of(const struct text *t, size_t key)
{
	size_t open = 0, slashes = 0;
	unsigned strings = 0; /* a bit for each number of escapes of a quote */

	for (size_t i = line_start(t, key); i < key; i++) {
		char c = t->s[i];

		if (c == '"' && slashes < 16)
			strings ^= 1U << slashes;
		else if (c == '{' || c == '[' || c == '(')
			open++;
		else if ((c == '}' || c == ']' || c == ')') && open)
			open--;
		slashes = c == '\\' ? slashes + 1 : 0;
	}
	return (struct around){ .brackets = open > 0, .string = strings != 0 };
}

/* True for a comma that another member follows, or the end of all. */
static bool ends_member(const struct text *t, size_t i)
{
	char quote[16];

	if (at(t, i) != ',')
		return false;
	i++;
	i += span(t, i, is_blank);
	i += quote_at(t, i, quote);
	i += span(t, i, is_name);
	i += quote_at(t, i, quote);
	return i >= t->len || strchr(":=}])\r\n", t->s[i]);
}

/* Returns the end of a value that takes the rest of its line, without trailing blanks and without
 * what ends a structure around it. */
static size_t rest_of_line(const struct text *t, size_t key, size_t i)
{
	struct around a = around_of(t, key);
	size_t stop = i;

	while (!ends_line(t, stop) && !(a.string && t->s[stop] == '"') &&
	       !(a.brackets && (t->s[stop] == '}' || ends_member(t, stop))))
		stop++;
	while (stop > i && (is_blank(t->s[stop - 1]) || (a.string && t->s[stop - 1] == '\\')))
		stop--;
	return stop;
}

/* Returns the end of a header's value, which may have quotes and commas: the end of its line, or of
 * the string that consists of the whole header. */
static size_t header_end(const struct text *t, size_t key, size_t i)
{
	char quote = key && (t->s[key - 1] == '"' || t->s[key - 1] == '\'') ? t->s[key - 1] : '\n';

	while (!ends_line(t, i) && t->s[i] != quote)
		i++;
	return i;
}

static bool is_header(const struct text *t, size_t i, size_t len)
{
	static const char *const names[] = { "authorization", "cookie" };

	for (size_t k = 0; k < ARRAY_LEN(names); k++) {
		size_t n = strlen(names[k]);

		if (len >= n && begins(t, i + len - n, names[k]))
			return true;
	}
	return false;
}

/* Returns the end of the value at i, and in *begin its beginning without quotes. colon: it follows
 * ':'.
 * */
static size_t value_end(const struct text *t, size_t key, size_t i, bool colon, size_t *begin)
{
	char quote[16];
	size_t n = quote_at(t, i, quote);

	*begin = i;
	if (n == 1 && at(t, i + 1) == t->s[i] && at(t, i + 2) == t->s[i]) {
		*begin = i + 3;
		return triple_end(t, i + 3, t->s[i]);
	}
	if (n) {
		*begin = i + n;
		return string_end(t, i + n, quote);
	}
	if (at(t, i) == '[')
		return list_end(t, i);
	if (at(t, i) == '{')
		return i;
	if (colon && (at(t, i) == '|' || at(t, i) == '>')) {
		*begin = line_end(t, i);
		return block_end(t, key, *begin, false);
	}
	if (colon && is_header(t, key, span(t, key, is_name)))
		return header_end(t, key, i);
	if (colon && ends_line(t, i))
		return below_end(t, key, i);
	/* Null, true or a number in JSON. */
	if (colon && quote_at(t, key + span(t, key, is_name), quote))
		return i + span(t, i, is_name);
	return colon ? rest_of_line(t, key, i) : assigned_end(t, key, i);
}

/* Returns the length of "=", ":" or "=>" with the blanks around it, or 0. */
static size_t separator(const struct text *t, size_t i, bool *colon)
{
	size_t n = span(t, i, is_blank);

	*colon = at(t, i + n) == ':';
	if (!*colon && at(t, i + n) != '=')
		return 0;
	n++;
	if (at(t, i + n) == '>')
		n++;
	return n + span(t, i + n, is_blank);
}

static bool is_gap(char c)
{
	return isspace((unsigned char)c) || c == ',';
}

/* Returns the length of what separates a name from its value where both are values of members:
 * {"name": "DB_PASSWORD", "value": "..."}. i: behind the name. 0: it is something else. */
static size_t pair(const struct text *t, size_t i, bool *colon)
{
	static const char value[] = "value";
	size_t from = i, n;
	char quote[16];

	i += span(t, i, is_gap);
	i += quote_at(t, i, quote);
	if (i == from || !begins(t, i, value) || is_name(at(t, i + sizeof(value) - 1)))
		return 0;
	i += sizeof(value) - 1;
	i += quote_at(t, i, quote);
	n = separator(t, i, colon);
	return n ? i + n - from : 0;
}

static bool named(const struct text *t, size_t i, struct found *f)
{
	size_t len, past, begin, n;
	bool colon = false, option = begins(t, i, "--");
	char quote[16];

	if (!is_name(at(t, i)) || (i && is_name(t->s[i - 1])))
		return false;
	len = span(t, i, is_name);
	f->keep = len;
	if (!is_secret_name(t->s + i, len))
		return false;
	past = i + len;
	past += quote_at(t, past, quote);
	n = separator(t, past, &colon);
	if (!n)
		n = pair(t, past, &colon);
	if (!n && option)
		n = span(t, past, is_blank);
	if (!n)
		return false;
	f->secret = value_end(t, i, past + n, colon, &begin);
	f->keep = begin - i;
	f->secret -= begin;
	return f->secret > 0;
}

/* --- secrets without a name --- */

static bool is_port(const struct text *t, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (!isdigit((unsigned char)t->s[i]))
			return false;
	return true;
}

/* scheme://USER:PASSWORD@host. With '/', '?' or '#' in it the password is wrong in a URL, but the
 * error of a program that was given it shows it; host:PORT/path@x is none. */
static bool url(const struct text *t, size_t i, struct found *f)
{
	size_t begin = i + 3, colon = 0, stop = begin;

	if (!begins(t, i, "://"))
		return false;
	for (; stop < t->len && t->s[stop] != '@'; stop++) {
		char c = t->s[stop];

		if (isspace((unsigned char)c) || c == '"' || c == '<' || c == '>' ||
		    stop - begin == LOOK_MAX)
			return false;
		if (c == ':' && !colon)
			colon = stop + 1;
		if ((c == '/' || c == '?' || c == '#') &&
		    (!colon || t->s[begin] == '[' || is_port(t, colon, stop)))
			return false;
	}
	f->keep = 3;
	f->secret = stop - begin;
	return stop < t->len && f->secret > 0;
}

static bool scheme(const struct text *t, size_t i, struct found *f)
{
	if (i && is_name(t->s[i - 1]))
		return false;
	f->keep = scheme_at(t, i);
	if (!f->keep)
		return false;
	f->secret = span(t, i + f->keep, is_word);
	/* A shorter word is probably part of a sentence. */
	return f->secret >= 8;
}

static bool pem(const struct text *t, size_t i, struct found *f)
{
	static const char end[] = "-----END";
	size_t first, last;
	const char *found;

	if (!begins(t, i, "-----BEGIN "))
		return false;
	first = line_end(t, i);
	/* No line end is expected: in a line of a log they are escaped. */
	found = memmem(t->s + i, first - i, "PRIVATE KEY-----", 16);
	if (!found)
		return false;
	first = (size_t)(found - t->s) + 16;
	found = memmem(t->s + first, t->len - first, end, sizeof(end) - 1);
	last = found ? (size_t)(found - t->s) : t->len;
	f->keep = first - i;
	f->secret = last - first;
	return f->secret > 0;
}

static bool token(const struct text *t, size_t i, struct found *f)
{
	static const struct {
		const char *prefix;
		size_t least; /* of the whole word */
	} forms[] = {
		{ "eyJ", 32 },
		{ "ghp_", 20 },
		{ "gho_", 20 },
		{ "ghs_", 20 },
		{ "github_pat_", 30 },
		{ "glpat-", 16 },
		{ "xoxb-", 16 },
		{ "xoxp-", 16 },
		{ "AKIA", 20 },
		{ "ASIA", 20 },
		{ "RWRTY0Iy", 60 },
		/* "-----BEGIN " of PEM in base64, as in a kubeconfig, but not of a certificate. */
		{ "LS0tLS1CRUdJTiBQ", 40 },
		{ "LS0tLS1CRUdJTiBS", 40 },
		{ "LS0tLS1CRUdJTiBF", 40 },
		{ "LS0tLS1CRUdJTiBP", 40 },
	};

	if (i && is_word(t->s[i - 1]) && t->s[i - 1] != '=' && t->s[i - 1] != '/')
		return false;
	for (size_t k = 0; k < ARRAY_LEN(forms); k++) {
		size_t n = strlen(forms[k].prefix);

		if (t->len - i < n || memcmp(t->s + i, forms[k].prefix, n) != 0)
			continue;
		f->keep = 0;
		f->secret = span(t, i, is_word);
		return f->secret >= forms[k].least;
	}
	return false;
}

static bool (*const rules[])(const struct text *, size_t, struct found *) = { pem, url, scheme,
									      token, named };

static bool is_masked(const char *s, size_t len)
{
	return len == strlen(MASK) && memcmp(s, MASK, len) == 0;
}

size_t mask_text(const char *s, size_t len, struct buf *out)
{
	const struct text t = { s, len };
	size_t i = 0, n = 0;

	while (i < len) {
		struct found f = { 1, 0 };
		bool secret = false;

		for (size_t r = 0; r < ARRAY_LEN(rules) && !secret; r++)
			secret = rules[r](&t, i, &f);
		if (!secret) {
			buf_chr(out, s[i++]);
			continue;
		}
		buf_add(out, s + i, f.keep);
		n += !is_masked(s + i + f.keep, f.secret);
		buf_str(out, MASK);
		i += f.keep + f.secret;
	}
	return n;
}

size_t mask_words(const char *s, size_t len, char *const *words, struct buf *out)
{
	size_t n = 0;

	for (size_t i = 0; i < len;) {
		size_t hidden = 0;

		strv_each(word, words) {
			size_t k = strlen(*word);

			if (k > hidden && len - i >= k && memcmp(s + i, *word, k) == 0)
				hidden = k;
		}
		if (hidden)
			buf_str(out, MASK);
		else
			buf_chr(out, s[i]);
		n += hidden > 0;
		i += hidden ? hidden : 1;
	}
	return n;
}
