// SPDX-License-Identifier: Apache-2.0
/* Finds tables of handlers in containerd's files by what they run. */
#include "deploy/cri/lost.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "deploy/cri/containerd.h"
#include "deploy/cri/handlers.h"
#include "toml/edit.h"
#include "toml/toml.h"

#include <stdlib.h>
#include <string.h>

/* Returns the program that a handler runs, heap; NULL: it is not known. */
static char *program_of(const struct toml_value *handler)
{
	const char *program = handlers_program(handler);

	return program ? path_clean(program) : NULL;
}

/* Returns the table of runtimes in a file, borrowed from *tree; NULL: there is none. */
static const struct toml_value *runtimes_in(const char *text, struct toml_value **tree, int *schema)
{
	struct err ignored = ERR_INIT; /* a template, or reported when the file is edited */

	*tree = text ? toml_parse("", text, strlen(text), NULL, &ignored) : NULL;
	*schema = *tree ? containerd_schema(*tree, &ignored) : -1;
	return *schema < 0 ? NULL : handlers_find(*tree, *schema);
}

/* Returns the names of the handlers in runtimes that our lines define with the same program, strv.
 * Our lines say no version. */
static char **handlers_of(const char *lines, const struct toml_value *runtimes)
{
	struct err ignored = ERR_INIT; /* a template */
	AUTO(toml) struct toml_value *tree = toml_parse("", lines, strlen(lines), NULL, &ignored);
	char **names = NULL;

	for (int schema = 1; tree && schema <= 3; schema++) {
		const struct toml_value *ours = handlers_find(tree, schema);

		if (!ours)
			continue;
		toml_each(entry, ours)
		{
			AUTO(str) char *wanted = program_of(entry->value);
			AUTO(str) char *there = program_of(toml_find(runtimes, entry->key));

			/* The block may define the built-in runtime too, which stays. */
			if (wanted && *wanted == '/' && str_eq(wanted, there))
				strv_push(&names, entry->key);
		}
	}
	return names;
}

static int remove_tables(struct edits *e, const struct edit *lost, int schema, char *const *names,
			 struct err *err)
{
	strv_each(name, names) {
		const char *const way[] = { "plugins", handlers_section(schema), "containerd",
					    "runtimes", *name };
		AUTO(buf) struct buf out = BUF_INIT(CRI_FILE_MAX);
		const char *text;

		if (edits_read(e, lost->path, &text, err) < 0)
			return -1;
		if (toml_edit_remove_table(lost->path, text, strlen(text), way, ARRAY_LEN(way),
					   &out, err) < 0)
			return err_hint(err, "take the table of '%s' out by hand", *name);
		if (edits_write(e, lost->path, buf_cstr(&out), err) < 0)
			return -1;
	}
	return 0;
}

int lost_settle(struct edits *e, bool last, struct err *err)
{
	vec_each(const struct edit, lost, &e->lost) {
		AUTO(toml) struct toml_value *tree = NULL;
		const struct toml_value *runtimes;
		const char *text;
		int schema;

		if (edits_read(e, lost->path, &text, err) < 0)
			return -1;
		runtimes = runtimes_in(text, &tree, &schema);
		AUTO(strv) char **names = handlers_of(lost->text, runtimes);

		if (names && !last)
			edits_keep(e, lost);
		else if (remove_tables(e, lost, schema, names, err) < 0)
			return -1;
	}
	return 0;
}

static void warn_of(const struct cri *c, struct edits *e, const char *path)
{
	AUTO(toml) struct toml_value *tree = NULL;
	AUTO(str) char *shim = cri_shim(c);
	AUTO(strv) char **names = NULL;
	struct err ignored = ERR_INIT; /* the file is not read by containerd either */
	const struct toml_value *runtimes;
	const char *text;
	int schema;

	if (edits_read(e, path, &text, &ignored) < 0)
		return;
	runtimes = runtimes_in(text, &tree, &schema);
	if (!runtimes)
		return;
	toml_each(entry, runtimes)
	{
		AUTO(str) char *program = program_of(entry->value);

		if (str_eq(program, shim))
			strv_push(&names, entry->key);
	}
	AUTO(str) char *list = strv_join(names, ", ");

	if (names)
		log_warn("runtime handlers that kata-deploy did not write run a program that is "
			 "removed; take them out by hand",
			 LOG_S("file", path), LOG_S("handlers", list));
}

void lost_warn(const struct cri *c, struct edits *e)
{
	AUTO(strv) char **imported = NULL;

	/* k3s, rke2 and k0s write their containerd's files anew at every start. */
	if (c->back->own != containerd_own)
		return;
	imported = containerd_imported(c);
	warn_of(c, e, c->config);
	strv_each(path, imported)
		warn_of(c, e, *path);
}
