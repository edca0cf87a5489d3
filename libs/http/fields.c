// SPDX-License-Identifier: Apache-2.0
/* Header fields that libcurl does not parse for us; the server is untrusted. */

#include "http/http-internal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

bool http_field(const char *line, size_t len, const char *name, const char **value, size_t *n)
{
	size_t at = strlen(name);

	if (len <= at || strncasecmp(line, name, at) != 0 || line[at] != ':')
		return false;
	at++;
	while (at < len && (line[at] == ' ' || line[at] == '\t'))
		at++;
	while (len > at && strchr(" \t\r\n", line[len - 1]) && line[len - 1])
		len--;
	*value = line + at;
	*n = len - at;
	return true;
}

static bool number(const char **p, const char *end, uint64_t *out)
{
	const char *start = *p;

	*out = 0;
	for (; *p < end && **p >= '0' && **p <= '9'; ++*p) {
		if (*out > (UINT64_MAX - 9) / 10)
			return false;
		*out = *out * 10 + (uint64_t)(**p - '0');
	}
	return *p > start;
}

static bool literal(const char **p, const char *end, const char *text)
{
	size_t n = strlen(text);

	if ((size_t)(end - *p) < n || strncasecmp(*p, text, n) != 0)
		return false;
	*p += n;
	return true;
}

bool http_range_parse(const char *value, size_t len, struct http_range *out)
{
	const char *p = value, *end = value + len;

	if (!literal(&p, end, "bytes ") || !number(&p, end, &out->from) || !literal(&p, end, "-") ||
	    !number(&p, end, &out->to) || !literal(&p, end, "/"))
		return false;
	if (literal(&p, end, "*"))
		out->total = UINT64_MAX;
	else if (!number(&p, end, &out->total))
		return false;
	return p == end && out->from <= out->to && out->to < out->total;
}

bool http_tag_parse(const char *value, size_t len, char to[HTTP_TAG_MAX])
{
	*to = '\0';
	if (len < 2 || len >= HTTP_TAG_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)value[i] < 0x20 || (unsigned char)value[i] >= 0x7f)
			return false;
	}
	/* Weak entity tags do not guarantee equal bytes. */
	if (value[0] == '"' ? value[len - 1] != '"' : !isalpha((unsigned char)value[0]))
		return false;
	if (value[1] == '/')
		return false;
	memcpy(to, value, len);
	to[len] = '\0';
	return true;
}
