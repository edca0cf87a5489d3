// SPDX-License-Identifier: Apache-2.0
/*
 * Garbage collection: removes generations that are not needed, and objects that no generation
 * refers to. Generations are first removed from install.json, and deleted after the commit: a
 * generation that install.json lists is always complete.
 */

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "base/tree.h"
#include "deploy/engine/engine-internal.h"
#include "deploy/store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The objects that the generations of installed refer to, sorted. */
struct wanted {
	VEC(char *) v;
};

static void wanted_release(struct wanted *w)
{
	vec_each(char *, s, &w->v)
		free(*s);
	vec_release(&w->v);
}
DEFINE_AUTO_STRUCT(wanted, struct wanted, wanted_release)

static int want(const struct deploy *d, const struct installed *in, struct wanted *w,
		struct err *err)
{
	vec_each(struct generation, g, &in->generations) {
		AUTO(layout) struct layout l = LAYOUT_INIT;

		if (deploy_layout(d, g->id, &l, err) < 0)
			return -1;
		vec_each(struct entry, e, &l.entries) {
			if (e->type == ENTRY_FILE)
				vec_push(&w->v, store_object(e));
		}
	}
	if (w->v.n)
		qsort(w->v.v, w->v.n, sizeof(*w->v.v), str_order);
	return 0;
}

static bool is_wanted(const struct wanted *w, const char *object)
{
	return w->v.n && bsearch(&object, w->v.v, w->v.n, sizeof(*w->v.v), str_order);
}

static int drop_objects(const struct deploy *d, const struct wanted *w, struct plan *p,
			struct err *err)
{
	AUTO(strv) char **dirs = NULL;

	if (prefix_list(d, "store/sha256", &dirs, err) < 0)
		return -1;
	strv_each(dir, dirs) {
		AUTO(str) char *path = str_fmt("store/sha256/%s", *dir);
		AUTO(strv) char **names = NULL;

		if (prefix_list(d, path, &names, err) < 0)
			return -1;
		strv_each(name, names) {
			AUTO(str) char *object = str_fmt("%s/%s", path, *name);

			if (!is_wanted(w, object))
				plan_add(p, PLAN_DROP_FILE, object, NULL, NULL);
		}
	}
	return 0;
}

static int drop_generations(const struct deploy *d, const struct installed *next, struct plan *p,
			    struct err *err)
{
	AUTO(strv) char **trees = NULL, **layouts = NULL;

	if (prefix_list(d, "generations", &trees, err) < 0 ||
	    prefix_list(d, "state/generations", &layouts, err) < 0)
		return -1;
	strv_each(id, trees) {
		AUTO(str) char *path = str_fmt("generations/%s", *id);

		if (!installed_find(next, *id))
			plan_add(p, PLAN_DROP_TREE, path, NULL, NULL);
	}
	strv_each(name, layouts) {
		size_t n = strlen(*name);
		AUTO(str)
		char *id = str_fmt("%.*s", (int)(str_ends(*name, ".json") ? n - 5 : n), *name);
		AUTO(str) char *path = str_fmt("state/generations/%s", *name);

		if (!installed_find(next, id))
			plan_add(p, PLAN_DROP_FILE, path, NULL, NULL);
	}
	return 0;
}

/* Removes from next the generations that are neither current, previous nor in use. */
static void forget(const struct installed *in, char *const *in_use, struct installed *next)
{
	vec_each(struct generation, g, &in->generations) {
		if (!str_eq(g->id, in->current) && !str_eq(g->id, in->previous) &&
		    !strv_has(in_use, g->id))
			installed_drop(next, g->id);
	}
}

int deploy_plan_gc(struct deploy *d, char *const *in_use, struct plan *p, struct err *err)
{
	AUTO(installed) struct installed next = INSTALLED_INIT;
	AUTO(wanted) struct wanted w = { VEC_INIT };
	AUTO(str) char *text = installed_format(&d->in);

	plan_begin(p, "gc");
	p->frugal = true;
	if (d->root < 0 || d->state < 0)
		return 0;
	if (installed_parse(&next, text, strlen(text), err) < 0)
		return -1;
	forget(&d->in, in_use, &next);
	if (want(d, &next, &w, err) < 0)
		return -1;
	if (next.generations.n != d->in.generations.n && plan_record(d, p, &next, err) < 0)
		return -1;
	if (drop_generations(d, &next, p, err) < 0)
		return -1;
	return drop_objects(d, &w, p, err);
}

/* --- the space that it frees --- */

static int add_bytes(void *arg, const struct tree_at *at, struct err *err)
{
	uint64_t *bytes = arg;
	struct stat st;

	(void)err;
	if (at->when == TREE_FILE && fstatat(at->dir, at->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		*bytes += (uint64_t)st.st_blocks * 512;
	return TREE_GO_ON;
}

static uint64_t store_bytes(const struct deploy *d)
{
	struct err ignored = ERR_INIT; /* what cannot be read is not counted */
	uint64_t bytes = 0;
	const struct tree_walk walk = { .visit = add_bytes, .arg = &bytes, .name = "store" };
	AUTO(fd)
	int dir = path_open(d->root, "store", PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0, &ignored);

	if (dir >= 0)
		(void)!tree_walk(dir, &walk, &ignored);
	return bytes;
}

/* Counts objects only: removing an object frees its blocks, since its other names are in
 * generations that are removed too. */
uint64_t deploy_frees(const struct deploy *d, const struct plan *p)
{
	uint64_t bytes = 0;
	struct stat st;

	vec_each(struct plan_action, a, &p->actions) {
		if (a->kind == PLAN_DROP_HOME)
			bytes += store_bytes(d);
		if (a->kind == PLAN_DROP_FILE &&
		    fstatat(d->root, a->path, &st, AT_SYMLINK_NOFOLLOW) == 0)
			bytes += (uint64_t)st.st_blocks * 512;
	}
	return bytes;
}

int deploy_gc(struct deploy *d, char *const *in_use, struct err *err)
{
	AUTO(plan) struct plan p = PLAN_INIT;

	if (deploy_plan_gc(d, in_use, &p, err) < 0)
		return -1;
	return run_plan(d, &p, err) < 0 ? err_wrap(err, "gc") : 0;
}
