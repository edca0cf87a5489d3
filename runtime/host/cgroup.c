// SPDX-License-Identifier: Apache-2.0
/* Makes a sandbox's control groups, moves its processes between them, and removes them. */

#include "host/cgroup.h"

#include "base/buf.h"
#include "base/deadline.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "container/cgroup.h"
#include "dbus/systemd.h"
#include "mount/mount.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX   "kata_"
#define OVERHEAD "/kata_overhead/"
#define SCOPE    ".scope"

/* systemd does not answer for seconds while it reloads its units. */
enum {
	REMOVE_MS = 5000,
	SCOPE_MS = 30 * 1000,
	FORGET_MS = 5000,
	FORGET_POLL_US = 20 * 1000,
	TABLE_MAX = 1 << 20
};

struct host_cgroup {
	struct cgroup *sandbox, *overhead; /* overhead: NULL with sandbox_cgroup_only */
	const char *paths[3];
	char **origin;     /* strv: for each hierarchy the folder we came from, and the top */
	char *cpus, *mems; /* to be set when the scope is made, or NULL */
	bool scope;        /* systemd makes the sandbox's group */
	bool made;         /* the sandbox's group exists */
	bool entered;      /* groups were made */
	bool inside;       /* this process may be in them */
};

/* --- names --- */

/* The path of a slice, heap: systemd nests "a-b.slice" as "/a.slice/a-b.slice". */
static char *slice_path(const char *slice)
{
	size_t len = strlen(slice) - strlen(".slice");
	AUTO(buf) struct buf path = BUF_INIT(64 * 1024);

	if (str_eq(slice, "-.slice"))
		return xstrdup("");
	for (size_t i = 0; i <= len; i++) {
		if (i == len || slice[i] == '-')
			buf_fmt(&path, "/%.*s.slice", (int)i, slice);
	}
	return xstrdup(buf_cstr(&path));
}

/* True for a valid name of a slice: no part between dashes is empty, nor one at the ends. */
static bool is_slice(const char *name)
{
	size_t len = strlen(name);

	if (!str_ends(name, ".slice") || strchr(name, '/') || len <= strlen(".slice"))
		return false;
	if (str_eq(name, "-.slice"))
		return true;
	return *name != '-' && name[len - strlen(".slice") - 1] != '-' && !strstr(name, "--");
}

/* Of "slice:prefix:name" returns the name, and *first, the first colon; NULL if it is a path. */
static const char *systemd_name(const char *cgroups_path, const char **first)
{
	const char *second;

	*first = *cgroups_path == '/' ? NULL : strchr(cgroups_path, ':');
	second = *first ? strchr(*first + 1, ':') : NULL;
	return second && !strchr(second + 1, ':') ? second + 1 : NULL;
}

static char *systemd_path(const char *given, const char *name, struct err *err)
{
	/* The default slice is runc's, too. */
	AUTO(str) char *slice = xstrdup(*given ? given : "system.slice");
	AUTO(str) char *path = NULL;

	if (!is_slice(slice)) {
		err_set(err, E_INVALID, "'%.200s' is not the name of a slice", slice);
		return NULL;
	}
	if (!*name || strchr(name, '/')) {
		err_set(err, E_INVALID, "'%.200s' is not the name of a scope", name);
		return NULL;
	}
	path = slice_path(slice);
	return str_fmt("%s/" PREFIX "%s", path, name);
}

static char *plain_path(const char *given, struct err *err)
{
	AUTO(str) char *absolute = path_join("/", given);
	AUTO(str) char *clean = path_clean(absolute);
	const char *base = path_basename(clean);

	if (str_eq(clean, "/")) {
		err_set(err, E_INVALID, "it names no group");
		return NULL;
	}
	return str_fmt("%.*s" PREFIX "%s", (int)(base - clean), clean, base);
}

char *host_cgroup_path(const char *cgroups_path, const char *key, bool *scope, struct err *err)
{
	const char *colon = NULL, *name;
	AUTO(str) char *slice = NULL;
	char *path;

	*scope = false;
	if (str_empty(cgroups_path))
		return str_fmt("/kata/" PREFIX "%s", key);
	name = systemd_name(cgroups_path, &colon);
	*scope = name;
	slice = name ? xstrndup(cgroups_path, (size_t)(colon - cgroups_path)) : NULL;
	path = name ? systemd_path(slice, name, err) : plain_path(cgroups_path, err);
	if (!path)
		err_wrap(err, "cgroupsPath '%.200s'", cgroups_path);
	return path;
}

/* --- making --- */

static struct cgroup *find(const struct host_cgroup_where *where, const char *path, struct err *err)
{
	return where->unified ? cgroup_new_unified(where->unified, path, false)
			      : cgroup_new(path, true, err);
}

