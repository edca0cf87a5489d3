// SPDX-License-Identifier: Apache-2.0
/* Reads properties of the guest's kernel; sets its clock and seeds its random number generator. */

#include "agent/guest.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"

#include <fcntl.h>
#include <linux/random.h>
#include <sys/ioctl.h>

enum { SEED_MAX = 4096 };

uint64_t guest_memory_block_size(void)
{
	struct err ignored = ERR_INIT; /* a kernel without memory hotplug has no such file */
	AUTO(str)
	char *text = file_read_line(AT_FDCWD, "/sys/devices/system/memory/block_size_bytes",
				    &ignored);
	uint64_t size = 0;

	if (text && str_u64(text, 16, 0, UINT64_MAX, "block size", &size, &ignored) < 0)
		return 0;
	return size;
}

bool guest_stores_file_pages(void)
{
	struct err ignored = ERR_INIT; /* a kernel without the patch has no such file */
	AUTO(str)
	char *on = file_read_line(AT_FDCWD, "/sys/module/virtiofs/parameters/store_pages",
				  &ignored);

	return str_eq(on, "Y");
}

int guest_set_clock(const struct timeval *now, struct err *err)
{
	return settimeofday(now, NULL) < 0 ? err_sys(err, "set the clock") : 0;
}

int guest_reseed(const void *seed, size_t len, struct err *err)
{
	AUTO(fd) int fd = open("/dev/random", O_RDWR | O_CLOEXEC);
	int bits = (int)(len * 8);

	if (len == 0 || len > SEED_MAX)
		return err_set(err, E_INVALID, "seed of %zu bytes; 1 to %d are allowed", len,
			       SEED_MAX);
	if (fd < 0)
		return err_sys(err, "reseed /dev/random");
	if (fd_write_all(fd, seed, len, err) < 0)
		return -1;
	if (ioctl(fd, RNDADDTOENTCNT, &bits) < 0 || ioctl(fd, RNDRESEEDCRNG) < 0)
		return err_sys(err, "reseed /dev/random");
	return 0;
}
