// SPDX-License-Identifier: Apache-2.0
/*
 * Ends a shim without a container that nobody else will end:
 *
 *	- containerd's socket has been gone for a minute: containerd died before Create;
 *	- nobody has been connected for a minute: containerd died before Create, and the next one,
 *	  which keeps a connection with each shim that it knows, does not know this one;
 *	- the shim knows no socket (CRI-O passes none) and has had no container for a minute;
 *	- the caller of Create disconnected, and no other Create has come within 5 seconds: a
 *	  restarted containerd finds no task in this shim and forgets it.
 */

#include "shim/shim.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { ALONE_MS = 60000, LOOKS = 12, LOOK_MS = 100, FORGOTTEN_MS = 5000 };

/* Environment variable for tests: milliseconds instead of a minute. */
#define ALONE_VARIABLE "KATA_SHIM_ALONE_MS"

struct orphan_watch {
	struct shim *shim;
	const char *path; /* containerd's socket; NULL: not known */
	uint64_t alone_ms;
	struct deadline end;
	struct watch *timer;
};

static bool has_containerd(const struct orphan_watch *l)
{
	struct err err = ERR_INIT;

	if (!l->path || !ttrpc_server_clients(l->shim->server))
		return false;
	AUTO(fd) int fd = fd_unix_connect_until(l->path, deadline_in(LOOK_MS), &err);

	/* If the queue of connections is full, containerd is alive. */
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
	struct orphan_watch *l = arg;

	if (!is_empty(l->shim) || has_containerd(l)) {
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

void shim_exit_when_orphaned(struct shim *s)
{
	static struct orphan_watch l; /* lasts as long as the process */
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

void shim_exit_unless_reused(void *arg)
{
	static struct watch *timer; /* lasts as long as the process */
	struct shim *s = arg;

	loop_delay(s->loop, &timer, FORGOTTEN_MS, end_if_empty, s);
}
