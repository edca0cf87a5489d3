// SPDX-License-Identifier: Apache-2.0
/*
 * Makes the plans of install, upgrade, rollback and uninstall; making a plan changes nothing. The
 * actions are ordered so that a reader of the prefix never sees a dangling reference: first the new
 * objects and the new generation, to which nothing refers yet, and a sync; then the switch of the
 * links; then files outside that refer to the prefix.
 */

#include "base/fd.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/path.h"
#include "base/str.h"
#include "cli/advice.h"
#include "crypto/sha256.h"
#include "deploy/engine/engine-internal.h"
#include "deploy/store/conf.h"
#include "deploy/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INSTALL_JSON "state/install.json"

/* From so many bytes on, hashing is worth starting threads. */
enum { WORTH_THREADS = 8 << 20 };

/* --- single actions, added only if they change something --- */

/* True if the plan creates or removes the directory path. */
static bool is_planned(const struct plan *p, const char *path)
{
	vec_each(struct plan_action, a, &p->actions) {
		if (a->kind == PLAN_DIR && str_eq(a->path, path))
			return true;
	}
	return false;
}

/* Plans a directory if it is missing: 1. Returns 0 if it exists or is planned already. */
static int plan_dir(const struct deploy *d, struct plan *p, const char *path, struct err *err)
{
	int there = *path == '/' ? path_look(AT_FDCWD, path, err) : prefix_look(d, path, err);

	if (there || is_planned(p, path))
		return there < 0 ? -1 : 0;
	plan_add(p, PLAN_DIR, path, NULL, "directory")->dir.mode = 0755;
	return 1;
}

/* Plans every missing directory above path; those outside the prefix are added to made. */
static int plan_parents(const struct deploy *d, struct plan *p, const char *path, char ***made,
			struct err *err)
{
	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		AUTO(str) char *dir = xstrndup(path, (size_t)(slash - path));
		int planned = plan_dir(d, p, dir, err);

		if (planned < 0)
			return -1;
		if (planned && made)
			strv_push(made, dir + strlen(d->top));
	}
	return 0;
}

static char *directory_of(const char *path)
{
	return xstrndup(path, (size_t)(path_basename(path) - path - 1));
}

/* Plans the missing directories above a file outside the prefix. */
static int plan_way(const struct deploy *d, struct plan *p, const struct deploy_file *f,
		    char ***made, struct err *err)
{
	AUTO(str) char *own = directory_of(f->path);
	int planned;

	if (!f->outlives)
		return plan_parents(d, p, f->path, made, err);
	planned = plan_parents(d, p, own, made, err) < 0 ? -1 : plan_dir(d, p, own, err);
	if (planned > 0)
		p->actions.v[p->actions.n - 1].dir.mode = 0700;
	return planned < 0 ? -1 : 0;
}

/* Plans the directories above the prefix: those that prefix_make() made, or, for a plan that is only
 * shown, those that it would make. */
static int plan_above(const struct deploy *d, struct plan *p, struct installed *next,
		      struct err *err)
{
	strv_each(dir, d->made_parents) {
		plan_add(p, PLAN_DIR, *dir, NULL, "directory")->dir.mode = 0755;
		strv_push(&next->made_dirs, *dir + strlen(d->top));
	}
	return plan_parents(d, p, d->prefix, &next->made_dirs, err);
}

/* now: the file on disk, or NULL if it does not exist. */
static struct plan_action *add_file(struct plan *p, const char *path, const struct file_info *now,
				    const char *will)
{
	struct plan_action *a = plan_add(p, PLAN_FILE, path, now ? now->sha256 : NULL, will);

	if (!now)
		return a;
	a->file.kept = str_fmt("%zu", p->actions.n);
	a->file.mode = now->mode;
	a->file.uid = now->uid;
	a->file.gid = now->gid;
	return a;
}

/* Checks that a file (NULL: there is none) has the contents that its new ones were made from. A
 * question or a download may lie between, in which its program or the administrator wrote it. */
