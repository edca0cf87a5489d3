// SPDX-License-Identifier: Apache-2.0
/*
 * Searches /proc and the containerd bundles. Processes and bundles may vanish during the search,
 * and their files are untrusted: reads are limited, and a file that cannot be read is skipped.
 */

#include "deploy/use/use.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/process.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The kernel appends this to the path of a file that was unlinked. */
#define DELETED " (deleted)"

enum { MAPS_MAX = 16 << 20, CMDLINE_MAX = 256 << 10, SHIM_PATH_MAX = 4096 };

/* Directories of the bundles of running tasks: of containerd itself, and of the containerds of
 * other managers. */
static const char *const task_dirs[] = {
	"/run/containerd/io.containerd.runtime.v2.task",
	"/run/k3s/containerd/io.containerd.runtime.v2.task",
	"/run/k0s/containerd/io.containerd.runtime.v2.task",
	"/run/docker/containerd/daemon/io.containerd.runtime.v2.task",
	"/var/run/docker/containerd/daemon/io.containerd.runtime.v2.task",
	"/var/snap/microk8s/common/run/containerd/io.containerd.runtime.v2.task",
};

void use_list_release(struct use_list *l)
{
	vec_each(struct use, u, &l->rows) {
		free(u->generation);
		free(u->sandbox);
		free(u->space);
		free(u->process);
		free(u->path);
	}
	vec_release(&l->rows);
}

struct search {
	const char *prefix; /* resolved */
	const char *hosts;  /* resolved as the host's processes see it; NULL: the same */
	struct use_list *out;
};

/* Returns what is left of a path below the prefix, "" or "/...", borrowed; NULL: it is not below. */
static const char *rest_below(const struct search *s, const char *path)
{
	if (path_is_below(path, s->prefix))
		return path + strlen(s->prefix);
	return s->hosts && path_is_below(path, s->hosts) ? path + strlen(s->hosts) : NULL;
}

/* The generation that a path below the prefix belongs to: *id is heap, or NULL if it belongs to
 * none. False: the path is not below the prefix. */
static bool belongs(const struct search *s, const char *path, char **id)
{
	static const char generations[] = "/generations/";
	const char *rest = rest_below(s, path);

	*id = NULL;
	if (!rest)
		return false;
	if (str_starts(rest, generations)) {
		rest += strlen(generations);
		*id = xstrndup(rest, strcspn(rest, "/ "));
	}
	return true;
}

static bool is_known(const struct use_list *l, pid_t pid, const char *generation)
{
	vec_each(struct use, u, &l->rows) {
		if (pid && u->pid == pid && str_eq(u->generation, generation))
			return true;
	}
	return false;
}

/* True if an error says that the object is not there, or not for this user, who can then only make
 * plans. After any other one, such as EMFILE, it is not known what is in use. */
static bool is_absence(int sys)
{
	return sys == ENOENT || sys == ESRCH || sys == ENOTDIR ||
	       ((sys == EACCES || sys == EPERM) && geteuid() != 0);
}

/* --- processes --- */

/* Takes the sandbox's id and namespace from the command line of a shim. */
static void name_sandbox(int proc, struct use *u)
{
	AUTO(buf) struct buf text = BUF_INIT(CMDLINE_MAX);
	struct err ignored = ERR_INIT; /* the process has ended */
	const char *word, *next;

	if (file_read(proc, "cmdline", CMDLINE_MAX, &text, &ignored) < 0 || !text.len)
		return;
	for (word = text.data; word < text.data + text.len; word = next) {
		next = word + strlen(word) + 1;
		if (next >= text.data + text.len)
			break;
		if (str_eq(word, "-id"))
			str_set(&u->sandbox, next);
		if (str_eq(word, "-namespace"))
			str_set(&u->space, next);
	}
}

static void note_process(const struct search *s, int proc, pid_t pid, const char *path)
{
	struct err ignored = ERR_INIT;
	struct use u = { .pid = pid };

	if (!belongs(s, path, &u.generation))
		return;
	if (is_known(s->out, pid, u.generation)) {
		free(u.generation);
		return;
	}
	u.process = file_read_line(proc, "comm", &ignored);
	u.path = xstrdup(path);
	name_sandbox(proc, &u);
	vec_push(&s->out->rows, u);
}

/* Whether exe is the installer of a release: it may remove the release that it came with. */
static bool is_installer(const struct search *s, const char *exe)
{
	static const char *const names[] = { "/bin/kata-deploy", "/bin/kata-manager" };
	AUTO(str) char *path = xstrdup(exe);

	if (str_ends(path, DELETED))
		path[strlen(path) - strlen(DELETED)] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (rest_below(s, path) && str_ends(path, names[i]))
			return true;
	}
	return false;
}

/* Lines of maps: "START-END PERMISSIONS OFFSET DEVICE INODE PATH". */
static int look_at_maps(const struct search *s, int proc, pid_t pid, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(MAPS_MAX);
	struct err why = ERR_INIT;
	char *line, *rest;

	if (file_read(proc, "maps", MAPS_MAX, &text, &why) < 0) {
		/* It may deny them to root too: its executable is known. */
		if (is_absence(why.sys) || why.code == E_PERMISSION || why.code == E_LIMIT)
			return 0;
		*err = why;
		return -1;
	}
	if (!text.data)
		return 0;
	for (line = text.data; line; line = rest) {
		const char *may = strchr(line, ' '), *path = strchr(line, '/');

		rest = strchr(line, '\n');
		if (rest)
			*rest++ = '\0';
		if (path && (!rest || path < rest) && may && memchr(may, 'x', strnlen(may, 5)))
			note_process(s, proc, pid, path);
	}
	return 0;
}

