// SPDX-License-Identifier: Apache-2.0
/*
 * Rebuilds state/ from the store and the generations. A generation consists of hard links into the
 * store, where names are digests: its layout can be read from its tree, except the component that a
 * file belongs to. The link `current` names the current generation. Everything that cannot be
 * rebuilt is reported.
 *
 * Each file is replaced atomically, install.json last, so no journal is needed: after an
 * interruption it is run again. Damaged files are moved to state/damaged/, not removed. The disk may
 * be full, so whatever writes releases the reserve first.
 */

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "base/tree.h"
#include "cli/advice.h"
#include "crypto/sha256.h"
#include "deploy/engine/engine-internal.h"
#include "deploy/store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 2048, ASIDE_MAX = 100 };

/* --- objects by inode --- */

struct object {
	ino_t ino;
	char sha256[65];
};

struct objects {
	VEC(struct object) all;
};

static int inode_order(const void *a, const void *b)
{
	ino_t x = ((const struct object *)a)->ino, y = ((const struct object *)b)->ino;

	return x < y ? -1 : x > y;
}

static int add_object(void *arg, const struct tree_at *at, struct err *err)
{
	struct objects *o = arg;
	struct object one = { 0 };
	struct stat st;

	if (at->when != TREE_FILE)
		return TREE_GO_ON;
	if (fstatat(at->dir, at->name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		(void)err_sys(err, "look at the object %s", at->name);
		return TREE_FAILED;
	}
	(void)!str_print(one.sha256, sizeof(one.sha256), "%.64s", at->name);
	one.ino = st.st_ino;
	if (S_ISREG(st.st_mode) && sha256_is_hex(one.sha256))
		vec_push(&o->all, one);
	return TREE_GO_ON;
}

static int list_objects(const struct deploy *d, struct objects *o, struct err *err)
{
	const struct tree_walk walk = { .visit = add_object, .arg = o, .name = "store" };
	struct err why = ERR_INIT;
	AUTO(fd)
	int dir = path_open(d->root, "store", PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0, &why);

	if (dir < 0)
		return why.sys == ENOENT ? 0 : err_set(err, E_IO, "%s", why.msg);
	if (tree_walk(dir, &walk, err) < 0)
		return -1;
	if (o->all.n)
		qsort(o->all.v, o->all.n, sizeof(*o->all.v), inode_order);
	return 0;
}

/* --- the layout of a generation's tree --- */

struct reading {
	const struct objects *objects;
	struct layout *l;
};

static int read_link(int dir, const char *name, struct entry *e, struct err *err)
{
	char target[4096];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return err_sys(err, "read the link %s", e->path);
	e->type = ENTRY_LINK;
	e->target = xstrndup(target, (size_t)n);
	return 0;
}

/* The name of an object is the digest of the contents that were laid down, even if it is damaged
 * now. So it is preferred to hashing the file. */
static int read_file(const struct reading *r, int dir, const char *name, const struct stat *st,
		     struct entry *e, struct err *err)
{
	const struct object wanted = { .ino = st->st_ino };
	const struct object *found = r->objects->all.n ? bsearch(&wanted, r->objects->all.v,
								 r->objects->all.n, sizeof(wanted),
								 inode_order)
						       : NULL;

	e->mode = st->st_mode & 0111 ? 0555 : 0444;
	e->size = (uint64_t)st->st_size;
	if (found) {
		memcpy(e->sha256, found->sha256, sizeof(e->sha256));
		return 0;
	}
	AUTO(fd) int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "open %s", e->path);
	return sha256_fd(fd, e->path, e->sha256, &e->size, err);
}

static int read_dir(const struct reading *r, int fd, const char *path, struct err *err);

static int read_entry(const struct reading *r, int dir, const char *name, const char *path,
		      struct err *err)
{
	struct entry e = { .path = (char *)path };
	struct stat st;
	int rc;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "look at %s", path);
	if (S_ISDIR(st.st_mode))
		return read_dir(r,
				path_open(dir, name, PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0, err),
				path, err);
	if (S_ISLNK(st.st_mode))
		rc = read_link(dir, name, &e, err);
	else if (S_ISREG(st.st_mode))
		rc = read_file(r, dir, name, &st, &e, err);
	else
		rc = err_set(err, E_INVALID, "%s is neither a file nor a link", path);
	if (rc == 0)
		layout_add(r->l, &e);
	free(e.target);
	return rc;
}