static int check_base(const struct deploy_file *f, const struct file_info *now, struct err *err)
{
	char base[65], none[65];

	if (!f->base)
		return 0;
	sha256_hex(f->base, strlen(f->base), base);
	sha256_hex("", 0, none);
	return str_eq(now ? now->sha256 : none, base)
		       ? 0
		       : err_set(err, E_STATE, "%s was changed by another program; try again",
				 f->path);
}

/* Plans writing f->data to a file of ours (NULL: removing the file). */
static int plan_own_file(const struct deploy *d, struct plan *p, const struct deploy_file *f,
			 struct err *err)
{
	char will[65] = "";
	struct file_info now = { 0 };
	int there = file_inspect(d, f->path, &now, err);
	struct plan_action *a;

	if (there < 0)
		return -1;
	if (f->data)
		sha256_hex(f->data, f->len, will);
	if (f->data ? there && str_eq(now.sha256, will) : !there)
		return 0;
	if (check_base(f, there ? &now : NULL, err) < 0)
		return -1;
	a = add_file(p, f->path, there ? &now : NULL, f->data ? will : NULL);
	a->file.data = f->data ? xmemdup(f->data, f->len) : NULL;
	a->file.len = f->len;
	a->file.new_mode = f->mode ? f->mode : there ? now.mode : 0644;
	return 0;
}

/* The same for a file that others may have replaced by a symlink. The target of the symlink is
 * edited, but never removed: it belongs to whoever made the symlink. */
static int plan_file(const struct deploy *d, struct plan *p, const struct deploy_file *f,
		     struct err *err)
{
	AUTO(str) char *target = NULL, *real = NULL;
	struct deploy_file there = *f;

	if (!f->data && file_is_link(d, f->path, &target, err) < 0)
		return -1;
	if (target) {
		plan_add(p, PLAN_UNLINK, f->path, target, NULL);
		return 0;
	}
	real = file_real(d, f->path, err);
	there.path = real;
	return real ? plan_own_file(d, p, &there, err) : -1;
}

/* Plans writing text to a file below the prefix (NULL: removing the file). */
static int plan_text(const struct deploy *d, struct plan *p, const char *path, const char *text,
		     struct err *err)
{
	struct deploy_file f = {
		.path = path, .data = text, .len = text ? strlen(text) : 0, .mode = 0644
	};

	return plan_own_file(d, p, &f, err);
}

/* Plans pointing a link in the prefix to target (NULL: removing the link). */
static int plan_link(const struct deploy *d, struct plan *p, const char *path, const char *target,
		     struct err *err)
{
	AUTO(str) char *was = NULL;

	if (d->root >= 0 && store_link_read(d->root, path, &was, err) < 0)
		return -1;
	/* Every link of ours has such a target. */
	if (was && !str_starts(was, "current/") && !str_starts(was, "generations/"))
		return err_set(err, E_EXISTS, "%s exists and points to %s; move it away", path,
			       was);
	if (!str_eq(was, target))
		plan_add(p, PLAN_LINK, path, was, target);
	return 0;
}

/* --- objects and the generation --- */

struct objects {
	VEC(const struct entry *) wanted; /* one entry for each object, sorted by object */
};

static int object_order(const void *a, const void *b)
{
	const struct entry *x = *(const struct entry *const *)a,
			   *y = *(const struct entry *const *)b;
	int order = strcmp(x->sha256, y->sha256);

	return order ? order : (int)entry_is_exec(x) - (int)entry_is_exec(y);
}

/* Collects the objects of a layout that the store lacks. */
static int missing_objects(const struct deploy *d, const struct layout *l, struct objects *o,
			   struct err *err)
{
	size_t kept = 0;

