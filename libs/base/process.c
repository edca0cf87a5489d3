// SPDX-License-Identifier: Apache-2.0
/* Processes as /proc shows them. */

#include "base/process.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool host; /* process_see_host() was called */

void process_see_host(void)
{
	host = true;
}

bool process_sees_host(void)
{
	return host;
}

char *process_program(const char *path)
{
	AUTO(str) char *through = str_fmt("/proc/1/root%s", path);

	if (access(path, X_OK) == 0)
		return xstrdup(path);
	return host && access(through, X_OK) == 0 ? STEAL(through, NULL) : NULL;
}

pid_t process_self(void)
{
	char name[16];
	ssize_t n = readlink("/proc/self", name, sizeof(name) - 1);
	struct err ignored = ERR_INIT; /* no /proc */
	uint64_t pid;

	name[n < 0 ? 0 : n] = '\0';
	return str_u64(name, 10, 1, INT32_MAX, "pid", &pid, &ignored) < 0 ? getpid() : (pid_t)pid;
}

enum { CMDLINE_MAX = 64 << 10, ARGS_MAX = 512 };

static void process_release(struct process *p)
{
	free(p->exe);
	strv_free(p->argv);
	free(p->unit);
}

void processes_release(struct processes *p)
{
	vec_each(struct process, row, &p->rows)
		process_release(row);
	vec_release(&p->rows);
}

static char *read_exe(int dir)
{
	char target[4096];
	ssize_t n = readlinkat(dir, "exe", target, sizeof(target) - 1);
	static const char gone[] = " (deleted)";

	if (n <= 0)
		return NULL;
	target[n] = '\0';
	if (str_ends(target, gone))
		target[(size_t)n - (sizeof(gone) - 1)] = '\0';
	return xstrdup(target);
}

static bool shares_root(int dir)
{
	struct stat theirs, ours;

	return fstatat(dir, "root", &theirs, 0) == 0 &&
	       stat(host ? "/proc/1/root" : "/", &ours) == 0 && theirs.st_dev == ours.st_dev &&
	       theirs.st_ino == ours.st_ino;
}

static char **read_argv(int dir)
{
	AUTO(buf) struct buf text = BUF_INIT(CMDLINE_MAX);
	struct err ignored = ERR_INIT; /* the process may have ended: no arguments */
	char **argv = NULL;
	size_t n = 0;

	if (file_read(dir, "cmdline", CMDLINE_MAX, &text, &ignored) < 0)
		return NULL;
	for (size_t at = 0; at < text.len && n < ARGS_MAX; at += strlen(text.data + at) + 1, n++)
		strv_push(&argv, text.data + at);
	return argv;
}

/* The innermost service in a path of cgroups, borrowed. Below user@UID.service, the manager of a
 * user's services, are none of the system's, and nobody wants to restart that one; except in
 * system.slice, which is that of a systemd in a container. */
static const char *innermost_service(char *const *parts, bool *login)
{
	const char *unit = NULL;
	bool of_user = false;

	strv_each(part, parts) {
		if (str_eq(*part, "system.slice"))
			of_user = *login = false;
		if (str_eq(*part, "user.slice"))
			*login = true;
		if (str_starts(*part, "user@"))
			of_user = true;
		if (!of_user && str_ends(*part, ".service"))
			unit = *part;
	}
	return unit;
}

char *process_unit(const char *cgroups, bool *login)
{
	AUTO(strv) char **lines = strv_split(cgroups, "\n");

	*login = false;
	strv_each(line, lines) {
		AUTO(strv) char **parts = strv_split(*line, "/");
		const char *unit = innermost_service(parts, login);

		if (unit)
			return xstrdup(unit);
	}
	return NULL;
}

static void read_unit(int dir, struct process *p)
{
	AUTO(buf) struct buf text = BUF_INIT(CMDLINE_MAX);
	struct err ignored = ERR_INIT; /* no unit */

	if (file_read(dir, "cgroup", CMDLINE_MAX, &text, &ignored) == 0)
		p->unit = process_unit(buf_cstr(&text), &p->login);
}

void processes_scan(struct processes *p)
{
	AUTO(dir) DIR *proc = opendir("/proc");
	const struct dirent *e;

	while (proc && (e = readdir(proc))) {
		struct process row = { .pid = 0 };
		struct err ignored = ERR_INIT; /* not a number: not a process */
		struct stat st;
		uint64_t pid;

		if (str_u64(e->d_name, 10, 1, INT32_MAX, "pid", &pid, &ignored) < 0)
			continue;
		AUTO(fd)
		int dir = openat(dirfd(proc), e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0 || fstat(dir, &st) < 0)
			continue;
		row.exe = read_exe(dir);
		if (!row.exe || !shares_root(dir)) {
			free(row.exe);
			continue;
		}
		row.pid = (pid_t)pid;
		row.uid = st.st_uid;
		row.argv = read_argv(dir);
		read_unit(dir, &row);
		vec_push(&p->rows, row);
	}
}

uint64_t process_start_time(pid_t pid)
{
	enum { NAME_FIELD = 2, START_FIELD = 22 };
	AUTO(str) char *path = str_fmt("/proc/%d/stat", (int)pid);
	struct err ignored = ERR_INIT; /* no such process: 0 */
	AUTO(str) char *line = file_read_line(AT_FDCWD, path, &ignored);
	char *p = line ? strrchr(line, ')') : NULL; /* the name may contain spaces and ')' */

	for (int field = NAME_FIELD; p && field < START_FIELD; field++)
		p = strchr(p + 1, ' ');
	return p ? strtoull(p, NULL, 10) : 0;
}

bool process_sees_our_mounts(pid_t pid)
{
	AUTO(str) char *path = str_fmt("/proc/%d/ns/mnt", (int)pid);
	struct stat theirs, ours;

	return stat(path, &theirs) == 0 && stat("/proc/self/ns/mnt", &ours) == 0 &&
	       theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev;
}

const char *process_option(const struct process *p, const char *name, const char *short_name)
{
	size_t n = strlen(name);

	strv_each(arg, p->argv) {
		const char *a = *arg;

		if (short_name && str_eq(a, short_name))
			return arg[1];
		if (a[0] != '-')
			continue;
		a += a[1] == '-' ? 2 : 1;
		if (strncmp(a, name, n) == 0 && a[n] == '=')
			return a + n + 1;
		if (str_eq(a, name))
			return arg[1];
	}
	return NULL;
}
