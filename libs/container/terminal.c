// SPDX-License-Identifier: Apache-2.0
/*
 * The terminal: a pty pair of the container's own devpts. The slave is opened through the master by
 * ioctl (TIOCGPTPEER), so no name in /dev/pts is trusted; /dev/pts itself is checked to be a
 * devpts.
 */

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "container/init.h"
#include "container/wire.h"
#include "mount/mount.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static int master_open(int root, struct err *err)
{
	AUTO(fd) int dir = path_open(root, "dev/pts", PATH_IN_ROOT, O_PATH | O_DIRECTORY, 0, err);
	struct statfs fs;
	int unlock = 0;

	if (dir < 0)
		return err_wrap(err, "terminal");
	if (fstatfs(dir, &fs) < 0)
		return err_sys(err, "look at /dev/pts");
	if (fs.f_type != DEVPTS_SUPER_MAGIC)
		return err_set(err, E_INVALID, "a terminal needs a devpts mounted on /dev/pts");
	AUTO(fd) int master = openat(dir, "ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
	if (master < 0)
		return err_sys(err, "open /dev/pts/ptmx");
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return err_sys(err, "unlock the terminal");
	return STEAL(master, -1);
}

static int set_size(int master, const struct oci_process *p, struct err *err)
{
	struct winsize size = { .ws_row = (unsigned short)p->console_height,
				.ws_col = (unsigned short)p->console_width };

	if (!p->console_height && !p->console_width)
		return 0;
	if (ioctl(master, TIOCSWINSZ, &size) < 0)
		return err_sys(err, "set the size of the terminal");
	return 0;
}

static int bind_console(int root, int slave, struct err *err)
{
	struct mount_options o = MOUNT_OPTIONS_INIT;
	AUTO(fd) int target = rootfs_plain_target(root, "/dev/console", S_IFREG, err);

	if (target < 0)
		return -1;
	return mount_bind_fd(target, slave, &o, err) < 0 ? err_wrap(err, "/dev/console") : 0;
}

int terminal_open(const struct init *in, int root, bool console, struct err *err)
{
	const struct oci_process *p = in->spec->process;
	AUTO(fd) int master = master_open(root, err);

	if (master < 0)
		return -1;
	AUTO(fd) int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_sys(err, "open the terminal");
	if (set_size(master, p, err) < 0)
		return -1;
	if (fchown(slave, p->user.uid, (gid_t)-1) < 0)
		return err_sys(err, "give the terminal to uid %u", p->user.uid);
	if (console && bind_console(root, slave, err) < 0)
		return -1;
	for (int fd = 0; fd <= 2; fd++) {
		if (dup2(slave, fd) < 0)
			return err_sys(err, "make the terminal stream %d", fd);
	}
	if (ioctl(0, TIOCSCTTY, 0) < 0)
		return err_sys(err, "make the terminal the controlling one");
	return wire_send(in->sock, WIRE_CONSOLE, NULL, 0, master, DEADLINE_NEVER, err);
}
