// SPDX-License-Identifier: Apache-2.0
/*
 * The record of a registration, and the configuration file that it was made for. The input is the
 * record, a NUL and the file. Undoing any record never makes the file longer. Adding lines and
 * undoing them with their own record gives back the original bytes, even if the file already had
 * lines of ours. Removing a registration without its record never makes the file longer.
 */

#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "deploy/cri/backend.h"
#include "deploy/cri/restart.h"
#include "json/json.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SHIM "/opt/kata/bin/containerd-shim-kata-v2"

static void put(struct edits *e, const char *text)
{
	struct work_file f = { .path = xstrdup("/f"),
			       .real = xstrdup("/nowhere/f"),
			       .now = xstrdup(text),
			       .want = xstrdup(text),
			       .undone = VEC_INIT };

	vec_push(&e->files, f);
}

static const char *now(const struct edits *e)
{
	return e->files.v[0].want ? e->files.v[0].want : "";
}

static void try_record(const char *json, size_t len, const char *text)
{
	AUTO(edits) struct edits e = EDITS_INIT("/nowhere");
	struct err err = ERR_INIT;
	AUTO(json) struct json *record = json_parse(json, len, "record", &err);

	put(&e, text);
	/* Only lines that were taken out come back. */
	if (record && edits_undo(&e, record, &err) == 0 && strlen(now(&e)) > strlen(text) &&
	    !memmem(json, len, "cut", 3))
		bug("'%s' became '%s'", text, now(&e));
}

static void try_block(const char *text)
{
	AUTO(edits) struct edits with = EDITS_INIT("/nowhere"), without = EDITS_INIT("/nowhere");
	AUTO(json) struct json *record = json_make_object();
	struct err err = ERR_INIT;

	put(&with, text);
	if (edit_block(&with, "/f", "", "a = \"" SHIM "\"\n", &err) < 0)
		return;
	json_put(record, "edits", edits_record(&with));
	put(&without, now(&with));
	if (edits_undo(&without, record, &err) < 0)
		bug("not undone: %s", err.msg);
	if (!str_eq(now(&without), text))
		bug("'%s' became '%s'", text, now(&without));
}

static void try_adoption(const char *text)
{
	AUTO(edits) struct edits e = EDITS_INIT("/nowhere");
	struct err err = ERR_INIT;

	put(&e, text);
	if (edits_adopt(&e, "/f", SHIM, &err) < 0 ||
	    edits_adopt_import(&e, "/f", "/etc/containerd/conf.d/kata-deploy.toml", &err) < 0 ||
	    edits_adopt_docker(&e, "/f", SHIM, &err) < 0)
		bug("not taken over: %s", err.msg);
	if (strlen(now(&e)) > strlen(text))
		bug("'%s' became '%s'", text, now(&e));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, '\0', size) : NULL;
	size_t len = end ? (size_t)(end - data) : size;
	AUTO(str)
	char *text = end ? xstrndup((const char *)end + 1, size - len - 1) : xstrdup("");

	try_record(size ? (const char *)data : "", len, text);
	try_block(text);
	try_adoption(text);
	return 0;
}
