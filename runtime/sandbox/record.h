// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The record of a sandbox's resources on the host. Its directories are named by the sandbox's key;
 * persist.json lists its processes.
 */

#include "sandbox/sandbox.h"

/*
 * The key of a sandbox, unique on this host: ID@NAMESPACE, since an id is unique only in its
 * namespace. If it is too long for the path of a socket (108 bytes), it is cut and a digest is
 * appended. Heap; a valid file name that begins like the id.
 */
char *record_key(const char *namespace, const char *id);

MUST_CHECK int record_write(struct sandbox *s, struct err *err);
/* Kills the recorded processes, if the pid still belongs to the same process, and processes that
 * were started for the sandbox but not yet recorded. Waits until they have ended. */
void record_kill(const char *key);