static int find_all(struct host_cgroup *h, const struct host_cgroup_where *where, struct err *err)
{
	bool scope;
	AUTO(str) char *path = host_cgroup_path(where->path, where->key, &scope, err);
	AUTO(str) char *overhead = str_fmt(OVERHEAD "%s", where->key);
	AUTO(str) char *as_scope = str_fmt("%s" SCOPE, path ? path : "");

	if (!path)
		return -1;
	h->scope = scope && systemd_is_there(NULL);
	h->sandbox = find(where, h->scope ? as_scope : path, err);
	if (h->sandbox && !where->only)
		h->overhead = find(where, overhead, err);
	return err->code ? -1 : 0;
}

int host_cgroup_new(const struct host_cgroup_where *where, struct host_cgroup **out,
		    struct err *err)
{
	struct host_cgroup *h = NEW(struct host_cgroup);

	*out = NULL;
	if (find_all(h, where, err) < 0 || !h->sandbox->n) {
		host_cgroup_free(h);
		return err->code ? -1 : 0;
	}
	h->paths[0] = h->sandbox->path;
	h->paths[1] = h->overhead ? h->overhead->path : NULL;
	*out = h;
	return 0;
}

void host_cgroup_free(struct host_cgroup *h)
{
	if (!h)
		return;
	if (h->sandbox)
		cgroup_free(h->sandbox);
	if (h->overhead)
		cgroup_free(h->overhead);
	strv_free(h->origin);
	free(h->cpus);
	free(h->mems);
	free(h);
}

const char *const *host_cgroup_paths(const struct host_cgroup *h)
{
	return h->paths;
}

/* --- moving this process --- */

/* True if the mount is the hierarchy of a line of /proc/self/cgroup with these controllers: ""
 * (cgroup v2), "cpu,cpuacct", "name=systemd". */
static bool is_of(const struct mount_entry *m, const char *controllers)
{
	AUTO(strv) char **listed = strv_split(controllers, ",");
	AUTO(strv) char **options = strv_split(m->super_options, ",");

	if (!*controllers)
		return str_eq(m->type, "cgroup2");
	return str_eq(m->type, "cgroup") && strv_has(options, listed[0]);
}

/* True for a hierarchy in which this process is moved: each one that has the sandbox's group, and
 * with a scope also systemd's own. */
static bool is_used(const struct host_cgroup *h, const char *controllers)
{
	AUTO(strv) char **listed = strv_split(controllers, ",");

	if (h->scope)
		return true;
	return h->sandbox->ops->unified
		       ? !*controllers
		       : *controllers && cgroup_folder(h->sandbox, listed[0]) != NULL;
}

/* Adds to h->origin our folder in the hierarchy of a line, "4:cpu,cpuacct:/path" or "0::/path", and
 * the hierarchy's top, in case the folder is removed meanwhile. */
static void note_line(struct host_cgroup *h, const struct mount_list *mounts, const char *line)
{
	const char *controllers = strchr(line, ':');
	const char *path = controllers ? strchr(controllers + 1, ':') : NULL;
	AUTO(str)
	char *names = path ? xstrndup(controllers + 1, (size_t)(path - controllers - 1)) : NULL;

	for (size_t i = 0; names && is_used(h, names) && i < mounts->n; i++) {
		AUTO(str) char *folder = NULL;

		if (!is_of(&mounts->v[i], names))
			continue;
		folder = path_join(mounts->v[i].target, path + 1);
		strv_push(&h->origin, folder);
		strv_push(&h->origin, mounts->v[i].target);
		return;
	}
}

static int note_origin(struct host_cgroup *h, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(TABLE_MAX);
	AUTO(mount_list) struct mount_list mounts = { NULL, 0 };
	AUTO(strv) char **table = NULL;

	if (file_read(AT_FDCWD, "/proc/self/cgroup", TABLE_MAX, &text, err) < 0 ||
	    mount_list_read(&mounts, err) < 0)
		return -1;
	table = strv_split(buf_cstr(&text), "\n");
	strv_each(line, table)
		note_line(h, &mounts, *line);
	return 0;
}

static int move_to(const char *folder, pid_t pid, struct err *err)
{
	AUTO(str) char *path = path_join(folder, "cgroup.procs");
	AUTO(str) char *text = str_fmt("%d", (int)pid);

	return file_write(AT_FDCWD, path, text, err);
}

/* The group that we came from may have been removed, or accept no processes any more. */
int host_cgroup_move_back(struct host_cgroup *h, struct err *err)
{
	if (!h->inside)
		return 0;
	for (char **folder = h->origin; folder && *folder; folder += 2) {
		struct err ignored = ERR_INIT;

		if (move_to(folder[0], getpid(), &ignored) < 0 &&
		    move_to(folder[1], getpid(), err) < 0)
			return -1;
	}
	h->inside = false;
	return 0;
}

