// SPDX-License-Identifier: Apache-2.0
/* Strings, numbers and string lists. */

#include "base/str.h"

#include "base/mem.h"

#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool str_eq(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

__attribute__((format(printf, 1, 0))) static char *vfmt(const char *fmt, va_list ap)
{
	char *out;

	if (vasprintf(&out, fmt, ap) < 0)
		bug("format %s", fmt);
	return out;
}

char *str_fmt(const char *fmt, ...)
{
	va_list ap;
	char *out;

	va_start(ap, fmt);
	out = vfmt(fmt, ap);
	va_end(ap);
	return out;
}

int str_print(char *to, size_t size, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(to, size, fmt, ap);
	va_end(ap);
	return len < 0 || (size_t)len >= size ? -1 : 0;
}

void str_set(char **slot, const char *value)
{
	char *copy = value ? xstrdup(value) : NULL;

	free(*slot);
	*slot = copy;
}

int str_u64(const char *s, int base, uint64_t min, uint64_t max, const char *what, uint64_t *out,
	    struct err *err)
{
	unsigned long long value;
	char *end;

	if (!s || !isalnum((unsigned char)*s))
		return err_set(err, E_INVALID, "%s: '%s' is not a number", what, s ? s : "");
	errno = 0;
	value = strtoull(s, &end, base);
	if (*end)
		return err_set(err, E_INVALID, "%s: '%s' is not a number", what, s);
	if (errno || value < min || value > max)
		return err_set(err, E_INVALID, "%s: %s is not within %" PRIu64 "..%" PRIu64, what,
			       s, min, max);
	*out = value;
	return 0;
}

int str_i64(const char *s, int64_t min, int64_t max, const char *what, int64_t *out,
	    struct err *err)
{
	long long value;
	char *end;

	if (!s || !(isdigit((unsigned char)*s) || (*s == '-' && isdigit((unsigned char)s[1]))))
		return err_set(err, E_INVALID, "%s: '%s' is not a number", what, s ? s : "");
	errno = 0;
	value = strtoll(s, &end, 10);
	if (*end)
		return err_set(err, E_INVALID, "%s: '%s' is not a number", what, s);
	if (errno || value < min || value > max)
		return err_set(err, E_INVALID, "%s: %s is not within %" PRId64 "..%" PRId64, what,
			       s, min, max);
	*out = value;
	return 0;
}

/* Levenshtein distance of two short words; long ones are never suggested. */
static unsigned distance(const char *a, const char *b)
{
	enum { MAX = 64 };
	unsigned row[MAX + 1], n = (unsigned)strlen(a), m = (unsigned)strlen(b);

	if (n > MAX || m > MAX)
		return UINT_MAX;
	for (unsigned j = 0; j <= m; j++)
		row[j] = j;
	for (unsigned i = 1; i <= n; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= m; j++) {
			unsigned best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[m];
}

const char *str_nearest(const char *word, const char *const *list)
{
	unsigned best = (unsigned)strlen(word) / 3 + 1;
	const char *found = NULL;

	for (; *list; list++) {
		unsigned d = distance(word, *list);

		if (d <= best && (!found || d < best)) {
			best = d;
			found = *list;
		}
	}
	return found;
}

int str_check_id(const char *id, const char *what, struct err *err)
{
	enum { MAX = 127 };
	size_t len = id ? strnlen(id, MAX + 1) : 0;

	if (!len)
		return err_set(err, E_INVALID, "%s is empty", what);
	if (len > MAX)
		return err_set(err, E_INVALID, "%s is longer than %d bytes", what, MAX);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)id[i];
		bool word = isalnum(c), inner = i > 0 && (c == '_' || c == '.' || c == '-');

		if (c >= 0x80 || (!word && !inner))
			return err_set(err, E_INVALID,
				       "%s has a forbidden character at position %zu; allowed are "
				       "letters, digits and, after the first, '_', '.' and '-'",
				       what, i + 1);
	}
	if (strstr(id, ".."))
		return err_set(err, E_INVALID, "%s '%s' contains '..'", what, id);
	return 0;
}

void str_hex(const void *data, size_t len, char *to)
{
	static const char digit[] = "0123456789abcdef";
	const unsigned char *p = data;

	for (size_t i = 0; i < len; i++) {
		*to++ = digit[p[i] >> 4];
		*to++ = digit[p[i] & 15];
	}
	*to = '\0';
}

int str_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

size_t str_utf8_length(const char *s, size_t left)
{
	static const struct {
		unsigned char first, last, low, high; /* the lead byte; bounds of the second byte */
		size_t len;
	} forms[] = {
		{ 0x00, 0x7F, 0, 0, 1 },       { 0xC2, 0xDF, 0x80, 0xBF, 2 },
		{ 0xE0, 0xE0, 0xA0, 0xBF, 3 }, { 0xE1, 0xEC, 0x80, 0xBF, 3 },
		{ 0xED, 0xED, 0x80, 0x9F, 3 }, { 0xEE, 0xEF, 0x80, 0xBF, 3 },
		{ 0xF0, 0xF0, 0x90, 0xBF, 4 }, { 0xF1, 0xF3, 0x80, 0xBF, 4 },
		{ 0xF4, 0xF4, 0x80, 0x8F, 4 },
	};
	const unsigned char *b = (const unsigned char *)s;

	for (size_t i = 0; left && i < ARRAY_LEN(forms); i++) {
		if (b[0] < forms[i].first || b[0] > forms[i].last)
			continue;
		if (forms[i].len > left)
			return 0;
		if (forms[i].len > 1 && (b[1] < forms[i].low || b[1] > forms[i].high))
			return 0;
		for (size_t k = 2; k < forms[i].len; k++)
			if ((b[k] & 0xC0) != 0x80)
				return 0;
		return forms[i].len;
	}
	return 0;
}

