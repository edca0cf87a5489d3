// SPDX-License-Identifier: Apache-2.0
/* install.json and layouts; each input is tried as both. What parses can be printed, and what was
 * printed parses to the same. */

#include "base/str.h"
#include "deploy/store/installed.h"
#include "deploy/store/layout.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_installed(const char *text, size_t size)
{
	AUTO(installed) struct installed in = INSTALLED_INIT, again = INSTALLED_INIT;
	struct err err = ERR_INIT;

	if (installed_parse(&in, text, size, &err) < 0)
		return;
	AUTO(str) char *one = installed_format(&in);
	if (installed_parse(&again, one, strlen(one), &err) < 0)
		bug("what was printed does not parse: %s", err.msg);
	AUTO(str) char *other = installed_format(&again);
	if (!str_eq(one, other))
		bug("'%s' became '%s'", one, other);
}

static void check_entry(const struct entry *e)
{
	AUTO(strv) char **parts = strv_split(e->path, "/");

	if (*e->path == '/' || strv_has(parts, "..") || (e->target && *e->target == '/'))
		bug("an entry '%s' -> '%s'", e->path, e->target ? e->target : "");
}

static void try_layout(const char *text, size_t size)
{
	AUTO(layout) struct layout l = LAYOUT_INIT, again = LAYOUT_INIT;
	struct err err = ERR_INIT;

	if (layout_parse(&l, text, size, "fuzz", &err) < 0) {
		/* The id is a digest, which a fuzzer cannot guess: continue with a layout in which
		 * only the id is wrong. */
		if (!l.id)
			return;
	}
	vec_each(struct entry, e, &l.entries) {
		check_entry(e);
		if (layout_find(&l, e->path) != e)
			bug("'%s' is not found", e->path);
	}
	AUTO(str) char *one = layout_format(&l);
	err_clear(&err);
	if (layout_parse(&again, one, strlen(one), "again", &err) < 0)
		bug("what was printed does not parse: %s", err.msg);
	if (!str_eq(l.id, again.id))
		bug("'%s' became '%s'", l.id, again.id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = size ? (const char *)data : "";

	try_installed(text, size);
	try_layout(text, size);
	return 0;
}
