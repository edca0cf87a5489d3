// SPDX-License-Identifier: Apache-2.0
#pragma once

/* The end of a process that plays a server. */

#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>

/* Kills the child and reaps it, and sets *pid to -1; nothing if there is none (0 or -1). */
static inline void server_kill(pid_t *pid)
{
	if (*pid > 0) {
		(void)kill(*pid, SIGKILL);
		(void)waitpid(*pid, NULL, 0);
	}
	*pid = -1;
}
