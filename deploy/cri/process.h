// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The process behind a socket, and the version of a program.
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
	pid_t pid;      /* 0: none, or not visible from here */
	uint64_t start; /* clock ticks since boot: pids are reused */
};
/* E_NOT_FOUND, E_GONE: no process listens on it. */
MUST_CHECK int peer_look(const char *socket, struct peer *out, struct err *err);
struct peer peer_of(pid_t pid);
bool peer_same(const struct peer *a, const struct peer *b);

/* "1.6.20" from the output of PROGRAM --version, heap; NULL if there is no version in it. */
char *program_version(const char *program);
/* Of "1.6.20" 1 and 6; -1: not known. */
int version_major(const char *version);
int version_minor(const char *version);
