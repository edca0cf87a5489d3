// SPDX-License-Identifier: Apache-2.0
/*
 * Checks a new configuration with containerd's own parser, on copies (copies.h) of the changed
 * files and a root file that imports them.
 */
#include "base/buf.h"
#include "base/deadline.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"
#include "base/vec.h"
#include "deploy/cri/backend.h"
#include "deploy/cri/containerd.h"
#include "deploy/cri/copies.h"
#include "deploy/cri/handlers.h"
#include "toml/edit.h"
#include "toml/toml.h"

#include <fcntl.h>
#include <string.h>

enum { DUMP_MAX = 4 << 20, DUMP_MS = 30000 };

/* Returns the configuration as containerd understands the file config (NULL: without a file). */
static struct toml_value *dump(const struct cri *c, const char *config, struct err *err)
{
	struct spawn shown = { .argv = ARGV(c->binary, "--config", config, "config", "dump") };
	struct spawn built_in = { .argv = ARGV(c->binary, "config", "default") };
	const struct toml_limits limits = { .size = DUMP_MAX, .depth = 64 };
	AUTO(buf) struct buf text = BUF_INIT(DUMP_MAX);
	int code = spawn_run(config ? &shown : &built_in, NULL, 0, &text, deadline_in(DUMP_MS),
			     err);

	if (code > 0 && err->code == E_FAILED)
		err->code = E_CONFIG;
	if (code != 0 || buf_check(&text, "containerd config dump", err) < 0)
		return NULL;
	return toml_parse("containerd config dump", buf_cstr(&text), text.len, &limits, err);
}

/* --- comparison --- */

struct comparison {
	const struct cri *c;
	const struct toml_value *runtimes[2]; /* in these tables our handlers are ignored */
	char at[400];                         /* the key at which they differ */
};

static bool same(struct comparison *cmp, const struct toml_value *a, const struct toml_value *b);

static bool is_ours(const struct comparison *cmp, const struct toml_value *table, const char *key)
{
	for (size_t i = 0; i < cmp->c->o->nhandlers; i++)
		if ((table == cmp->runtimes[0] || table == cmp->runtimes[1]) &&
		    str_eq(key, cmp->c->o->handlers[i].name))
			return true;
	return false;
}

/* True for an empty or zero value; our handlers do not count. */
static bool is_zero(const struct comparison *cmp, const struct toml_value *v)
{
	switch (v->type) {
	case TOML_STRING:
		return v->string.len == 0;
	case TOML_INTEGER:
		return v->integer == 0;
	case TOML_FLOAT:
		return v->number == 0;
	case TOML_BOOL:
		return !v->boolean;
	case TOML_ARRAY:
		return v->array.n == 0;
	case TOML_TABLE:
		toml_each(entry, v)
		{
			if (!is_ours(cmp, v, entry->key) && !is_zero(cmp, entry->value))
				return false;
		}
		return true;
	case TOML_OFFSET_DATETIME:
	case TOML_LOCAL_DATETIME:
	case TOML_LOCAL_DATE:
	case TOML_LOCAL_TIME:
		return false;
	}
	bug("TOML type %d", (int)v->type);
}

/* True if a member is missing or has its default. The default of sandbox_mode is "podsandbox":
 * containerd 1.7 and later dump that for the built-in runc, but "" for a runc that a file defines,
 * as our block does. */
static bool is_default(const struct comparison *cmp, const char *key, const struct toml_value *v)
{
	return !v || is_zero(cmp, v) ||
	       (str_eq(key, "sandbox_mode") && v->type == TOML_STRING &&
		str_eq(v->string.text, "podsandbox"));
}

/* True if b has the same value for every member of a that is not ignored. */
static bool has_all(struct comparison *cmp, const struct toml_value *a, const struct toml_value *b)
{
	toml_each(entry, a)
	{
		const struct toml_value *other = toml_find(b, entry->key);

		if (is_ours(cmp, a, entry->key))
			continue;
		if (other && same(cmp, entry->value, other))
			continue;
		if (is_default(cmp, entry->key, entry->value) && is_default(cmp, entry->key, other))
			continue;
		AUTO(str) char *below = xstrdup(cmp->at);
		/* May be truncated: it is for a message. */
		(void)str_print(cmp->at, sizeof(cmp->at), "%s%s%s", entry->key, *below ? "." : "",
				below);
		return false;
	}
	return true;
}

static bool same(struct comparison *cmp, const struct toml_value *a, const struct toml_value *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case TOML_STRING:
		return a->string.len == b->string.len &&
		       memcmp(a->string.text, b->string.text, a->string.len) == 0;
	case TOML_INTEGER:
		return a->integer == b->integer;
	case TOML_FLOAT:
		return a->number == b->number;
	case TOML_BOOL:
		return a->boolean == b->boolean;
	case TOML_ARRAY:
		for (size_t i = 0; a->array.n == b->array.n && i < a->array.n; i++)
			if (!same(cmp, a->array.items[i], b->array.items[i]))
				return false;
		return a->array.n == b->array.n;
	case TOML_TABLE:
		return has_all(cmp, a, b) && has_all(cmp, b, a);
	case TOML_OFFSET_DATETIME:
	case TOML_LOCAL_DATETIME:
	case TOML_LOCAL_DATE:
	case TOML_LOCAL_TIME:
		return memcmp(&a->time, &b->time, sizeof(a->time)) == 0;
	}
	bug("TOML type %d", (int)a->type);
}