	vec_each(struct entry, e, &l->entries) {
		if (e->type == ENTRY_FILE)
			vec_push(&o->wanted, e);
	}
	if (o->wanted.n)
		qsort(o->wanted.v, o->wanted.n, sizeof(*o->wanted.v), object_order);
	for (size_t i = 0; i < o->wanted.n; i++) {
		const struct entry *e = o->wanted.v[i];
		int has = 0;

		if (i && object_order(&o->wanted.v[i - 1], &o->wanted.v[i]) == 0)
			continue;
		has = d->root < 0 ? 0 : store_has(d->root, e, err);
		if (has < 0)
			return -1;
		if (!has)
			o->wanted.v[kept++] = e;
	}
	o->wanted.n = kept;
	return 0;
}

/* Verifying and sealing staged files (store_seal), in threads: hashing takes most of an install's
 * time. */
struct sealing {
	const struct deploy *d;
	const struct objects *o;
	const char *stage;
	int *guarded; /* for each object: 0, or why fs-verity does not protect it (errno) */
};

static char *staged_path(const char *stage, const struct entry *e)
{
	return str_fmt("staging/%s/%s", stage ? stage : "", e->path);
}

/* Changes staged files only, so there is nothing to undo. */
static int seal(void *arg, size_t i, struct err *err)
{
	const struct sealing *s = arg;
	const struct entry *e = s->o->wanted.v[i];
	AUTO(str) char *staged = staged_path(s->stage, e);

	return store_seal(s->d->root, staged, e, &s->guarded[i], err);
}

static int seal_all(struct sealing *s, struct err *err)
{
	uint64_t bytes = 0;

	vec_each(const struct entry *, e, &s->o->wanted)
		bytes += (*e)->size;
	if (bytes >= WORTH_THREADS)
		return parallel_each(s->o->wanted.n, seal, s, err);
	for (size_t i = 0; i < s->o->wanted.n; i++) {
		if (seal(s, i, err) < 0)
			return -1;
	}
	return 0;
}

/* Plans moving the staged files of o into the store. stage: NULL for a plan that is only shown. */
static int plan_objects(const struct deploy *d, struct plan *p, const struct objects *o,
			const char *stage, struct generation *g, struct err *err)
{
	AUTO(mem) int *guarded = xcalloc(o->wanted.n + 1, sizeof(*guarded));
	struct sealing s = { d, o, stage, guarded };

	vec_each(const struct entry *, e, &o->wanted) {
		AUTO(str) char *dir = str_fmt("store/sha256/%.2s", (*e)->sha256);

		if (plan_dir(d, p, dir, err) < 0)
			return -1;
	}
	if (stage && seal_all(&s, err) < 0)
		return -1;
	for (size_t i = 0; i < o->wanted.n; i++) {
		const struct entry *e = o->wanted.v[i];
		AUTO(str) char *object = store_object(e);

		if (guarded[i])
			str_set(&g->unguarded, strerror(guarded[i]));
		else if (stage)
			g->verity++;
		plan_add(p, PLAN_ADOPT, object, NULL, e->sha256)->adopt.source = staged_path(stage,
											     e);
	}
	return 0;
}

static int plan_generation(const struct deploy *d, struct plan *p, const struct layout *l,
			   const char *stage, struct generation *g, struct err *err)
{
	static const char *const dirs[] = { "store", "store/sha256", "generations",
					    "state/generations" };
	AUTO(str) char *path = str_fmt("generations/%s", l->id);
	AUTO(str) char *json = str_fmt("state/generations/%s.json", l->id);
	AUTO(str) char *text = layout_format(l);
	struct objects o = { VEC_INIT };
	int rc = prefix_look(d, path, err);

	if (rc < 0)
		return -1;
	if (rc)
		return err_set(err, E_EXISTS, "%s exists and belongs to no release; move it away",
			       path);
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		if (plan_dir(d, p, dirs[i], err) < 0)
			return -1;
	}
	rc = missing_objects(d, l, &o, err);
	if (rc == 0)
		rc = plan_objects(d, p, &o, stage, g, err);
	vec_release(&o.wanted);
	if (rc < 0)
		return -1;
	plan_add(p, PLAN_GENERATION, path, NULL, l->id)->tree.layout = l;
	if (plan_text(d, p, json, text, err) < 0)
		return -1;
	plan_add(p, PLAN_SYNC, NULL, NULL, NULL);
	return 0;
}

