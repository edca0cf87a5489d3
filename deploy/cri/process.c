// SPDX-License-Identifier: Apache-2.0
/* Finds the process that serves a socket, and the version of a program. */
#include "deploy/cri/process.h"
#include "base/buf.h"
#include "base/deadline.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"
#include "base/vec.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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
	return (struct peer){ pid, process_start_time(pid) };
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
