// SPDX-License-Identifier: Apache-2.0
/* State and properties of a container; operations on all of its processes. */

#include "base/str.h"
#include "container/core.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static bool init_has_ended(const struct container *c)
{
	struct pollfd wait = { .fd = c->pidfd, .events = POLLIN };

	return poll(&wait, 1, 0) > 0;
}

enum container_state container_state(struct container *c)
{
	enum container_state state;

	(void)pthread_mutex_lock(&c->lock);
	if (c->phase != PHASE_ENDED && init_has_ended(c))
		c->phase = PHASE_ENDED;
	if (c->phase == PHASE_ENDED)
		state = CONTAINER_STOPPED;
	else if (c->paused)
		state = CONTAINER_PAUSED;
	else
		state = c->phase == PHASE_RUNNING ? CONTAINER_RUNNING : CONTAINER_CREATED;
	(void)pthread_mutex_unlock(&c->lock);
	return state;
}

void container_init_ended(struct container *c)
{
	(void)pthread_mutex_lock(&c->lock);
	c->phase = PHASE_ENDED;
	(void)pthread_mutex_unlock(&c->lock);
}

const char *container_id(const struct container *c)
{
	return c->id;
}

pid_t container_init_pid(const struct container *c)
{
	return c->pid;
}

int container_namespace(const struct container *c, const char *type)
{
	int kind = ns_find(type);

	return kind < 0 ? -1 : c->ns[kind];
}

/* SIGKILL waits for nobody: that it ends a pause is intended. */
int container_signal_all(struct container *c, int signal, struct err *err)
{
	int result;

	if (signal == SIGKILL)
		return cgroup_signal(c->cgroup, signal, err);
	(void)pthread_mutex_lock(&c->freezer);
	result = cgroup_signal(c->cgroup, signal, err);
	(void)pthread_mutex_unlock(&c->freezer);
	return result;
}

static int freeze(struct container *c, bool on, struct deadline deadline, struct err *err)
{
	int result;

	(void)pthread_mutex_lock(&c->freezer);
	result = c->cgroup->ops->freeze(c->cgroup, on, deadline, err);
	if (result == 0) {
		(void)pthread_mutex_lock(&c->lock);
		c->paused = on;
		(void)pthread_mutex_unlock(&c->lock);
	}
	(void)pthread_mutex_unlock(&c->freezer);
	return result;
}

static int set_paused(struct container *c, bool on, struct deadline deadline, struct err *err)
{
	if (container_state(c) == CONTAINER_STOPPED)
		return err_set(err, E_STATE, "container %s has ended", c->id);
	if (c->cgroup->n == 0)
		return err_set(err, E_UNSUPPORTED, "container %s has no cgroup", c->id);
	return freeze(c, on, deadline, err) < 0 ? err_wrap(err, "container %s", c->id) : 0;
}

int container_pause(struct container *c, struct deadline deadline, struct err *err)
{
	return set_paused(c, true, deadline, err);
}

int container_resume(struct container *c, struct deadline deadline, struct err *err)
{
	return set_paused(c, false, deadline, err);
}

int container_update(struct container *c, const struct oci_resources *r, struct err *err)
{
	int result = 0;

	if (c->cgroup->n == 0)
		return err_set(err, E_UNSUPPORTED, "container %s has no cgroup", c->id);
	(void)pthread_mutex_lock(&c->lock); /* the new device program replaces the old one */
	/* The limits of the machine may be others now. */
	if (c->reserved_tasks)
		result = cgroup_reserve_tasks(c->cgroup, c->reserved_tasks, err);
	if (result == 0)
		result = c->cgroup->ops->apply(c->cgroup, r, err);
	(void)pthread_mutex_unlock(&c->lock);
	return result < 0 ? err_wrap(err, "update container %s", c->id) : 0;
}

int container_pids(struct container *c, pid_t **pids, size_t *n, struct err *err)
{
	return cgroup_pids(c->cgroup, pids, n, err);
}

int container_stats(struct container *c, struct container_stats *out, struct err *err)
{
	*out = (struct container_stats){ 0 };
	return c->cgroup->n ? c->cgroup->ops->stats(c->cgroup, out, err) : 0;
}

int container_oom_open(struct container *c, struct container_oom *out, struct err *err)
{
	if (c->cgroup->n == 0)
		return err_set(err, E_UNSUPPORTED, "container %s has no cgroup", c->id);
	return c->cgroup->ops->oom_open(c->cgroup, out, err);
}
