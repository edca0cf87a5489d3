// SPDX-License-Identifier: Apache-2.0
/* What both versions of control groups have in common: finding, reading, writing, removing. */

#include "container/cgroup.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "base/tree.h"
#include "base/vec.h"
#include "mount/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CGROUP_TEXT_MAX = 4 << 20, CGROUP_POLL_US = 2000 };

/* --- hierarchies --- */

static char **controllers_of(const char *options)
{
	static const char *const known[] = { "cpu",     "cpuacct",  "cpuset",  "memory",
					     "pids",    "blkio",    "hugetlb", "devices",
					     "net_cls", "net_prio", "freezer", "perf_event",
					     "rdma",    "misc",     NULL };
	AUTO(strv) char **parts = strv_split(options, ",");
	char **out = NULL;

	strv_each(p, parts) {
		if (strv_has((char *const *)known, *p))
			strv_push(&out, *p);
	}
	return out;
}

static void add_hierarchy(struct cgroup *g, const char *mount, char **controllers)
{
	g->v = xreallocarray(g->v, g->n + 1, sizeof(*g->v));
	g->v[g->n++] = (struct cgroup_hierarchy){ xstrdup(path_basename(mount)), xstrdup(mount),
						  controllers, path_join(mount, g->path) };
}

/* The same hierarchy may be mounted more than once: the first that has its controllers wins. */
static bool have_any(const struct cgroup *g, char *const *controllers)
{
	strv_each(c, controllers) {
		if (cgroup_folder(g, *c))
			return true;
	}
	return false;
}

static void find_v1(struct cgroup *g, const struct mount_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		char **controllers;

		if (!str_eq(list->v[i].type, "cgroup"))
			continue;
		controllers = controllers_of(list->v[i].super_options);
		if (!controllers || have_any(g, controllers))
			strv_free(controllers);
		else
			add_hierarchy(g, list->v[i].target, controllers);
	}
}

static struct cgroup *cgroup_alloc(const char *path, bool lenient)
{
	struct cgroup *g = NEW(struct cgroup);
	AUTO(str) char *absolute = path_join("/", path);

	g->path = path_clean(absolute);
	g->lenient = lenient;
	g->device_program = -1;
	return g;
}

struct cgroup *cgroup_new_unified(const char *mount, const char *path, bool lenient)
{
	struct cgroup *g = cgroup_alloc(path, lenient);

	g->ops = &cgroup_v2_ops;
	add_hierarchy(g, mount, NULL);
	return g;
}

/* The mount point of version 2, or NULL. *usual: it is where the machine's own version is mounted. */
static const char *find_v2(const struct mount_list *list, bool *usual)
{
	const char *first = NULL;

	*usual = false;
	for (size_t i = 0; i < list->n && !*usual; i++) {
		if (!str_eq(list->v[i].type, "cgroup2"))
			continue;
		*usual = str_eq(list->v[i].target, "/sys/fs/cgroup");
		if (!first || *usual)
			first = list->v[i].target;
	}
	return first;
}

struct cgroup *cgroup_new_in(const struct mount_list *list, const char *path, bool lenient,
			     struct err *err)
{
	AUTO(cgroup) struct cgroup *g = cgroup_alloc(path, lenient);
	bool usual;
	const char *unified = find_v2(list, &usual);

	if (str_eq(g->path, "/")) {
		err_set(err, E_INVALID, "a container cannot be the root cgroup");
		return NULL;
	}
	g->ops = &cgroup_v1_ops;
	if (!usual)
		find_v1(g, list);
	if (!g->n && unified) {
		g->ops = &cgroup_v2_ops;
		add_hierarchy(g, unified, NULL);
	}
	if (!g->n && !lenient) {
		err_set(err, E_UNSUPPORTED, "no cgroup hierarchy is mounted");
		return NULL;
	}
	return STEAL(g, NULL);
}

struct cgroup *cgroup_new(const char *path, bool lenient, struct err *err)
{
	AUTO(mount_list) struct mount_list list = { NULL, 0 };

	return mount_list_read(&list, err) < 0 ? NULL : cgroup_new_in(&list, path, lenient, err);
}

