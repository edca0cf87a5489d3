// SPDX-License-Identifier: Apache-2.0
/* Starts a container: init runs the startContainer hooks and executes the workload. */

#include "container/core.h"
#include "container/wire.h"

/* Moves the container from created to starting; only one caller succeeds. */
static int start_begin(struct container *c, int *sock, struct err *err)
{
	int r = 0;

	(void)pthread_mutex_lock(&c->lock);
	if (c->phase != PHASE_CREATED)
		r = err_set(err, E_STATE, "container %s is not in state created", c->id);
	else
		c->phase = PHASE_STARTING;
	*sock = r == 0 ? STEAL(c->sock, -1) : -1;
	(void)pthread_mutex_unlock(&c->lock);
	return r;
}

static void start_end(struct container *c, bool ok)
{
	(void)pthread_mutex_lock(&c->lock);
	if (c->phase == PHASE_STARTING)
		c->phase = ok ? PHASE_RUNNING : PHASE_ENDED;
	(void)pthread_mutex_unlock(&c->lock);
}

int container_start(struct container *c, struct deadline deadline, struct err *err)
{
	struct hook_state state = container_hook_state(c, "running");
	int r;

	AUTO(fd) int sock = -1;
	if (start_begin(c, &sock, err) < 0)
		return -1;
	r = wire_send(sock, WIRE_START, NULL, 0, -1, deadline, err);
	if (r == 0)
		r = wire_recv(sock, WIRE_END, NULL, NULL, deadline, err);
	start_end(c, r == 0);
	if (r < 0)
		return err_wrap(err, "start container %s", c->id);
	/* The workload runs; a failing poststart hook is only logged. */
	(void)hooks_run_all(&c->spec->hooks.poststart, "poststart", &state, HOOK_DEFAULT_SECONDS,
			    NULL);
	return 0;
}
