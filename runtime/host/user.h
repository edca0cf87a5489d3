// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A user of the host for one VMM, which owns nothing: a number of a range that no distribution, systemd
 * or sssd gives out (runtime/host/user.c). There is no entry in /etc/passwd; a file of that name in
 * /run/vc/users keeps two sandboxes from having the same. Its group has the same number.
 *
 *	do {
 *		uid = host_user_pick();
 *		...record it
 *	} while (host_user_take(uid, key, err) == 0);	1: it is ours, 0: somebody else's, -1
 *	host_user_give_back(uid, key, err);
 */

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

uid_t host_user_pick(void);
/* key: of the sandbox. 1, or 0 if another sandbox has it. */
MUST_CHECK int host_user_take(uid_t uid, const char *key, struct err *err);
/* Idempotent; one that another sandbox has is left alone. */
MUST_CHECK int host_user_give_back(uid_t uid, const char *key, struct err *err);

/*
 * Whether a user without rights of its own may use a device, by the mode of others or as a member of
 * the device's group, which must not be root's: that has too much. *group gets the group to be in, or
 * (gid_t)-1 for none.
 */
bool host_user_may_use(const char *device, gid_t *group);
