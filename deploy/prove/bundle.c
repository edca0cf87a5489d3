// SPDX-License-Identifier: Apache-2.0
/* Removes what is left of a task that was being created when its manager died. */

#include "deploy/prove/prove-internal.h"

#include "base/log.h"
#include "base/path.h"
#include "base/process.h"
#include "base/spawn.h"
#include "base/str.h"

#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#define TASKS "io.containerd.runtime.v2.task"

enum { LOOK_MS = 100, SETTLE_MS = 10000, CLEAN_MS = 30000 };

/* Signals the shims of a task (0: only counts them); returns how many there are. A shim has the id
 * of its task on its command line. */
static size_t signal_shims(const char *id, int signal)
{
	AUTO(processes) struct processes all = PROCESSES_INIT;
	size_t n = 0;

	processes_scan(&all);
	vec_each(const struct process, one, &all.rows) {
		if (strv_has(one->argv, id) && str_eq(path_basename(one->exe), PROVE_SHIM) &&
		    (!signal || kill(one->pid, signal) == 0))
			n++;
	}
	return n;
}

/* Ends the shims of a task. On SIGTERM a shim stops its VM before it ends. */
static void end_shims(const char *id)
{
	struct deadline deadline = deadline_in(CLEAN_MS);

	if (!signal_shims(id, SIGTERM))
		return;
	while (signal_shims(id, 0) && !deadline_passed(deadline))
		(void)poll(NULL, 0, LOOK_MS);
	(void)signal_shims(id, SIGKILL);
}

/* Runs the shim's delete, as containerd does for a bundle whose shim has ended. */
static void run_delete(const struct proof *p, const char *namespace, const char *id,
		       const char *bundle)
{
	AUTO(str) char *shim = str_fmt("%s/bin/" PROVE_SHIM, p->prefix);
	struct spawn s = {
		.argv = ARGV(shim, "-namespace", namespace, "-id", id, "-address",
			     prove_socket(p) ? prove_socket(p) : "", "-bundle", bundle, "delete"),
		.cwd = bundle,
	};
	struct err ignored = ERR_INIT; /* the release may have been removed */

	if (path_exists(shim))
		(void)!spawn_run(&s, NULL, 0, NULL, deadline_in(CLEAN_MS), &ignored);
}

void bundle_clear(const struct proof *p, const char *namespace, const char *id)
{
	AUTO(str) char *space = str_fmt("%s/" TASKS "/%s", p->state ? p->state : "", namespace);
	AUTO(str) char *bundle = path_join(space, id), *root = path_join(bundle, "rootfs");
	struct deadline deadline = deadline_in(SETTLE_MS);
	struct err ignored = ERR_INIT;

	while (p->state && path_exists(bundle) && !deadline_passed(deadline))
		(void)poll(NULL, 0, LOOK_MS);
	if (!p->state || !path_exists(bundle))
		return;
	log_warn("a bundle of the proof was left behind", LOG_S("bundle", bundle));
	end_shims(id);
	run_delete(p, namespace, id, bundle);
	while (umount2(root, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		;
	if (path_remove_tree(bundle, &ignored) == 0)
		(void)rmdir(space); /* if it is empty */
}