/* Gives /kata_overhead, which has the groups of all sandboxes, the weight that the kubelet gives to
 * all pods together: 1024 for each processor. With a new group's default weight, that of one
 * process, shims and VMMs would wait for hundreds of milliseconds on a busy node. */
static void weigh_overhead(const struct host_cgroup *h)
{
	const struct oci_resources all = {
		.cpu.shares = { true, 1024 * (uint64_t)sysconf(_SC_NPROCESSORS_ONLN) }
	};
	const char *folder = cgroup_folder(h->overhead, "cpu");
	AUTO(cgroup_settings) struct cgroup_settings s = { NULL, 0, 0 };
	AUTO(str) char *path = NULL;
	struct err err = ERR_INIT;

	if (!folder)
		return;
	if ((h->sandbox->ops->unified ? cgroup_v2_settings(&all, &s, &err)
				      : cgroup_v1_settings(&all, &s, &err)) == 0 &&
	    s.n) {
		path = str_fmt("%s/../%s", folder, s.v[0].file);
		if (!path_exists(path)) /* cgroup v2 without the controller */
			return;
		(void)!file_write(AT_FDCWD, path, s.v[0].value, &err);
	}
	if (err.code)
		log_err(LOG_WARN, &err, "cannot give the VMs' control groups their weight");
}

/* --- the scope --- */

/* The name of the slice that has the scope with that path, heap. */
static char *slice_of(const char *path)
{
	AUTO(str) char *above = xstrndup(path, (size_t)(path_basename(path) - path) - 1);

	return xstrdup(*above ? path_basename(above) : "-.slice");
}

/* After the scope's group was removed: systemd would kill processes that are still in it. Success
 * if the scope has ended by itself, with its last process. */
static int stop_scope(const char *path, struct deadline deadline, struct err *err)
{
	return systemd_is_there(NULL) ? systemd_stop(NULL, path_basename(path), deadline, err) : 0;
}

/* Has systemd make the scope and move the process into it, in the hierarchies that systemd manages.
 * The name may still be taken for a moment by a scope that has just ended. */
static int start_scope(struct host_cgroup *h, pid_t pid, struct err *err)
{
	AUTO(str) char *slice = slice_of(h->sandbox->path);
	const struct systemd_scope scope = { .name = path_basename(h->sandbox->path),
					     .slice = slice,
					     .description = "a virtual machine of Kata Containers",
					     .pid = pid };
	struct deadline forgotten = deadline_in(FORGET_MS), deadline = deadline_in(SCOPE_MS);
	struct err busy = ERR_INIT;

	while (systemd_start_scope(NULL, &scope, deadline, err) < 0) {
		if (err->code != E_EXISTS || deadline_passed(forgotten) ||
		    cgroup_check_empty(h->sandbox, &busy) < 0)
			return err_hint(err, "see what it is: systemctl status %s", scope.name);
		err_clear(err);
		(void)usleep(FORGET_POLL_US);
	}
	return 0;
}

/* --- entering --- */

/* True if the sandbox's group cannot be made before the VMM runs: a scope needs a first process,
 * and ends with its last one, and the shim is in the overhead group. */
static bool waits_for_vmm(const struct host_cgroup *h)
{
	return h->scope && h->overhead;
}

/* Makes the sandbox's group. first: the first process of a scope. With cgroup v2 systemd alone
 * makes groups below its slices. */
static int make_sandbox(struct host_cgroup *h, pid_t first, struct err *err)
{
	/* A former VMM has ended during its start, and this is the next attempt. */
	if (h->scope && h->made && stop_scope(h->sandbox->path, deadline_in(SCOPE_MS), err) < 0)
		return -1;
	if (h->scope && start_scope(h, first, err) < 0)
		return -1;
	if (!(h->scope && h->sandbox->ops->unified) && h->sandbox->ops->make(h->sandbox, err) < 0)
		return -1;
	h->made = true;
	return 0;
}

int host_cgroup_enter(struct host_cgroup *h, struct err *err)
{
	if (cgroup_check_empty(h->sandbox, err) < 0 || note_origin(h, err) < 0)
		return -1;
	h->entered = h->inside = true;
	if ((!waits_for_vmm(h) && make_sandbox(h, getpid(), err) < 0) ||
	    (h->overhead && h->overhead->ops->make(h->overhead, err) < 0) ||
	    cgroup_add(h->overhead ? h->overhead : h->sandbox, getpid(), err) < 0)
		return err_wrap(err, "control group of the sandbox");
	if (h->overhead)
		weigh_overhead(h);
	return 0;
}

/* Makes the scope with the VMM. With cgroup v1 the VMM then stays there only in systemd's own
 * hierarchy, to keep the scope alive; in the others only its threads that run processors belong to
 * the scope. */
