// SPDX-License-Identifier: Apache-2.0
/* Starting: opening the FIFO lets init go; what comes through it is why exec failed, or nothing. */

#include "container/container-internal.h"

#include "base/log.h"
#include "base/str.h"
#include "hook/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

enum { HOOK_SECONDS = 10 };

/* Reads the outcome: end of file once execve has closed init's end, or its error. */
static int await_exec(struct container *c, int fifo, struct deadline deadline, struct err *err)
{
	struct init_message m;
	size_t have = 0;

	while (have < sizeof(m)) {
		struct pollfd wait = { .fd = fifo, .events = POLLIN };
		ssize_t n;

		if (poll(&wait, 1, deadline_left(deadline)) == 0)
			return err_set(err, E_TIMEOUT, "container %s did not start in time", c->id);
		n = read(fifo, (char *)&m + have, sizeof(m) - have);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return err_sys(err, "read the start of container %s", c->id);
		if (n == 0)
			break;
		have += (size_t)n;
	}
	if (have == 0)
		return 0;
	if (have != sizeof(m) || m.value < E_FAILED || m.value > E_CANCELLED)
		return err_set(err, E_PROTOCOL, "container %s ended while it started", c->id);
	m.text[sizeof(m.text) - 1] = '\0';
	return err_set(err, (enum err_code)m.value, "%s", m.text);
}

int container_start(struct container *c, struct deadline deadline, struct err *err)
{
	AUTO(str) char *path = path_join(c->state_dir, "exec.fifo");
	struct hook_state state = { c->id, c->bundle, "running", c->init, c->spec };
	struct err hook = ERR_INIT;

	if (container_state(c) != CONTAINER_CREATED)
		return err_set(err, E_STATE, "container %s is not in state created", c->id);
	/* Non-blocking: init may be dead, then nobody ever opens the other end. */
	AUTO(fd) int fifo = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fifo < 0)
		return err_sys(err, "open %s", path);
	if (await_exec(c, fifo, deadline, err) < 0)
		return err_wrap(err, "start container %s", c->id);
	(void)unlink(path);
	container_set_state(c, CONTAINER_RUNNING);
	if (hooks_run(&c->spec->hooks.poststart, "poststart", &state, HOOK_SECONDS, NULL, &hook) <
	    0)
		log_err(LOG_WARN, &hook, "poststart hook failed", LOG_S("container", c->id));
	return 0;
}
