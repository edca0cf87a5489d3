// SPDX-License-Identifier: Apache-2.0
/*
 * release.yaml and channel.yaml; each input is tried as both. What parses can be printed, and what
 * was printed parses and is printed as the same bytes. Selecting everything in a release gives the
 * release's own layout.
 */

#include "base/str.h"
#include "deploy/release/release.h"

#include <string.h>

enum { INPUT_MAX = 1 << 16, OUTPUT_MAX = 16 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_code(const struct err *err)
{
	if (err->code != E_INVALID && err->code != E_LIMIT && err->code != E_UNSUPPORTED)
		bug("refused with %s: %s", err_slug(err->code), err->msg);
}

static void try_release(const char *text, size_t len)
{
	AUTO(release) struct release r = RELEASE_INIT, again = RELEASE_INIT;
	AUTO(buf) struct buf one = BUF_INIT(OUTPUT_MAX), other = BUF_INIT(OUTPUT_MAX);
	AUTO(layout) struct layout l = LAYOUT_INIT;
	struct err err = ERR_INIT;

	if (release_parse(&r, text, len, "fuzz", &err) < 0) {
		check_code(&err);
		return;
	}
	if (release_format(&r, &one, &err) < 0 ||
	    release_parse(&again, one.data, one.len, "again", &err) < 0 ||
	    release_format(&again, &other, &err) < 0)
		bug("what was printed does not parse: %s", err.msg);
	if (!str_eq(one.data, other.data))
		bug("'%s' became '%s'", one.data, other.data);
	if (release_select(&r, NULL, NULL, &l, &err) < 0 || !str_eq(l.id, r.layout.id))
		bug("selecting everything gives another layout: %s", err.msg);
}

static void try_channel(const char *text, size_t len)
{
	AUTO(channel) struct channel c = { 0 }, again = { 0 };
	AUTO(buf) struct buf one = BUF_INIT(OUTPUT_MAX), other = BUF_INIT(OUTPUT_MAX);
	struct err err = ERR_INIT;

	if (channel_parse(&c, text, len, "fuzz", &err) < 0) {
		check_code(&err);
		return;
	}
	AUTO(strv) char **parts = strv_split(c.path, "/");
	if (*c.path == '/' || strv_has(parts, ".."))
		bug("path '%s'", c.path);
	if (channel_format(&c, &one, &err) < 0 ||
	    channel_parse(&again, one.data, one.len, "again", &err) < 0 ||
	    channel_format(&again, &other, &err) < 0 || !str_eq(one.data, other.data))
		bug("what was printed is not the same: %s", err.msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = size ? (const char *)data : "";

	if (size > INPUT_MAX)
		return 0;
	try_release(text, size);
	try_channel(text, size);
	return 0;
}
