// SPDX-License-Identifier: Apache-2.0
/*
 * Brings missing files into staging. The unit of work is a component: its patches, if they suffice
 * and are smaller, or its blob. One child downloads; as soon as all downloads of a unit are
 * complete, another child unpacks it. Where patches failed, a second round fetches the blob.
 */

#include "deploy/fetch/fetch-internal.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Each patch holds two fds. */
enum { PATCHES_MAX = 128, UNPACKERS_MAX = 4 };

/* A file of the source: a blob or a patch. */
struct object {
	char *path;
	const char *sha256;
	uint64_t size;
	bool spare; /* a patch: the blob is used if it is missing */
	int fd;
	bool ready, missing;
};

struct unit {
	const struct release_component *c;
	bool by_patch, started, done;
	size_t blob; /* index of its object */
	VEC(struct patching) patches;
	struct unpacking work;
};

struct stage {
	struct source *s;
	const struct release *r;
	bool *wanted; /* by index of r->layout.entries */
	int (*base)(void *arg, const char *sha256);
	void *arg;
	int staging;
	const struct source_progress *progress;
	struct source_cost *cost;
	VEC(struct object) objects;
	VEC(struct unit) units;
	size_t npatches;
	/* state of a round */
	size_t first; /* index of its first object */
	struct http_job *jobs;
	struct download download;
	struct confined *children[1 + UNPACKERS_MAX]; /* [0] downloads, the others unpack */
	struct unit *busy[UNPACKERS_MAX];             /* the unit of children[1 + i] */
};

/* --- planning --- */

/* Returns the index of the object with that digest, which is added if it is new. */
static size_t add_object(struct stage *st, const char *folder, const char *sha256,
			 const char *suffix, uint64_t size, bool spare)
{
	struct object o = { .sha256 = sha256, .size = size, .spare = spare, .fd = -1 };

	for (size_t i = 0; i < st->objects.n; i++) {
		if (str_eq(st->objects.v[i].sha256, sha256))
			return i;
	}
	o.path = str_fmt("%s/%s%s", folder, sha256, suffix);
	vec_push(&st->objects, o);
	return st->objects.n - 1;
}

static void use_blob(struct stage *st, struct unit *u)
{
	u->by_patch = u->started = false;
	u->blob = add_object(st, "blobs", u->c->blob, ".tar.zst", u->c->size, false);
}

/* Returns the index of the first patch with that target or a later one. */
static size_t first_patch(const struct release *r, const char *target)
{
	size_t from = 0, to = r->patches.n;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (strcmp(r->patches.v[middle].target, target) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static bool find_patch(struct stage *st, struct unit *u, const struct entry *e)
{
	const struct release *r = st->r;

	for (size_t i = first_patch(r, e->sha256);
	     i < r->patches.n && str_eq(r->patches.v[i].target, e->sha256); i++) {
		struct patching p = { .entry = e, .patch = &r->patches.v[i], .fd = -1 };

		p.base = st->base(st->arg, p.patch->base);
		if (p.base < 0)
			continue;
		vec_push(&u->patches, p);
		return true;
	}
	return false;
}

static void drop_patches(struct unit *u)
{
	vec_each(struct patching, p, &u->patches) {
		fd_close(&p->base);
		fd_close(&p->fd);
	}
	vec_release(&u->patches);
}

/* Plans a unit by patches, if they suffice and are smaller than the blob; otherwise returns
 * false. */
static bool try_patches(struct stage *st, struct unit *u)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < st->r->layout.entries.n; i++) {
		const struct entry *e = &st->r->layout.entries.v[i];

		if (!st->wanted[i] || !str_eq(e->component, u->c->name))
			continue;
		if (st->npatches + u->patches.n >= PATCHES_MAX || !find_patch(st, u, e))
			return false;
		sum += u->patches.v[u->patches.n - 1].patch->size;
		if (sum >= u->c->size)
			return false;
	}
	vec_each(struct patching, p, &u->patches)
		p->object = add_object(st, "patches", p->patch->sha256, ".zst", p->patch->size,
				       true);
	st->npatches += u->patches.n;
	return u->patches.n > 0;
}

