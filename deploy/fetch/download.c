// SPDX-License-Identifier: Apache-2.0
/*
 * The child with access to the network. It gets fds of files and can open no file for writing. The
 * parent accepts only numbers, tags and texts of errors from it, and validates them.
 */

#include "deploy/fetch/fetch-internal.h"

#include "base/mem.h"
#include "base/str.h"

#include <string.h>
#include <unistd.h>

enum message_kind { MESSAGE_PROGRESS, MESSAGE_DONE, MESSAGE_MISSING, MESSAGE_ASIDE };

struct message {
	uint32_t kind, job;   /* MESSAGE_ASIDE: the mirror */
	uint64_t done, total; /* MESSAGE_DONE: received */
	int32_t code, sys;    /* MESSAGE_ASIDE */
	char text[480];       /* MESSAGE_ASIDE: why */
};

/* --- in the child --- */

struct sender {
	struct download *d;
	struct confine_talk *talk;
};

static void send_progress(void *arg, uint64_t done, uint64_t total)
{
	const struct sender *t = arg;
	struct message m = { .kind = MESSAGE_PROGRESS, .done = done, .total = total };

	confine_say(t->talk, &m, sizeof(m));
}

static void send_done(void *arg, size_t job)
{
	const struct sender *t = arg;
	struct message m = { .kind = MESSAGE_DONE,
			     .job = (uint32_t)job,
			     .done = t->d->jobs[job].received };

	confine_say(t->talk, &m, sizeof(m));
}

static void send_aside(void *arg, size_t mirror, const struct err *why)
{
	const struct sender *t = arg;
	struct message m = { .kind = MESSAGE_ASIDE,
			     .job = (uint32_t)mirror,
			     .code = (int32_t)why->code,
			     .sys = why->sys };

	(void)str_print(m.text, sizeof(m.text), "%s", why->msg);
	confine_say(t->talk, &m, sizeof(m));
}

static int work(void *arg, struct confine_talk *talk, struct err *err)
{
	struct download *d = arg;
	struct sender t = { d, talk };
	struct http_watch watch = {
		.progress = send_progress, .done = send_done, .aside = send_aside, .arg = &t
	};

	if (http_fetch(d->http, d->urls, d->jobs, d->n, &watch, err) < 0)
		return -1;
	for (size_t i = 0; i < d->n; i++) {
		struct message m = { .kind = MESSAGE_MISSING, .job = (uint32_t)i };

		if (d->jobs[i].missing)
			confine_say(talk, &m, sizeof(m));
	}
	return 0;
}

/* --- in the parent --- */

static int take_job(struct download *d, const struct message *m)
{
	struct http_job *job = &d->jobs[m->job];

	switch ((enum message_kind)m->kind) {
	case MESSAGE_DONE:
		if (job->done)
			return -1;
		job->done = true;
		job->received = m->done;
		if (d->watch.done)
			d->watch.done(d->watch.arg, m->job);
		return 0;
	case MESSAGE_MISSING:
		job->missing = job->optional || job->spare;
		return 0;
	case MESSAGE_ASIDE:
	case MESSAGE_PROGRESS:
	default:
		return -1;
	}
}

static int take_mirror(struct download *d, const struct message *m)
{
	struct err why = ERR_INIT;

	if (m->job >= strv_len(d->urls))
		return -1;
	(void)err_take(&why, m->code, m->sys, ERR_HERE, m->text);
	if (!d->one)
		(void)sites_set_aside(d->sites, d->asked[m->job], &why);
	if (d->watch.aside)
		d->watch.aside(d->watch.arg, d->asked[m->job], &why);
	return 0;
}

static int take(void *arg, const void *data, size_t len, struct err *err)
{
	struct download *d = arg;
	struct message m;

	if (len == sizeof(m)) {
		memcpy(&m, data, sizeof(m));
		m.text[sizeof(m.text) - 1] = '\0';
		if (m.kind == MESSAGE_ASIDE && take_mirror(d, &m) == 0)
			return 0;
		if (m.kind == MESSAGE_PROGRESS) {
			if (d->watch.progress)
				d->watch.progress(d->watch.arg, m.done, m.total);
			return 0;
		}
		if (m.job < d->n && take_job(d, &m) == 0)
			return 0;
	}
	return err_set(err, E_PROTOCOL, "download: invalid message from the child");
}

static void list_urls(struct download *d)
{
	size_t n = 0;

	for (size_t i = sites_next(d->sites, 0); i < d->sites->all.n;
	     i = sites_next(d->sites, i + 1)) {
		AUTO(str) char *url = sites_url(d->sites, i);

		if (d->one && i != d->site)
			continue;
		d->asked[n++] = i;
		strv_push(&d->urls, url);
	}
}

int download_start(struct download *d, struct confined **child, struct err *err)
{
	struct confine c = {
		.name = "download", .uid = d->helpers->uid, .gid = d->helpers->gid, .network = true
	};

	download_release(d);
	list_urls(d);
	d->fds = xcalloc(d->n + 1, sizeof(int));
	for (size_t i = 0; i < d->n; i++) {
		const struct http_job *job = &d->jobs[i];
		uint64_t most = job->size == UINT64_MAX ? job->limit : job->size;

		d->fds[i] = job->fd;
		if (most > c.files)
			c.files = most;
	}
	c.keep = d->fds;
	c.nkeep = d->n;
	return confine_start(&c, work, d, take, d, child, err);
}

int download_end(struct download *d, struct err *err)
{
	for (size_t i = 0; i < d->n; i++) {
		if (!d->jobs[i].done && !d->jobs[i].missing)
			return err_set(err, E_PROTOCOL, "download: the child did not get %s",
				       d->jobs[i].path);
	}
	return 0;
}

int download_failed(struct download *d, struct err *err)
{
	uint32_t asked = 0;

	for (size_t i = 0; i < strv_len(d->urls); i++)
		asked |= 1U << d->asked[i];
	return sites_blame(d->sites, asked, err);
}

void download_release(struct download *d)
{
	free(d->fds);
	strv_free(d->urls);
	d->fds = NULL;
	d->urls = NULL;
}

int download_run(struct download *d, struct err *err)
{
	AUTO(confined) struct confined *child = NULL;
	size_t ended;
	int rc = download_start(d, &child, err);

	while (rc == 0 && child)
		rc = confine_wait(&child, 1, DEADLINE_NEVER, &ended, err);
	return rc < 0 ? download_failed(d, err) : download_end(d, err);
}
