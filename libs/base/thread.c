// SPDX-License-Identifier: Apache-2.0
/* Threads for one function. */

#include "base/thread.h"

#include <errno.h>
#include <pthread.h>

int thread_detach(void *(*fn)(void *), void *arg, size_t stack, struct err *err)
{
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	(void)pthread_attr_init(&attr);
	if (stack)
		(void)pthread_attr_setstacksize(&attr, stack);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	rc = pthread_create(&thread, &attr, fn, arg);
	(void)pthread_attr_destroy(&attr);
	errno = rc;
	return rc == 0 ? 0 : err_sys(err, "start a thread");
}

struct call {
	thread_fn fn;
	void *arg;
	struct err *err;
	int result;
};

static void *call_main(void *arg)
{
	struct call *c = arg;

	c->result = c->fn(c->arg, c->err);
	return NULL;
}

int thread_call(thread_fn fn, void *arg, struct err *err)
{
	struct call c = { fn, arg, err, -1 };
	pthread_t thread;

	errno = pthread_create(&thread, NULL, call_main, &c);
	if (errno)
		return err_sys(err, "start a thread");
	(void)pthread_join(thread, NULL);
	return c.result;
}
