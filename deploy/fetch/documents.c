// SPDX-License-Identifier: Apache-2.0
/*
 * Reads documents and their signatures, each once: from a directory, or all of them from one
 * mirror, since mirrors may have different releases.
 */

#include "cli/advice.h"
#include "deploy/fetch/fetch-internal.h"

#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "crypto/minisig.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void source_forget(struct source *s)
{
	vec_each(struct document, d, &s->documents) {
		free(d->name);
		free(d->text);
	}
	vec_release(&s->documents);
	s->settled = false;
}

int source_file(struct source *s, const char *path, uint64_t size, struct err *err)
{
	AUTO(fd) int fd = path_open(s->dir, path, PATH_BENEATH, O_RDONLY | O_NONBLOCK, 0, err);
	struct stat st;

	if (fd < 0 && err->code == E_NOT_FOUND)
		err_hint(err, "the copy is not complete; fetch it again");
	if (fd < 0)
		return err_wrap(err, "%s", s->name);
	if (fstat(fd, &st) < 0)
		return err_sys(err, "%s: look at %s", s->name, path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, E_INVALID, "%s: %s is not a regular file; get the copy again",
			       s->name, path);
	if (size != UINT64_MAX && (uint64_t)st.st_size != size)
		return err_set(err, E_INVALID,
			       "%s: %s has %llu bytes instead of %llu; get the copy again", s->name,
			       path, (unsigned long long)st.st_size, (unsigned long long)size);
	return STEAL(fd, -1);
}

static struct document *find(struct source *s, const char *name)
{
	vec_each(struct document, d, &s->documents) {
		if (str_eq(d->name, name))
			return d;
	}
	return NULL;
}

/* Records a document; text NULL: the source does not have it. */
static void keep(struct source *s, const char *name, struct buf *text)
{
	struct document d = { .name = xstrdup(name) };

	if (text) {
		(void)buf_room(text, 1);
		d.len = text->len;
		d.text = text->data ? buf_steal(text) : xstrdup("");
	}
	vec_push(&s->documents, d);
}

static int read_document(struct source *s, const char *name, size_t limit, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(limit);
	struct err mine = ERR_INIT;
	AUTO(fd) int fd = source_file(s, name, UINT64_MAX, &mine);

	if (fd < 0 && mine.code == E_NOT_FOUND) {
		keep(s, name, NULL);
		return 0;
	}
	if (fd < 0) {
		*err = mine;
		return -1;
	}
	if (file_read_fd(fd, name, limit, &text, err) < 0)
		return err_wrap(err, "%s", s->name);
	keep(s, name, &text);
	return 0;
}

/* A document is fetched together with its first two signatures, which saves connections: few
 * releases have more. */
enum { TOGETHER = 3 };

struct pages {
	char *names[TOGETHER];
	struct http_job jobs[TOGETHER];
	size_t n;
};

static void pages_release(struct pages *p)
{
	for (size_t i = 0; i < TOGETHER; i++) {
		free(p->names[i]);
		fd_close(&p->jobs[i].fd);
	}
}
#define PAGES_INIT                                                        \
	{                                                                 \
		{ NULL }, { { .fd = -1 }, { .fd = -1 }, { .fd = -1 } }, 0 \
	}

/* Adds a file to fetch, unless the source has it. Takes over name. */
static int add_page(struct source *s, struct pages *p, char *name, size_t limit, struct err *err)
{
	struct http_job *job = &p->jobs[p->n];

	if (find(s, name)) {
		free(name);
		return 0;
	}
	p->names[p->n] = name;
	*job = (struct http_job){
		.path = name, .fd = -1, .size = UINT64_MAX, .limit = limit, .optional = true
	};
	job->fd = memfd_create("document", MFD_CLOEXEC);
	if (job->fd < 0)
		return err_sys(err, "create a file in memory for %s", name);
	p->n++;
	return 0;
}

static int keep_pages(struct source *s, struct pages *p, struct err *err)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct http_job *job = &p->jobs[i];
		AUTO(buf) struct buf text = BUF_INIT(0);

		if (job->missing) {
			keep(s, p->names[i], NULL);
			continue;
		}
		if (lseek(job->fd, 0, SEEK_SET) < 0)
			return err_sys(err, "read %s", p->names[i]);
		if (file_read_fd(job->fd, p->names[i], job->limit, &text, err) < 0)
			return err_wrap(err, "%s", s->name);
		keep(s, p->names[i], &text);
	}
	return 0;
}

