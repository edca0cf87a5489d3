// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Jobs of the host's systemd, asked for over its private socket: a unit restarted from a container,
 * where systemctl cannot be run, or would think that it is in a chroot; a scope made for processes
 * that systemd did not start. Each call connects, waits until its job has ended, and fails with
 *
 *	E_NOT_FOUND	no such unit, or no systemd
 *	E_EXISTS	a unit of that name is there
 *	E_FAILED	the job failed, or systemd refused it; with its words
 *	E_GONE		systemd ended the connection
 *	E_TIMEOUT
 *
 * socket: NULL: SYSTEMD_SOCKET. The interface is that of org.freedesktop.systemd1(5).
 */

#include "base/deadline.h"
#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

#define SYSTEMD_SOCKET "/run/systemd/private"

/* True if it can be asked: only its root may, and needs the socket. */
bool systemd_is_there(const char *socket);
MUST_CHECK int systemd_restart(const char *socket, const char *unit, struct deadline deadline,
			       struct err *err);
/* Forgets that it failed too often to be started again. */
MUST_CHECK int systemd_reset_failed(const char *socket, const char *unit, struct deadline deadline,
				    struct err *err);

/*
 * A scope: a control group that systemd knows, for a process that is there. It has all controllers,
 * which systemd hands over with the tree below it (Delegate=yes), ends when its last process has
 * ended, and is not ended by a shutdown before the service that it belongs to (as runc's are not).
 */
struct systemd_scope {
	const char *name;        /* "x.scope" */
	const char *slice;       /* "a-b.slice"; it is made if it is missing */
	const char *description; /* one line */
	pid_t pid;               /* is moved into it */
};
MUST_CHECK int systemd_start_scope(const char *socket, const struct systemd_scope *scope,
				   struct deadline deadline, struct err *err);
/* Processes that are still in it are ended. A unit that is not there is stopped. */
MUST_CHECK int systemd_stop(const char *socket, const char *unit, struct deadline deadline,
			    struct err *err);