void cgroup_free(struct cgroup *g)
{
	for (size_t i = 0; i < g->n; i++) {
		free(g->v[i].name);
		free(g->v[i].mount);
		strv_free(g->v[i].controllers);
		free(g->v[i].folder);
	}
	fd_close(&g->device_program);
	free(g->v);
	free(g->path);
	free(g);
}

static const struct cgroup_hierarchy *hierarchy_of(const struct cgroup *g, const char *controller)
{
	for (size_t i = 0; i < g->n; i++) {
		if (g->ops->unified || strv_has(g->v[i].controllers, controller))
			return &g->v[i];
	}
	return NULL;
}

const char *cgroup_folder(const struct cgroup *g, const char *controller)
{
	const struct cgroup_hierarchy *h = hierarchy_of(g, controller);

	return h ? h->folder : NULL;
}

/* --- settings --- */

void cgroup_settings_add(struct cgroup_settings *s, const char *controller, const char *file,
			 const char *fmt, ...)
{
	AUTO(buf) struct buf value = BUF_INIT(64 * 1024);
	struct cgroup_setting one = { controller, xstrdup(file), NULL, false };
	va_list ap;

	va_start(ap, fmt);
	buf_vfmt(&value, fmt, ap);
	va_end(ap);
	one.value = xstrdup(buf_cstr(&value));
	vec_push(s, one);
}

void cgroup_settings_release(struct cgroup_settings *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->v[i].file);
		free(s->v[i].value);
	}
	vec_release(s);
}

/* Pages are reserved when they are mapped. Without a limit of the reservations a container could
 * reserve those of others, and would be killed by SIGBUS when it writes to more than it may use.
 * Kubernetes sends a limit of 0 for every page size of the node. Of a size that this kernel lacks
 * nobody can use pages, which is what 0 asks for; any other limit of it cannot be kept. */
void cgroup_hugetlb_settings(const struct oci_resources *r, const char *suffix,
			     struct cgroup_settings *s)
{
	for (size_t i = 0; i < r->n_hugepage_limits; i++) {
		const struct oci_hugepage_limit *l = &r->hugepage_limits[i];
		AUTO(str) char *used = str_fmt("hugetlb.%s.%s", l->page_size, suffix);
		AUTO(str) char *reserved = str_fmt("hugetlb.%s.rsvd.%s", l->page_size, suffix);

		cgroup_settings_add(s, "hugetlb", used, "%" PRIu64, l->limit);
		s->v[s->n - 1].optional = !l->limit;
		cgroup_settings_add(s, "hugetlb", reserved, "%" PRIu64, l->limit);
		s->v[s->n - 1].optional = true; /* since Linux 5.7 */
	}
}

bool cgroup_lifts_swap(const struct oci_resources *r)
{
	return r->memory.limit.set && r->memory.limit.v < 0 &&
	       (!r->memory.swap.set || r->memory.swap.v == 0);
}

static int write_one(struct cgroup *g, const struct cgroup_setting *s, struct err *err)
{
	const char *folder = cgroup_folder(g, s->controller);
	AUTO(str) char *path = folder ? path_join(folder, s->file) : NULL;

	if (!folder)
		return err_set(err, E_UNSUPPORTED, "there is no %s cgroup controller for %s",
			       s->controller, s->file);
	return file_write(AT_FDCWD, path, s->value, err);
}

int cgroup_write(struct cgroup *g, const struct cgroup_settings *s, struct err *err)
{
	for (size_t i = 0; i < s->n; i++) {
		struct err e = ERR_INIT;
		bool missing;

		if (write_one(g, &s->v[i], &e) == 0)
			continue;
		missing = e.code == E_UNSUPPORTED || e.code == E_NOT_FOUND;
		if (!s->v[i].optional && !(g->lenient && missing)) {
			*err = e;
			return -1;
		}
		log_err(LOG_DEBUG, &e, "cgroup setting left out", LOG_S("file", s->v[i].file));
	}
	return 0;
}

/* The kernel refuses a new task at the lower of two limits. */
static uint64_t tasks_of_machine(struct err *err)
{
	static const char *const limits[] = { "/proc/sys/kernel/threads-max",
					      "/proc/sys/kernel/pid_max" };
	uint64_t least = UINT64_MAX;

	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		AUTO(str) char *text = file_read_line(AT_FDCWD, limits[i], err);
		uint64_t n;

		if (!text || str_u64(text, 10, 1, UINT64_MAX, limits[i], &n, err) < 0)
			return 0;
		least = n < least ? n : least;
	}
	return least;
}