static void add_unit(struct stage *st, const struct release_component *c)
{
	struct unit u = { .c = c, .patches = VEC_INIT };

	u.by_patch = st->base && try_patches(st, &u);
	if (!u.by_patch) {
		drop_patches(&u);
		use_blob(st, &u);
	}
	vec_push(&st->units, u);
}

static int make_units(struct stage *st, const struct layout *layout,
		      bool (*has)(void *arg, const struct entry *e), struct err *err)
{
	AUTO(strv) char **names = NULL;

	vec_each(struct entry, e, &layout->entries) {
		const struct entry *in = layout_find(&st->r->layout, e->path);

		if (!in)
			return err_set(err, E_INVALID, "%s is not in the release", e->path);
		if (in->type != ENTRY_FILE || has(st->arg, in))
			continue;
		st->wanted[in - st->r->layout.entries.v] = true;
		st->cost->unpacked += in->size;
		if (!strv_has(names, in->component))
			strv_push(&names, in->component);
	}
	strv_each(name, names)
		add_unit(st, release_component(st->r, *name));
	return 0;
}

/* --- downloading --- */

static void on_progress(void *arg, uint64_t done, uint64_t total)
{
	const struct stage *st = arg;

	if (st->progress && st->progress->at)
		st->progress->at(st->progress->arg, "fetch", done, total);
}

static void on_done(void *arg, size_t job)
{
	struct stage *st = arg;

	st->objects.v[st->first + job].ready = true;
	st->cost->received += st->jobs[job].received;
}

static int start_download(struct stage *st, struct err *err)
{
	size_t n = st->objects.n - st->first;

	if (cache_open(&st->s->cache, err) < 0)
		return -1;
	/* Nobody may ever ask again for the parts of a release that failed. */
	if (!st->s->keep_cache)
		cache_clean(&st->s->cache, st->r);
	free(st->jobs);
	st->jobs = xcalloc(n + 1, sizeof(*st->jobs));
	for (size_t i = 0; i < n; i++) {
		struct object *o = &st->objects.v[st->first + i];
		struct http_job *job = &st->jobs[i];

		*job = (struct http_job){
			.path = o->path, .size = o->size, .sha256 = o->sha256, .spare = o->spare
		};
		o->fd = cache_file(&st->s->cache, o->sha256, err);
		if (o->fd < 0)
			return -1;
		job->fd = o->fd;
	}
	download_release(&st->download);
	st->download = (struct download){
		.http = &st->s->http,
		.helpers = &st->s->helpers,
		.sites = &st->s->sites,
		.jobs = st->jobs,
		.n = n,
		.watch = { .progress = on_progress, .done = on_done, .arg = st }
	};
	return download_start(&st->download, &st->children[0], err);
}

static int end_download(struct stage *st, struct err *err)
{
	if (download_end(&st->download, err) < 0)
		return -1;
	for (size_t i = 0; i < st->download.n; i++)
		st->objects.v[st->first + i].missing = st->jobs[i].missing;
	return 0;
}

static int open_files(struct stage *st, struct err *err)
{
	for (size_t i = st->first; i < st->objects.n; i++) {
		struct object *o = &st->objects.v[i];
		struct err mine = ERR_INIT;

		o->fd = source_file(st->s, o->path, o->size, &mine);
		o->ready = o->fd >= 0;
		o->missing = !o->ready;
		if (!o->ready && !o->spare) {
			*err = mine;
			return -1;
		}
	}
	return 0;
}

/* --- unpacking --- */

static bool is_ready(const struct stage *st, const struct unit *u)
{
	if (!u->by_patch)
		return st->objects.v[u->blob].ready;
	vec_each(struct patching, p, &u->patches) {
		if (!st->objects.v[p->object].ready)
			return false;
	}
	return true;
}

