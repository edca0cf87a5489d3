// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Asks the host's systemd to restart a unit, over its private socket: from a container, where
 * systemctl cannot be run, or would think that it is in a chroot.
 */

#include "base/deadline.h"
#include "base/err.h"

#include <stdbool.h>

#define SYSTEMD_SOCKET "/run/systemd/private"

/* True if it can be asked: only its root may, and needs the socket. socket: NULL: SYSTEMD_SOCKET. */
bool systemd_is_there(const char *socket);
/* Restarts it and waits until the job has ended. E_NOT_FOUND: no such unit. E_FAILED: the job
 * failed. E_GONE: systemd ended the connection. E_TIMEOUT. */
MUST_CHECK int systemd_restart(const char *socket, const char *unit, struct deadline deadline,
			       struct err *err);
/* Forgets that it failed too often to be started again. */
MUST_CHECK int systemd_reset_failed(const char *socket, const char *unit, struct deadline deadline,
				    struct err *err);
