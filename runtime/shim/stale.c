// SPDX-License-Identifier: Apache-2.0
#include "shim/stale.h"

#include "base/deadline.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/process.h"
#include "base/str.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

/* containerd gives `delete` 5 seconds. */
enum { LEAVE_MS = 3000, END_MS = 4500 };

static bool has_option(const struct process *p, const char *name, const char *value)
{
	for (char **word = p->argv; word && word[0] && word[1]; word++) {
		if (str_eq(word[0], name) && str_eq(word[1], value))
			return true;
	}
	return false;
}

/* A server's command line has only options; `start` and `delete` end with their verb. */
static bool is_server(const struct process *p, const char *namespace, const char *id)
{
	size_t n = strv_len(p->argv);

	return p->pid != getpid() && n && process_sees_our_mounts(p->pid) &&
	       str_eq(path_basename(p->exe), "containerd-shim-kata-v2") &&
	       !str_eq(p->argv[n - 1], "start") && !str_eq(p->argv[n - 1], "delete") &&
	       has_option(p, "-namespace", namespace) && has_option(p, "-id", id);
}

/* Returns the server's pid, or 0 if none runs. */
static pid_t find_server(const char *namespace, const char *id)
{
	AUTO(processes) struct processes all = PROCESSES_INIT;

	processes_scan(&all);
	vec_each(const struct process, p, &all.rows) {
		if (is_server(p, namespace, id))
			return p->pid;
	}
	return 0;
}

void stale_server_end(const char *namespace, const char *id, const char *socket)
{
	struct deadline deadline = deadline_in(END_MS), leave = deadline_in(LEAVE_MS);
	pid_t pid;

	while ((pid = find_server(namespace, id)) != 0 && !deadline_passed(deadline)) {
		AUTO(fd) int fd = (int)syscall(SYS_pidfd_open, pid, 0);
		struct pollfd ended = { .fd = fd, .events = POLLIN };

		/* Search again: the pidfd is the server's if the pid still is. */
		if (fd < 0 || find_server(namespace, id) != pid)
			continue;
		if (!path_exists(socket) && poll(&ended, 1, deadline_left(leave)) > 0)
			continue;
		(void)syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
		(void)poll(&ended, 1, deadline_left(deadline));
	}
}
