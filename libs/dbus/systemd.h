// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Jobs of the host's systemd, over its private socket: restarting a unit from a container, where
 * systemctl is missing or would take the container for a chroot; making a scope for processes that
 * systemd did not start. Each call connects, waits until its job has ended, and fails with
 *
 *	E_NOT_FOUND	no such unit, or no systemd
 *	E_EXISTS	a unit of that name exists
 *	E_FAILED	the job failed, or systemd refused it; with systemd's text
 *	E_GONE		systemd closed the connection before it had named the job
 *	E_TIMEOUT	the deadline has passed
 *
 * A systemd that is re-executed (systemctl daemon-reexec, an upgrade of systemd) closes its
 * connections but keeps its jobs. A call whose job is already named connects again until the
 * deadline and waits on. If the job ended meanwhile, the unit's state tells how: active is the
 * success of a restart and of a scope, inactive, failed or not loaded that of a stop.
 *
 * socket is SYSTEMD_SOCKET if it is NULL. The interface is described in
 * org.freedesktop.systemd1(5).
 */

#include "base/deadline.h"
#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

#define SYSTEMD_SOCKET "/run/systemd/private"

/* True if we can connect to systemd: its socket exists and we may use it, which only root may. */
bool systemd_is_there(const char *socket);
MUST_CHECK int systemd_restart(const char *socket, const char *unit, struct deadline deadline,
			       struct err *err);
/* Resets a unit that failed, so that systemd starts it again however often it has failed. */
MUST_CHECK int systemd_reset_failed(const char *socket, const char *unit, struct deadline deadline,
				    struct err *err);

/*
 * A scope is a control group of systemd for an existing process. It has all controllers and is
 * delegated (Delegate=yes): systemd leaves the tree below it alone. It ends when its last process
 * has ended. Like runc's scopes it has no default dependencies, so a shutdown does not stop it
 * before the service to which it belongs.
 */
struct systemd_scope {
	const char *name;        /* "x.scope" */
	const char *slice;       /* "a-b.slice"; created if it is missing */
	const char *description; /* one line */
	pid_t pid;               /* the process that is moved into the scope */
};
MUST_CHECK int systemd_start_scope(const char *socket, const struct systemd_scope *scope,
				   struct deadline deadline, struct err *err);
/* Stops a unit, with its processes. A missing unit is a success. */
MUST_CHECK int systemd_stop(const char *socket, const char *unit, struct deadline deadline,
			    struct err *err);
