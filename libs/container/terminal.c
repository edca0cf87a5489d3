// SPDX-License-Identifier: Apache-2.0
/* A terminal from the container's own devpts, so that its name means something inside. */

#include "container/container-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

static int open_master(int root, struct err *err)
{
	AUTO(fd) int fd = path_open(root, "/dev/pts/ptmx", PATH_IN_ROOT, O_RDWR | O_NOCTTY, 0, err);
	struct statfs fs;
	int unlock = 0;

	if (fd < 0)
		return err_hint(err, "a terminal needs a devpts mount on /dev/pts");
	if (fstatfs(fd, &fs) < 0 || fs.f_type != DEVPTS_SUPER_MAGIC)
		return err_set(err, E_INVALID, "/dev/pts is not a devpts");
	if (ioctl(fd, TIOCSPTLCK, &unlock) < 0)
		return err_sys(err, "unlock the terminal");
	return STEAL(fd, -1);
}

/* /dev/console shows the terminal of the first process. */
static int bind_console(int root, int slave, struct err *err)
{
	const char *name;
	AUTO(fd) int dev = path_parent(root, "/dev/console", PATH_IN_ROOT, 0755, &name, err);

	if (dev < 0)
		return -1;
	AUTO(fd)
	int made = openat(dev, name,
			  O_CREAT | O_NOFOLLOW | O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
			  0600);
	AUTO(fd) int at = openat(dev, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (at < 0 || mount(path_of_fd(slave).path, path_of_fd(at).path, NULL, MS_BIND, NULL) < 0)
		return err_sys(err, "put the terminal on /dev/console");
	return 0;
}

int terminal_open(int root, const struct oci_process *p, bool console, int *master, struct err *err)
{
	struct winsize size = { .ws_row = (unsigned short)p->console_height,
				.ws_col = (unsigned short)p->console_width };
	AUTO(fd) int ours = open_master(root, err);

	if (ours < 0)
		return -1;
	AUTO(fd) int slave = ioctl(ours, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_sys(err, "open the terminal");
	if (size.ws_row && size.ws_col && ioctl(ours, TIOCSWINSZ, &size) < 0)
		return err_sys(err, "set the terminal's size");
	if (fchown(slave, p->user.uid, (gid_t)-1) < 0)
		return err_sys(err, "give the terminal to user %u", p->user.uid);
	if (console && bind_console(root, slave, err) < 0)
		return -1;
	*master = STEAL(ours, -1);
	return STEAL(slave, -1);
}

int terminal_take(int slave, struct err *err)
{
	AUTO(fd) int held = slave;

	if (ioctl(held, TIOCSCTTY, 0) < 0)
		return err_sys(err, "make the terminal the controlling one");
	for (int n = 0; n <= 2; n++) {
		if (dup2(held, n) < 0)
			return err_sys(err, "attach the terminal");
	}
	return 0;
}
