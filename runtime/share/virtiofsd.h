// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Starts and ends virtiofsd, which serves a share over virtio-fs. Two programs have that name:
 * QEMU's, in C, up to QEMU 7.2, and the one in Rust, supported from 1.10 on. Their options differ.
 * Which one it is, and its cache modes, are detected from the output of --help. That costs as much
 * as starting it, so the output is noted below /run until the file changes or the program fails.
 */

#include "base/buf.h"
#include "base/err.h"
#include "base/spawn.h"
#include "share/share.h"

enum virtiofsd_kind { VIRTIOFSD_C, VIRTIOFSD_RUST };

/*
 * Detects the kind of a virtiofsd from its help text, and *mode, its name for the cache mode asked
 * for ("none" and "never" are the same mode); *mode is static, or asked. E_CONFIG: it is not a
 * supported virtiofsd, or lacks the mode.
 */
MUST_CHECK int virtiofsd_recognize(const char *program, const char *help, const char *asked,
				   enum virtiofsd_kind *kind, const char **mode, struct err *err);

/*
 * Appends the help text of a virtiofsd to help. It comes from the file notes, if that is of the
 * same program (path, device, inode, size, times); else from running the program, and is then
 * written to notes. Nothing is appended if the program fails or prints nothing.
 */
void virtiofsd_help(const char *program, const char *notes, struct buf *help);

/* After a virtiofsd has failed: removes the note. The program may be a script that runs another
 * program by now. */
void virtiofsd_forget(void);

/*
 * Returns the command line, strv, heap: listen on fd 3, with the highest limit of open files that
 * this host allows. extra is appended, and overrides the other options.
 */
char **virtiofsd_command(const char *program, enum virtiofsd_kind kind, const char *mode,
			 const char *dir, char *const *extra);

/* Starts virtiofsd for the share on a new socket; its output goes to the file log. *daemon is for
 * virtiofsd_stop(). It exits when the VM disconnects. */
MUST_CHECK int virtiofsd_start(const struct share *s, const char *socket, const char *log,
			       struct child *daemon, struct err *err);

/* Kills it and its process group, and waits for its end: QEMU's works in a child, which does not
 * end with it while it is stopped. Does nothing for CHILD_NONE. */
void virtiofsd_stop(struct child *daemon);

/* True if it has exited with a failure; it exits with 0 when the VM disconnects. Does not block. */
bool virtiofsd_failed(const struct child *daemon);