static bool is_hopeless(const struct stage *st, const struct unit *u)
{
	vec_each(struct patching, p, &u->patches) {
		if (u->by_patch && st->objects.v[p->object].missing)
			return true;
	}
	return false;
}

/* Opens a file again, read-only: the child must not be able to change it. */
static int reopen(int fd, struct err *err)
{
	struct path_fd path = path_of_fd(fd);
	int again = open(path.path, O_RDONLY | O_CLOEXEC);

	return again < 0 ? err_sys(err, "open a download again") : again;
}

static int start_unit(struct stage *st, struct unit *u, struct confined **child, struct err *err)
{
	AUTO(fd) int blob = -1;

	if (!u->by_patch) {
		blob = reopen(st->objects.v[u->blob].fd, err);
		if (blob < 0)
			return -1;
	}
	vec_each(struct patching, p, &u->patches) {
		p->fd = reopen(st->objects.v[p->object].fd, err);
		if (p->fd < 0)
			return -1;
	}
	u->work = (struct unpacking){ .helpers = &st->s->helpers,
				      .r = st->r,
				      .component = u->c,
				      .wanted = st->wanted,
				      .staging = st->staging,
				      .blob = blob,
				      .patches = u->patches.v,
				      .npatches = u->patches.n };
	u->started = true;
	return unpacking_start(&u->work, child, err);
}

static int start_ready(struct stage *st, size_t most, struct err *err)
{
	size_t slot = 0;

	vec_each(struct unit, u, &st->units) {
		if (u->started || u->done || !is_ready(st, u))
			continue;
		while (slot < most && st->children[1 + slot])
			slot++;
		if (slot == most)
			return 0;
		st->busy[slot] = u;
		if (start_unit(st, u, &st->children[1 + slot], err) < 0)
			return -1;
	}
	return 0;
}

static void tell_unpacked(const struct stage *st)
{
	uint64_t done = 0, total = 0;

	vec_each(struct unit, u, &st->units) {
		done += u->done && !u->by_patch ? u->c->size : u->work.done;
		if (!u->by_patch)
			total += u->c->size;
		vec_each(struct patching, p, &u->patches)
			total += p->patch->size;
	}
	if (st->progress && st->progress->at && done)
		st->progress->at(st->progress->arg, "unpack", done, total);
}

/* Removes the files that patches have made so far, and plans the blob instead. */
static int fall_back(struct stage *st, struct unit *u, const struct err *why, struct err *err)
{
	log_err(LOG_DEBUG, why, "patches failed, fetching the whole component",
		LOG_S("component", u->c->name));
	vec_each(struct patching, p, &u->patches) {
		struct err mine = ERR_INIT;

		if (path_remove_below(st->staging, p->entry->path, &mine) < 0 &&
		    mine.code != E_NOT_FOUND) {
			*err = mine;
			return -1;
		}
	}
	drop_patches(u);
	unpacking_release(&u->work);
	u->work.done = 0;
	use_blob(st, u);
	return 0;
}

static int end_unit(struct stage *st, struct unit *u)
{
	u->done = true;
	st->cost->blobs += !u->by_patch;
	st->cost->patches += (unsigned)u->patches.n;
	unpacking_release(&u->work);
	return 0;
}

/* Handles the end of children[slot], with the result rc and err. */
static int one_ended(struct stage *st, size_t slot, int rc, struct err *err)
{
	struct err why = *err;

	if (slot > UNPACKERS_MAX)
		return rc; /* no child ended: a message arrived */
	if (slot == 0)
		return rc < 0 ? download_failed(&st->download, err) : end_download(st, err);
	if (rc == 0)
		return end_unit(st, st->busy[slot - 1]);
	if (!st->busy[slot - 1]->by_patch || why.code == E_IO)
		return -1;
	err_clear(err);
	return fall_back(st, st->busy[slot - 1], &why, err);
}

static size_t unpackers(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	return cpus < 1 ? 1 : cpus > UNPACKERS_MAX ? UNPACKERS_MAX : (size_t)cpus;
}