/* --- the choice of a mirror --- */

/* A request to one mirror for a document and its first signatures. */
struct request {
	size_t site;
	struct pages pages;
	struct download download;
	struct err why; /* its first failure; it may still succeed by a retry */
};

/*
 * Requests to the mirrors, in their order. The next one starts as soon as all before it have
 * failed, or have not succeeded for a while. The mirror whose request succeeds first is used for
 * all documents; the mirrors before it are set aside. So a dead mirror costs patience_ms, once. Those
 * that were only slower are asked again if no faster one has a good release (source_distrust()).
 */
struct race {
	struct source *s;
	struct http_options http;
	const char *name;
	size_t limit;
	struct request *all;
	struct confined **children;
	size_t n, started;
	struct deadline patience; /* when to start the next */
};

static void race_release(struct race *r)
{
	for (size_t i = 0; i < r->started; i++) {
		confine_kill(r->children[i]);
		download_release(&r->all[i].download);
		pages_release(&r->all[i].pages);
	}
	free(r->children);
	free(r->all);
}
DEFINE_AUTO_STRUCT(race, struct race, race_release)

static void on_trouble(void *arg, size_t site, const struct err *why)
{
	struct request *q = arg;

	(void)site;
	if (q->why.code == E_OK)
		q->why = *why;
}

static int fill_pages(const struct race *r, struct pages *p, struct err *err)
{
	if (add_page(r->s, p, xstrdup(r->name), r->limit, err) < 0)
		return -1;
	for (unsigned i = 0; str_ends(r->name, ".yaml") && i < TOGETHER - 1; i++) {
		if (add_page(r->s, p, release_signature_name(r->name, i), MINISIG_TEXT_MAX, err) <
		    0)
			return -1;
	}
	return 0;
}

static int start_next(struct race *r, struct err *err)
{
	struct request *q = &r->all[r->started];

	q->site = r->started ? sites_next(&r->s->sites, r->all[r->started - 1].site + 1)
			     : sites_next(&r->s->sites, 0);
	r->started++;
	r->patience = deadline_in(r->s->patience_ms);
	q->pages = (struct pages)PAGES_INIT;
	if (fill_pages(r, &q->pages, err) < 0)
		return -1;
	q->download = (struct download){ .http = &r->http,
					 .helpers = &r->s->helpers,
					 .sites = &r->s->sites,
					 .one = true,
					 .site = q->site,
					 .jobs = q->pages.jobs,
					 .n = q->pages.n,
					 .watch = { .aside = on_trouble, .arg = q } };
	return download_start(&q->download, &r->children[r->started - 1], err);
}

static bool all_failed(const struct race *r)
{
	for (size_t i = 0; i < r->started; i++) {
		if (r->all[i].why.code == E_OK)
			return false;
	}
	return true;
}

static bool any_runs(const struct race *r)
{
	for (size_t i = 0; i < r->started; i++) {
		if (r->children[i])
			return true;
	}
	return false;
}

/* Sets aside the mirrors before the winner, and those that have failed. */
static void set_aside(struct race *r, size_t winner)
{
	for (size_t i = 0; i < r->started; i++) {
		struct request *q = &r->all[i];

		if (i == winner || (i > winner && q->why.code == E_OK))
			continue;
		if (q->why.code == E_OK)
			sites_pass_over(&r->s->sites, q->site);
		else
			(void)sites_set_aside(&r->s->sites, q->site, &q->why);
	}
}

/* No request succeeded: returns the error of the last mirror, and sets the others aside. */
static int give_up(struct race *r, struct err *err)
{
	for (size_t i = 0; i < r->n; i++) {
		AUTO(str) char *shown = sites_shown(&r->s->sites, r->all[i].site);

		if (sites_set_aside(&r->s->sites, r->all[i].site, &r->all[i].why))
			continue;
		*err = r->all[i].why;
		if (r->n > 1)
			(void)err_wrap(err, "%s", shown);
	}
	return -1;
}

