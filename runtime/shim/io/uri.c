// SPDX-License-Identifier: Apache-2.0
#include "shim/io/uri.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

static bool has_key(char **query, const char *key)
{
	for (size_t i = 0; query && query[i]; i += 2) {
		if (str_eq(query[i], key))
			return true;
	}
	return false;
}

static void add_pair(struct uri *u, const char *pair, size_t len)
{
	const char *sign = memchr(pair, '=', len);
	size_t key_len = sign ? (size_t)(sign - pair) : len;
	AUTO(str) char *key = str_url_decode(pair, key_len, true);
	AUTO(str)
	char *value = sign ? str_url_decode(sign + 1, len - key_len - 1, true) : xstrdup("");

	if (!len || memchr(pair, ';', len) || !key || !value) {
		if (len)
			log_warn("a malformed parameter of a URI is left out",
				 LOG_S("path", u->path));
		return;
	}
	if (has_key(u->query, key))
		return;
	strv_push(&u->query, key);
	strv_push(&u->query, value);
}

static void add_query(struct uri *u, const char *query)
{
	size_t len = strcspn(query, "#");

	for (size_t at = 0; at < len;) {
		size_t n = strcspn(query + at, "&#");

		add_pair(u, query + at, n);
		at += n + 1;
	}
}

int uri_parse(const char *text, struct uri *out, struct err *err)
{
	const char *sign = strstr(text, "://"), *path, *query;
	struct uri u = URI_INIT;

	if (!sign) {
		*out = (struct uri){ xstrdup("fifo"), xstrdup(text), NULL };
		return 0;
	}
	path = strchr(sign + 3, '/'); /* skip the host part */
	if (path)
		u.path = str_url_decode(path, strcspn(path, "?#"), false);
	if (!u.path)
		return err_set(
			err, E_INVALID,
			"stream '%s' has no path; schemes are fifo://, file://, binary:// and "
			"binary-v2://",
			text);
	u.scheme = xstrndup(text, (size_t)(sign - text));
	query = path + strcspn(path, "?#");
	if (*query == '?')
		add_query(&u, query + 1);
	*out = u;
	return 0;
}

void uri_release(struct uri *u)
{
	free(u->scheme);
	free(u->path);
	strv_free(u->query);
	*u = (struct uri)URI_INIT;
}