static int look_at_process(const struct search *s, int root, const char *name, struct err *err)
{
	struct err ignored = ERR_INIT;
	char exe[PATH_MAX];
	uint64_t pid;
	ssize_t n;

	if (str_u64(name, 10, 1, INT_MAX, "pid", &pid, &ignored) < 0)
		return 0;
	AUTO(fd) int proc = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return is_absence(errno) || errno == EACCES || errno == EPERM
			       ? 0
			       : err_sys(err, "open /proc/%s", name);
	n = readlinkat(proc, "exe", exe, sizeof(exe) - 1);
	if (n <= 0) /* a thread of the kernel, or one that it may not see */
		return 0;
	exe[n] = '\0';
	if ((pid_t)pid == process_self() || is_installer(s, exe))
		return 0;
	note_process(s, proc, (pid_t)pid, exe);
	return look_at_maps(s, proc, (pid_t)pid, err);
}

static int look_at_processes(const struct search *s, struct err *err)
{
	AUTO(dir) DIR *dir = opendir("/proc");

	if (!dir)
		return err_sys(err, "list /proc");
	for (struct dirent *e; (errno = 0, e = readdir(dir));) {
		if (look_at_process(s, dirfd(dir), e->d_name, err) < 0)
			return -1;
	}
	return errno ? err_sys(err, "list /proc") : 0;
}

/* --- bundles --- */

static bool has_process(const struct use_list *l, const char *space, const char *id)
{
	vec_each(struct use, u, &l->rows) {
		if (str_eq(u->sandbox, id) && str_eq(u->space, space))
			return true;
	}
	return false;
}

/* A bundle whose shim has ended still needs the program that its shim-binary-path names. */
static int look_at_bundle(const struct search *s, int space_dir, const char *space, const char *id,
			  struct err *err)
{
	AUTO(str) char *name = str_fmt("%s/shim-binary-path", id);
	struct err why = ERR_INIT;
	AUTO(str) char *shim = file_read_line(space_dir, name, &why);
	AUTO(str) char *real = shim && strlen(shim) < SHIM_PATH_MAX ? realpath(shim, NULL) : NULL;
	struct use u = { 0 };

	if (!shim && why.sys && !is_absence(why.sys)) {
		*err = why;
		return -1;
	}
	if (!shim || has_process(s->out, space, id) ||
	    !belongs(s, real ? real : shim, &u.generation))
		return 0;
	u.sandbox = xstrdup(id);
	u.space = xstrdup(space);
	u.path = xstrdup(shim);
	vec_push(&s->out->rows, u);
	return 0;
}

static int look_at_space(const struct search *s, int tasks, const char *space, struct err *err)
{
	int copy = openat(tasks, space, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	AUTO(dir) DIR *dir = copy < 0 ? NULL : fdopendir(copy);

	if (!dir)
		return is_absence(errno) || errno == ELOOP ? 0 : err_sys(err, "list %s", space);
	for (struct dirent *e; (errno = 0, e = readdir(dir));) {
		if (*e->d_name != '.' && look_at_bundle(s, dirfd(dir), space, e->d_name, err) < 0)
			return -1;
	}
	return errno ? err_sys(err, "list %s", space) : 0;
}

static int look_at_tasks(const struct search *s, const char *tasks, struct err *err)
{
	AUTO(dir) DIR *dir = opendir(tasks);

	if (!dir)
		return is_absence(errno) ? 0 : err_sys(err, "list %s", tasks);
	for (struct dirent *e; (errno = 0, e = readdir(dir));) {
		if (*e->d_name != '.' && look_at_space(s, dirfd(dir), e->d_name, err) < 0)
			return err_wrap(err, "%s", tasks);
	}
	return errno ? err_sys(err, "list %s", tasks) : 0;
}

/* In a container the prefix is a mount, and none of the links that lead to it on the host are there.
 * The paths of the host's processes are those of the host. Sets *path (heap) if the host has it. */
static int resolve_on_host(const char *prefix, char **path, struct err *err)
{
	AUTO(fd) int root = open("/proc/1/root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct err why = ERR_INIT;

	if (root < 0)
		return err_sys(err, "open the root directory of the host");
	AUTO(fd) int fd = path_open(root, prefix, PATH_IN_ROOT, O_PATH, 0, &why);
	if (fd < 0 && why.code == E_NOT_FOUND)
		return 0;
	if (fd < 0) {
		*err = why;
		return err_wrap(err, "resolve on the host");
	}
	*path = fd_path(fd);
	return *path ? 0 : err_sys(err, "resolve %s on the host", prefix);
}

int use_find(const char *prefix, struct use_list *out, struct err *err)
{
	AUTO(str) char *real = realpath(prefix, NULL), *hosts = NULL;
	struct search s = { .prefix = real, .out = out };

	if (!real && errno == ENOENT)
		return 0;
	if (!real)
		return err_sys(err, "resolve %s", prefix);
	if (process_sees_host() && resolve_on_host(prefix, &hosts, err) < 0)
		return -1;
	s.hosts = hosts;
	if (look_at_processes(&s, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(task_dirs); i++) {
		if (look_at_tasks(&s, task_dirs[i], err) < 0)
			return -1;
	}
	return 0;
}

char **use_generations(const struct use_list *l)
{
	char **ids = NULL;

	vec_each(struct use, u, &l->rows) {
		if (u->generation && !strv_has(ids, u->generation))
			strv_push(&ids, u->generation);
	}
	return ids;
}

size_t use_pods(const struct use_list *l, const char *generation)
{
	size_t n = 0;

	vec_each(struct use, u, &l->rows)
		n += u->sandbox && (!generation || str_eq(u->generation, generation));
	return n;
}
