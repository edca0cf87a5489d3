// SPDX-License-Identifier: Apache-2.0
/* One thread per CPU; each takes the next index. */

#include "base/parallel.h"

#include "base/interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

struct crew {
	size_t n;
	parallel_fn *fn;
	void *arg;
	pthread_mutex_t lock; /* guards the rest */
	size_t next;
	bool failed;
	struct err err;
};

static bool take(struct crew *c, size_t *i)
{
	bool more;

	(void)pthread_mutex_lock(&c->lock);
	more = !c->failed && c->next < c->n;
	*i = c->next;
	c->next += more;
	(void)pthread_mutex_unlock(&c->lock);
	return more;
}

static void *work(void *arg)
{
	struct crew *c = arg;
	size_t i;

	while (take(c, &i)) {
		struct err err = ERR_INIT;

		if (interrupt_check(&err) == 0 && c->fn(c->arg, i, &err) == 0)
			continue;
		(void)pthread_mutex_lock(&c->lock);
		if (!c->failed)
			c->err = err;
		c->failed = true;
		(void)pthread_mutex_unlock(&c->lock);
	}
	return NULL;
}

static size_t helpers(size_t n)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	size_t most = processors > PARALLEL_MAX ? PARALLEL_MAX
		      : processors > 1          ? (size_t)processors
						: 1;

	return (n < most ? n : most) - (n > 0);
}

int parallel_each(size_t n, parallel_fn *fn, void *arg, struct err *err)
{
	struct crew c = { .n = n, .fn = fn, .arg = arg, .lock = PTHREAD_MUTEX_INITIALIZER };
	pthread_t threads[PARALLEL_MAX];
	size_t wanted = helpers(n), started = 0;
	sigset_t all, before;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	/* If a thread cannot be created, the loop runs with fewer. */
	while (started < wanted && pthread_create(&threads[started], NULL, work, &c) == 0)
		started++;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)work(&c);
	while (started > 0)
		(void)pthread_join(threads[--started], NULL);
	(void)pthread_mutex_destroy(&c.lock);
	if (c.failed)
		*err = c.err;
	return c.failed ? -1 : 0;
}
