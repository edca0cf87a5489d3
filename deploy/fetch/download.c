// SPDX-License-Identifier: Apache-2.0
/*
 * The child with access to the network. It gets fds of files and can open none for writing. Only
 * numbers and tags are accepted from it, and they are validated.
 */

#include "deploy/fetch/fetch-internal.h"

#include "base/mem.h"
#include "base/str.h"

#include <string.h>
#include <unistd.h>

enum said_kind { SAID_AT, SAID_BEGUN, SAID_DONE, SAID_MISSING };

struct said {
	uint32_t kind, job;
	uint64_t done, total; /* SAID_DONE: received */
	char tag[HTTP_TAG_MAX];
};

/* --- in the child --- */

struct teller {
	struct download *d;
	struct confine_talk *talk;
};

static void tell_at(void *arg, uint64_t done, uint64_t total)
{
	const struct teller *t = arg;
	struct said said = { .kind = SAID_AT, .done = done, .total = total };

	confine_say(t->talk, &said, sizeof(said));
}

static void tell_begun(void *arg, size_t job)
{
	const struct teller *t = arg;
	struct said said = { .kind = SAID_BEGUN, .job = (uint32_t)job };

	memcpy(said.tag, t->d->jobs[job].tag, sizeof(said.tag));
	confine_say(t->talk, &said, sizeof(said));
}

static void tell_done(void *arg, size_t job)
{
	const struct teller *t = arg;
	struct said said = { .kind = SAID_DONE,
			     .job = (uint32_t)job,
			     .done = t->d->jobs[job].received };

	confine_say(t->talk, &said, sizeof(said));
}

static int work(void *arg, struct confine_talk *talk, struct err *err)
{
	struct download *d = arg;
	struct teller t = { d, talk };
	struct http_watch watch = {
		.progress = tell_at, .begun = tell_begun, .done = tell_done, .arg = &t
	};

	if (http_fetch(&d->s->http, d->s->urls, d->jobs, d->n, &watch, err) < 0)
		return -1;
	for (size_t i = 0; i < d->n; i++) {
		struct said said = { .kind = SAID_MISSING, .job = (uint32_t)i };

		if (d->jobs[i].missing)
			confine_say(talk, &said, sizeof(said));
	}
	return 0;
}

/* --- in the parent --- */

static int hear_of_job(struct download *d, const struct said *said)
{
	struct http_job *job = &d->jobs[said->job];

	switch ((enum said_kind)said->kind) {
	case SAID_BEGUN:
		memcpy(job->tag, said->tag, sizeof(job->tag));
		job->tag[sizeof(job->tag) - 1] = '\0';
		if (!http_tag_is_good(job->tag))
			job->tag[0] = '\0';
		if (d->watch.begun)
			d->watch.begun(d->watch.arg, said->job);
		return 0;
	case SAID_DONE:
		if (job->done)
			return -1;
		job->done = true;
		job->received = said->done;
		if (d->watch.done)
			d->watch.done(d->watch.arg, said->job);
		return 0;
	case SAID_MISSING:
		job->missing = job->optional || job->spare;
		return 0;
	case SAID_AT:
	default:
		return -1;
	}
}

static int hear(void *arg, const void *data, size_t len, struct err *err)
{
	struct download *d = arg;
	struct said said;

	if (len == sizeof(said)) {
		memcpy(&said, data, sizeof(said));
		if (said.kind == SAID_AT) {
			if (d->watch.progress)
				d->watch.progress(d->watch.arg, said.done, said.total);
			return 0;
		}
		if (said.job < d->n && hear_of_job(d, &said) == 0)
			return 0;
	}
	return err_set(err, E_PROTOCOL, "download: invalid message from the child");
}

int download_start(struct download *d, struct confined **child, struct err *err)
{
	struct confine c = {
		.name = "download", .uid = d->s->uid, .gid = d->s->gid, .network = true
	};

	free(d->fds);
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
	return confine_start(&c, work, d, hear, d, child, err);
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

void download_release(struct download *d)
{
	free(d->fds);
	d->fds = NULL;
}

int download_run(struct download *d, struct err *err)
{
	AUTO(confined) struct confined *child = NULL;
	size_t ended;
	int rc = download_start(d, &child, err);

	while (rc == 0 && child)
		rc = confine_wait(&child, 1, &ended, err);
	return rc < 0 ? -1 : download_end(d, err);
}
