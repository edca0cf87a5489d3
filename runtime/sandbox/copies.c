// SPDX-License-Identifier: Apache-2.0
/* Sends copies of files (share/copy.h) to the sandbox's agent. */

#include "sandbox/copies.h"

#include "sandbox/sandbox.h"
#include "share/watch.h"

/* --- sending --- */

struct send_args {
	struct sandbox *sandbox;
	struct deadline deadline;
};

static int send_by(void *arg, const Grpc__CopyFileRequest *request, struct err *err)
{
	const struct send_args *c = arg;

	return sandbox_call(c->sandbox, "CopyFile", request, NULL, c->deadline, NULL, err);
}

/* On the thread that watches: each request has a deadline of its own, since no flow waits for
 * it. */
static int send_anew(void *arg, const Grpc__CopyFileRequest *request, struct err *err)
{
	struct sandbox *s = arg;
	struct deadline d = deadline_in((uint64_t)s->config->request_timeout_s * 1000);

	return sandbox_call(s, "CopyFile", request, NULL, d, NULL, err);
}

/* --- the sandbox's copies --- */

int copies_begin(struct sandbox *s, uint64_t memory_mib, struct err *err)
{
	struct copy_to to = { send_anew, s, memory_mib << 19 };

	s->copy_limit = to.limit;
	s->copy_watch = copy_watch_new(&to, err);
	return s->copy_watch ? 0 : -1;
}

int copies_send(struct sandbox *s, const struct copies *list, struct deadline deadline,
		struct err *err)
{
	struct send_args args = { s, deadline };
	struct copy_to to = { send_by, &args, s->copy_limit };

	for (size_t i = 0; i < list->n; i++) {
		const struct copy *c = &list->v[i];

		if (copy_is_live(c->source) && copy_watch_add(s->copy_watch, c, err) < 0)
			return -1;
		if (copy_send(c, &to, err) < 0)
			return -1;
	}
	return 0;
}

void copies_forget(struct sandbox *s, const char *container)
{
	if (s->copy_watch)
		copy_watch_remove(s->copy_watch, container);
}

void copies_end(struct sandbox *s)
{
	copy_watch_free(s->copy_watch);
	s->copy_watch = NULL;
}
