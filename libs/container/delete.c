// SPDX-License-Identifier: Apache-2.0
/* Deletes a container: processes, cgroup, poststop hooks. */

#include "base/str.h"
#include "container/core.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

static int wait_for_init(struct container *c, struct deadline deadline, struct err *err)
{
	struct pollfd wait = { .fd = c->pidfd, .events = POLLIN };
	int n;

	(void)syscall(SYS_pidfd_send_signal, c->pidfd, SIGKILL, NULL, 0);
	do
		n = poll(&wait, 1, deadline_left(deadline));
	while (n < 0);
	return n > 0 ? 0 : err_set(err, E_TIMEOUT, "init did not end in time");
}

/* A process can fork while the list is read, so kill until the list is empty. */
static int empty_group(struct container *c, struct deadline deadline, struct err *err)
{
	for (;;) {
		pid_t *pids;
		size_t n;

		if (cgroup_pids(c->cgroup, &pids, &n, err) < 0)
			return -1;
		free(pids);
		if (n == 0)
			return 0;
		if (deadline_passed(deadline))
			return err_set(err, E_TIMEOUT, "%zu processes did not end in time", n);
		if (cgroup_signal(c->cgroup, SIGKILL, err) < 0)
			return -1;
		(void)usleep(2000);
	}
}

int container_delete(struct container *c, struct deadline deadline, struct err *err)
{
	struct hook_state state = container_hook_state(c, "stopped");

	if (empty_group(c, deadline, err) < 0 || wait_for_init(c, deadline, err) < 0 ||
	    cgroup_remove(c->cgroup, deadline, err) < 0)
		return err_wrap(err, "delete container %s", c->id);
	state.pid = 0;
	(void)hooks_run_all(&c->spec->hooks.poststop, "poststop", &state, HOOK_DEFAULT_SECONDS,
			    NULL);
	container_free(c);
	return 0;
}