static int add_to_scope(struct host_cgroup *h, pid_t vmm, struct err *err)
{
	if (make_sandbox(h, vmm, err) < 0 ||
	    (!h->sandbox->ops->unified && cgroup_add(h->overhead, vmm, err) < 0))
		return -1;
	return h->cpus ? host_cgroup_set_cpus(h, h->cpus, h->mems, err) : 0;
}

int host_cgroup_add_vmm(struct host_cgroup *h, pid_t vmm, struct err *err)
{
	int result = 0;

	/* With cgroup v2 all threads of a process are in one group, or it has no memory
	 * controller. */
	if (waits_for_vmm(h))
		result = add_to_scope(h, vmm, err);
	else if (h->overhead && h->sandbox->ops->unified)
		result = cgroup_add(h->sandbox, vmm, err);
	return result < 0 ? err_wrap(err, "control group of the sandbox") : 0;
}

int host_cgroup_add_vcpus(struct host_cgroup *h, const pid_t *threads, size_t n, struct err *err)
{
	if (!h->overhead || h->sandbox->ops->unified)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (cgroup_add_thread(h->sandbox, threads[i], err) < 0)
			return err_wrap(err, "control group of the sandbox");
	}
	return 0;
}

/* --- processors --- */

/* The list that an empty one stands for, heap: in cgroup v1 that of the group above; v2 takes an
 * empty line. */
static char *inherited(const struct host_cgroup *h, const char *file, struct err *err)
{
	AUTO(str) char *above = NULL;

	if (h->sandbox->ops->unified)
		return xstrdup("\n");
	above = str_fmt("%s/../%s", cgroup_folder(h->sandbox, "cpuset"), file);
	return file_read_line(AT_FDCWD, above, err);
}

static int set_list(struct host_cgroup *h, const char *file, const char *list, struct err *err)
{
	AUTO(str) char *all = str_empty(list) ? inherited(h, file, err) : NULL;
	AUTO(cgroup_settings) struct cgroup_settings s = { NULL, 0, 0 };

	if (err->code)
		return -1;
	cgroup_settings_add(&s, "cpuset", file, "%s", all ? all : list);
	if (cgroup_write(h->sandbox, &s, err) == 0)
		return 0;
	err_wrap(err, "%s = '%.200s' of the sandbox's control group %s", file, all ? all : list,
		 h->sandbox->path);
	return err_hint(err, "it must be among those of the group above, and of this machine");
}

/* The present list, heap; NULL if it cannot be read. */
static char *present(const struct host_cgroup *h, const char *file)
{
	AUTO(str) char *path = path_join(cgroup_folder(h->sandbox, "cpuset"), file);
	struct err ignored = ERR_INIT;

	return file_read_line(AT_FDCWD, path, &ignored);
}

/* Sets both, or neither. */
static int set_lists(struct host_cgroup *h, const char *cpus, const char *mems, struct err *err)
{
	AUTO(str) char *before = present(h, "cpuset.cpus");
	struct err ignored = ERR_INIT; /* the first one is reported */

	if (set_list(h, "cpuset.cpus", cpus, err) < 0)
		return -1;
	if (set_list(h, "cpuset.mems", mems, err) == 0)
		return 0;
	(void)!set_list(h, "cpuset.cpus", before, &ignored);
	return -1;
}

int host_cgroup_set_cpus(struct host_cgroup *h, const char *cpus, const char *mems, struct err *err)
{
	if (!cgroup_folder(h->sandbox, "cpuset"))
		return 0;
	if (!h->made) {
		str_set(&h->cpus, cpus);
		str_set(&h->mems, mems);
		return 0;
	}
	return set_lists(h, cpus, mems, err);
}

/* --- leaving --- */

int host_cgroup_leave(struct host_cgroup *h, struct err *err)
{
	struct deadline deadline = deadline_in(REMOVE_MS);

	if (!h->entered)
		return 0;
	if (host_cgroup_move_back(h, err) < 0 || cgroup_remove(h->sandbox, deadline, err) < 0 ||
	    (h->scope && h->made && stop_scope(h->sandbox->path, deadline_in(SCOPE_MS), err) < 0) ||
	    (h->overhead && cgroup_remove(h->overhead, deadline, err) < 0))
		return err_wrap(err, "leave the control group of the sandbox");
	h->entered = h->made = false;
	return 0;
}

int host_cgroup_remove(const char *path, struct deadline deadline, struct err *err)
{
	AUTO(cgroup) struct cgroup *g = cgroup_new(path, true, err);

	if (!g || cgroup_remove(g, deadline, err) < 0)
		return -1;
	return str_ends(path, SCOPE) ? stop_scope(path, deadline, err) : 0;
}
