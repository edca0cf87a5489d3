// SPDX-License-Identifier: Apache-2.0
/* One more process in a running container: the helper joins its namespaces by fd. */

#include "container/container-internal.h"

#include "base/mem.h"
#include "base/str.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int prepare_exec(struct container *c, pid_t pid, struct err *err)
{
	return c->cgroup ? cgroup_add(c->cgroup, pid, err) : 0;
}

static int check_process(struct container *c, const struct oci_process *p, struct err *err)
{
	if (container_state(c) == CONTAINER_STOPPED)
		return err_set(err, E_STATE, "container %s has ended", c->id);
	if (!strv_len(p->args))
		return err_set(err, E_INVALID, "the process has no args");
	if (str_empty(p->cwd) || p->cwd[0] != '/')
		return err_set(err, E_INVALID, "process.cwd '%s' is not absolute",
			       p->cwd ? p->cwd : "");
	return 0;
}

/* The container's filter, wrapped as a specification of its own. */
static char *format_seccomp(struct container *c)
{
	struct oci_spec only = { .linux_ = { .seccomp = c->spec->linux_.seccomp } };

	return c->seccomp && c->spec->linux_.seccomp ? oci_spec_format(&only) : NULL;
}

int container_exec(struct container *c, const struct oci_process *process,
		   const struct container_stdio *stdio, struct deadline deadline,
		   struct container_process *out, struct err *err)
{
	AUTO(str) char *json = oci_process_format(process);
	AUTO(str) char *seccomp = format_seccomp(c);
	struct helper h = { .role = INIT_EXEC,
			    .json = json,
			    .seccomp_json = seccomp,
			    .stdio = stdio,
			    .seccomp = seccomp != NULL,
			    .prepare = prepare_exec };
	struct init_message m;
	int sock, fd;

	if (check_process(c, process, err) < 0)
		return -1;
	for (int i = 0; i < NAMESPACES; i++) {
		if (c->ns[i] >= 0)
			h.fds[h.n_fds++] = c->ns[i];
	}
	if (helper_run(c, &h, deadline, out, &sock, err) < 0)
		return err_wrap(err, "exec in container %s", c->id);
	AUTO(fd) int talk = sock;
	/* Then either execve closes the socket, or the reason why it failed comes. */
	if (helper_receive(talk, deadline, &m, &fd, err) == 0)
		err_set(err, E_PROTOCOL, "unexpected note %u", m.note);
	if (err->code == E_GONE) {
		err_clear(err);
		return 0;
	}
	spawn_kill(&out->child);
	fd_close(&out->console);
	return err_wrap(err, "exec in container %s", c->id);
}