static bool any_child(const struct stage *st)
{
	for (size_t i = 0; i < ARRAY_LEN(st->children); i++) {
		if (st->children[i])
			return true;
	}
	return false;
}

static int run_round(struct stage *st, struct err *err)
{
	size_t ended, most = unpackers();

	if (st->first < st->objects.n &&
	    (source_is_remote(st->s) ? start_download(st, err) : open_files(st, err)) < 0)
		return -1;
	for (;;) {
		int rc;

		if (start_ready(st, most, err) < 0)
			return -1;
		if (!any_child(st))
			return 0;
		rc = confine_wait(st->children, ARRAY_LEN(st->children), DEADLINE_NEVER, &ended,
				  err);
		if (one_ended(st, ended, rc, err) < 0)
			return -1;
		tell_unpacked(st);
	}
}

static int run(struct stage *st, struct err *err)
{
	size_t left = st->units.n;

	for (unsigned round = 0; left && round < 2; round++) {
		size_t next = st->objects.n; /* objects added by this round belong to the next */

		if (run_round(st, err) < 0)
			return -1;
		st->first = next;
		left = 0;
		vec_each(struct unit, u, &st->units) {
			struct err why = ERR_INIT;

			if (is_hopeless(st, u) && fall_back(st, u, &why, err) < 0)
				return -1;
			left += !u->done;
		}
	}
	return left ? err_set(err, E_FAILED, "%zu components were not unpacked", left) : 0;
}

/* --- the entry point --- */

static void stage_release(struct stage *st)
{
	for (size_t i = 0; i < ARRAY_LEN(st->children); i++)
		confine_kill(st->children[i]);
	vec_each(struct unit, u, &st->units) {
		drop_patches(u);
		unpacking_release(&u->work);
	}
	vec_each(struct object, o, &st->objects) {
		fd_close(&o->fd);
		free(o->path);
	}
	vec_release(&st->units);
	vec_release(&st->objects);
	download_release(&st->download);
	free(st->jobs);
	free(st->wanted);
}
DEFINE_AUTO_STRUCT(stage, struct stage, stage_release)

/* Adds the remedy to the error of a run; returns -1. */
static int advise(const struct source *s, struct err *err)
{
	bool broken = err->code == E_GONE || err->code == E_TIMEOUT;

	if (broken && source_is_remote(s))
		return err_hint(err, "what has arrived is kept: the same command goes on from "
				     "there");
	if (err->code == E_IO && err->sys == ENOSPC && source_is_remote(s))
		return err_hint(err,
				"make room; downloads are in %s, and --cache DIR puts them "
				"elsewhere",
				s->cache.path);
	if (err->code == E_INVALID || err->code == E_LIMIT || err->code == E_NOT_FOUND)
		return err_hint(err, "the source is damaged or incomplete: get it again, or give "
				     "another --release");
	return -1;
}

int source_stage(struct source *s, const struct release *r, const struct layout *layout,
		 bool (*has)(void *arg, const struct entry *e),
		 int (*base)(void *arg, const char *sha256), void *arg, int staging,
		 const struct source_progress *progress, struct source_cost *cost, struct err *err)
{
	AUTO(stage)
	struct stage st = { .s = s,
			    .r = r,
			    .wanted = xcalloc(r->layout.entries.n + 1, sizeof(bool)),
			    .base = base,
			    .arg = arg,
			    .staging = staging,
			    .progress = progress,
			    .cost = cost,
			    .objects = VEC_INIT,
			    .units = VEC_INIT };

	*cost = (struct source_cost){ 0 };
	if (make_units(&st, layout, has, err) < 0 || lend(&s->helpers, staging, err) < 0)
		return -1;
	if (run(&st, err) < 0)
		return advise(s, err);
	if (lend_end(staging, err) < 0)
		return -1;
	if (source_is_remote(s) && !s->keep_cache && s->cache.dir >= 0)
		cache_clean(&s->cache, NULL);
	return 0;
}