/* Takes over fd (-1: err is set). PATH_BYTES bounds the recursion. */
static int read_dir(const struct reading *r, int fd, const char *path, struct err *err)
{
	AUTO(dir) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!dir)
		return err->code ? -1 : err_sys(err, "list %s", path);
	if (strlen(path) > PATH_BYTES)
		return err_set(err, E_LIMIT, "%s is too long; move it away", path);
	while (errno = 0, (e = readdir(dir)) != NULL) {
		AUTO(str) char *below = *path ? path_join(path, e->d_name) : xstrdup(e->d_name);

		if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, "..") &&
		    read_entry(r, dirfd(dir), e->d_name, below, err) < 0)
			return -1;
	}
	return errno ? err_sys(err, "list %s", path) : 0;
}

/* Returns the version of a generation's id VERSION-DIGEST, heap; NULL if id is malformed. */
static char *version_of(const char *id)
{
	const char *dash = strrchr(id, '-');

	return dash && dash > id && strlen(dash) == 13 ? xstrndup(id, (size_t)(dash - id)) : NULL;
}

static int read_tree(const struct deploy *d, const struct objects *objects, const char *id,
		     struct layout *l, struct err *err)
{
	AUTO(str) char *path = str_fmt("generations/%s", id), *version = version_of(id);
	struct reading r = { objects, l };

	if (!version)
		return err_set(err, E_INVALID, "%s is not the name of a generation", path);
	layout_begin(l, version);
	l->rebuilt = true;
	str_set(&l->id, id);
	if (read_dir(&r, path_open(d->root, path, PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0, err),
		     "", err) < 0)
		return -1;
	return layout_seal(l, err);
}

/* --- state/ --- */

struct rebuild {
	struct deploy *d;
	struct objects objects;
	bool listed;
	deploy_found *found;
	void *arg;
	int lost; /* how many things were reported */
};

static void report(struct rebuild *r, const char *path, const char *what)
{
	r->lost++;
	if (r->found)
		r->found(r->arg, path, what);
}

/* Finds a free name below damaged/ for state/NAME: *to, heap. What is there already may be the only
 * copy of an administrator's file, which only he may remove. */
static int free_place(struct deploy *d, const char *name, char **to, struct err *err)
{
	const char *base = path_basename(name);

	for (unsigned i = 0; i < ASIDE_MAX; i++) {
		AUTO(str)
		char *place = i ? str_fmt("damaged/%s.%u", base, i) : str_fmt("damaged/%s", base);
		int there = path_look(d->state, place, err);

		if (there < 0)
			return -1;
		if (!there) {
			*to = STEAL(place, NULL);
			return 0;
		}
	}
	(void)err_set(err, E_LIMIT, "state/damaged has %d copies of %s already", ASIDE_MAX, base);
	return err_hint(err, "keep what you need of %s/state/damaged elsewhere, and remove it",
			d->prefix);
}

int deploy_set_aside(struct deploy *d, const char *name, char **to, struct err *err)
{
	AUTO(str) char *place = NULL;
	int there = path_look(d->state, name, err);

	if (to)
		*to = NULL;
	if (there <= 0)
		return there;
	if (reserve_release(d, err) < 0)
		return -1;
	AUTO(fd) int dir = path_mkdirs(d->state, "damaged", PATH_NO_LINKS, 0700, err);
	if (dir < 0 || free_place(d, name, &place, err) < 0)
		return -1;
	if (renameat(d->state, name, d->state, place) < 0)
		return err_sys(err, "set state/%s aside", name);
	if (fsync(d->state) < 0)
		return err_sys(err, "sync state");
	if (to)
		*to = str_fmt("state/%s", place);
	return 0;
}

static int write_layout(const struct deploy *d, const struct layout *l, struct err *err)
{
	AUTO(str) char *name = str_fmt("generations/%s.json", l->id), *text = layout_format(l);

	if (reserve_release(d, err) < 0)
		return -1;
	AUTO(fd) int dir = path_mkdirs(d->state, "generations", PATH_NO_LINKS, 0755, err);
	return dir < 0 ? -1 : file_replace(d->state, name, text, strlen(text), 0644, err);
}

