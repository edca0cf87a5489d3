// SPDX-License-Identifier: Apache-2.0
/* Summarizes plans for people. */

#include "deploy/cli/summary.h"

#include "base/diff.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "deploy/cli/say.h"
#include "deploy/store/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* --- components --- */

struct row {
	const char *name;
	size_t was, is, differ; /* files and links */
	uint64_t was_bytes, is_bytes;
};

struct rows {
	VEC(struct row) all;
};

static struct row *row_of(struct rows *r, const struct entry *e)
{
	const char *name = e->component ? e->component : "files";

	vec_each(struct row, row, &r->all) {
		if (str_eq(row->name, name))
			return row;
	}
	vec_push(&r->all, (struct row){ .name = name });
	return &r->all.v[r->all.n - 1];
}

static void count(const struct layout *was, const struct layout *is, struct rows *r)
{
	vec_each(struct entry, e, &is->entries) {
		const struct entry *old = layout_find(was, e->path);
		struct row *row = row_of(r, e);

		row->is++;
		row->is_bytes += e->size;
		row->differ += !old || !entry_is_same(old, e);
	}
	vec_each(struct entry, e, &was->entries) {
		struct row *row = row_of(r, e);

		row->was++;
		row->was_bytes += e->size;
		row->differ += !layout_find(is, e->path);
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->name, ((const struct row *)b)->name);
}

static const char *files(size_t n)
{
	return n == 1 ? "file" : "files";
}

static void print_row(const struct row *r, struct buf *to)
{
	size_t n = r->is > r->was ? r->is : r->was;

	buf_fmt(to, "  %-10s ", r->name);
	if (!r->was)
		buf_fmt(to, "new: %zu %s, %s\n", n, files(n), say_bytes(r->is_bytes));
	else if (!r->is)
		buf_fmt(to, "removed: %zu %s, %s\n", n, files(n), say_bytes(r->was_bytes));
	else if (!r->differ)
		buf_str(to, "unchanged\n");
	else
		buf_fmt(to, "updated: %zu of %zu %s, %s -> %s\n", r->differ, n, files(n),
			say_bytes(r->was_bytes), say_bytes(r->is_bytes));
}

static void print_components(const struct layout *was, const struct layout *is, struct buf *to)
{
	struct rows r = { VEC_INIT };

	count(was, is, &r);
	if (r.all.n)
		qsort(r.all.v, r.all.n, sizeof(*r.all.v), by_name);
	vec_each(struct row, row, &r.all)
		print_row(row, to);
	vec_release(&r.all);
}

static void print_head(const struct summary *s, const struct layout *was, const struct layout *is,
		       struct buf *to)
{
	if (!s->was && !s->is)
		buf_fmt(to, "%s", s->plan->verb);
	else if (was->version && is->version)
		buf_fmt(to, "%s kata %s to kata %s", s->plan->verb, was->version, is->version);
	else
		buf_fmt(to, "%s kata %s", s->plan->verb, is->version ? is->version : was->version);
	buf_fmt(to, " below %s\n", s->prefix);
}

/* --- bytes --- */

static int by_digest(const void *a, const void *b)
{
	return strcmp((*(const struct entry *const *)a)->sha256,
		      (*(const struct entry *const *)b)->sha256);
}

/* The files of a layout, sorted by digest: a plan may have many thousands. */
struct digests {
	const struct entry **all;
	size_t n;
};

static void digests_of(const struct layout *l, struct digests *to)
{
	to->all = xcalloc(l->entries.n + 1, sizeof(*to->all));
	to->n = 0;
	vec_each(struct entry, e, &l->entries) {
		if (e->type == ENTRY_FILE)
			to->all[to->n++] = e;
	}
	if (to->n)
		qsort(to->all, to->n, sizeof(*to->all), by_digest);
}

static uint64_t size_of(const struct digests *in, const char *sha256)
{
	struct entry key = { 0 };
	const struct entry *wanted = &key, **found;

	(void)!str_print(key.sha256, sizeof(key.sha256), "%s", sha256);
	found = in->n ? bsearch(&wanted, in->all, in->n, sizeof(*in->all), by_digest) : NULL;
	return found ? (*found)->size : 0;
}

/* True for kata-deploy's own records, which are neither counted nor shown. */
static bool is_record(const struct summary *s, const struct plan_action *a)
{
	return a->path &&
	       (str_starts(a->path, "state/") || (s->memory && path_is_below(a->path, s->memory)));
}

static uint64_t written(const struct summary *s, const struct layout *is)
{
	struct digests d;
	uint64_t bytes = 0;

	digests_of(is, &d);
	vec_each(struct plan_action, a, &s->plan->actions) {
		if (a->kind == PLAN_ADOPT)
			bytes += size_of(&d, a->will);
		else if (a->kind == PLAN_FILE && a->will && !is_record(s, a))
			bytes += a->file.len;
	}
	free(d.all);
	return bytes;
}

/* --- files --- */

static const char *version_of(const struct summary *s, const char *id)
{
	const struct generation *g = installed_find(deploy_installed(s->d), id);

	return g ? g->version : "of an unknown version";
}

/* Reads a file, returns 1; 0: it does not exist, such as an object that has still to be fetched. */
static int read_text(const struct summary *s, const char *path, struct buf *to)
{
	struct err ignored = ERR_INIT;
	int root = *path == '/' ? AT_FDCWD : deploy_root(s->d);

	return file_read(root, path, DIFF_TEXT_MAX, to, &ignored) == 0;
}

