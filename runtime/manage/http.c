// SPDX-License-Identifier: Apache-2.0
/* Parses requests of HTTP/1.1: a head of lines, then a body of known length. */

#include "base/mem.h"
#include "base/str.h"
#include "manage/manage.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BODY_MAX = 64 * 1024 };

/* The value of a header field, up to the end of its line; NULL if the head does not have it. */
static const char *header(const char *head, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = strstr(head, "\r\n"); at; at = strstr(at + 2, "\r\n")) {
		if (strncasecmp(at + 2, name, len) == 0 && at[2 + len] == ':')
			return at + 2 + len + 1;
	}
	return NULL;
}

static int body_length(const char *head, uint64_t *out, struct err *err)
{
	const char *value = header(head, "Content-Length");
	AUTO(str) char *text = NULL;

	*out = 0;
	if (header(head, "Transfer-Encoding"))
		return err_set(err, E_UNSUPPORTED, "a body of unknown length is not accepted");
	if (!value)
		return 0;
	value += strspn(value, " \t");
	text = xstrndup(value, strcspn(value, " \t\r"));
	return str_u64(text, 10, 0, BODY_MAX, "Content-Length", out, err);
}

/* Parses the request line, "GET /path?query HTTP/1.1". */
static int parse_line(char *line, struct manage_request *out, struct err *err)
{
	char *target = strchr(line, ' '), *version = target ? strchr(target + 1, ' ') : NULL;
	char *query;

	if (!version || !str_starts(version, " HTTP/1.") || target[1] != '/')
		return err_set(err, E_PROTOCOL, "not an HTTP/1.1 request");
	*target++ = *version = '\0';
	query = strchr(target, '?');
	if (query)
		*query++ = '\0';
	out->method = line;
	out->path = target;
	out->query = query ? query : version; /* "" */
	return 1;
}

int manage_parse(char *text, size_t len, struct manage_request *out, struct err *err)
{
	char *end = strstr(text, "\r\n\r\n"), *line;
	uint64_t body;

	if (!end)
		return strlen(text) < len ? err_set(err, E_PROTOCOL, "the request has a NUL") : 0;
	end[2] = '\0';
	if (body_length(text, &body, err) < 0)
		return -1;
	if (len < (size_t)(end - text) + 4 + body) {
		end[2] = '\r';
		return 0;
	}
	out->body = end + 4;
	end[4 + body] = '\0';
	line = text;
	line[strcspn(line, "\r")] = '\0';
	return parse_line(line, out, err);
}

char *manage_query(const struct manage_request *r, const char *name, struct err *err)
{
	AUTO(strv) char **words = strv_split(r->query, "&");
	size_t len = strlen(name);

	strv_each(word, words) {
		const char *text = *word + len + 1;
		char *value;

		if (!str_starts(*word, name) || (*word)[len] != '=')
			continue;
		value = str_url_decode(text, strlen(text), true);
		if (!value)
			err_set(err, E_INVALID, "the parameter %s is damaged", name);
		return value;
	}
	err_set(err, E_INVALID, "the parameter %s is missing", name);
	return NULL;
}
