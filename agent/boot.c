// SPDX-License-Identifier: Apache-2.0
/* What PID 1 does before it is an agent. */

#include "agent/agent.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * The initial ramfs is the root of all mounts and has no parent, so pivot_root cannot exchange it.
 * A bind of it moved over it has one.
 */
static int make_root_movable(struct err *err)
{
	if (mkdir("/.root", 0700) < 0 && errno != EEXIST)
		return err_sys(err, "make /.root");
	if (mount("/", "/.root", NULL, MS_BIND | MS_REC, NULL) < 0 || chdir("/.root") < 0 ||
	    mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return err_sys(err, "make the root movable");
	return 0;
}

static int mount_all(struct err *err)
{
	static const struct {
		const char *source, *path, *type, *data;
		unsigned long flags;
	} mounts[] = {
		{ "proc", "/proc", "proc", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV },
		{ "sysfs", "/sys", "sysfs", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV },
		{ "devtmpfs", "/dev", "devtmpfs", "mode=0755", MS_NOSUID },
		{ "devpts", "/dev/pts", "devpts", "ptmxmode=0666,mode=0620",
		  MS_NOSUID | MS_NOEXEC },
		{ "tmpfs", "/dev/shm", "tmpfs", "mode=1777", MS_NOSUID | MS_NODEV },
		{ "mqueue", "/dev/mqueue", "mqueue", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV },
		{ "tmpfs", "/run", "tmpfs", "mode=0755", MS_NOSUID | MS_NODEV },
		{ "cgroup2", "/sys/fs/cgroup", "cgroup2", "nsdelegate",
		  MS_NOSUID | MS_NOEXEC | MS_NODEV },
	};

	for (size_t i = 0; i < ARRAY_LEN(mounts); i++) {
		if (mkdir(mounts[i].path, 0755) < 0 && errno != EEXIST)
			return err_sys(err, "make %s", mounts[i].path);
		/* EBUSY: the kernel mounts devtmpfs itself if it is configured to. */
		if (mount(mounts[i].source, mounts[i].path, mounts[i].type, mounts[i].flags,
			  mounts[i].data) < 0 &&
		    errno != EBUSY)
			return err_sys(err, "mount %s", mounts[i].path);
	}
	(void)!symlink("/proc/self/fd", "/dev/fd");
	return 0;
}

static int loopback_up(struct err *err)
{
	AUTO(fd) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_flags = IFF_UP | IFF_RUNNING };

	memcpy(request.ifr_name, "lo", 3);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return err_sys(err, "bring up lo");
	return 0;
}

int boot(struct err *err)
{
	(void)umask(0022);
	if (make_root_movable(err) < 0 || mount_all(err) < 0 || loopback_up(err) < 0)
		return -1;
	if (setsid() < 0 && errno != EPERM)
		return err_sys(err, "start a session");
	if (sethostname("localhost", 9) < 0)
		return err_sys(err, "set the hostname");
	return path_make(GUEST_DIR, 0700, err);
}

void power_off(void)
{
	sync();
	(void)reboot(RB_POWER_OFF);
	abort(); /* not PID 1, or no such call: the kernel panics, the VM ends */
}