/* Prints the difference, returns 1; 0: the new contents have still to be fetched. */
static int print_diff(const struct summary *s, const struct plan_action *a, struct buf *to)
{
	AUTO(buf) struct buf was = BUF_INIT(DIFF_TEXT_MAX), is = BUF_INIT(DIFF_TEXT_MAX);
	bool given = a->file.data || !a->will;

	if ((a->was && !read_text(s, a->path, &was)) ||
	    (!given && (!a->file.source || !read_text(s, a->file.source, &is))))
		return 0;
	if (a->file.data)
		buf_add(&is, a->file.data, a->file.len);
	diff_unified(&(struct diff_side){ a->path, a->was ? buf_cstr(&was) : NULL, was.len },
		     &(struct diff_side){ a->path, a->will ? buf_cstr(&is) : NULL, is.len }, to);
	return 1;
}

/* Prints what happens to a file below etc/, which people may edit. */
static void print_conf(const struct summary *s, const struct plan_action *a, struct buf *to)
{
	if (a->was && a->will && print_diff(s, a, to))
		return;
	buf_fmt(to, "  %s: %s\n", a->path,
		!a->will                    ? "removed, you have not edited it"
		: str_ends(a->path, ".new") ? "new, beside yours, which stays as it is"
		: a->was                    ? "replaced, you have not edited it"
					    : "new");
}

static void print_action(const struct summary *s, const struct plan_action *a, struct buf *to)
{
	bool outside = a->path && *a->path == '/';

	if (is_record(s, a))
		return;
	if (a->kind == PLAN_FILE && outside && !print_diff(s, a, to))
		buf_fmt(to, "  %s: changed\n", a->path);
	else if (a->kind == PLAN_FILE && !outside && str_starts(a->path, "etc/"))
		print_conf(s, a, to);
	else if (a->kind == PLAN_DIR && outside)
		buf_fmt(to, "  %s: directory %s\n", a->path, a->will ? "made" : "removed");
	else if (a->kind == PLAN_UNLINK && outside)
		buf_fmt(to, "  %s: link to %s removed\n", a->path, a->was);
	else if (a->kind == PLAN_DROP_TREE)
		buf_fmt(to, "  removes kata %s (%s)\n", version_of(s, path_basename(a->path)),
			path_basename(a->path));
}

static bool is_planned(const struct plan *p, const char *path)
{
	vec_each(struct plan_action, a, &p->actions) {
		if (str_eq(a->path, path))
			return true;
	}
	return false;
}

/* Prints the files below etc/ that an uninstall leaves, since somebody has edited them. */
static void print_kept(const struct summary *s, struct buf *to)
{
	struct stat st;

	vec_each(const struct entry, e, &s->was->entries) {
		if (entry_is_conf(e) && !is_planned(s->plan, e->path) &&
		    fstatat(deploy_root(s->d), e->path, &st, AT_SYMLINK_NOFOLLOW) == 0)
			buf_fmt(to, "  %s: kept, you have edited it\n", e->path);
	}
}

/* --- the whole summary --- */

static void print_end(const struct summary *s, const struct layout *is, struct buf *to)
{
	bool restart = s->told && s->told->restart && !s->told->reload;
	const char *reason = s->told ? s->told->reason : NULL;

	if (s->fetch)
		buf_fmt(to, "fetch     at most %s\n", say_bytes(*s->fetch));
	if (s->is)
		buf_fmt(to, "write     %s\n", say_bytes(written(s, is)));
	if (s->frees)
		buf_fmt(to, "frees     %s\n", say_bytes(*s->frees));
	buf_fmt(to, "restart   %s%s%s\n", restart ? "needed" : "not needed", reason ? ": " : "",
		reason ? reason : "");
	if (s->pods)
		buf_fmt(to, "pods      %zu running, %s\n", s->npods, s->pods);
}

void summary_text(const struct summary *s, struct buf *to)
{
	static const struct layout none = LAYOUT_INIT;
	const struct layout *was = s->was ? s->was : &none, *is = s->is ? s->is : &none;

	if (plan_is_empty(s->plan)) {
		buf_str(to, "nothing to do\n");
		return;
	}
	print_head(s, was, is, to);
	print_components(was, is, to);
	vec_each(struct plan_action, a, &s->plan->actions)
		print_action(s, a, to);
	if (s->was && !s->is)
		print_kept(s, to);
	print_end(s, is, to);
	if (say_how()->verbose) {
		buf_chr(to, '\n');
		plan_print(s->plan, to);
	}
}

struct json *summary_json(const struct summary *s)
{
	AUTO(buf) struct buf text = BUF_INIT(SUMMARY_MAX);
	struct json *j = plan_json(s->plan);

	summary_text(s, &text);
	json_put(j, "summary", json_make_string(buf_cstr(&text)));
	if (s->frees)
		json_put(j, "frees", json_make_u64(*s->frees));
	return j;
}

void summary_say(const struct summary *s)
{
	AUTO(buf) struct buf text = BUF_INIT(SUMMARY_MAX);

	if (say_how()->json) {
		AUTO(json) struct json *j = summary_json(s);

		say_json(j);
		return;
	}
	summary_text(s, &text);
	(void)fputs(buf_cstr(&text), stdout);
}
