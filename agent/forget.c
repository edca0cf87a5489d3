// SPDX-License-Identifier: Apache-2.0
/* A timer, which has the kernel drop its caches of names and inodes. */

#include "agent/forget.h"

#include "agent/paths.h"

#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/vfs.h>

enum { PERIOD_MS = 10000 };

/* See Documentation/admin-guide/sysctl/vm.rst of Linux. QUIET drops nothing, and leaves out the line in
 * the kernel's log from now on. DROP_INODES drops dentries and inodes, and so the pages of these. */
#define QUIET       "4"
#define DROP_INODES "2"

static atomic_uint users;
static atomic_bool dropping; /* a thread does, or it hangs in a share that does not answer */
static struct watch *timer;  /* loop */

/* Without a share there is nothing to forget; and outside a VM these are the host's caches. */
static bool has_share(void)
{
	struct statfs fs;

	return statfs(SHARED_DIR, &fs) == 0 &&
	       (fs.f_type == FUSE_SUPER_MAGIC || fs.f_type == V9FS_MAGIC);
}

/* On a thread of its own: the server of the share may be slow, and the loop must not block. */
static void *drop(void *arg)
{
	static const char file[] = "/proc/sys/vm/drop_caches";
	struct err err = ERR_INIT;

	(void)arg;
	if (has_share() && (file_write(AT_FDCWD, file, QUIET, &err) < 0 ||
			    file_write(AT_FDCWD, file, DROP_INODES, &err) < 0))
		log_err(LOG_WARN, &err, "the host may be unable to unmount what was used here");
	atomic_store(&dropping, false);
	return NULL;
}

static void on_timer(void *arg)
{
	struct err err = ERR_INIT;

	(void)arg;
	if (!atomic_load(&users) || atomic_exchange(&dropping, true))
		return;
	if (thread_detach(drop, NULL, 0, &err) < 0) {
		atomic_store(&dropping, false);
		log_err(LOG_WARN, &err, "caches are dropped later");
	}
}

static void start_timer(void *arg)
{
	if (!timer)
		timer = loop_timer(arg, PERIOD_MS, true, on_timer, NULL);
}

void forget_begin(struct loop *loop)
{
	if (atomic_fetch_add(&users, 1) == 0)
		loop_post(loop, start_timer, loop);
}

void forget_end(void)
{
	atomic_fetch_sub(&users, 1);
}

void forget_stop(void)
{
	watch_remove(timer);
	timer = NULL;
}
