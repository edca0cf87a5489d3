// SPDX-License-Identifier: Apache-2.0
/* Additional processes in a running container; reaping and resizing of any process. */

#include "base/str.h"
#include "container/core.h"
#include "container/wire.h"

#include <errno.h>
#include <sys/ioctl.h>

static int check_running(struct container *c, struct err *err)
{
	switch (container_state(c)) {
	case CONTAINER_CREATED:
	case CONTAINER_RUNNING:
		return 0;
	case CONTAINER_PAUSED:
		return err_set(err, E_STATE, "container %s is paused", c->id);
	case CONTAINER_STOPPED:
		return err_set(err, E_STATE, "container %s has ended", c->id);
	}
	return err_set(err, E_STATE, "container %s is in no known state", c->id);
}

static int process_make(struct container *c, struct launch *l, int *console, struct err *err)
{
	if (launch_start(l, err) < 0 || launch_go(l, err) < 0 ||
	    launch_console(l, console, err) < 0)
		return -1;
	/* A kill of the container before the process entered its cgroup has missed the process, so
	 * the state is checked again. */
	if (launch_ready(l, err) < 0 || check_running(c, err) < 0 ||
	    wire_send(l->sock, WIRE_START, NULL, 0, -1, l->deadline, err) < 0)
		return -1;
	return wire_recv(l->sock, WIRE_END, NULL, NULL, l->deadline, err);
}

/* The part of the container's specification that a joining process needs; the rest is not sent. */
static struct oci_spec spec_of_exec(const struct container *c, const struct oci_process *process)
{
	const struct oci_linux *l = &c->spec->linux_;

	return (struct oci_spec){ .version = c->spec->version,
				  .process = (struct oci_process *)process,
				  .linux_ = { .namespaces = l->namespaces,
					      .n_namespaces = l->n_namespaces,
					      .seccomp = l->seccomp } };
}

int container_exec(struct container *c, const struct oci_process *process,
		   const struct container_stdio *stdio, struct deadline deadline,
		   struct container_process *out, struct err *err)
{
	struct oci_spec spec = spec_of_exec(c, process); /* borrows everything */
	struct launch l = { .c = c,
			    .spec = &spec,
			    .exec = true,
			    .stdio = stdio,
			    .deadline = deadline,
			    .sock = -1,
			    .child = CHILD_NONE };
	AUTO(fd) int console = -1;
	int r;

	if (check_running(c, err) < 0)
		return -1;
	r = process_make(c, &l, &console, err);
	fd_close(&l.sock);
	if (r < 0) {
		spawn_abandon(&l.child);
		return err_wrap(err, "exec in container %s", c->id);
	}
	*out = (struct container_process){ l.child, STEAL(console, -1) };
	return 0;
}

int container_reap(struct container_process *process, int *code, struct err *err)
{
	return spawn_wait(&process->child, DEADLINE_NEVER, code, err);
}

int container_resize(const struct container_process *process, unsigned rows, unsigned columns,
		     struct err *err)
{
	struct winsize size = { .ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns };

	if (process->console < 0)
		return err_set(err, E_STATE, "the process has no terminal");
	if (rows > 0xffff || columns > 0xffff)
		return err_set(err, E_INVALID, "a terminal of %u rows by %u columns is too large",
			       rows, columns);
	if (ioctl(process->console, TIOCSWINSZ, &size) < 0)
		return err_sys(err, "resize the terminal");
	return 0;
}