/* --- files that may be edited --- */

static const char *digest_of(const struct entry *e)
{
	return e ? e->sha256 : NULL;
}

/* Plans writing an object's contents to path. file_apply() reads them: the object need not exist
 * yet. */
static int plan_conf_write(const struct deploy *d, struct plan *p, const char *path,
			   const struct entry *e, struct err *err)
{
	struct file_info now = { 0 };
	int there = file_inspect(d, path, &now, err);
	struct plan_action *a;

	if (there < 0)
		return -1;
	if (there && str_eq(now.sha256, e->sha256))
		return 0;
	if (plan_parents(d, p, path, NULL, err) < 0)
		return -1;
	a = add_file(p, path, there ? &now : NULL, e->sha256);
	a->file.source = store_object(e);
	a->file.len = (size_t)e->size;
	a->file.new_mode = there ? now.mode : 0644;
	return 0;
}

/* Plans removing a NAME.new that an earlier release parked and nobody edited. */
static int plan_unpark(const struct deploy *d, struct plan *p, const char *parked,
		       const struct entry *shipped, struct err *err)
{
	struct file_info now = { 0 };
	int there = file_inspect(d, parked, &now, err);

	if (there <= 0 || !str_eq(now.sha256, digest_of(shipped)))
		return there < 0 ? -1 : 0;
	return plan_text(d, p, parked, NULL, err);
}

/* Resolves the symlinks of a path below etc/: returns 1 and the path (heap). Where the file is not
 * wanted, a dangling symlink is no error, so that it cannot stop an uninstall: returns 0. */
static int find_conf(const struct deploy *d, const char *path, bool wanted, char **real,
		     struct err *err)
{
	struct err why = ERR_INIT;

	*real = file_real(d, path, &why);
	if (*real)
		return 1;
	if (!wanted && why.code == E_STATE)
		return 0;
	*err = why;
	return -1;
}

/* Plans what conf_judge() decides on one file. shipped: its entry in the old release, fresh: in the
 * new one; either may be NULL. */
static int plan_conf(const struct deploy *d, struct plan *p, const char *path,
		     const struct entry *shipped, const struct entry *fresh, struct err *err)
{
	AUTO(str) char *beside = str_fmt("%s.new", path), *real = NULL, *parked = NULL;
	struct file_info now = { 0 };
	int found = find_conf(d, path, fresh, &real, err), there;

	if (found <= 0)
		return found;
	found = find_conf(d, beside, fresh, &parked, err);
	if (found <= 0)
		return found;
	there = file_inspect(d, real, &now, err);
	if (there < 0)
		return -1;
	switch (conf_judge(digest_of(shipped), there ? now.sha256 : NULL, digest_of(fresh))) {
	case CONF_TAKE:
		if (plan_unpark(d, p, parked, shipped, err) < 0)
			return -1;
		return plan_conf_write(d, p, real, fresh, err);
	case CONF_PARK:
		return plan_conf_write(d, p, parked, fresh, err);
	case CONF_REMOVE:
		/* A file that is reached through a symlink belongs to the administrator. */
		if (str_eq(real, path) && plan_text(d, p, path, NULL, err) < 0)
			return -1;
		return plan_unpark(d, p, parked, shipped, err);
	case CONF_KEEP:
		/* NAME.new stays if both releases ship the same: it was parked for that. */
		return fresh && str_eq(digest_of(shipped), fresh->sha256)
			       ? 0
			       : plan_unpark(d, p, parked, shipped, err);
	}
	bug("verdict on %s", path);
}