size_t str_cut(const char *s, size_t max)
{
	size_t n = strlen(s);

	if (n <= max)
		return n;
	for (n = max; n && ((unsigned char)s[n] & 0xC0) == 0x80; n--)
		;
	return n;
}

void str_make_utf8(char *s)
{
	size_t left = strlen(s), n;

	for (; left; s += n, left -= n) {
		n = str_utf8_length(s, left);
		if (!n) {
			*s = '?';
			n = 1;
		}
	}
}

char *str_url_decode(const char *text, size_t len, bool plus)
{
	AUTO(str) char *out = xcalloc(1, len + 1);
	size_t n = 0;

	for (size_t i = 0; i < len; i++, n++) {
		int high, low;

		out[n] = plus && text[i] == '+' ? ' ' : text[i];
		if (text[i] != '%')
			continue;
		high = i + 2 < len ? str_hex_digit(text[i + 1]) : -1;
		low = i + 2 < len ? str_hex_digit(text[i + 2]) : -1;
		if (high < 0 || low < 0 || high + low == 0)
			return NULL;
		out[n] = (char)(high << 4 | low);
		i += 2;
	}
	return STEAL(out, NULL);
}

size_t strv_len(char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

char **strv_dup(char *const *list)
{
	size_t n = strv_len(list);
	char **copy = xcalloc(n + 1, sizeof(*copy));

	for (size_t i = 0; i < n; i++)
		copy[i] = xstrdup(list[i]);
	return copy;
}

/* The next part of *s and its length, or NULL. */
static const char *next_part(const char **s, const char *separators, size_t *len)
{
	const char *part = *s + strspn(*s, separators);

	*len = strcspn(part, separators);
	*s = part + *len;
	return *len ? part : NULL;
}

char **strv_split(const char *s, const char *separators)
{
	const char *part, *at = s;
	size_t n = 0, len;
	char **list;

	while (next_part(&at, separators, &len))
		n++;
	list = xcalloc(n + 1, sizeof(*list));
	for (n = 0, at = s; (part = next_part(&at, separators, &len)); n++)
		list[n] = xstrndup(part, len);
	return list;
}

static void strv_push_owned(char ***list, char *s)
{
	size_t n = strv_len(*list);

	*list = xreallocarray(*list, n + 2, sizeof(**list));
	(*list)[n] = s;
	(*list)[n + 1] = NULL;
}

void strv_push(char ***list, const char *s)
{
	strv_push_owned(list, xstrdup(s));
}

void strv_pushf(char ***list, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strv_push_owned(list, vfmt(fmt, ap));
	va_end(ap);
}

bool strv_has(char *const *list, const char *s)
{
	strv_each(item, list) {
		if (strcmp(*item, s) == 0)
			return true;
	}
	return false;
}

void strv_remove(char **list, const char *s)
{
	char **kept = list;

	for (char **from = list; from && *from; from++) {
		if (str_eq(*from, s))
			free(*from);
		else
			*kept++ = *from;
	}
	if (kept)
		*kept = NULL;
}

char *strv_join(char *const *list, const char *separator)
{
	size_t len = 1, gap = strlen(separator);
	char *out, *p;

	strv_each(item, list)
		len += strlen(*item) + gap;
	p = out = xmalloc(len);
	strv_each(item, list) {
		if (item != list)
			p = mempcpy(p, separator, gap);
		p = mempcpy(p, *item, strlen(*item));
	}
	*p = '\0';
	return out;
}

int str_order(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void strv_free(char **list)
{
	for (char **p = list; p && *p; p++)
		free(*p);
	free(list);
}

/* The length of the NAME= of an entry; without one, that of the entry. */
static size_t env_name(const char *entry)
{
	size_t len = strcspn(entry, "=");

	return len + (entry[len] == '=');
}

/* For qsort() of pointers to entries: by name, then by place. */
static int env_order(const void *a, const void *b)
{
	char *const *one = *(char *const *const *)a, *const *other = *(char *const *const *)b;
	size_t len = env_name(*one), others = env_name(*other);
	int order = memcmp(*one, *other, len < others ? len : others);

	if (order == 0)
		order = (len > others) - (len < others);
	return order ? order : (one > other) - (one < other);
}

static bool env_same(const char *a, const char *b)
{
	size_t len = env_name(a);

	return len == env_name(b) && memcmp(a, b, len) == 0;
}

void strv_env_unique(char **env)
{
	size_t n = strv_len(env), kept = 0;
	char ***sorted = xcalloc(n + 1, sizeof(*sorted));

	for (size_t i = 0; i < n; i++)
		sorted[i] = &env[i];
	qsort(sorted, n, sizeof(*sorted), env_order);
	for (size_t i = 0; i + 1 < n; i++) {
		if (env_same(*sorted[i], *sorted[i + 1]))
			str_set(sorted[i], NULL);
	}
	free(sorted);
	for (size_t i = 0; i < n; i++) {
		if (env[i])
			env[kept++] = env[i];
	}
	if (env)
		env[kept] = NULL;
}

static char **env_slot(char *const *env, const char *name)
{
	size_t len = strlen(name);

	strv_each(item, env) {
		if (strncmp(*item, name, len) == 0 && (*item)[len] == '=')
			return (char **)item;
	}
	return NULL;
}

const char *strv_env_get(char *const *env, const char *name)
{
	char **slot = env_slot(env, name);

	return slot ? *slot + strlen(name) + 1 : NULL;
}

void strv_env_set(char ***env, const char *name, const char *value)
{
	char **slot = env_slot(*env, name);

	if (!slot) {
		strv_pushf(env, "%s=%s", name, value);
		return;
	}
	free(*slot);
	*slot = str_fmt("%s=%s", name, value);
}
