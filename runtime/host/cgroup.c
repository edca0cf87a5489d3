// SPDX-License-Identifier: Apache-2.0
/* Where the processes of a sandbox are on the host. */

#include "host/cgroup.h"

#include "base/buf.h"
#include "base/deadline.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "container/cgroup.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX   "kata_"
#define OVERHEAD "/kata_overhead/"

enum { REMOVE_MS = 5000, TABLE_MAX = 1 << 20 };

struct host_cgroup {
	struct cgroup *sandbox, *overhead; /* overhead: NULL if there is only the sandbox's */
	const char *paths[3];
	char **home;  /* strv: where we came from, a folder for each hierarchy */
	bool entered; /* groups were made */
	bool away;    /* this process may be in them */
};

/* --- names --- */

/* "a-b.slice" lies in "a.slice": "/a.slice/a-b.slice", heap. */
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

/* As systemd has it: no empty part between dashes, none at the ends. */
static bool is_slice(const char *name)
{
	size_t len = strlen(name);

	if (!str_ends(name, ".slice") || strchr(name, '/') || len <= strlen(".slice"))
		return false;
	if (str_eq(name, "-.slice"))
		return true;
	return *name != '-' && name[len - strlen(".slice") - 1] != '-' && !strstr(name, "--");
}

/* Of "slice:prefix:name" the name and in *first its first colon; NULL: it is a path. */
static const char *systemd_name(const char *cgroups_path, const char **first)
{
	const char *second;

	*first = *cgroups_path == '/' ? NULL : strchr(cgroups_path, ':');
	second = *first ? strchr(*first + 1, ':') : NULL;
	return second && !strchr(second + 1, ':') ? second + 1 : NULL;
}

static char *systemd_path(const char *given, const char *name, struct err *err)
{
	/* runc's default too */
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

char *host_cgroup_path(const char *cgroups_path, const char *key, struct err *err)
{
	const char *colon = NULL, *name;
	AUTO(str) char *slice = NULL;
	char *path;

	if (str_empty(cgroups_path))
		return str_fmt("/kata/" PREFIX "%s", key);
	name = systemd_name(cgroups_path, &colon);
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
	AUTO(str) char *path = host_cgroup_path(where->path, where->key, err);
	AUTO(str) char *overhead = str_fmt(OVERHEAD "%s", where->key);

	if (!path)
		return -1;
	h->sandbox = find(where, path, err);
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
	strv_free(h->home);
	free(h);
}

const char *const *host_cgroup_paths(const struct host_cgroup *h)
{
	return h->paths;
}

/* --- where we came from --- */

/* True if a line of /proc/self/cgroup, "4:cpu,cpuacct:/path" or "0::/path", is of that hierarchy. */
static bool is_of(const struct cgroup *g, const struct cgroup_hierarchy *hierarchy,
		  const char *controllers)
{
	AUTO(strv) char **list = strv_split(controllers, ",");

	if (g->ops->unified)
		return !list;
	strv_each(c, list) {
		if (strv_has(hierarchy->controllers, *c))
			return true;
	}
	return false;
}

/* Our folder in that hierarchy, heap; at worst its root. */
static char *home_in(const struct cgroup *g, const struct cgroup_hierarchy *hierarchy,
		     char *const *table)
{
	strv_each(line, table) {
		const char *controllers = strchr(*line, ':');
		const char *path = controllers ? strchr(controllers + 1, ':') : NULL;
		AUTO(str) char *names = NULL;

		if (!path)
			continue;
		names = xstrndup(controllers + 1, (size_t)(path - controllers - 1));
		if (is_of(g, hierarchy, names))
			return path_join(hierarchy->mount, path + 1);
	}
	return xstrdup(hierarchy->mount);
}

static int note_home(struct host_cgroup *h, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(TABLE_MAX);
	AUTO(strv) char **table = NULL;

	if (file_read(AT_FDCWD, "/proc/self/cgroup", TABLE_MAX, &text, err) < 0)
		return -1;
	table = strv_split(buf_cstr(&text), "\n");
	for (size_t i = 0; i < h->sandbox->n; i++) {
		AUTO(str) char *folder = home_in(h->sandbox, &h->sandbox->v[i], table);

		strv_push(&h->home, folder);
	}
	return 0;
}

static int move_to(const char *folder, pid_t pid, struct err *err)
{
	AUTO(str) char *path = path_join(folder, "cgroup.procs");
	AUTO(str) char *text = str_fmt("%d", (int)pid);

	return file_write(AT_FDCWD, path, text, err);
}

/* The group that we came from may be gone, or have become one that takes no processes. */
int host_cgroup_go_home(struct host_cgroup *h, struct err *err)
{
	if (!h->away)
		return 0;
	for (size_t i = 0; i < h->sandbox->n; i++) {
		struct err ignored = ERR_INIT;

		if (move_to(h->home[i], getpid(), &ignored) < 0 &&
		    move_to(h->sandbox->v[i].mount, getpid(), err) < 0)
			return -1;
	}
	h->away = false;
	return 0;
}

/* The rests of all sandboxes together weigh as much as all pods do, which a kubelet gives 1024 for each
 * processor: with a new group's weight, that of one process, they would wait for hundreds of ms when the
 * node is busy. */
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
		if (!path_exists(path)) /* version 2 without that controller */
			return;
		(void)!file_write(AT_FDCWD, path, s.v[0].value, &err);
	}
	if (err.code)
		log_err(LOG_WARN, &err, "cannot give the VMs' control groups their weight");
}

