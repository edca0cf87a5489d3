// SPDX-License-Identifier: Apache-2.0
/* cgroup v2: making, limits, freezing, killing, statistics, removal. */

#include "container/cgroup.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "base/vec.h"
#include "mount/mount.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 1 << 20 };

struct cgroup {
	char *path; /* absolute */
	int dir;
};

DEFINE_AUTO(dirp, DIR *, NULL, closedir)

/* ----------------------------------------------------------------------------------------- making
 */

static char *find_root(struct err *err)
{
	AUTO(mount_table) struct mount_table t;

	if (mount_table_read(&t, err) < 0)
		return NULL;
	vec_each(struct mount_entry, e, &t.entries) {
		if (str_eq(e->type, "cgroup2"))
			return xstrdup(e->path);
	}
	err_set(err, E_UNSUPPORTED, "no cgroup2 file system is mounted");
	return NULL;
}

/* Offers the children of dir every controller that dir has itself. */
static int delegate(int dir, const char *shown, struct err *err)
{
	AUTO(str) char *list = file_read_line(dir, "cgroup.controllers", err);
	AUTO(strv) char **names = list ? strv_split(list, " ") : NULL;

	if (!list)
		return err_wrap(err, "cgroup %s", shown);
	strv_each(name, names) {
		AUTO(str) char *word = str_fmt("+%s", *name);
		struct err ignored =
			ERR_INIT; /* a controller that cannot be delegated is not there */

		(void)!file_write(dir, "cgroup.subtree_control", word, &ignored);
	}
	return 0;
}