/* Waits until a request succeeds; *winner is its index. Returns -1 if all failed, or after an error
 * of this machine. */
static int run_race(struct race *r, size_t *winner, struct err *err)
{
	for (;;) {
		bool more = r->started < r->n;
		struct err why = ERR_INIT;
		size_t ended;

		if (more && (deadline_passed(r->patience) || all_failed(r))) {
			if (start_next(r, err) < 0)
				return -1;
			continue;
		}
		if (!any_runs(r))
			return give_up(r, err);
		if (confine_wait(r->children, r->started, more ? r->patience : DEADLINE_NEVER,
				 &ended, &why) < 0) {
			if (ended == r->started || why.code == E_IO || why.code == E_FAILED) {
				*err = why;
				return -1;
			}
			if (r->n == 1 || r->all[ended].why.code == E_OK)
				r->all[ended].why = why;
		} else if (ended < r->started) {
			*winner = ended;
			return download_end(&r->all[ended].download, err);
		}
	}
}

/* Fetches a document from any mirror; once settled, from the mirror of the first document only. */
static int fetch_document(struct source *s, const char *name, size_t limit, struct err *err)
{
	size_t winner = 0, n = s->settled ? 1 : sites_usable(&s->sites);
	AUTO(race)
	struct race r = { .s = s,
			  .http = s->http,
			  .name = name,
			  .limit = limit,
			  .all = xcalloc(n, sizeof(*r.all)),
			  .children = xcalloc(n, sizeof(struct confined *)),
			  .n = n };

	/* Do not retry: if this mirror fails, the caller begins again with another. */
	if (s->settled && sites_usable(&s->sites) > 1)
		r.http.tries = 1;
	if (run_race(&r, &winner, err) < 0)
		return -1;
	set_aside(&r, winner);
	s->settled = true;
	AUTO(str) char *shown = sites_shown(&s->sites, r.all[winner].site);
	str_set(&s->name, shown);
	return keep_pages(s, &r.all[winner].pages, err);
}

/* Returns a document, borrowed; NULL without an error if the source does not have it. */
static const struct document *get(struct source *s, const char *name, size_t limit, struct err *err)
{
	const struct document *d = find(s, name);

	if (!d) {
		if ((source_is_remote(s) ? fetch_document(s, name, limit, err)
					 : read_document(s, name, limit, err)) < 0)
			return NULL;
		d = find(s, name);
	}
	if (d->text && d->len > limit) {
		(void)err_set(err, E_LIMIT, "%s is larger than %zu bytes", name, limit);
		return NULL;
	}
	return d->text ? d : NULL;
}

static int absent(const struct source *s, const char *name, struct err *err)
{
	AUTO(str) char *words = NULL;

	(void)err_set(err, E_NOT_FOUND,
		      source_is_remote(s) ? "%s has no %s, or denies access to it" : "%s has no %s",
		      s->name, name);
	if (!str_eq(name, "release.yaml"))
		return -1;
	/* source_copy() writes release.yaml last. */
	words = str_fmt("fetch --to %s", s->name);
	if (!source_is_remote(s) && faccessat(s->dir, "blobs", F_OK, 0) == 0)
		return err_hint(err, "it is incomplete: if it is a copy, complete it with %s",
				advice(words));
	return err_hint(err, "--release is the directory of a release or of a channel");
}

int source_document(struct source *s, const char *name, size_t limit, struct buf *to,
		    struct err *err)
{
	const struct document *d = get(s, name, limit, err);

	if (!d)
		return err->code != E_OK ? -1 : absent(s, name, err);
	to->max = limit;
	buf_add(to, d->text, d->len);
	return buf_check(to, name, err);
}

int source_signatures(struct source *s, const char *name, char ***texts, struct err *err)
{
	*texts = NULL;
	for (unsigned i = 0; i < SOURCE_SIGNATURES_MAX; i++) {
		AUTO(str) char *signature = release_signature_name(name, i);
		const struct document *d = get(s, signature, MINISIG_TEXT_MAX, err);

		if (!d && err->code != E_OK) {
			strv_free(STEAL(*texts, NULL));
			return -1;
		}
		if (!d)
			break;
		strv_push(texts, d->text);
	}
	return 0;
}
