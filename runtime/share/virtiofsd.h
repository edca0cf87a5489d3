// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * virtiofsd. Two programs have that name: QEMU's, in C, up to QEMU 7.2, and the one in Rust, from
 * 1.10 on. Their options differ; which one it is, and its cache modes, are detected from its
 * --help. To ask costs as much as to start it, so what it says is noted below /run until the program is
 * another file or fails.
 */

#include "base/buf.h"
#include "base/err.h"
#include "base/spawn.h"
#include "share/share.h"

enum virtiofsd_kind { VIRTIOFSD_C, VIRTIOFSD_RUST };

/*
 * Detects the kind of a virtiofsd from its help text, and its name for the cache mode asked ("none"
 * and "never" are the same mode). E_CONFIG: not a supported virtiofsd, or it lacks the mode. *mode
 * is static or asked itself.
 */
MUST_CHECK int virtiofsd_recognize(const char *program, const char *help, const char *asked,
				   enum virtiofsd_kind *kind, const char **mode, struct err *err);

/*
 * The help text of a virtiofsd: what the file notes has, if that is of the same file at that path (device, inode,
 * size, times), else what it answers now, which is noted then. Empty if it says nothing.
 */
void virtiofsd_help(const char *program, const char *notes, struct buf *help);

/* A daemon failed: it may be a script whose program is another by now. The next one is asked again. */
void virtiofsd_forget(void);

/*
 * Its command line, heap: it listens on fd 3, with the highest limit of open files that this host
 * allows. extra is appended and overrides it.
 */
char **virtiofsd_command(const char *program, enum virtiofsd_kind kind, const char *mode,
			 const char *dir, char *const *extra);

/* Starts virtiofsd for the share on a new socket; its output goes to the file log. It exits when
 * the VM disconnects. */
MUST_CHECK int virtiofsd_start(const struct share *s, const char *socket, const char *log,
			       struct child *daemon, struct err *err);

/* Kills it and what it has started: QEMU's works in a child, which does not end with it while it
 * stands still. Nothing is done for CHILD_NONE. */
void virtiofsd_stop(struct child *daemon);

/* True if it has exited with a failure, not because the VM disconnected. Does not block. */
bool virtiofsd_failed(const struct child *daemon);