static int descend(const char *root, const char *path, struct err *err)
{
	AUTO(strv) char **parts = strv_split(path, "/");
	int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_sys(err, "open cgroup root %s", root);
	strv_each(part, parts) {
		AUTO(fd) int up = dir;

		if (str_eq(*part, ".."))
			return err_set(err, E_INVALID, "cgroup path '%s' contains '..'", path);
		if (delegate(up, *part, err) < 0)
			return -1;
		if (mkdirat(up, *part, 0755) < 0 && errno != EEXIST)
			return err_sys(err, "make cgroup %s", path);
		dir = openat(up, *part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (dir < 0)
			return err_sys(err, "open cgroup %s", path);
	}
	return dir;
}

int cgroup_make(const char *root, const char *path, struct cgroup **out, struct err *err)
{
	AUTO(str) char *found = root ? xstrdup(root) : find_root(err);
	struct cgroup *g;
	int dir;

	if (!found)
		return -1;
	dir = descend(found, path, err);
	if (dir < 0)
		return -1;
	g = NEW(struct cgroup);
	g->dir = dir;
	g->path = path_join(found, path);
	*out = g;
	return 0;
}

void cgroup_free(struct cgroup *g)
{
	if (!g)
		return;
	fd_close(&g->dir);
	free(g->path);
	free(g);
}

int cgroup_add(struct cgroup *g, pid_t pid, struct err *err)
{
	char text[16];

	(void)str_print(text, sizeof(text), "%d", (int)pid);
	if (file_write(g->dir, "cgroup.procs", text, err) < 0)
		return err_wrap(err, "cgroup %s", g->path);
	return 0;
}

/* ----------------------------------------------------------------------------------------- limits
 */

uint64_t cgroup_weight(uint64_t shares)
{
	if (shares < 2)
		shares = 2;
	if (shares > 262144)
		shares = 262144;
	return 1 + ((shares - 2) * 9999) / 262142;
}

uint64_t cgroup_keyed(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; line && *line;) {
		if (strncmp(line, key, len) == 0 && line[len] == ' ')
			return strtoull(line + len + 1, NULL, 10);
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return 0;
}

static int put(struct cgroup *g, const char *file, const char *text, struct err *err)
{
	if (file_write(g->dir, file, text, err) == 0)
		return 0;
	if (err->code == E_NOT_FOUND)
		err->code = E_UNSUPPORTED;
	return err_wrap(err, "cgroup %s", g->path);
}

/* Limits are signed in the specification: negative is "max". */
static int put_limit(struct cgroup *g, const char *file, int64_t value, struct err *err)
{
	char text[24];

	(void)str_print(text, sizeof(text), "%" PRId64, value);
	return put(g, file, value < 0 ? "max" : text, err);
}

static int set_memory(struct cgroup *g, const struct oci_resources *r, struct err *err)
{
	struct oci_i64 limit = r->memory.limit, swap = r->memory.swap;

	/* v1 counts memory plus swap, v2 swap alone. */
	if (swap.set && swap.v > 0 && !(limit.set && limit.v > 0))
		return err_set(err, E_INVALID,
			       "memory.swap needs a memory.limit that it can be compared with");
	if (swap.set && swap.v > 0 && swap.v < limit.v)
		return err_set(err, E_INVALID,
			       "memory.swap %" PRId64 " is below memory.limit %" PRId64, swap.v,
			       limit.v);
	if (limit.set && put_limit(g, "memory.max", limit.v, err) < 0)
		return -1;
	if (swap.set && faccessat(g->dir, "memory.swap.max", F_OK, 0) == 0 &&
	    put_limit(g, "memory.swap.max", swap.v > 0 ? swap.v - limit.v : swap.v, err) < 0)
		return -1;
	if (r->memory.reservation.set &&
	    put_limit(g, "memory.low", r->memory.reservation.v, err) < 0)
		return -1;
	return 0;
}

static int set_cpu(struct cgroup *g, const struct oci_resources *r, struct err *err)
{
	char text[64];

	if (r->cpu.shares.set && r->cpu.shares.v) {
		(void)str_print(text, sizeof(text), "%" PRIu64, cgroup_weight(r->cpu.shares.v));
		if (put(g, "cpu.weight", text, err) < 0)
			return -1;
	}
	if (r->cpu.quota.set || r->cpu.period.set) {
		uint64_t period = r->cpu.period.set && r->cpu.period.v ? r->cpu.period.v : 100000;

		if (r->cpu.quota.set && r->cpu.quota.v > 0)
			(void)str_print(text, sizeof(text), "%" PRId64 " %" PRIu64, r->cpu.quota.v,
					period);
		else
			(void)str_print(text, sizeof(text), "max %" PRIu64, period);
		if (put(g, "cpu.max", text, err) < 0)
			return -1;
	}
	if (!str_empty(r->cpu.cpus) && put(g, "cpuset.cpus", r->cpu.cpus, err) < 0)
		return -1;
	if (!str_empty(r->cpu.mems) && put(g, "cpuset.mems", r->cpu.mems, err) < 0)
		return -1;
	return 0;
}

static int set_io(struct cgroup *g, const struct oci_resources *r, struct err *err)
{
	const struct {
		const struct oci_throttle_list *list;
		const char *key;
	} kinds[] = { { &r->block_io.read_bps, "rbps" },
		      { &r->block_io.write_bps, "wbps" },
		      { &r->block_io.read_iops, "riops" },
		      { &r->block_io.write_iops, "wiops" } };

	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		for (size_t i = 0; i < kinds[k].list->n; i++) {
			const struct oci_throttle_device *d = &kinds[k].list->v[i];
			AUTO(str)
			char *text = str_fmt("%" PRId64 ":%" PRId64 " %s=%" PRIu64, d->major,
					     d->minor, kinds[k].key, d->rate);

			if (put(g, "io.max", text, err) < 0)
				return -1;
		}
	}
	return 0;
}

static int set_rest(struct cgroup *g, const struct oci_resources *r, struct err *err)
{
	if (r->pids_limit.set &&
	    put_limit(g, "pids.max", r->pids_limit.v ? r->pids_limit.v : -1, err) < 0)
		return -1;
	for (size_t i = 0; i < r->n_hugepage_limits; i++) {
		AUTO(str) char *file = str_fmt("hugetlb.%s.max", r->hugepage_limits[i].page_size);
		AUTO(str) char *text = str_fmt("%" PRIu64, r->hugepage_limits[i].limit);

		if (strchr(file, '/') || put(g, file, text, err) < 0)
			return err->code ? -1 : err_set(err, E_INVALID, "page size in %s", file);
	}
	for (size_t i = 0; i < r->n_unified; i++) {
		if (strchr(r->unified[i].key, '/'))
			return err_set(err, E_INVALID, "unified key '%s' is not a file name",
				       r->unified[i].key);
		if (put(g, r->unified[i].key, r->unified[i].value, err) < 0)
			return -1;
	}
	return 0;
}