/* True if an error of reading says that something is missing or not what it should be. Any other
 * error, such as EMFILE, ENOMEM or EIO, says nothing of what could not be read. */
static bool is_damage(const struct err *why)
{
	switch (why->sys) {
	case 0:
		return why->code == E_INVALID || why->code == E_LIMIT;
	case ENOENT:
	case ENOTDIR:
	case EISDIR:
	case ELOOP:
	case ENXIO:
	case ENAMETOOLONG:
		return true;
	default:
		return false;
	}
}

/* Reads the layout of a generation, or rebuilds it from the generation's tree: 1. Returns 0 if the
 * tree is missing or incomplete. */
static int settle_layout(struct rebuild *r, const char *id, struct layout *l, struct err *err)
{
	AUTO(str) char *path = str_fmt("state/generations/%s.json", id);
	struct err why = ERR_INIT;
	int there;

	if (layout_load(r->d, id, l, &why) == 0)
		return 1;
	layout_release(l);
	if (!is_damage(&why)) {
		*err = why;
		return -1;
	}
	if (!r->listed && list_objects(r->d, &r->objects, err) < 0)
		return -1;
	r->listed = true;
	err_clear(&why);
	if (read_tree(r->d, &r->objects, id, l, &why) < 0) {
		layout_release(l);
		if (!is_damage(&why)) {
			*err = why;
			return err_wrap(err, "read generation %s", id);
		}
		report(r, path, "lost, and its generation is not complete");
		return 0;
	}
	there = prefix_look(r->d, path, err);
	if (there < 0 || (there && deploy_set_aside(r->d, path + strlen("state/"), NULL, err) < 0))
		return -1;
	report(r, path, "was rebuilt from its generation");
	return write_layout(r->d, l, err) < 0 ? -1 : 1;
}

/* When a generation was laid down: the mtime of its directory, or 0. */
static uint64_t made_at(const struct deploy *d, const char *id)
{
	AUTO(str) char *path = str_fmt("generations/%s", id);
	struct stat st;

	return fstatat(d->root, path, &st, 0) < 0 ? 0 : (uint64_t)st.st_mtim.tv_sec;
}

static int add_generations(struct rebuild *r, struct installed *in, struct err *err)
{
	AUTO(strv) char **ids = NULL;

	if (prefix_list(r->d, "generations", &ids, err) < 0)
		return -1;
	strv_each(id, ids) {
		AUTO(layout) struct layout l = LAYOUT_INIT;
		int there = settle_layout(r, *id, &l, err);
		struct generation g = { .id = *id,
					.version = l.version,
					.since = made_at(r->d, *id),
					.files = l.entries.n,
					.bytes = layout_bytes(&l) };

		if (there < 0)
			return -1;
		if (there)
			installed_add(in, &g);
	}
	return 0;
}

/* Returns the id of the newest generation other than besides (may be NULL); NULL if there is
 * none. */
static const char *newest(const struct installed *in, const char *besides)
{
	const struct generation *best = NULL;

	vec_each(struct generation, g, &in->generations) {
		if (!str_eq(g->id, besides) && (!best || g->since > best->since))
			best = g;
	}
	return best ? best->id : NULL;
}

static int find_current(struct rebuild *r, struct installed *in, struct err *err)
{
	AUTO(str) char *target = NULL;
	const char *id;

	if (store_link_read(r->d->root, "current", &target, err) < 0)
		return -1;
	id = target && str_starts(target, "generations/") ? target + strlen("generations/") : NULL;
	if (!id || !installed_find(in, id)) {
		id = newest(in, NULL);
		AUTO(str)
		char *what = str_fmt("names no generation; the newest one is taken; run %s",
				     advice("repair"));

		if (id)
			report(r, "current", what);
	}
	str_set(&in->current, id);
	str_set(&in->previous, id ? newest(in, id) : NULL);
	return 0;
}

static int save(const struct rebuild *r, const struct installed *in, struct err *err)
{
	AUTO(str) char *text = installed_format(in);

	if (reserve_release(r->d, err) < 0)
		return -1;
	return file_replace(r->d->state, "install.json", text, strlen(text), installed_mode(in),
			    err);
}

