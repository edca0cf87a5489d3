// SPDX-License-Identifier: Apache-2.0
/* Lists, page by page. */

#include "kube/kube-internal.h"

#include "base/mem.h"
#include "base/str.h"

#include <string.h>

enum { RESTARTS_MAX = 5, PAGES_MAX = 100000 };

char *selection_path(const struct kube_selection *s, const char *more, struct err *err)
{
	AUTO(buf) struct buf path = BUF_INIT(KUBE_PATH_MAX);

	buf_fmt(&path, "%s?", s->path);
	if (s->labels) {
		buf_str(&path, "labelSelector=");
		escape(&path, s->labels);
	}
	if (s->fields) {
		buf_str(&path, s->labels ? "&fieldSelector=" : "fieldSelector=");
		escape(&path, s->fields);
	}
	buf_str(&path, s->labels || s->fields || !*more ? more : more + 1);
	if (path.over) {
		err_set(err, E_LIMIT, "%s: the selectors are too long", s->path);
		return NULL;
	}
	return buf_steal(&path);
}

static struct json *get_page(struct kube *k, const struct kube_selection *s, unsigned limit,
			     const char *token, struct deadline deadline, long *status,
			     struct err *err)
{
	AUTO(buf) struct buf more = BUF_INIT(KUBE_PATH_MAX);
	AUTO(str) char *path = NULL;
	struct json *j;

	if (s->cached)
		buf_str(&more, "&resourceVersion=0");
	else
		buf_fmt(&more, "&limit=%u", limit);
	if (*token) {
		buf_str(&more, "&continue=");
		escape(&more, token);
	}
	if (buf_check(&more, "the server's continue token", err) < 0)
		return NULL;
	path = selection_path(s, buf_cstr(&more), err);
	if (!path)
		return NULL;
	struct call c = {
		.method = "GET",
		.path = path,
		.accept = s->metadata ? "application/"
					"json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,"
					"application/json"
				      : NULL,
		.most = KUBE_PAGE_MAX,
		.deadline = deadline,
	};

	j = call_json(k, &c, err);
	*status = c.status;
	return j;
}

static const struct json *items_of(const struct json *page, const char *path, struct err *err)
{
	const struct json *items = json_get(page, "items");

	/* Some API servers send null for an empty list. */
	if (items && (json_kind(items) == JSON_IS_ARRAY || json_kind(items) == JSON_IS_NULL))
		return items;
	err_set(err, E_PROTOCOL, "GET %s: the answer is no list", path);
	return NULL;
}

static int report_page(const struct json *page, const char *path, kube_event_fn fn, void *arg,
		       struct err *err)
{
	const struct json *items = items_of(page, path, err);
	size_t n = items && json_kind(items) == JSON_IS_ARRAY ? json_count(items) : 0;

	if (!items)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct json *one = json_at(items, i);
		int rc;