int cgroup_set(struct cgroup *g, const struct oci_resources *r, struct err *err)
{
	if (set_memory(g, r, err) < 0 || set_cpu(g, r, err) < 0 || set_io(g, r, err) < 0)
		return -1;
	return set_rest(g, r, err);
}

/* ------------------------------------------------------------------------------- freezing, killing
 */

/* Waits until the line "key value" of cgroup.events is there. */
static int wait_event(struct cgroup *g, const char *key, uint64_t value, struct deadline deadline,
		      struct err *err)
{
	AUTO(fd) int fd = openat(g->dir, "cgroup.events", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "open cgroup.events of %s", g->path);
	for (;;) {
		AUTO(buf) struct buf text = BUF_INIT(FILE_MAX);
		struct pollfd wait = { .fd = fd, .events = POLLPRI };

		if (lseek(fd, 0, SEEK_SET) < 0 ||
		    file_read_fd(fd, "cgroup.events", FILE_MAX, &text, err) < 0)
			return -1;
		if (cgroup_keyed(buf_cstr(&text), key) == value)
			return 0;
		if (poll(&wait, 1, deadline_left(deadline)) == 0)
			return err_set(err, E_TIMEOUT, "cgroup %s: '%s %" PRIu64 "' did not come",
				       g->path, key, value);
	}
}

int cgroup_freeze(struct cgroup *g, bool frozen, struct deadline deadline, struct err *err)
{
	if (put(g, "cgroup.freeze", frozen ? "1" : "0", err) < 0)
		return -1;
	return wait_event(g, "frozen", frozen, deadline, err);
}

static int read_pids(int dir, const char *shown, pid_t **pids, size_t *n, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(FILE_MAX);
	AUTO(strv) char **words = NULL;

	if (file_read(dir, "cgroup.procs", FILE_MAX, &text, err) < 0)
		return err_wrap(err, "cgroup %s", shown);
	words = strv_split(buf_cstr(&text), "\n");
	*pids = xreallocarray(*pids, *n + strv_len(words), sizeof(**pids));
	strv_each(word, words) {
		int64_t pid;

		if (str_i64(*word, 0, INT32_MAX, "pid", &pid, err) < 0)
			return err_wrap(err, "cgroup.procs of %s", shown);
		(*pids)[(*n)++] = (pid_t)pid;
	}
	return 0;
}

/* The container may have made cgroups of its own below. */
static int walk(int dir, const char *shown, unsigned depth,
		int (*fn)(int dir, const char *shown, void *arg, struct err *err), void *arg,
		struct err *err)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(dirp) DIR *list = copy < 0 ? NULL : fdopendir(copy);

	if (!list)
		return err_sys(err, "list cgroup %s", shown);
	for (struct dirent *e; depth && (e = readdir(list));) {
		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		AUTO(fd) int sub = openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		AUTO(str) char *name = path_join(shown, e->d_name);

		if (sub >= 0 && walk(sub, name, depth - 1, fn, arg, err) < 0)
			return -1;
	}
	return fn(dir, shown, arg, err);
}

enum { DEPTH_MAX = 16 };

struct pid_list {
	pid_t *v;
	size_t n;
};

static int collect(int dir, const char *shown, void *arg, struct err *err)
{
	struct pid_list *list = arg;

	return read_pids(dir, shown, &list->v, &list->n, err);
}

int cgroup_pids(struct cgroup *g, pid_t **pids, size_t *n, struct err *err)
{
	struct pid_list list = { NULL, 0 };

	if (walk(g->dir, g->path, DEPTH_MAX, collect, &list, err) < 0) {
		free(list.v);
		return -1;
	}
	*pids = list.v;
	*n = list.n;
	return 0;
}