/* --- in and out --- */

int host_cgroup_enter(struct host_cgroup *h, struct err *err)
{
	if (cgroup_check_empty(h->sandbox, err) < 0 || note_home(h, err) < 0)
		return -1;
	h->entered = h->away = true;
	if (h->sandbox->ops->make(h->sandbox, err) < 0 ||
	    (h->overhead && h->overhead->ops->make(h->overhead, err) < 0) ||
	    cgroup_add(h->overhead ? h->overhead : h->sandbox, getpid(), err) < 0)
		return err_wrap(err, "control group of the sandbox");
	if (h->overhead)
		weigh_overhead(h);
	return 0;
}

int host_cgroup_add_vmm(struct host_cgroup *h, pid_t vmm, struct err *err)
{
	/* In version 2 the threads of a process stay together, or have no memory controller. */
	if (!h->overhead || !h->sandbox->ops->unified)
		return 0;
	return cgroup_add(h->sandbox, vmm, err) < 0 ? err_wrap(err, "control group of the sandbox")
						    : 0;
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

/* What an empty list stands for. Version 2 knows that by itself. */
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
	err_wrap(err, "%s = '%.200s' of the sandbox's control group %s", file, list,
		 h->sandbox->path);
	return err_hint(err, "it must be among those of the group above, and of this machine");
}

int host_cgroup_set_cpus(struct host_cgroup *h, const char *cpus, const char *mems, struct err *err)
{
	if (!cgroup_folder(h->sandbox, "cpuset"))
		return 0;
	return set_list(h, "cpuset.cpus", cpus, err) < 0 ||
			       set_list(h, "cpuset.mems", mems, err) < 0
		       ? -1
		       : 0;
}

/* --- the end --- */

int host_cgroup_leave(struct host_cgroup *h, struct err *err)
{
	struct deadline deadline = deadline_in(REMOVE_MS);

	if (!h->entered)
		return 0;
	if (host_cgroup_go_home(h, err) < 0 || cgroup_remove(h->sandbox, deadline, err) < 0 ||
	    (h->overhead && cgroup_remove(h->overhead, deadline, err) < 0))
		return err_wrap(err, "leave the control group of the sandbox");
	h->entered = false;
	return 0;
}

int host_cgroup_remove(const char *path, struct err *err)
{
	AUTO(cgroup) struct cgroup *g = cgroup_new(path, true, err);

	return g ? cgroup_remove(g, deadline_in(REMOVE_MS), err) : -1;
}
