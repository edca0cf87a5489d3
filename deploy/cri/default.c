// SPDX-License-Identifier: Apache-2.0
/* Reads the default runtime from the manager's files, as the edits leave them. */
#include "deploy/cri/default.h"
#include "base/mem.h"
#include "base/str.h"
#include "deploy/cri/containerd.h"
#include "deploy/cri/dropins.h"
#include "deploy/cri/handlers.h"
#include "toml/toml.h"
#include "json/json.h"

#include <string.h>

/* Where a manager names its default runtime and its runtimes. */
struct names {
	const char *way[3]; /* the table */
	const char *key;
};

static const struct toml_value *table_at(const struct toml_value *tree, const char *const *way)
{
	for (size_t i = 0; i < 3 && way[i] && tree; i++)
		tree = tree->type == TOML_TABLE ? toml_find(tree, way[i]) : NULL;
	return tree;
}

/* Looks at one file: a later one decides about the default. */
static int look_at_default(struct edits *e, const char *path, bool crio, char **name,
			   char ***runtimes, struct err *err)
{
	struct err ignored = ERR_INIT; /* a file that is not TOML is reported elsewhere */
	struct err why = ERR_INIT;
	const char *text;

	if (edits_read(e, path, &text, &why) < 0) {
		if (why.code == E_CONFIG) /* nor is it text */
			return 0;
		*err = why;
		return -1;
	}
	AUTO(toml)
	struct toml_value *tree = text ? toml_parse("", text, strlen(text), NULL, &ignored) : NULL;
	int schema = tree && !crio ? containerd_schema(tree, &ignored) : 0;
	const struct names at =
		crio ? (struct names){ { "crio", "runtime" }, "default_runtime" }
		     : (struct names){ { "plugins", handlers_section(schema), "containerd" },
				       "default_runtime_name" };
	const struct toml_value *table = tree && schema >= 0 ? table_at(tree, at.way) : NULL;
	const struct toml_value *list = table && table->type == TOML_TABLE
						? toml_find(table, "runtimes")
						: NULL;

	if (handlers_string(table, at.key))
		str_set(name, handlers_string(table, at.key));
	if (!list || list->type != TOML_TABLE)
		return 0;
	toml_each(entry, list) strv_push(runtimes, entry->key);
	return 0;
}

static int look_at_docker(const struct cri *c, struct edits *e, char **name, char ***runtimes,
			  struct err *err)
{
	struct err ignored = ERR_INIT; /* reported when the file is edited */
	const struct json *list;
	const char *text;

	if (edits_read(e, c->config, &text, err) < 0)
		return -1;
	AUTO(json) struct json *j = text ? json_parse(text, strlen(text), "", &ignored) : NULL;
	if (!j || json_kind(j) != JSON_IS_OBJECT)
		return 0;
	if (json_get_text(j, "default-runtime"))
		str_set(name, json_get_text(j, "default-runtime"));
	list = json_get(j, "runtimes");
	for (void *it = list && json_kind(list) == JSON_IS_OBJECT ? json_begin(list) : NULL; it;
	     it = json_after(list, it))
		strv_push(runtimes, json_key(it));
	return 0;
}

/* Lists the files that a manager reads, strv. */
static int files_of(const struct cri *c, char ***files, struct err *err)
{
	AUTO(strv) char **more = NULL;

	if (c->back->dropins && dropins_list(c, &more, err) < 0)
		return -1;
	if (!c->back->dropins)
		more = containerd_imported(c);
	strv_push(files, c->config);
	strv_each(path, more)
		strv_push(files, *path);
	return 0;
}

/* True for a runtime that no file needs to define. */
static bool is_built_in(const char *name)
{
	return str_eq(name, "runc") || str_eq(name, "crun") || str_starts(name, "io.containerd.") ||
	       *name == '/';
}

int default_check(const struct cri *c, struct edits *e, const struct json *recorded,
		  struct err *err)
{
	const bool docker = c->back == &backend_docker, crio = c->back == &backend_crio;
	/* What the others generate has our handlers until they start again. */
	const bool current = docker || crio || c->back->own == containerd_own;
	AUTO(strv) char **files = NULL, **runtimes = NULL, **ours = NULL;
	AUTO(str) char *name = NULL;

	if (recorded && json_get_strings(recorded, "handlers", &ours) < 0)
		return 0;
	if ((docker ? look_at_docker(c, e, &name, &runtimes, err) : files_of(c, &files, err)) < 0)
		return -1;
	strv_each(path, files) {
		if (look_at_default(e, *path, crio, &name, &runtimes, err) < 0)
			return -1;
	}
	/* The command line takes precedence over the files. */
	if (c->default_runtime)
		str_set(&name, c->default_runtime);
	if (!name || (current && strv_has(runtimes, name)))
		return 0;
	/* Without a record: it was there before the edits, or the manager would not work. */
	if (recorded ? !strv_has(ours, name) : !current || is_built_in(name))
		return 0;
	for (size_t i = 0; i < c->o->nhandlers; i++)
		if (str_eq(c->o->handlers[i].name, name))
			return 0;
	err_set(err, E_STATE, "'%s' is the default runtime of %s, which would not work without it",
		name, c->back->name);
	return err_hint(err, "make another runtime the default first, %s%s",
			c->default_runtime ? "by the option --default-runtime of its service"
					   : "in ",
			c->default_runtime ? "" : c->config);
}