int cgroup_signal(struct cgroup *g, int signal, struct err *err)
{
	struct deadline soon = deadline_in(2000);
	struct err frozen = ERR_INIT;
	pid_t *pids = NULL;
	size_t n = 0;
	int result;

	if (signal == SIGKILL && faccessat(g->dir, "cgroup.kill", F_OK, 0) == 0)
		return put(g, "cgroup.kill", "1", err);
	/* Frozen, nobody forks away from the list. If that cannot be had, the list is still right
	 * for all that do not fork just now. */
	(void)!cgroup_freeze(g, true, soon, &frozen);
	result = cgroup_pids(g, &pids, &n, err);
	for (size_t i = 0; i < n; i++)
		(void)kill(pids[i], signal);
	free(pids);
	err_clear(&frozen);
	(void)!cgroup_freeze(g, false, soon, &frozen);
	return result;
}

static int remove_dir(int dir, const char *shown, void *arg, struct err *err)
{
	(void)dir;
	(void)arg;
	if (rmdir(shown) < 0 && errno != ENOENT)
		return err_sys(err, "remove cgroup %s", shown);
	return 0;
}

int cgroup_remove(struct cgroup *g, struct deadline deadline, struct err *err)
{
	if (cgroup_signal(g, SIGKILL, err) < 0 || wait_event(g, "populated", 0, deadline, err) < 0)
		return -1;
	return walk(g->dir, g->path, DEPTH_MAX, remove_dir, NULL, err);
}

/* --------------------------------------------------------------------------------------------- oom
 */

int cgroup_oom_fd(struct cgroup *g, struct err *err)
{
	int fd = openat(g->dir, "memory.events", O_RDONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return err_set(err, E_UNSUPPORTED, "cgroup %s has no memory controller", g->path);
	return fd < 0 ? err_sys(err, "open memory.events of %s", g->path) : fd;
}

int cgroup_oom_drain(int fd, uint64_t *kills, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(FILE_MAX);

	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, "rewind memory.events");
	if (file_read_fd(fd, "memory.events", FILE_MAX, &text, err) < 0)
		return -1;
	*kills = cgroup_keyed(buf_cstr(&text), "oom_kill");
	return 0;
}

/* -------------------------------------------------------------------------------------- statistics
 */

/* A file that may be missing: then it reads as empty. */
static void read_optional(struct cgroup *g, const char *file, struct buf *to)
{
	struct err ignored = ERR_INIT;

	buf_clear(to);
	(void)!file_read(g->dir, file, FILE_MAX, to, &ignored);
}

static uint64_t read_number(struct cgroup *g, const char *file)
{
	AUTO(buf) struct buf text = BUF_INIT(FILE_MAX);

	read_optional(g, file, &text);
	if (str_starts(buf_cstr(&text), "max"))
		return UINT64_MAX;
	return strtoull(buf_cstr(&text), NULL, 10);
}

static void memory_stat(const char *text, struct container_stats *out)
{
	/* v1's names where v2 has another word for the same. */
	static const struct {
		const char *v2, *v1;
	} names[] = { { "anon", "rss" },
		      { "file", "cache" },
		      { "file_mapped", "mapped_file" },
		      { "file_dirty", "dirty" },
		      { "file_writeback", "writeback" } };
	AUTO(strv) char **lines = strv_split(text, "\n");

	out->memory.stats = xcalloc(strv_len(lines), sizeof(*out->memory.stats));
	strv_each(line, lines) {
		struct container_stat_pair *pair = &out->memory.stats[out->memory.n_stats];
		size_t len = strcspn(*line, " ");
		AUTO(str) char *key = xstrndup(*line, len);
		const char *name = key;

		if (!(*line)[len])
			continue;
		for (size_t i = 0; i < ARRAY_LEN(names); i++) {
			if (str_eq(key, names[i].v2))
				name = names[i].v1;
		}
		if (str_print(pair->key, sizeof(pair->key), "%s", name) < 0)
			continue;
		pair->value = strtoull(*line + len + 1, NULL, 10);
		out->memory.n_stats++;
	}
}

