// SPDX-License-Identifier: Apache-2.0
/* Detached threads. */

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