/* Rebuilds install.json from the generations. */
static int rebuild_record(struct rebuild *r, struct err *err)
{
	AUTO(installed) struct installed in = INSTALLED_INIT;

	if (add_generations(r, &in, err) < 0 || find_current(r, &in, err) < 0)
		return -1;
	if (!in.current) {
		err_set(err, E_STATE, "no release below %s is complete", r->d->prefix);
		return err_hint(err, "keep what you need of %s/etc, remove %s, and install again",
				r->d->prefix, r->d->prefix);
	}
	report(r, "state/install.json",
	       "was rebuilt; lost are the record of the registration, which the next install or "
	       "uninstall finds, the source of the release, and the list of directories that were "
	       "created outside the prefix");
	return save(r, &in, err);
}

/* Rebuilds the layouts of the generations that install.json lists, and drops those that are
 * lost. */
static int settle_layouts(struct rebuild *r, struct err *err)
{
	AUTO(strv) char **gone = NULL;

	vec_each(struct generation, g, &r->d->in.generations) {
		AUTO(layout) struct layout l = LAYOUT_INIT;
		int there = settle_layout(r, g->id, &l, err);

		if (there < 0)
			return -1;
		if (!there)
			strv_push(&gone, g->id);
	}
	if (!gone)
		return 0;
	if (strv_has(gone, r->d->in.current))
		return rebuild_record(r, err);
	strv_each(id, gone) {
		if (str_eq(r->d->in.previous, *id))
			str_set(&r->d->in.previous, NULL);
		installed_drop(&r->d->in, *id);
	}
	return save(r, &r->d->in, err);
}

/* Nothing can rebuild a journal: it is set aside with the copies that an undo would have used. They
 * are first: without a journal they are removed. */
static int set_journal_aside(struct rebuild *r, const struct err *why, struct err *err)
{
	AUTO(str) char *kept = NULL, *what = NULL;

	if (deploy_set_aside(r->d, "kept", &kept, err) < 0 ||
	    deploy_set_aside(r->d, "journal", NULL, err) < 0)
		return -1;
	/* A run that was interrupted may have set the copies aside already. */
	what = str_fmt("is damaged (%s): what the interrupted change did outside the prefix may "
		       "not be undone; its old files are in %s",
		       why->msg, kept ? kept : "state/damaged");
	report(r, "state/journal", what);
	return 0;
}

/* Returns 1 if `current` and install.json name different generations, else 0. */
static int is_torn(const struct deploy *d, struct err *err)
{
	AUTO(str) char *target = NULL, *wanted = str_fmt("generations/%s", d->in.current);
	int there = d->in.current ? store_link_read(d->root, "current", &target, err) : 0;

	return there < 0 ? -1 : there && !str_eq(target, wanted);
}

static int run(struct rebuild *r, struct err *err)
{
	struct deploy *d = r->d;
	struct err why = ERR_INIT;
	int torn = 0, lost;

	if (d->root < 0)
		return 0;
	lost = prefix_is_lost(d, err);
	if (lost < 0 || (lost && (prefix_make(d, err) < 0 ||
				  prefix_mark(d, false, d->made_state, MODE_SETTLED, err) < 0)))
		return -1;
	d->made_state = false;
	if (recover_journal(d, &why) < 0) {
		if (why.code != E_INVALID) {
			*err = why;
			return -1;
		}
		if (set_journal_aside(r, &why, err) < 0)
			return -1;
		torn = 1;
	}
	err_clear(&why);
	if (prefix_load(d, &why) < 0) {
		if (why.code != E_INVALID) {
			*err = why;
			return -1;
		}
		return deploy_set_aside(d, "install.json", NULL, err) < 0 ? -1
									  : rebuild_record(r, err);
	}
	if (torn)
		torn = is_torn(d, err);
	lost = torn < 0 ? -1 : prefix_is_lost(d, err);
	if (torn < 0 || lost < 0)
		return -1;
	return torn || lost ? rebuild_record(r, err) : settle_layouts(r, err);
}

int rebuild_state(struct deploy *d, deploy_found *found, void *arg, struct err *err)
{
	struct rebuild r = { .d = d, .objects = { VEC_INIT }, .found = found, .arg = arg };
	int rc = run(&r, err);

	vec_release(&r.objects.all);
	return rc < 0 ? -1 : r.lost;
}
