// SPDX-License-Identifier: Apache-2.0
/* The kinds of namespaces. */

#include "base/str.h"
#include "container/container-internal.h"

#include <sched.h>

/* In joining order: the user namespace gives the right to join the others, the mount namespace
 * changes what names mean and comes last. */
const struct namespace_kind namespace_kinds[NAMESPACES] = {
	{ "user", "user", CLONE_NEWUSER },
	{ "pid", "pid_for_children", CLONE_NEWPID },
	{ "network", "net", CLONE_NEWNET },
	{ "ipc", "ipc", CLONE_NEWIPC },
	{ "uts", "uts", CLONE_NEWUTS },
	{ "cgroup", "cgroup", CLONE_NEWCGROUP },
	{ "time", "time_for_children", CLONE_NEWTIME },
	{ "mount", "mnt", CLONE_NEWNS },
};

int namespace_index(const char *name)
{
	for (int i = 0; i < NAMESPACES; i++) {
		if (str_eq(namespace_kinds[i].name, name))
			return i;
	}
	return -1;
}