static int plan_confs(const struct deploy *d, struct plan *p, const struct layout *shipped,
		      const struct layout *fresh, struct err *err)
{
	vec_each(struct entry, e, &fresh->entries) {
		if (entry_is_conf(e) &&
		    plan_conf(d, p, e->path, layout_find(shipped, e->path), e, err) < 0)
			return -1;
	}
	vec_each(struct entry, e, &shipped->entries) {
		if (entry_is_conf(e) && !layout_find(fresh, e->path) &&
		    plan_conf(d, p, e->path, e, NULL, err) < 0)
			return -1;
	}
	return 0;
}

/* --- the switch --- */

static int plan_links(const struct deploy *d, struct plan *p, const struct layout *to,
		      struct err *err)
{
	AUTO(str) char *target = to ? str_fmt("generations/%s", to->id) : NULL;

	if (to && plan_link(d, p, "current", target, err) < 0)
		return -1;
	for (size_t i = 0; layout_tops[i]; i++) {
		AUTO(str) char *stable = str_fmt("current/%s", layout_tops[i]);
		bool has = to && layout_has_top(to, layout_tops[i]);

		if (plan_link(d, p, layout_tops[i], has ? stable : NULL, err) < 0)
			return -1;
	}
	return to ? 0 : plan_link(d, p, "current", NULL, err);
}

static const struct deploy_change nothing_else;

static void plan_steps(struct plan *p, const struct deploy_change *c, bool before_files)
{
	for (size_t i = 0; i < c->nsteps; i++) {
		struct plan_action *a;

		if (c->steps[i].before_files != before_files)
			continue;
		a = plan_add(p, PLAN_STEP, c->steps[i].name, NULL, NULL);
		a->step.kind = xstrdup(c->steps[i].ops->kind);
		a->step.arg = &c->steps[i];
	}
}

/* Plans removing a directory; remove_dir() leaves one that has files of others. Callers begin with
 * the deepest. */
