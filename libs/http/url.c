// SPDX-License-Identifier: Apache-2.0
/* URLs of mirrors and of files below them. */

#include "http/http-internal.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { URL_MAX_BYTES = 4096 };

static const char *after_scheme(const char *url)
{
	if (strncasecmp(url, "https://", 8) == 0)
		return url + 8;
	return strncasecmp(url, "http://", 7) == 0 ? url + 7 : NULL;
}

bool http_is_secure(const char *url)
{
	return strncasecmp(url, "https://", 8) == 0;
}

/* Length of the user info before the host, including the last "@"; 0: none. */
static size_t user_len(const char *host)
{
	const char *at = memrchr(host, '@', strcspn(host, "/?#"));

	return at ? (size_t)(at - host) + 1 : 0;
}

/* Length of host and port, without the scheme's usual port. */
static size_t origin_len(const char *host, bool secure)
{
	const char *usual = secure ? ":443" : ":80";
	size_t len = strcspn(host, "/?#"), n = strlen(usual);

	return len > n && strncmp(host + len - n, usual, n) == 0 ? len - n : len;
}

char *http_redirected(const char *from, const char *to)
{
	const char *user = after_scheme(from), *there = after_scheme(to);
	size_t n = user ? user_len(user) : 0, len;
	bool secure = http_is_secure(to);

	if (!n || !there || user_len(there) || http_is_secure(from) != secure)
		return xstrdup(to);
	len = origin_len(there, secure);
	if (origin_len(user + n, secure) != len || strncasecmp(user + n, there, len) != 0)
		return xstrdup(to);
	return str_fmt("%.*s%.*s%s", (int)(there - to), to, (int)n, user, there);
}

char *http_shown(const char *url)
{
	const char *host = after_scheme(url);

	return host ? str_fmt("%.*s%s", (int)(host - url), url, host + user_len(host))
		    : xstrdup(url);
}

int http_check_url(const char *url, struct err *err)
{
	AUTO(str) char *shown = http_shown(url);
	const char *host = after_scheme(url);

	if (!host || !*host || *host == '/' || *host == ':')
		return err_set(
			err, E_USAGE,
			"'%s' is not an http or https URL with a host; write https://HOST/PATH",
			shown);
	/* Parsers of URLs disagree about the host in this case. */
	if (user_len(host) && memchr(host, '@', user_len(host) - 1))
		return err_set(
			err, E_USAGE,
			"'%s' has more than one '@' before the host; write %%40 in a password",
			shown);
	if (strlen(url) > URL_MAX_BYTES)
		return err_set(err, E_USAGE,
			       "the URL '%.64s...' has more than %d bytes; shorten it", shown,
			       URL_MAX_BYTES);
	if (strpbrk(url, "?#"))
		return err_set(
			err, E_USAGE,
			"the URL '%s' must end with a path; remove '?' and '#', and what follows",
			shown);
	for (const char *p = url; *p; p++) {
		if (!isgraph((unsigned char)*p))
			return err_set(err, E_USAGE,
				       "the URL '%s' has blanks or control characters; write %%20 "
				       "for a blank",
				       shown);
	}
	return 0;
}

char *http_url(const char *base, const char *path)
{
	struct buf url = BUF_INIT(4 * URL_MAX_BYTES);

	buf_str(&url, base);
	if (!str_ends(base, "/"))
		buf_chr(&url, '/');
	for (; *path; path++) {
		if (isalnum((unsigned char)*path) || strchr("-._~/", *path))
			buf_chr(&url, *path);
		else
			buf_fmt(&url, "%%%02X", (unsigned char)*path);
	}
	return buf_steal(&url);
}
