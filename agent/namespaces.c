// SPDX-License-Identifier: Apache-2.0
/* Makes the namespaces that the containers of a sandbox share. */

#include "agent/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

struct making {
	const char *hostname;
	int ipc, uts;
	struct err *err;
	int result;
};

static int make(struct making *m, struct err *err)
{
	if (unshare(CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return err_sys(err, "make the sandbox's namespaces");
	if (m->hostname && sethostname(m->hostname, strlen(m->hostname)) < 0)
		return err_sys(err, "set hostname %s", m->hostname);
	m->ipc = open("/proc/thread-self/ns/ipc", O_RDONLY | O_CLOEXEC);
	m->uts = open("/proc/thread-self/ns/uts", O_RDONLY | O_CLOEXEC);
	if (m->ipc < 0 || m->uts < 0)
		return err_sys(err, "open the sandbox's namespaces");
	return 0;
}

static void *make_on_thread(void *arg)
{
	struct making *m = arg;

	m->result = make(m, m->err);
	return NULL;
}

/* A thread that enters new namespaces, and then exits so that only the fds keep them alive. */
int namespaces_make(const char *hostname, int *ipc, int *uts, struct err *err)
{
	struct making m = { .hostname = hostname, .ipc = -1, .uts = -1, .err = err };
	pthread_t thread;
	int rc = pthread_create(&thread, NULL, make_on_thread, &m);

	if (rc == 0)
		(void)pthread_join(thread, NULL);
	*ipc = m.ipc;
	*uts = m.uts;
	if (rc == 0)
		return m.result;
	errno = rc;
	return err_sys(err, "start a thread");
}
