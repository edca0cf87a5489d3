// SPDX-License-Identifier: Apache-2.0
/* The end of a container, and what else is done to a whole one. */

#include "container/container-internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "hook/hook.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { HOOK_SECONDS = 10 };

int container_reap(struct container_process *process, int *code, struct err *err)
{
	return spawn_wait(&process->child, deadline_in(0), code, err);
}

int container_resize(const struct container_process *process, unsigned rows, unsigned columns,
		     struct err *err)
{
	struct winsize size = { .ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns };

	if (process->console < 0)
		return err_set(err, E_STATE, "the process has no terminal");
	if (ioctl(process->console, TIOCSWINSZ, &size) < 0)
		return err_sys(err, "set the terminal's size");
	return 0;
}

static int need_cgroup(const struct container *c, struct err *err)
{
	if (!c->cgroup)
		return err_set(err, E_UNSUPPORTED, "container %s has no cgroup", c->id);
	return 0;
}

int container_signal_all(struct container *c, int signal, struct err *err)
{
	if (c->cgroup)
		return cgroup_signal(c->cgroup, signal, err);
	if (container_state(c) != CONTAINER_STOPPED && kill(c->init, signal) < 0 && errno != ESRCH)
		return err_sys(err, "signal container %s", c->id);
	return 0;
}

int container_pause(struct container *c, struct deadline deadline, struct err *err)
{
	if (need_cgroup(c, err) < 0)
		return -1;
	if (container_state(c) != CONTAINER_RUNNING)
		return err_set(err, E_STATE, "container %s is not running", c->id);
	if (cgroup_freeze(c->cgroup, true, deadline, err) < 0)
		return -1;
	container_set_state(c, CONTAINER_PAUSED);
	return 0;
}

int container_resume(struct container *c, struct deadline deadline, struct err *err)
{
	if (need_cgroup(c, err) < 0)
		return -1;
	if (container_state(c) != CONTAINER_PAUSED)
		return err_set(err, E_STATE, "container %s is not paused", c->id);
	if (cgroup_freeze(c->cgroup, false, deadline, err) < 0)
		return -1;
	container_set_state(c, CONTAINER_RUNNING);
	return 0;
}

int container_update(struct container *c, const struct oci_resources *r, struct err *err)
{
	return need_cgroup(c, err) < 0 ? -1 : cgroup_set(c->cgroup, r, err);
}

int container_pids(struct container *c, pid_t **pids, size_t *n, struct err *err)
{
	return need_cgroup(c, err) < 0 ? -1 : cgroup_pids(c->cgroup, pids, n, err);
}

int container_oom_fd(struct container *c, struct err *err)
{
	return need_cgroup(c, err) < 0 ? -1 : cgroup_oom_fd(c->cgroup, err);
}

int container_oom_drain(struct container *c, int fd, uint64_t *kills, struct err *err)
{
	(void)c;
	return cgroup_oom_drain(fd, kills, err);
}

int container_stats(struct container *c, struct container_stats *out, struct err *err)
{
	return need_cgroup(c, err) < 0 ? -1 : cgroup_stats(c->cgroup, out, err);
}

int container_delete(struct container *c, struct deadline deadline, struct err *err)
{
	AUTO(str) char *fifo = path_join(c->state_dir, "exec.fifo");
	struct hook_state state = { c->id, c->bundle, "stopped", 0, c->spec };
	struct err hook = ERR_INIT;

	if (c->cgroup && cgroup_remove(c->cgroup, deadline, err) < 0)
		return err_wrap(err, "delete container %s", c->id);
	if (!c->cgroup && container_signal_all(c, SIGKILL, err) < 0)
		return err_wrap(err, "delete container %s", c->id);
	(void)unlink(fifo);
	if (hooks_run(&c->spec->hooks.poststop, "poststop", &state, HOOK_SECONDS, NULL, &hook) < 0)
		log_err(LOG_WARN, &hook, "poststop hook failed", LOG_S("container", c->id));
	container_forget(c);
	return 0;
}
