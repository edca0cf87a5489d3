// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * virtiofsd. Two programs have that name: QEMU's, in C, up to QEMU 7.2, and the one in Rust, from
 * 1.10 on. They take different options; which one it is, and which cache modes it has, its --help
 * says.
 */

#include "sandbox/sandbox.h"

enum virtiofsd_kind { VIRTIOFSD_C, VIRTIOFSD_RUST };

/*
 * What a program of which this is the help is, and the name that it has for a cache mode: "none"
 * and "never" are the same mode. E_CONFIG: it is no virtiofsd (too old a one), or has no such mode.
 * *mode points into help's program's list or is asked itself.
 */
MUST_CHECK int virtiofsd_recognize(const char *program, const char *help, const char *asked,
				   enum virtiofsd_kind *kind, const char **mode, struct err *err);

/*
 * Its command line, heap: listens on fd 3, and may open as many files as this host lets it. What
 * extra lists is appended and wins.
 */
char **virtiofsd_command(const char *program, enum virtiofsd_kind kind, const char *mode,
			 const char *dir, char *const *extra);

/* Starts it for the share on a new socket; it ends by itself when the VM disconnects. */
MUST_CHECK int virtiofsd_start(struct sandbox *s, const char *socket_path, struct err *err);

/* It has ended, and not because the VM disconnected. Never waits. */
bool virtiofsd_failed(const struct child *daemon);
