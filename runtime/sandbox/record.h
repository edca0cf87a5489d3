// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * What is on the host because of a sandbox. Everything lies below directories that are named by the
 * sandbox's key; persist.json says which processes it has.
 */

#include "sandbox/sandbox.h"

/*
 * The name that is the sandbox's alone on this host, since an id is only unique in its namespace:
 * ID@NAMESPACE. Names that are too long for a socket below a directory of it are cut, and told apart
 * by a digest. Heap; always a valid file name that begins as the id does.
 */
char *record_key(const char *namespace, const char *id);

MUST_CHECK int record_write(struct sandbox *s, struct err *err);
/* Kills the processes on record that are still those that were recorded, and what was started for
 * the sandbox but not recorded any more. Waits for their end. */
void record_kill(const char *key);