int cgroup_reserve_tasks(struct cgroup *g, unsigned reserved, struct err *err)
{
	AUTO(str) char *top = xstrndup(g->path, 1 + strcspn(g->path + 1, "/"));
	const struct cgroup_hierarchy *h = hierarchy_of(g, "pids");
	uint64_t all = tasks_of_machine(err);

	if (err->code)
		return -1;
	if (!h || all / 2 < reserved)
		return 0;
	AUTO(str) char *path = str_fmt("%s%s/pids.max", h->mount, top);
	AUTO(str) char *most = str_fmt("%" PRIu64, all - reserved);
	if (access(path, F_OK) < 0)
		return 0; /* version 2, without the controller */
	return file_write(AT_FDCWD, path, most, err);
}

int cgroup_read(const struct cgroup *g, const char *controller, const char *file, struct buf *out,
		struct err *err)
{
	const char *folder = cgroup_folder(g, controller);
	AUTO(str) char *path = folder ? path_join(folder, file) : NULL;

	if (!folder)
		return err_set(err, E_NOT_FOUND, "there is no %s cgroup controller", controller);
	return file_read(AT_FDCWD, path, CGROUP_TEXT_MAX, out, err);
}

static uint64_t number(const char *text)
{
	uint64_t out = 0;

	if (str_starts(text, "max"))
		return UINT64_MAX;
	for (const char *p = text; *p >= '0' && *p <= '9'; p++)
		out = out * 10 + (uint64_t)(*p - '0');
	return out;
}

uint64_t cgroup_number(const struct cgroup *g, const char *controller, const char *file)
{
	struct err ignored = ERR_INIT; /* a missing file counts as 0 */
	AUTO(buf) struct buf b = BUF_INIT(0);

	if (cgroup_read(g, controller, file, &b, &ignored) < 0)
		return 0;
	return number(buf_cstr(&b));
}

/* --- processes --- */

static int add_to(struct cgroup *g, const char *file, pid_t pid, struct err *err)
{
	AUTO(str) char *text = str_fmt("%d", (int)pid);

	for (size_t i = 0; i < g->n; i++) {
		AUTO(str) char *path = path_join(g->v[i].folder, file);

		if (file_write(AT_FDCWD, path, text, err) < 0)
			return -1;
	}
	return 0;
}

int cgroup_add(struct cgroup *g, pid_t pid, struct err *err)
{
	return add_to(g, "cgroup.procs", pid, err);
}

int cgroup_add_thread(struct cgroup *g, pid_t thread, struct err *err)
{
	return g->ops->unified ? err_set(err, E_UNSUPPORTED,
					 "a thread has no control group of its own in version 2")
			       : add_to(g, "tasks", thread, err);
}

int cgroup_add_beside(struct cgroup *g, pid_t pid, pid_t peer, struct err *err)
{
	AUTO(str) char *text = str_fmt("%d", (int)pid);
	AUTO(str) char *table = str_fmt("/proc/%d/cgroup", (int)peer);
	AUTO(str) char *line = NULL;
	AUTO(str) char *folder = NULL;
	AUTO(str) char *procs = NULL;
	struct err full = ERR_INIT;

	if (cgroup_add(g, pid, &full) == 0)
		return 0;
	if (!g->ops->unified || full.sys != EBUSY) {
		*err = full;
		return -1;
	}
	line = file_read_line(AT_FDCWD, table, err);
	if (!line)
		return -1;
	/* The peer must be in our group or in one below it. */
	if (!str_starts(line, "0::") || !path_is_below(line + 3, g->path))
		return err_set(err, E_STATE, "process %d has left its cgroup", (int)peer);
	folder = path_join(g->v[0].mount, line + 3);
	procs = path_join(folder, "cgroup.procs");
	return file_write(AT_FDCWD, procs, text, err);
}

struct pid_vec {
	VEC(pid_t) v;
};

