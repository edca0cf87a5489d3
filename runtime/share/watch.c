// SPDX-License-Identifier: Apache-2.0
/* A thread that waits for inotify events, and copies the volumes that have changed. */

#include "share/watch.h"

#include "base/deadline.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

enum { EVENTS_BYTES = 4096, AGAIN_MS = 500, AGAIN_MAX_MS = 60000 };

struct watched {
	int wd;            /* inotify's watch descriptor; the same for all copies of a directory */
	bool changed;      /* and not copied since */
	unsigned failures; /* of copying it since the last change */
	struct deadline next; /* when it may be tried again */
	struct copy copy;
};

struct copy_watch {
	struct copy_to to;
	int inotify, end; /* end: an eventfd, readable when the thread is to end */
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	VEC(struct watched) list;
};

static struct copy copy_of(const struct copy *c)
{
	return (struct copy){ xstrdup(c->source), xstrdup(c->guest), xstrdup(c->container) };
}

/* --- the thread --- */

static void mark_changed(struct watched *v)
{
	v->changed = true;
	v->failures = 0;
	v->next = deadline_in(0);
}

static void note_change(struct copy_watch *w, const struct inotify_event *e)
{
	/* After an overflow any volume may have changed. */
	bool all = e->mask & IN_Q_OVERFLOW;

	if (!all && (!e->len || !str_eq(e->name, "..data")))
		return;
	(void)pthread_mutex_lock(&w->lock);
	vec_each(struct watched, v, &w->list) {
		if (all || v->wd == e->wd)
			mark_changed(v);
	}
	(void)pthread_mutex_unlock(&w->lock);
}

static void read_events(struct copy_watch *w)
{
	_Alignas(struct inotify_event) char events[EVENTS_BYTES];
	ssize_t n;

	while ((n = read(w->inotify, events, sizeof(events))) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *e = (const void *)(events + at);

			note_change(w, e);
			at += (ssize_t)(sizeof(*e) + e->len);
		}
	}
}

/* Finds a volume that is to be copied now, and marks it as unchanged. *out: a copy of its
 * description, so that the lock need not be held while copying. */
static bool take_changed(struct copy_watch *w, struct copy *out)
{
	bool found = false;

	(void)pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < w->list.n && !found; i++) {
		struct watched *v = &w->list.v[i];

		found = v->changed && deadline_passed(v->next);
		if (found) {
			v->changed = false;
			*out = copy_of(&v->copy);
		}
	}
	(void)pthread_mutex_unlock(&w->lock);
	return found;
}

/* Has a volume copied again after a pause that grows, unless it has been removed or has changed
 * meanwhile. */
static void try_later(struct copy_watch *w, const struct copy *c)
{
	(void)pthread_mutex_lock(&w->lock);
	vec_each(struct watched, v, &w->list) {
		if (v->changed || !str_eq(v->copy.guest, c->guest))
			continue;
		v->changed = true;
		v->failures++;
		v->next = deadline_again(v->failures, AGAIN_MS, AGAIN_MAX_MS);
	}
	(void)pthread_mutex_unlock(&w->lock);
}

/* E_LIMIT: a volume that is too large stays so until it changes. */
static void copy_changed(struct copy_watch *w)
{
	struct copy c;

	while (take_changed(w, &c)) {
		struct err err = ERR_INIT;

		if (copy_send(&c, &w->to, &err) < 0) {
			if (err.code != E_LIMIT)
				try_later(w, &c);
			log_err(LOG_WARN, &err, "the new contents of a volume are not in the guest",
				LOG_S("source", c.source), LOG_S("container", c.container));
		}
		copy_release(&c);
	}
}

/* When a copy that failed is tried again, in milliseconds; -1: there is none. */
static int until_next(struct copy_watch *w)
{
	struct deadline next = DEADLINE_NEVER;

	(void)pthread_mutex_lock(&w->lock);
	vec_each(struct watched, v, &w->list)
		next = v->changed ? deadline_min(next, v->next) : next;
	(void)pthread_mutex_unlock(&w->lock);
	return deadline_left(next);
}

static void *watch(void *arg)
{
	struct copy_watch *w = arg;
	struct pollfd fds[] = { { w->inotify, POLLIN, 0 }, { w->end, POLLIN, 0 } };

	for (;;) {
		if (poll(fds, 2, until_next(w)) < 0 && errno != EINTR)
			bug("poll: %d", errno);
		if (fds[1].revents)
			return NULL;
		read_events(w);
		copy_changed(w);
	}
}

/* --- the list --- */

struct copy_watch *copy_watch_new(const struct copy_to *to, struct err *err)
{
	struct copy_watch *w = NEW(struct copy_watch);

	w->to = *to;
	w->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	w->end = eventfd(0, EFD_CLOEXEC);
	(void)pthread_mutex_init(&w->lock, NULL);
	if (w->inotify >= 0 && w->end >= 0 &&
	    (errno = pthread_create(&w->thread, NULL, watch, w)) == 0)
		return w;
	err_sys(err, "watch the volumes that are copied");
	fd_close(&w->inotify);
	fd_close(&w->end);
	free(w);
	return NULL;
}

int copy_watch_add(struct copy_watch *w, const struct copy *copy, struct err *err)
{
	struct watched v = { .wd = inotify_add_watch(w->inotify, copy->source,
						     IN_MOVED_TO | IN_CREATE | IN_ONLYDIR) };

	if (v.wd < 0)
		return err_sys(err, "watch %s", copy->source);
	v.copy = copy_of(copy);
	(void)pthread_mutex_lock(&w->lock);
	vec_push(&w->list, v);
	(void)pthread_mutex_unlock(&w->lock);
	return 0;
}

/* With the lock held. */
static bool is_watched(const struct copy_watch *w, int wd)
{
	vec_each(const struct watched, v, &w->list) {
		if (v->wd == wd)
			return true;
	}
	return false;
}

void copy_watch_remove(struct copy_watch *w, const char *container)
{
	(void)pthread_mutex_lock(&w->lock);
	for (size_t i = w->list.n; i-- > 0;) {
		int wd = w->list.v[i].wd;

		if (!str_eq(w->list.v[i].copy.container, container))
			continue;
		copy_release(&w->list.v[i].copy);
		vec_remove(&w->list, i);
		if (!is_watched(w, wd))
			(void)inotify_rm_watch(w->inotify, wd);
	}
	(void)pthread_mutex_unlock(&w->lock);
}

void copy_watch_free(struct copy_watch *w)
{
	const uint64_t one = 1;

	if (!w)
		return;
	(void)!write(w->end, &one, sizeof(one));
	(void)pthread_join(w->thread, NULL);
	vec_each(struct watched, v, &w->list)
		copy_release(&v->copy);
	vec_release(&w->list);
	(void)pthread_mutex_destroy(&w->lock);
	fd_close(&w->inotify);
	fd_close(&w->end);
	free(w);
}