static int plan_rmdir(const struct deploy *d, struct plan *p, const char *path, struct err *err)
{
	AUTO(file_at) struct file_at s = FILE_AT_INIT;
	AUTO(str) char *real = NULL;
	struct plan_action *a;
	struct stat st;
	int found = find_conf(d, path, false, &real, err);

	/* A directory that is reached through a symlink stays. */
	if (found <= 0 || !str_eq(real, path))
		return found < 0 ? -1 : 0;
	found = file_at_open(d, path, &s, err);
	if (found <= 0)
		return found;
	if (fstatat(s.dir, s.name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(err, "look at %s", path);
	if (is_planned(p, path) || !S_ISDIR(st.st_mode))
		return 0;
	a = plan_add(p, PLAN_DIR, path, "directory", NULL);
	a->dir = (struct plan_dir){ st.st_mode & 07777, st.st_uid, st.st_gid };
	return 0;
}

/* Plans the files and steps outside the prefix. */
static int plan_foreign(const struct deploy *d, struct plan *p, const struct deploy_change *c,
			struct err *err)
{
	p->resumes = c->resumes;
	plan_steps(p, c, true);
	for (size_t i = 0; i < c->nfiles; i++) {
		const struct deploy_file *f = &c->files[i];
		AUTO(str) char *own = directory_of(f->path);

		if (*f->path != '/')
			bug("file '%s' is not absolute", f->path);
		if (f->outlives && f->data && plan_way(d, p, f, NULL, err) < 0)
			return -1;
		if (plan_file(d, p, f, err) < 0 ||
		    (f->outlives && !f->data && plan_rmdir(d, p, own, err) < 0))
			return -1;
	}
	plan_steps(p, c, false);
	return 0;
}

int plan_record(const struct deploy *d, struct plan *p, const struct installed *next,
		struct err *err)
{
	AUTO(str) char *text = installed_format(next);
	struct deploy_file f = { .path = INSTALL_JSON,
				 .data = text,
				 .len = strlen(text),
				 .mode = installed_mode(next) };

	return plan_own_file(d, p, &f, err);
}

static int copy_installed(const struct installed *from, struct installed *to, struct err *err)
{
	AUTO(str) char *text = installed_format(from);

	return installed_parse(to, text, strlen(text), err);
}

/* Plans the switch from the current generation to another, which exists or is planned; next lists
 * it already. */
static int plan_switch(struct deploy *d, struct plan *p, const struct layout *to,
		       struct installed *next, const struct deploy_change *c, struct err *err)
{
	AUTO(layout) struct layout shipped = LAYOUT_INIT;

	if (d->in.current && deploy_layout(d, d->in.current, &shipped, err) < 0)
		return -1;
	if (plan_dir(d, p, "etc", err) < 0 || plan_confs(d, p, &shipped, to, err) < 0 ||
	    plan_links(d, p, to, err) < 0)
		return -1;
	if (!str_eq(next->current, to->id)) {
		str_set(&next->previous, next->current);
		str_set(&next->current, to->id);
	}
	if (c->extra)
		str_set(&next->extra, c->extra);
	next->made_prefix |= d->made_prefix;
	for (size_t i = 0; i < c->nfiles; i++) {
		if (c->files[i].data && plan_way(d, p, &c->files[i], &next->made_dirs, err) < 0)
			return -1;
	}
	if ((c->trust && plan_text(d, p, "state/trust.json", c->trust, err) < 0) ||
	    plan_record(d, p, next, err) < 0)
		return -1;
	return plan_foreign(d, p, c, err);
}

static int make_lay_down(struct deploy *d, const struct layout *l, const char *stage,
			 const struct deploy_change *c, struct plan *p, struct err *err)
{
	AUTO(installed) struct installed next = INSTALLED_INIT;
	struct generation g = { .id = l->id, .version = l->version, .since = d->now };
	int rc;

	plan_begin(p, d->in.current ? "upgrade" : "install");
	if (copy_installed(&d->in, &next, err) < 0 || plan_above(d, p, &next, err) < 0)
		return -1;
	if (!installed_find(&next, l->id)) {
		if (next.generations.n >= INSTALLED_MAX)
			return err_set(err, E_LIMIT, "%d generations are installed; run %s",
				       INSTALLED_MAX, advice("gc"));
		g.files = l->entries.n;
		g.bytes = layout_bytes(l);
		rc = plan_generation(d, p, l, stage, &g, err);
		if (rc == 0)
			installed_add(&next, &g);
		free(g.unguarded);
		if (rc < 0)
			return -1;
	}
	return plan_switch(d, p, l, &next, c ? c : &nothing_else, err);
}

int deploy_plan_lay_down(struct deploy *d, const struct layout *l, const struct deploy_change *c,
			 struct plan *p, struct err *err)
{
	return make_lay_down(d, l, NULL, c, p, err);
}

int deploy_lay_down(struct deploy *d, const struct layout *l, const char *stage,
		    const struct deploy_change *c, struct err *err)
{
	AUTO(plan) struct plan p = PLAN_INIT;

	if (prefix_make(d, err) < 0 || make_lay_down(d, l, stage, c, &p, err) < 0)
		return -1;
	return run_plan(d, &p, err) < 0 ? err_wrap(err, "%s %s", p.verb, l->version) : 0;
}

static int make_rollback(struct deploy *d, const char *to, const struct deploy_change *c,
			 struct plan *p, struct layout *l, struct err *err)
{
	AUTO(installed) struct installed next = INSTALLED_INIT;
	int there;

	plan_begin(p, "rollback");
	p->frugal = true;
	if (!to)
		to = d->in.previous;
	if (!to)
		return err_set(
			err, E_NOT_FOUND,
			"there is no generation to go back to; install another release to get one");
	if (deploy_layout(d, to, l, err) < 0 || copy_installed(&d->in, &next, err) < 0)
		return -1;
	AUTO(str) char *path = str_fmt("generations/%s", to);
	there = prefix_look(d, path, err);
	if (there < 0)
		return -1;
	if (!there) {
		err_set(err, E_STATE, "%s is missing", path);
		return err_hint(err, "run %s", advice("repair"));
	}
	return plan_switch(d, p, l, &next, c ? c : &nothing_else, err);
}

int deploy_plan_rollback(struct deploy *d, const char *to, const struct deploy_change *c,
			 struct plan *p, struct err *err)
{
	AUTO(layout) struct layout l = LAYOUT_INIT;

	return make_rollback(d, to, c, p, &l, err);
}

int deploy_rollback(struct deploy *d, const char *to, const struct deploy_change *c,
		    struct err *err)
{
	AUTO(layout) struct layout l = LAYOUT_INIT;
	AUTO(plan) struct plan p = PLAN_INIT;
	bool stays = str_eq(to, d->in.current);

	if (make_rollback(d, to, c, &p, &l, err) < 0)
		return -1;
	if (run_plan(d, &p, err) == 0)
		return 0;
	return stays ? -1 : err_wrap(err, "rollback to %s", l.id);
}

/* --- uninstall --- */

static int plan_rmdirs(const struct deploy *d, struct plan *p, const struct layout *shipped,
		       struct err *err)
{
	for (size_t i = strv_len(d->in.made_dirs); i-- > 0;) {
		const char *dir = d->in.made_dirs[i];
		AUTO(str) char *whole = str_fmt("%s%s", d->top, dir);

		/* Older versions recorded these directories with the node's root in front. */
		if (plan_rmdir(d, p, *d->top && path_is_below(dir, d->top) ? dir : whole, err) < 0)
			return -1;
	}
	/* Backwards through the sorted paths, so that the deepest directories come first. */
	for (size_t i = shipped->entries.n; i-- > 0;) {
		const struct entry *e = &shipped->entries.v[i];
		AUTO(str) char *dir = xstrdup(e->path);
		char *slash;

		while (entry_is_conf(e) && (slash = strrchr(dir, '/'))) {
			*slash = '\0';
			if (strchr(dir, '/') && plan_rmdir(d, p, dir, err) < 0)
				return -1;
		}
	}
	return plan_rmdir(d, p, "etc", err);
}

/* The uninstall where nothing is installed: files outside may be left of an earlier install. */
static int plan_left(struct deploy *d, struct plan *p, const struct deploy_change *c,
		     struct err *err)
{
	static const char *const releases[] = { "store", "generations", NULL };
	int there = plan_foreign(d, p, c, err) < 0 ? -1 : prefix_look_any(d, releases, err);

	if (there < 0)
		return -1;
	if (!plan_is_empty(p) && !there)
		plan_add(p, PLAN_DROP_HOME, NULL, NULL, NULL);
	return 0;
}

int deploy_plan_uninstall(struct deploy *d, const struct deploy_change *c, struct plan *p,
			  struct err *err)
{
	AUTO(layout) struct layout shipped = LAYOUT_INIT, none = LAYOUT_INIT;

	plan_begin(p, "uninstall");
	p->frugal = true;
	if (!d->in.current)
		return plan_left(d, p, c ? c : &nothing_else, err);
	if (deploy_layout(d, d->in.current, &shipped, err) < 0 ||
	    plan_foreign(d, p, c ? c : &nothing_else, err) < 0 || plan_links(d, p, NULL, err) < 0 ||
	    plan_confs(d, p, &shipped, &none, err) < 0 || plan_rmdirs(d, p, &shipped, err) < 0 ||
	    plan_text(d, p, INSTALL_JSON, NULL, err) < 0)
		return -1;
	p->made_prefix = d->in.made_prefix;
	plan_add(p, PLAN_DROP_HOME, NULL, NULL, NULL);
	return 0;
}

int deploy_uninstall(struct deploy *d, const struct deploy_change *c, struct err *err)
{
	AUTO(plan) struct plan p = PLAN_INIT;

	if (deploy_plan_uninstall(d, c, &p, err) < 0)
		return -1;
	return run_plan(d, &p, err) < 0 ? err_wrap(err, "uninstall") : 0;
}
