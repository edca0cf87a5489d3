// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Finds the process that serves a socket, and the version of a program.
 */

#include "base/err.h"
#include "base/process.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { PROGRAM_VERSION_MS = 5000 };

/* The process that created a listening Unix socket. With socket activation (docker) that is the
 * service manager, not the server. */
struct peer {
	pid_t pid;      /* 0: none, or in a PID namespace that is not visible from here */
	uint64_t start; /* process_start_time(), since pids are reused */
};
/* E_NOT_FOUND, E_GONE: no process listens on the socket. */
MUST_CHECK int peer_look(const char *socket, struct peer *out, struct err *err);
struct peer peer_of(pid_t pid);
/* True if both are the same process; false if there is none. */
bool peer_same(const struct peer *a, const struct peer *b);

/* Runs PROGRAM --version; returns the version in its output ("1.6.20"), heap, or NULL. */
char *program_version(const char *program);
/* Return 1 and 6 of "1.6.20"; -1: not known. version may be NULL. */
int version_major(const char *version);
int version_minor(const char *version);
