// SPDX-License-Identifier: Apache-2.0
/* Writes the header of a swap space, as the kernel's union swap_header in include/linux/swap.h has
 * it. */

#include "device/swap.h"

#include "base/fd.h"
#include "base/str.h"

#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* The guest's page size, and the largest number of pages. */
enum { PAGE = 4096, PAGES_MAX = INT32_MAX };

/* The first page. */
struct header {
	char boot[1024];
	uint32_t version, last_page, n_bad;
	unsigned char uuid[16];
	char label[16];
	uint32_t padding[117];
	char rest[PAGE - 1024 - 3 * 4 - 32 - 117 * 4 - 10];
	char magic[10];
};
_Static_assert(sizeof(struct header) == PAGE, "the header is a page");

static int check_room(int fd, uint64_t bytes, struct err *err)
{
	struct statvfs fs;

	if (fstatvfs(fd, &fs) < 0)
		return err_sys(err, "look at the file system");
	if ((uint64_t)fs.f_bavail * fs.f_frsize >= bytes)
		return 0;
	err_set(err, E_LIMIT, "%llu bytes are wanted, and %llu are free", (unsigned long long)bytes,
		(unsigned long long)fs.f_bavail * fs.f_frsize);
	return err_hint(err, "make the file system larger, or limit the container's swap");
}

static int fill(int fd, uint64_t pages, struct err *err)
{
	struct header h = { .version = 1, .last_page = (uint32_t)pages };

	memcpy(h.magic, "SWAPSPACE2", sizeof(h.magic));
	if (check_room(fd, (pages + 1) * PAGE, err) < 0)
		return -1;
	if (ftruncate(fd, (off_t)(pages + 1) * PAGE) < 0)
		return err_sys(err, "set its size");
	return fd_write_all(fd, &h, sizeof(h), err);
}

int swap_make(const char *path, uint64_t bytes, struct err *err)
{
	uint64_t pages = bytes / PAGE + (bytes % PAGE != 0);
	int fd;

	if (pages == 0 || pages >= PAGES_MAX)
		return err_set(
			err, E_LIMIT,
			"%llu bytes cannot be a swap space; change the limit of memory and swap",
			(unsigned long long)bytes);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(err, "make the swap space %s", path);
	if (fill(fd, pages, err) < 0)
		err_wrap(err, "swap space %s", path);
	if (close(fd) < 0 && !err->code)
		err_sys(err, "swap space %s", path);
	if (err->code)
		(void)unlink(path);
	return err->code ? -1 : 0;
}
