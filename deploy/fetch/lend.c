// SPDX-License-Identifier: Apache-2.0
/* Gives a directory to the children's user while they write to it. */

#include "deploy/fetch/fetch-internal.h"

#include <unistd.h>

int lend(const struct helpers *h, int dir, struct err *err)
{
	uid_t uid = h->uid ? h->uid : CONFINE_NOBODY;
	gid_t gid = h->gid ? h->gid : CONFINE_NOBODY;

	if (geteuid() == 0 && fchown(dir, uid, gid) < 0)
		return err_sys(err, "give a directory to user %u", (unsigned)uid);
	return 0;
}

int lend_end(int dir, struct err *err)
{
	if (geteuid() == 0 && fchown(dir, 0, 0) < 0)
		return err_sys(err, "take a directory back");
	return 0;
}
