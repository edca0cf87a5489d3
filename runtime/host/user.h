// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A user of the host for each VMM, which owns no files. Its uid is from a range that no
 * distribution, systemd or sssd uses (user.c), without an entry in /etc/passwd. A file named after
 * the uid in /run/vc/users reserves it for one sandbox. The user's group has the same number.
 *
 *	do {
 *		uid = host_user_pick();
 *		...record it
 *	} while ((taken = host_user_take(uid, key, err)) == 0);
 *	...
 *	host_user_give_back(uid, key, err);
 *
 * Any thread, any process.
 */

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

/* Returns a random uid of the range. */
uid_t host_user_pick(void);
/* Reserves the uid for the sandbox with that key. Returns 1, or 0 if another sandbox has it, or
 * -1. */
MUST_CHECK int host_user_take(uid_t uid, const char *key, struct err *err);
/* Ends the reservation. Does nothing if there is none, or another sandbox has it. */
MUST_CHECK int host_user_give_back(uid_t uid, const char *key, struct err *err);

/*
 * True if a user without other rights can read and write a device: anybody may, or members of the
 * device's group may, unless that is root's, which has too many rights. *group: the group that the
 * user must be in, or (gid_t)-1 for none.
 */
bool host_user_may_use(const char *device, gid_t *group);
