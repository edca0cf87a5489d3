// SPDX-License-Identifier: Apache-2.0
/* Loop devices, by the kernel's LOOP_CONFIGURE (Linux 5.8). */

#include "device/loop.h"

#include "base/fd.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIES = 100 };

static int open_node(int number, int flags, char **path, struct err *err)
{
	int fd;

	*path = str_fmt("/dev/loop%d", number);
	fd = open(*path, flags);
	return fd < 0 ? err_sys(err, "open %s", *path) : fd;
}

/* Returns 1 if the file was attached, 0 if another process took the device first, -1 with an
 * error. */
static int configure(int device, int file, bool readonly, struct err *err)
{
	struct loop_config config = { .fd = (unsigned)file };

	config.info.lo_flags = LO_FLAGS_AUTOCLEAR | (readonly ? LO_FLAGS_READ_ONLY : 0);
	if (ioctl(device, LOOP_CONFIGURE, &config) == 0)
		return 1;
	return errno == EBUSY ? 0 : err_sys(err, "attach it to a loop device");
}

int loop_attach(const char *file, bool readonly, char **path, struct err *err)
{
	int flags = (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC;
	AUTO(fd) int from = open(file, flags);
	AUTO(fd) int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

	if (from < 0)
		return err_sys(err, "open %s", file);
	if (control < 0)
		return err_sys(err, "open /dev/loop-control");
	for (int i = 0; i < TRIES; i++) {
		int number = ioctl(control, LOOP_CTL_GET_FREE), done;
		AUTO(str) char *name = NULL;
		AUTO(fd) int device = -1;

		if (number < 0)
			return err_sys(err, "get a loop device for %s", file);
		device = open_node(number, flags, &name, err);
		if (device < 0 || (done = configure(device, from, readonly, err)) < 0)
			return err_wrap(err, "image file %s", file);
		if (done) {
			*path = STEAL(name, NULL);
			return STEAL(device, -1);
		}
	}
	return err_set(
		err, E_LIMIT,
		"image file %s: every loop device is taken; detach unused ones by losetup -d",
		file);
}
