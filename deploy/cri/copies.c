// SPDX-License-Identifier: Apache-2.0
/* Copies of configuration files in memory. */
#include "deploy/cri/copies.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/str.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void copies_release(struct copies *all)
{
	vec_each(int, fd, &all->fds)
		fd_close(fd);
	vec_release(&all->fds);
}

char *copies_add(struct copies *all, const char *text, struct err *err)
{
	AUTO(fd) int fd = memfd_create("configuration", MFD_CLOEXEC);
	char *path;

	if (fd < 0) {
		err_sys(err, "create a file in memory");
		return NULL;
	}
	if (fd_write_all(fd, text, strlen(text), err) < 0)
		return NULL;
	path = str_fmt("/proc/%d/fd/%d", (int)process_self(), fd);
	vec_push(&all->fds, STEAL(fd, -1));
	return path;
}
