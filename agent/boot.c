// SPDX-License-Identifier: Apache-2.0
/* Setup of a guest whose PID 1 is the agent. */

#include "agent/boot.h"

#include "agent/paths.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/magic.h>
#include <linux/reboot.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* *out: the root is an initramfs; else the kernel has mounted a root image. */
static int is_initramfs(bool *out, struct err *err)
{
	struct statfs fs;

	if (statfs("/", &fs) < 0)
		return err_sys(err, "look at the root");
	*out = fs.f_type == RAMFS_MAGIC || fs.f_type == TMPFS_MAGIC;
	return 0;
}

/*
 * pivot_root cannot replace an initramfs: it is the root of all mounts and has no parent mount. A
 * bind mount of it, moved onto "/", can be replaced; so can a root image.
 */
static int make_root_movable(struct err *err)
{
	bool initramfs = true;

	if (is_initramfs(&initramfs, err) < 0)
		return -1;
	if (!initramfs)
		return 0;
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
		{ "tmpfs", "/tmp", "tmpfs", "mode=1777", MS_NOSUID | MS_NODEV },
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

static int set_hostname(struct err *err)
{
	struct err missing = ERR_INIT; /* the file is optional */
	AUTO(str) char *name = file_read_line(AT_FDCWD, "/etc/hostname", &missing);
	const char *use = str_empty(name) ? "localhost" : name;

	return sethostname(use, strnlen(use, 64)) < 0 ? err_sys(err, "set the hostname") : 0;
}

/*
 * The limits of the agent, and of containers whose specification has none. The kernel gives PID 1
 * few open files; by the memory at boot, which may grow, it limits open files of all, and processes
 * of a user and pending signals. Memory for files counts for the container that opens them, and
 * processes are limited by the control group of all containers. A specification may ask for more open
 * files than the million that the kernel allows a process: as many as systemd allows on a node. By the
 * memory at boot the kernel also limits what root watches with epoll, the containers and the agent
 * together; that memory counts for the container, too. By the processors at boot, it limits the
 * numbers of processes, and so the processes of a large pod. The unit for guests with systemd has the
 * same limits (osbuilder/systemd), and systemd itself gives no limit to all open files and all numbers
 * to processes.
 */
static int raise_limits(struct err *err)
{
	static const struct {
		__rlimit_resource_t resource;
		rlim_t most;
	} limits[] = {
		{ RLIMIT_NOFILE, 1 << 20 },
		{ RLIMIT_NPROC, RLIM_INFINITY },
		{ RLIMIT_SIGPENDING, 1 << 16 },
	};
	static const struct {
		const char *file, *most;
	} totals[] = {
		{ "/proc/sys/fs/file-max", "9223372036854775807" },
		{ "/proc/sys/fs/nr_open", "1073741816" },
		{ "/proc/sys/fs/epoll/max_user_watches", "9223372036854775807" },
		{ "/proc/sys/kernel/pid_max", "4194304" },
	};

	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		const struct rlimit limit = { limits[i].most, limits[i].most };

		if (setrlimit(limits[i].resource, &limit) < 0)
			return err_sys(err, "raise the resource limit %d", (int)limits[i].resource);
	}
	for (size_t i = 0; i < ARRAY_LEN(totals); i++) {
		if (file_write(AT_FDCWD, totals[i].file, totals[i].most, err) < 0)
			return -1;
	}
	return 0;
}

int boot(struct err *err)
{
	if (make_root_movable(err) < 0 || mount_all(err) < 0 || loopback_up(err) < 0 ||
	    raise_limits(err) < 0)
		return -1;
	if (setsid() < 0 && errno != EPERM)
		return err_sys(err, "start a session");
	if (setenv("PATH", "/sbin:/bin:/usr/sbin:/usr/bin", 1) < 0)
		return err_sys(err, "set PATH");
	if (set_hostname(err) < 0)
		return -1;
	return path_make(GUEST_DIR, GUEST_DIR_MODE, err);
}

/* --- cgroups --- */

#define CGROUPS "/sys/fs/cgroup"

/* Controllers are not enabled here; libs/container enables them where it makes groups. */
static int mount_v2(struct err *err)
{
	if (mount("cgroup2", CGROUPS, "cgroup2", MS_NOSUID | MS_NOEXEC | MS_NODEV, "nsdelegate") <
		    0 &&
	    errno != EBUSY)
		return err_sys(err, "mount " CGROUPS);
	return 0;
}

/* The name of the hierarchy for a controller. Some are mounted in pairs, with a link for each name,
 * as on other systems. */
static const char *hierarchy_of(const char *controller)
{
	if (str_eq(controller, "cpu") || str_eq(controller, "cpuacct"))
		return "cpu,cpuacct";
	if (str_eq(controller, "net_cls") || str_eq(controller, "net_prio"))
		return "net_cls,net_prio";
	return controller;
}

static int mount_hierarchy(const char *name, const char *data, struct err *err)
{
	AUTO(str) char *path = path_join(CGROUPS, name);

	if (mkdir(path, 0755) < 0)
		return errno == EEXIST ? 0 : err_sys(err, "make %s", path);
	if (mount("cgroup", path, "cgroup", MS_NOSUID | MS_NOEXEC | MS_NODEV, data) < 0)
		return err_sys(err, "mount %s", path);
	return 0;
}

static int mount_controller(const char *name, struct err *err)
{
	const char *hierarchy = hierarchy_of(name);

	if (mount_hierarchy(hierarchy, hierarchy, err) < 0) {
		/* The kernel may lack the other controller of the pair: mount this one alone. */
		if (str_eq(name, hierarchy))
			return -1;
		err_clear(err);
		AUTO(str) char *path = path_join(CGROUPS, hierarchy);
		(void)rmdir(path);
		return mount_hierarchy(name, name, err);
	}
	if (!str_eq(name, hierarchy)) {
		AUTO(str) char *link = path_join(CGROUPS, name);

		if (symlink(hierarchy, link) < 0 && errno != EEXIST)
			return err_sys(err, "link %s", link);
	}
	return 0;
}

/* Mounts every controller in /proc/cgroups, whose lines are "name hierarchy groups enabled". */
static int mount_v1(struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(64 * 1024);
	AUTO(strv) char **lines = NULL;

	if (mount("tmpfs", CGROUPS, "tmpfs", MS_NOSUID | MS_NOEXEC | MS_NODEV, "mode=0755") < 0)
		return err_sys(err, "mount " CGROUPS);
	if (file_read(AT_FDCWD, "/proc/cgroups", 64 * 1024, &text, err) < 0)
		return -1;
	lines = strv_split(buf_cstr(&text), "\n");
	strv_each(line, lines) {
		AUTO(strv) char **words = strv_split(*line, "\t ");

		if (**line == '#' || strv_len(words) < 4 || !str_eq(words[3], "1"))
			continue;
		if (mount_controller(words[0], err) < 0)
			return -1;
	}
	return mount_hierarchy("systemd", "none,name=systemd", err);
}

int boot_cgroups(bool unified, struct err *err)
{
	return unified ? mount_v2(err) : mount_v1(err);
}

void power_off(void)
{
	sync();
	(void)reboot(RB_POWER_OFF);
	abort(); /* not PID 1, or no such call: the kernel panics, the VM ends */
}
