// SPDX-License-Identifier: Apache-2.0
/* URLs of mirrors, and paths in an archive of a release; each input is tried as both. URLs that are
 * made from an accepted one have no blank, control character or query, and the form for messages
 * has no password. A path that is accepted leads to a place in a release's directory. */

#include "base/mem.h"
#include "base/str.h"
#include "deploy/fetch/fetch-internal.h"
#include "http/http-internal.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_url(const char *url)
{
	struct err err = ERR_INIT;
	AUTO(str) char *shown = http_shown(url);

	if (strlen(shown) > strlen(url))
		bug("'%s' became longer", url);
	if (http_check_url(url, &err) < 0) {
		if (err.code != E_USAGE)
			bug("another error: %s", err.msg);
		return;
	}
	AUTO(str) char *whole = http_url(url, "a b/\xc3\xa4?#%\r\n");
	if (strpbrk(whole, " \t\r\n?#") || !str_starts(whole, url) || whole[strlen(url)] == '\0')
		bug("'%s' became '%s'", url, whole);
	if (strchr(shown, '@') && strchr(shown, '@') < strchr(strstr(shown, "//") + 2, '/') &&
	    strchr(strstr(shown, "//") + 2, '/'))
		bug("'%s' shows a user", shown);
}

static void try_name(const char *path)
{
	AUTO(str) char *prefix = NULL;
	const char *name = name_in_archive(&prefix, path);

	if (!name)
		return;
	if (name < path || name >= path + strlen(path) || *name == '/' || strstr(name, "/..") ||
	    str_starts(name, "../") ||
	    (strchr(name, '/') && !str_starts(name, "blobs/") && !str_starts(name, "patches/")))
		bug("'%s' is kept as '%s'", path, name);
	if (name_in_archive(&prefix, path) != name)
		bug("'%s' has two names", path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(str) char *text = xstrndup(size ? (const char *)data : "", size);

	try_url(text);
	try_name(text);
	return 0;
}
