// SPDX-License-Identifier: Apache-2.0
/*
 * Compares the files on disk with the layouts of their generations, and repairs differences. Repair
 * needs no journal: at every moment each name refers to the damaged or to the repaired file, and
 * running it again gives the same result.
 */

#include "base/interrupt.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "cli/advice.h"
#include "deploy/engine/engine-internal.h"
#include "deploy/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct audit {
	const struct deploy *d;
	enum deploy_depth depth;
	const char *stage; /* for repair: staging/STAGE/ has intact copies; NULL: there are none */
	bool repair;
	deploy_found *found;
	void *arg;
	int damaged;
	char *lost; /* the first object that could not be repaired; owned */
};

static void report(struct audit *a, const char *path, const char *what)
{
	a->damaged++;
	if (a->found)
		a->found(a->arg, path, what);
}

/* Renames an intact copy over an object. Names in generations still refer to the damaged inode;
 * audit_name() links them again. */
static int replace_object(struct audit *a, const struct entry *e, const char *object,
			  struct err *err)
{
	AUTO(str) char *staged = str_fmt("staging/%s/%s", a->stage ? a->stage : "", e->path);
	struct err why = ERR_INIT;
	int guarded;

	if (!a->stage || store_seal(a->d->root, staged, e, &guarded, &why) < 0) {
		if (!a->lost)
			a->lost = xstrdup(object);
		return 0;
	}
	AUTO(str) char *dir = xstrndup(object, (size_t)(path_basename(object) - object));
	AUTO(fd) int made = path_mkdirs(a->d->root, dir, PATH_NO_LINKS, 0755, err);
	if (made < 0)
		return -1;
	if (renameat(a->d->root, staged, a->d->root, object) < 0)
		return path_sys(err, a->d->root, object, "replace %s", object);
	return 0;
}

/* As store_has(), but compares the size only: 1 right, 0 missing, -1 damaged. */
static int glance(const struct audit *a, const struct entry *e, const char *object)
{
	struct stat st;

	if (fstatat(a->d->root, object, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -1;
	return S_ISREG(st.st_mode) && (uint64_t)st.st_size == e->size ? 1 : -1;
}

static int audit_object(struct audit *a, const struct entry *e, struct err *err)
{
	AUTO(str) char *object = store_object(e);
	struct err why = ERR_INIT; /* unreadable means damaged: fs-verity fails reads */
	int has;

	if (interrupt_check(err) < 0)
		return -1;
	has = a->depth == DEPLOY_HASH ? store_has(a->d->root, e, &why) : glance(a, e, object);

	if (has == 1)
		return 0;
	report(a, object, has == 0 ? "missing" : "damaged");
	return a->repair ? replace_object(a, e, object, err) : 0;
}

/* True if path in a generation is the symlink that was laid down, or a name of the entry's
 * object. */
static bool name_is_right(const struct audit *a, const struct entry *e, const char *path)
{
	struct err ignored = ERR_INIT;
	struct stat name, source;
	AUTO(str) char *target = NULL;

	if (e->type == ENTRY_LINK)
		return store_link_read(a->d->root, path, &target, &ignored) == 1 &&
		       str_eq(target, e->target);
	AUTO(str) char *object = store_object(e);
	return fstatat(a->d->root, path, &name, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(a->d->root, object, &source, AT_SYMLINK_NOFOLLOW) == 0 &&
	       name.st_ino == source.st_ino && name.st_dev == source.st_dev;
}

static int audit_name(struct audit *a, const struct layout *l, const struct entry *e,
		      struct err *err)
{
	AUTO(str) char *path = str_fmt("generations/%s/%s", l->id, e->path);
	AUTO(str) char *object = e->type == ENTRY_FILE ? store_object(e) : NULL;
	struct err why = ERR_INIT; /* what cannot be seen is not missing */

	if (name_is_right(a, e, path))
		return 0;
	report(a, path,
	       prefix_look(a->d, path, &why) ? "differs from what was installed" : "missing");
	err_clear(&why);
	if (!a->repair || (object && prefix_look(a->d, object, &why) == 0))
		return 0;
	return store_relink(a->d->root, l, e, err);
}

static int audit_generation(struct audit *a, const char *id, struct err *err)
{
	AUTO(layout) struct layout l = LAYOUT_INIT;

	if (deploy_layout(a->d, id, &l, err) < 0)
		return -1;
	vec_each(struct entry, e, &l.entries) {
		if (e->type == ENTRY_FILE && audit_object(a, e, err) < 0)
			return -1;
	}
	vec_each(struct entry, e, &l.entries) {
		if (audit_name(a, &l, e, err) < 0)
			return -1;
	}
	return 0;
}

static int audit_link(struct audit *a, const char *name, const char *target, struct err *err)
{
	AUTO(str) char *now = NULL;
	struct err why = ERR_INIT;
	int there = store_link_read(a->d->root, name, &now, &why);

	if (there >= 0 && str_eq(now, target))
		return 0;
	report(a, name, there == 0 ? "missing" : "differs from what was installed");
	/* Replaces a file of any kind by the link, except a directory, which rename refuses. */
	return a->repair ? store_link_set(a->d->root, name, target, err) : 0;
}

static int audit_links(struct audit *a, struct err *err)
{
	AUTO(layout) struct layout l = LAYOUT_INIT;
	AUTO(str) char *current = str_fmt("generations/%s", a->d->in.current);

	if (deploy_layout(a->d, a->d->in.current, &l, err) < 0 ||
	    audit_link(a, "current", current, err) < 0)
		return -1;
	for (size_t i = 0; layout_tops[i]; i++) {
		AUTO(str) char *target = str_fmt("current/%s", layout_tops[i]);

		if (layout_has_top(&l, layout_tops[i]) &&
		    audit_link(a, layout_tops[i], target, err) < 0)
			return -1;
	}
	return 0;
}

static int audit(struct audit *a, struct err *err)
{
	vec_each(struct generation, g, &a->d->in.generations) {
		if (audit_generation(a, g->id, err) < 0)
			return -1;
	}
	return a->d->in.current ? audit_links(a, err) : 0;
}

int deploy_verify(const struct deploy *d, enum deploy_depth depth, deploy_found *found, void *arg,
		  struct err *err)
{
	struct audit a = { .d = d, .depth = depth, .found = found, .arg = arg };

	return audit(&a, err) < 0 ? err_wrap(err, "verify") : a.damaged;
}

static int make_staging(struct deploy *d, struct err *err)
{
	AUTO(fd) int fd = path_mkdirs(d->root, "staging", PATH_NO_LINKS, 0711, err);

	return fd < 0 ? -1 : 0;
}

int deploy_repair(struct deploy *d, const char *stage, struct err *err)
{
	struct audit a = { .d = d, .depth = DEPLOY_HASH, .stage = stage, .repair = true };
	AUTO(str) char *lost = NULL;
	int rc;

	if (!d->in.current)
		return err_set(err, E_STATE, "nothing is installed; run %s", advice("install"));
	if (prefix_make(d, err) < 0 || make_staging(d, err) < 0)
		return -1;
	rc = audit(&a, err);
	lost = a.lost;
	if (rc < 0)
		return err_wrap(err, "repair");
	if (a.damaged && store_sync(d->root, err) < 0)
		return err_wrap(err, "repair");
	if (lost) {
		err_set(err, E_STATE, "%s is damaged and there is no intact copy of it", lost);
		return err_hint(err, "run %s", advice("repair --release URL|DIR|FILE"));
	}
	return 0;
}
