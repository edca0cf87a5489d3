// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/children_lab.h"

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

void children_adopt(void)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		bug("no subreaper: errno %d", errno);
}

/* The parent of a process, 0 if there is none. */
static pid_t parent_of(const char *pid)
{
	AUTO(str) char *path = str_fmt("/proc/%s/stat", pid);
	struct err gone = ERR_INIT;
	AUTO(str) char *line = file_read_line(AT_FDCWD, path, &gone);
	const char *end = line ? strrchr(line, ')') : NULL;

	return end && strlen(end) > 4 ? (pid_t)strtol(end + 4, NULL, 10) : 0;
}

void children_end(void)
{
	bool any = true;

	while (any) {
		DIR *proc = opendir("/proc");
		const struct dirent *e;

		any = false;
		while (proc && (e = readdir(proc)) != NULL) {
			pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);

			if (pid <= 0 || parent_of(e->d_name) != getpid())
				continue;
			any = true;
			(void)kill(pid, SIGKILL);
			(void)waitpid(pid, NULL, 0);
		}
		if (proc)
			(void)closedir(proc);
	}
}