/* The list of imported files differs: it names the copies. */
static void forget_imports(struct toml_value *dumped)
{
	struct toml_value *v = toml_find(dumped, "imports");

	if (v && v->type == TOML_ARRAY) {
		for (size_t i = 0; i < v->array.n; i++)
			toml_free(v->array.items[i]);
		v->array.n = 0;
	}
}

static int compare(struct cri *c, struct toml_value *before, struct toml_value *after,
		   struct err *err)
{
	int schema = containerd_schema(after, err);
	int old = schema < 0 ? -1 : containerd_schema(before, err);
	struct comparison cmp = { .c = c };

	if (old < 0)
		return -1;
	cmp.runtimes[0] = handlers_find(before, old);
	cmp.runtimes[1] = handlers_find(after, schema);
	if (handlers_there(c, cmp.runtimes[1], "the new configuration", err) < 0)
		return -1;
	if (!handlers_all(c)) {
		err_set(err, E_CONFIG, "containerd would ignore the runtime handlers in %s",
			c->config);
		return err_hint(err, "a file that it reads later may override them; give that "
				     "file with --cri-config");
	}
	forget_imports(before);
	forget_imports(after);
	if (!same(&cmp, before, after))
		return err_set(
			err, E_CONFIG,
			"the new configuration of containerd would also change '%s'; look for a "
			"second "
			"table of that name in its files, or use --cri none and register by hand",
			cmp.at);
	return 0;
}

/* --- the copy --- */

/* Adds a file to the imports of the copy of the root file: as a copy, if the file changes. */
static int add_import(struct copies *all, const struct edits *e, const char *path, char ***list,
		      struct err *err)
{
	vec_each(const struct work_file, f, &e->files) {
		if (!str_eq(f->path, path))
			continue;
		if (!f->want)
			return 0;
		AUTO(str) char *as = copies_add(all, f->want, err);

		if (!as)
			return -1;
		strv_push(list, as);
		return 0;
	}
	strv_push(list, path);
	return 0;
}

static int add_imports(const struct cri *c, struct copies *all, const struct edits *e,
		       const struct toml_value *root, const char *config, char ***list,
		       struct err *err)
{
	AUTO(strv) char **files = import_files(c, root, config);

	vec_each(const struct work_file, f, &e->files) {
		if (f->want && !f->now && !strv_has(files, f->path) &&
		    import_has(c, root, config, f->path))
			strv_push(&files, f->path);
	}
	strv_each(file, files) {
		if (add_import(all, e, *file, list, err) < 0)
			return -1;
	}
	return 0;
}

/* Returns the path of a copy of the root file, whose imports are the copies; heap. */
static char *copy_root(const struct cri *c, struct copies *all, struct edits *e, const char *config,
		       struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(2 * CRI_FILE_MAX);
	AUTO(strv) char **list = NULL;
	const struct toml_value *v;
	const char *now;

	if (edits_read(e, config, &now, err) < 0)
		return NULL;
	now = now ? now : "";
	AUTO(toml) struct toml_value *root = toml_parse(config, now, strlen(now), NULL, err);
	if (!root || add_imports(c, all, e, root, config, &list, err) < 0)
		return NULL;
	v = toml_find(root, "imports");
	if (v) {
		buf_add(&text, now, v->span.offset);
		buf_chr(&text, '[');
		strv_each(path, list) {
			toml_edit_quote(&text, *path);
			buf_chr(&text, ',');
		}
		buf_chr(&text, ']');
		now += v->span.offset + v->span.len;
	}
	buf_str(&text, now);
	return buf_check(&text, config, err) < 0 ? NULL : copies_add(all, buf_cstr(&text), err);
}

int containerd_check(struct cri *c, struct edits *e, const char *config, char **why,
		     struct err *err)
{
	AUTO(copies) struct copies all = COPIES_INIT;
	AUTO(toml) struct toml_value *before = NULL, *after = NULL;
	AUTO(str) char *would_be = NULL;
	int there;

	if (*c->root || !c->binary) {
		*why = xstrdup(*c->root ? "not checked: it is below another root"
					: "not checked: the containerd program was not found");
		return 0;
	}
	there = path_look(AT_FDCWD, config, err);
	if (there < 0)
		return -1;
	before = dump(c, there ? config : NULL, err);
	if (!before)
		return err_wrap(err, "containerd does not accept the current %s", config);
	would_be = copy_root(c, &all, e, config, err);
	if (!would_be)
		return -1;
	after = dump(c, would_be, err);
	if (!after)
		return err_wrap(err, "containerd would not accept the new configuration");
	return compare(c, before, after, err);
}
