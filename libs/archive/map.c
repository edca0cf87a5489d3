// SPDX-License-Identifier: Apache-2.0
/* Files as memory. */

#include "archive/map.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void map_release(struct map *m)
{
	if (m->data)
		(void)munmap(m->data, m->len);
}

static int map(int fd, size_t len, bool write, struct map *m, struct err *err)
{
	void *data;

	if (len == 0)
		return 0;
	data = mmap(NULL, len, write ? PROT_READ | PROT_WRITE : PROT_READ,
		    write ? MAP_SHARED : MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return err_sys(err, "map a file to patch");
	*m = (struct map){ data, len };
	return 0;
}

int map_file(int fd, uint64_t max, struct map *m, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, "read the size of a file to patch");
	if ((uint64_t)st.st_size > max)
		return err_set(err, E_LIMIT, "a file of %lld bytes is too large to patch",
			       (long long)st.st_size);
	return map(fd, (size_t)st.st_size, false, m, err);
}

int map_new_file(int fd, uint64_t size, struct map *m, struct err *err)
{
	/* Allocate the space now: a full disk would cause SIGBUS later. */
	int rc = size ? posix_fallocate(fd, 0, (off_t)size) : 0;

	if (rc != 0) {
		errno = rc;
		return err_sys(err, "allocate space for a patched file");
	}
	return map(fd, (size_t)size, true, m, err);
}