static int pids_of_file(int dir, struct pid_vec *out, struct err *err)
{
	AUTO(buf) struct buf b = BUF_INIT(0);
	AUTO(strv) char **lines = NULL;

	if (file_read(dir, "cgroup.procs", CGROUP_TEXT_MAX, &b, err) < 0)
		return -1;
	lines = strv_split(buf_cstr(&b), "\n");
	strv_each(line, lines) {
		pid_t pid = (pid_t)number(*line);

		if (pid > 0)
			vec_push(&out->v, pid);
	}
	return 0;
}

static int pids_inside(int dir, void *ctx, struct err *err)
{
	struct err e = ERR_INIT;

	if (pids_of_file(dir, ctx, &e) == 0)
		return 0;
	/* The group was removed meanwhile, or it is threaded: the parent lists its processes. */
	if (e.sys == ENODEV || e.sys == ENOENT || e.sys == EOPNOTSUPP)
		return 0;
	*err = e;
	return -1;
}

static int pids_visit(void *arg, const struct tree_at *at, struct err *err)
{
	AUTO(fd) int dir = -1;

	if (at->when != TREE_ENTER)
		return TREE_GO_ON;
	dir = openat(at->dir, at->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? TREE_SKIP : err_sys(err, "open cgroup %s", at->name);
	return pids_inside(dir, arg, err);
}

/* Adds the processes of a group and of all groups below it, which a container may nest arbitrarily
 * deep. A missing group has none. */
static int pids_below(const char *folder, struct pid_vec *out, struct err *err)
{
	const struct tree_walk w = { .visit = pids_visit, .arg = out, .name = folder };
	AUTO(fd) int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return errno == ENOENT ? 0 : err_sys(err, "open cgroup %s", folder);
	return pids_inside(dir, out, err) < 0 || tree_walk(dir, &w, err) < 0
		       ? err_wrap(err, "%s", folder)
		       : 0;
}

int cgroup_check_empty(struct cgroup *g, struct err *err)
{
	struct pid_vec found = { VEC_INIT };
	int r = 0;

	for (size_t i = 0; r == 0 && i < g->n; i++) {
		r = pids_below(g->v[i].folder, &found, err);
		if (r == 0 && found.v.n)
			r = err_set(err, E_STATE,
				    "cgroup %s already has processes, %d among them; choose "
				    "another cgroupsPath",
				    g->v[i].folder, (int)found.v.v[0]);
	}
	vec_release(&found.v);
	return r;
}

int cgroup_pids(struct cgroup *g, pid_t **pids, size_t *n, struct err *err)
{
	const char *folder = cgroup_folder(g, "pids");
	struct pid_vec out = { VEC_INIT };

	*pids = NULL;
	*n = 0;
	if (!folder && g->n)
		folder = g->v[0].folder;
	if (folder && pids_below(folder, &out, err) < 0) {
		vec_release(&out.v);
		return -1;
	}
	*pids = out.v.v;
	*n = out.v.n;
	return 0;
}

static int signal_each(struct cgroup *g, int signal, struct err *err)
{
	AUTO(mem) pid_t *pids = NULL;
	size_t n;

	if (cgroup_pids(g, &pids, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (kill(pids[i], signal) < 0 && errno != ESRCH)
			return err_sys(err, "send signal %d to process %d", signal, (int)pids[i]);
	}
	return 0;
}

/* The group is frozen meanwhile, so that no fork is missed. A group that was frozen before stays
 * so, except for SIGKILL, which takes effect only after the thaw. */
int cgroup_signal(struct cgroup *g, int signal, struct err *err)
{
	struct err ignored = ERR_INIT; /* a group that cannot be frozen is signalled unfrozen */
	bool thawed;
	int result;

	if (signal == SIGKILL && g->ops->kill)
		return g->ops->kill(g, err);
	thawed = g->ops->frozen(g, &ignored) == 0;
	err_clear(&ignored);
	if (thawed)
		(void)!g->ops->freeze(g, true, deadline_in(1000), &ignored);
	err_clear(&ignored);
	result = signal_each(g, signal, err);
	if (thawed || signal == SIGKILL)
		(void)!g->ops->freeze(g, false, deadline_in(1000), &ignored);
	return result;
}

/* --- out of memory --- */

/* In version 2 the file has the number of kills so far. */
static int oom_read_file(struct container_oom *oom, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(0);

	if (lseek(oom->fd, 0, SEEK_SET) < 0)
		return err_sys(err, "rewind memory.events");
	if (file_read_fd(oom->fd, "memory.events", CGROUP_TEXT_MAX, &text, err) < 0)
		return -1;
	oom->kills = cgroup_value(buf_cstr(&text), "oom_kill");
	return 0;
}

/* The event arrives before the process is killed and before the counter in the control file
 * changes, so events are counted. The last event is the removal of the group itself. */
static int oom_read_events(struct container_oom *oom, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(0);
	uint64_t events = 0;

	if (read(oom->fd, &events, sizeof(events)) < 0 && errno != EAGAIN)
		return err_sys(err, "read OOM events");
	if (lseek(oom->control, 0, SEEK_SET) < 0)
		return err_sys(err, "rewind memory.oom_control");
	if (file_read_fd(oom->control, "memory.oom_control", CGROUP_TEXT_MAX, &text, err) < 0)
		return -1;
	oom->kills += events;
	return 0;
}

int container_oom_read(struct container_oom *oom, struct err *err)
{
	return oom->control < 0 ? oom_read_file(oom, err) : oom_read_events(oom, err);
}

void container_oom_close(struct container_oom *oom)
{
	fd_close(&oom->fd);
	fd_close(&oom->control);
}

/* --- removal --- */

/* Waits while the group is busy: a killed process may leave its group only when it is reaped. */
static int remove_group(int dir, const char *name, const struct deadline *deadline, struct err *err)
{
	while (unlinkat(dir, name, AT_REMOVEDIR) < 0) {
		if (errno == ENOENT)
			return 0;
		if (errno != EBUSY || deadline_passed(*deadline))
			return err_sys(err, "remove cgroup %s", name);
		(void)usleep(CGROUP_POLL_US);
	}
	return 0;
}

static int remove_visit(void *arg, const struct tree_at *at, struct err *err)
{
	return at->when == TREE_LEAVE ? remove_group(at->dir, at->name, arg, err) : TREE_GO_ON;
}

static int remove_below(const char *folder, struct deadline *deadline, struct err *err)
{
	const struct tree_walk w = {
		.visit = remove_visit, .arg = deadline, .name = folder, .removes = true
	};
	AUTO(fd) int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return errno == ENOENT ? 0 : err_sys(err, "open cgroup %s", folder);
	return tree_walk(dir, &w, err) < 0 ? err_wrap(err, "%s", folder) : 0;
}

int cgroup_remove(struct cgroup *g, struct deadline deadline, struct err *err)
{
	for (size_t i = 0; i < g->n; i++) {
		if (remove_below(g->v[i].folder, &deadline, err) < 0 ||
		    remove_group(AT_FDCWD, g->v[i].folder, &deadline, err) < 0)
			return -1;
	}
	return 0;
}

/* --- devices --- */

struct oci_device_rule *cgroup_device_rules(const struct oci_resources *r, size_t *n)
{
	static char c[] = "c", b[] = "b", m[] = "m", rwm[] = "rwm";
	const struct {
		char *type;
		int major, minor; /* -1: any */
		char *access;
	} usual[] = {
		{ c, -1, -1, m }, { b, -1, -1, m },    { c, 1, 3, rwm }, { c, 1, 5, rwm },
		{ c, 1, 7, rwm }, { c, 1, 8, rwm },    { c, 1, 9, rwm }, { c, 5, 0, rwm },
		{ c, 5, 2, rwm }, { c, 136, -1, rwm },
	};
	struct oci_device_rule *out = xcalloc(r->n_devices + ARRAY_LEN(usual), sizeof(*out));

	*n = 0;
	if (!r->n_devices)
		return out;
	for (size_t i = 0; i < r->n_devices; i++)
		out[(*n)++] = r->devices[i];
	for (size_t i = 0; i < ARRAY_LEN(usual); i++) {
		out[(*n)++] = (struct oci_device_rule){
			.allow = true,
			.type = usual[i].type,
			.major = { usual[i].major >= 0, usual[i].major },
			.minor = { usual[i].minor >= 0, usual[i].minor },
			.access = usual[i].access,
		};
	}
	return out;
}