		if (json_kind(one) != JSON_IS_OBJECT || !kube_meta(one, "name"))
			return err_set(err, E_PROTOCOL, "GET %s: an item has no name", path);
		rc = fn(arg, KUBE_FOUND, one, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int take_version(const struct json *page, const char *path, char to[KUBE_VERSION_MAX],
			struct err *err)
{
	const char *version = kube_meta(page, "resourceVersion");

	if (str_print(to, KUBE_VERSION_MAX, "%s", version ? version : "") < 0)
		return err_set(err, E_PROTOCOL, "GET %s: a resourceVersion of %zu bytes", path,
			       strlen(version));
	return 0;
}

enum { LIST_EXPIRED = 2, LIST_TOO_LONG };

/* Returns what a page that was not received means for the list. */
static int page_lost(long status, const char *token, const struct err *why)
{
	if (status == 410 && *token)
		return LIST_EXPIRED;
	return status == 200 && why->code == E_LIMIT ? LIST_TOO_LONG : -1;
}

/* Reports one list, with so many objects in a page. Returns 0 at its end, 1 if fn returned 1,
 * LIST_EXPIRED if the server no longer knows the version whose pages are read, LIST_TOO_LONG if a
 * page is longer than KUBE_PAGE_MAX, -1 on error. err is set with all but 0 and 1. */
static int report_pages(struct kube *k, const struct kube_selection *s, unsigned limit,
			kube_event_fn fn, void *arg, char version[KUBE_VERSION_MAX],
			struct deadline deadline, struct err *err)
{
	AUTO(str) char *token = xstrdup("");
	int rc = fn(arg, KUBE_BEGIN, NULL, err);

	for (unsigned pages = 0; rc == 0 && pages < PAGES_MAX; pages++) {
		AUTO(json) struct json *page = NULL;
		const char *next;
		long status = 0;

		page = get_page(k, s, limit, token, deadline, &status, err);
		if (!page)
			return page_lost(status, token, err);
		if (take_version(page, s->path, version, err) < 0)
			return -1;
		rc = report_page(page, s->path, fn, arg, err);
		next = kube_meta(page, "continue");
		if (rc || str_empty(next))
			return rc ? rc : fn(arg, KUBE_SYNCED, NULL, err);
		if (str_eq(next, token))
			return err_set(err, E_PROTOCOL, "GET %s: the same page again", s->path);
		str_set(&token, next);
	}
	return rc ? rc : err_set(err, E_LIMIT, "GET %s: more than %d pages", s->path, PAGES_MAX);
}

/* After a page that was too long: asks for pages instead of the whole list, or for half of the
 * objects in each. Returns false if less is not possible. */
static bool ask_for_less(struct kube_selection *s, unsigned *limit)
{
	if (!s->cached && *limit == 1)
		return false;
	if (!s->cached)
		*limit /= 2;
	s->cached = false;
	return true;
}

/* A list that is read again begins anew: a continue token is valid only with the limit that it was
 * given for. */
int list_all(struct kube *k, const struct kube_selection *s, kube_event_fn fn, void *arg,
	     char version[KUBE_VERSION_MAX], struct deadline deadline, bool *enough,
	     struct err *err)
{
	struct kube_selection now = *s;
	unsigned limit = KUBE_PAGE, expired = 0;

	while (expired < RESTARTS_MAX) {
		int rc = report_pages(k, &now, limit, fn, arg, version, deadline, err);

		*enough = rc == 1;
		if (rc <= 1)
			return rc < 0 ? -1 : 0;
		if (rc == LIST_TOO_LONG && !ask_for_less(&now, &limit))
			return -1;
		expired += rc == LIST_EXPIRED;
		err_clear(err);
	}
	return err_set(err, E_GONE, "GET %s: the server forgets the list while it is read",
		       s->path);
}

int kube_list(struct kube *k, const struct kube_selection *s, kube_event_fn fn, void *arg,
	      struct deadline deadline, struct err *err)
{
	char version[KUBE_VERSION_MAX];
	bool enough;

	return list_all(k, s, fn, arg, version, deadline, &enough, err);
}

static int count_one(void *arg, enum kube_event event, const struct json *object, struct err *err)
{
	uint64_t *n = arg;

	(void)object, (void)err;
	if (event == KUBE_BEGIN)
		*n = 0;
	else if (event == KUBE_FOUND)
		(*n)++;
	return 0;
}

/* Counts with one page of one object, after which the server reports the number of the others.
 * Returns 1 if it does not; with selectors it never does. */
static int count_rest(struct kube *k, const struct kube_selection *s, uint64_t *n,
		      struct deadline deadline, struct err *err)
{
	AUTO(json) struct json *page = NULL;
	const struct json *items, *meta, *rest;
	long status;

	page = get_page(k, s, 1, "", deadline, &status, err);
	items = page ? items_of(page, s->path, err) : NULL;
	if (!items)
		return -1;
	*n = json_kind(items) == JSON_IS_ARRAY ? json_count(items) : 0;
	if (str_empty(kube_meta(page, "continue")))
		return 0;
	meta = json_get(page, "metadata");
	rest = json_get(meta, "remainingItemCount");
	if (!rest || json_kind(rest) != JSON_IS_INT || json_u64(rest, n) < 0 || *n > UINT32_MAX)
		return 1;
	*n += json_count(items);
	return 0;
}

int kube_count(struct kube *k, const struct kube_selection *s, uint64_t *n,
	       struct deadline deadline, struct err *err)
{
	struct kube_selection names = *s;
	int rc = 1;

	names.metadata = true;
	if (!s->labels && !s->fields)
		rc = count_rest(k, &names, n, deadline, err);
	return rc == 1 ? kube_list(k, &names, count_one, n, deadline, err) : rc;
}
