// SPDX-License-Identifier: Apache-2.0
/*
 * Ends an orphaned shim, which has no container and which nobody will end: its manager's socket is gone
 * (it was killed before Create, or was that of a test), or it has none to watch (CRI-O's) and has been
 * without a container for as long; or the manager went during Create, and one that comes back finds a
 * shim without a task.
 */

#include "shim/shim.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { ALONE_MS = 60000, LOOKS = 12, FORGOTTEN_MS = 5000 };

/* For tests, which have less time. */
#define ALONE_VARIABLE "KATA_SHIM_ALONE_MS"

struct lonely {
	struct shim *shim;
	const char *path; /* the manager's socket; NULL: not known */
	uint64_t alone_ms;
	struct deadline end;
	struct watch *timer;
};

static bool has_manager(const struct lonely *l)
{
	struct err err = ERR_INIT;
	AUTO(fd) int fd = l->path ? fd_unix_connect(l->path, &err) : -1;

	if (!l->path)
		return false;
	/* A manager whose accept queue is full is alive. */
	return fd >= 0 || (err.sys != ENOENT && err.sys != ECONNREFUSED);
}

static bool is_empty(struct shim *s)
{
	bool empty;

	(void)pthread_mutex_lock(&s->lock);
	empty = shim_is_empty(s);
	(void)pthread_mutex_unlock(&s->lock);
	return empty;
}

static void look(void *arg)
{
	struct lonely *l = arg;

	if (!is_empty(l->shim) || has_manager(l)) {
		l->end = deadline_in(l->alone_ms);
	} else if (deadline_passed(l->end)) {
		log_info("no container and no manager, exiting",
			 LOG_S("socket", l->path ? l->path : ""));
		shim_post_stop(l->shim);
	}
}

static uint64_t alone_ms(void)
{
	const char *text = getenv(ALONE_VARIABLE);
	struct err err = ERR_INIT;
	uint64_t ms;

	return text && str_u64(text, 10, LOOKS, ALONE_MS, ALONE_VARIABLE, &ms, &err) == 0
		       ? ms
		       : ALONE_MS;
}

void shim_watch_manager(struct shim *s)
{
	static struct lonely l; /* freed when the process ends */
	const char *address = s->inv->address ? s->inv->address : "";

	l.shim = s;
	l.path = str_starts(address, "unix://") ? address + strlen("unix://")
		 : *address                     ? address
						: NULL;
	l.alone_ms = alone_ms();
	l.end = deadline_in(l.alone_ms);
	l.timer = loop_timer(s->loop, l.alone_ms / LOOKS, true, look, &l);
}

static void end_if_empty(void *arg)
{
	struct shim *s = arg;
	bool empty;

	(void)pthread_mutex_lock(&s->lock);
	empty = shim_is_empty(s);
	s->shutting_down |= empty;
	(void)pthread_mutex_unlock(&s->lock);
	if (!empty)
		return;
	log_info("no container, and who asked for one is gone: exiting");
	shim_post_stop(s);
}

void shim_forgotten(void *arg)
{
	static struct watch *timer; /* freed when the process ends */
	struct shim *s = arg;

	if (timer)
		timer_set(timer, FORGOTTEN_MS, false);
	else
		timer = loop_timer(s->loop, FORGOTTEN_MS, false, end_if_empty, s);
}