static void io_entry(struct container_blkio_entry **v, size_t *n, uint64_t major, uint64_t minor,
		     const char *op, uint64_t value)
{
	struct container_blkio_entry e = { .major = major, .minor = minor, .value = value };

	(void)str_print(e.op, sizeof(e.op), "%s", op);
	*v = xreallocarray(*v, *n + 1, sizeof(**v));
	(*v)[(*n)++] = e;
}

/* "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0" a line */
static void io_stat(const char *text, struct container_stats *out)
{
	AUTO(strv) char **lines = strv_split(text, "\n");

	strv_each(line, lines) {
		AUTO(strv) char **words = strv_split(*line, " ");
		char *colon = words[0] ? strchr(words[0], ':') : NULL;
		uint64_t major, minor;

		if (!colon)
			continue;
		major = strtoull(words[0], NULL, 10);
		minor = strtoull(colon + 1, NULL, 10);
		strv_each(w, words + 1) {
			char *value = strchr(*w, '=');
			bool bytes = value && memmem(*w, (size_t)(value - *w), "bytes", 5);
			const char *op = **w == 'r' ? "Read" : **w == 'w' ? "Write" : "Discard";

			if (!value)
				continue;
			if (bytes)
				io_entry(&out->blkio.service_bytes, &out->blkio.n_service_bytes,
					 major, minor, op, strtoull(value + 1, NULL, 10));
			else
				io_entry(&out->blkio.serviced, &out->blkio.n_serviced, major, minor,
					 op, strtoull(value + 1, NULL, 10));
		}
	}
}

int cgroup_stats(struct cgroup *g, struct container_stats *out, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(FILE_MAX);

	*out = (struct container_stats){ .cpu = { .total = 0 } };
	if (file_read(g->dir, "cpu.stat", FILE_MAX, &text, err) < 0)
		return err_wrap(err, "cgroup %s", g->path);
	out->cpu.total = cgroup_keyed(buf_cstr(&text), "usage_usec") * 1000;
	out->cpu.user = cgroup_keyed(buf_cstr(&text), "user_usec") * 1000;
	out->cpu.kernel = cgroup_keyed(buf_cstr(&text), "system_usec") * 1000;
	out->cpu.periods = cgroup_keyed(buf_cstr(&text), "nr_periods");
	out->cpu.throttled_periods = cgroup_keyed(buf_cstr(&text), "nr_throttled");
	out->cpu.throttled_time = cgroup_keyed(buf_cstr(&text), "throttled_usec") * 1000;
	read_optional(g, "memory.stat", &text);
	out->memory.cache = cgroup_keyed(buf_cstr(&text), "file");
	memory_stat(buf_cstr(&text), out);
	out->memory.usage.usage = read_number(g, "memory.current");
	out->memory.usage.limit = read_number(g, "memory.max");
	out->memory.usage.max_usage = read_number(g, "memory.peak");
	read_optional(g, "memory.events", &text);
	out->memory.usage.failcnt = cgroup_keyed(buf_cstr(&text), "max");
	out->memory.swap.usage = read_number(g, "memory.swap.current");
	out->memory.swap.limit = read_number(g, "memory.swap.max");
	out->memory.use_hierarchy = true;
	out->pids.current = read_number(g, "pids.current");
	out->pids.limit = read_number(g, "pids.max");
	if (out->pids.limit == UINT64_MAX)
		out->pids.limit = 0; /* "no limit" in the v1 metrics */
	read_optional(g, "io.stat", &text);
	io_stat(buf_cstr(&text), out);
	return 0;
}

void container_stats_release(struct container_stats *stats)
{
	free(stats->cpu.per_cpu);
	free(stats->memory.stats);
	free(stats->blkio.service_bytes);
	free(stats->blkio.serviced);
	free(stats->hugetlb);
	*stats = (struct container_stats){ .cpu = { .total = 0 } };
}
