// SPDX-License-Identifier: Apache-2.0
/*
 * Running processes, and the process behind a socket.
 */
#include "deploy/cri/process.h"
#include "base/buf.h"
#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"
#include "base/vec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

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

	return fstatat(dir, "root", &theirs, 0) == 0 && stat("/", &ours) == 0 &&
	       theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
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

/* The last component of its cgroup that is a service. */
static char *read_unit(int dir)
{
	AUTO(buf) struct buf text = BUF_INIT(CMDLINE_MAX);
	AUTO(strv) char **lines = NULL;
	struct err ignored = ERR_INIT; /* NULL: no unit */

	if (file_read(dir, "cgroup", CMDLINE_MAX, &text, &ignored) < 0)
		return NULL;
	lines = strv_split(buf_cstr(&text), "\n");
	strv_each(line, lines) {
		AUTO(strv) char **parts = strv_split(*line, "/");

		for (size_t i = strv_len(parts); i-- > 0;)
			if (str_ends(parts[i], ".service"))
				return xstrdup(parts[i]);
	}
	return NULL;
}

void processes_scan(struct processes *p)
{
	AUTO(dir) DIR *proc = opendir("/proc");
	const struct dirent *e;

	while (proc && (e = readdir(proc))) {
		struct process row = { .pid = 0 };
		struct err ignored = ERR_INIT; /* not a number: not a process */
		uint64_t pid;

		if (str_u64(e->d_name, 10, 1, INT32_MAX, "pid", &pid, &ignored) < 0)
			continue;
		AUTO(fd)
		int dir = openat(dirfd(proc), e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0)
			continue;
		row.exe = read_exe(dir);
		if (!row.exe || !shares_root(dir)) {
			free(row.exe);
			continue;
		}
		row.pid = (pid_t)pid;
		row.argv = read_argv(dir);
		row.unit = read_unit(dir);
		vec_push(&p->rows, row);
	}
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

/* Field 22 of /proc/PID/stat, counted after the name, which may contain blanks and parentheses. */
static uint64_t start_of(pid_t pid)
{
	char path[40];
	AUTO(buf) struct buf text = BUF_INIT(4096);
	AUTO(strv) char **fields = NULL;
	struct err ignored = ERR_INIT; /* 0: it has ended */
	const char *after;
	uint64_t start = 0;

	(void)str_print(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (file_read(AT_FDCWD, path, 4096, &text, &ignored) < 0)
		return 0;
	after = strrchr(buf_cstr(&text), ')');
	if (!after)
		return 0;
	fields = strv_split(after + 1, " \n");
	if (strv_len(fields) < 20 ||
	    str_u64(fields[19], 10, 0, UINT64_MAX, "start", &start, &ignored) < 0)
		return 0;
	return start;
}

int peer_look(const char *socket, struct peer *out, struct err *err)
{
	AUTO(fd) int fd = fd_unix_connect(socket, err);
	struct ucred cred;
	socklen_t len = sizeof(cred);

	*out = (struct peer){ 0, 0 };
	if (fd < 0) {
		if (err->sys == ECONNREFUSED)
			err->code = E_GONE;
		return -1;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && cred.pid > 0)
		*out = peer_of(cred.pid);
	return 0;
}

struct peer peer_of(pid_t pid)
{
	return (struct peer){ pid, start_of(pid) };
}

bool peer_same(const struct peer *a, const struct peer *b)
{
	return a->pid > 0 && a->pid == b->pid && a->start == b->start;
}

char *program_version(const char *program)
{
	struct spawn s = { .argv = ARGV(program, "--version") };
	AUTO(buf) struct buf says = BUF_INIT(4096);
	AUTO(strv) char **words = NULL;
	struct err ignored = ERR_INIT; /* not known */

	if (spawn_run(&s, NULL, 0, &says, deadline_in(PROGRAM_VERSION_MS), &ignored) != 0)
		return NULL;
	words = strv_split(buf_cstr(&says), " \t\r\n,");
	strv_each(word, words) {
		const char *w = **word == 'v' ? *word + 1 : *word;
		size_t digits = strspn(w, "0123456789");

		if (digits && w[digits] == '.')
			return xstrndup(w, strcspn(w, "~+"));
	}
	return NULL;
}

static int version_part(const char *version, size_t i)
{
	AUTO(strv) char **parts = strv_split(version ? version : "", ".-");
	struct err ignored = ERR_INIT; /* not a number: not known */
	uint64_t n;

	if (strv_len(parts) <= i || str_u64(parts[i], 10, 0, 9999, "version", &n, &ignored) < 0)
		return -1;
	return (int)n;
}

int version_major(const char *version)
{
	return version_part(version, 0);
}

int version_minor(const char *version)
{
	return version_part(version, 1);
}
