// SPDX-License-Identifier: Apache-2.0
/* Fds, limits, root directory, user and capabilities of a confined child. */

#include "confine/confine-internal.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FDS_MAX = 512 };

/* --- fds --- */

static int fd_order(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static int fill_standard(const struct confine *c, int fd, struct err *err)
{
	int null = -1;

	for (size_t i = 0; i < c->nkeep; i++) {
		if (c->keep[i] == fd)
			return 0;
	}
	if (CONFINE_SANITIZED && fd == STDERR_FILENO)
		return 0; /* sanitizer reports go to stderr */
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return err_sys(err, "open /dev/null");
	if (null != fd && (dup3(null, fd, O_CLOEXEC) < 0 || close(null) < 0))
		return err_sys(err, "replace fd %d", fd);
	return 0;
}

int confine_close_fds(const struct confine *c, int talk, struct err *err)
{
	size_t n = 4 + c->nwrite + c->nread + c->nkeep, at = 0;
	AUTO(mem) int *open_fds = xcalloc(n, sizeof(int));
	int next = 0;

	for (int fd = 0; fd < 3; fd++) {
		if (fill_standard(c, fd, err) < 0)
			return -1;
		open_fds[at++] = fd;
	}
	open_fds[at++] = talk;
	for (size_t i = 0; i < c->nwrite; i++)
		open_fds[at++] = c->write[i];
	for (size_t i = 0; i < c->nread; i++)
		open_fds[at++] = c->read[i];
	for (size_t i = 0; i < c->nkeep; i++)
		open_fds[at++] = c->keep[i];
	qsort(open_fds, n, sizeof(int), fd_order);
	for (size_t i = 0; i < n; i++) {
		if (open_fds[i] > next &&
		    close_range((unsigned)next, (unsigned)open_fds[i] - 1, 0) < 0)
			return err_sys(err, "close fds");
		if (open_fds[i] >= next)
			next = open_fds[i] + 1;
	}
	return close_range((unsigned)next, ~0U, 0) < 0 ? err_sys(err, "close fds") : 0;
}

/* --- limits --- */

static int limit(int what, rlim_t value, struct err *err)
{
	struct rlimit now;

	if (getrlimit((__rlimit_resource_t)what, &now) < 0)
		return err_sys(err, "read resource limit %d", what);
	if (now.rlim_max < value)
		value = now.rlim_max;
	now = (struct rlimit){ value, value };
	return setrlimit((__rlimit_resource_t)what, &now) < 0
		       ? err_sys(err, "set resource limit %d", what)
		       : 0;
}

static int address_space(uint64_t *bytes, struct err *err)
{
	AUTO(str) char *line = file_read_line(AT_FDCWD, "/proc/self/statm", err);

	if (!line)
		return -1;
	line[strcspn(line, " ")] = '\0';
	if (str_u64(line, 10, 0, UINT64_MAX >> 16, "the size of this process", bytes, err) < 0)
		return -1;
	*bytes *= (uint64_t)sysconf(_SC_PAGESIZE);
	return 0;
}

int confine_limit(const struct confine *c, struct err *err)
{
	uint64_t now = 0;

	if (limit(RLIMIT_CORE, 0, err) < 0 || limit(RLIMIT_NOFILE, FDS_MAX, err) < 0 ||
	    limit(RLIMIT_MEMLOCK, 0, err) < 0 || limit(RLIMIT_MSGQUEUE, 0, err) < 0)
		return -1;
	if (c->files && limit(RLIMIT_FSIZE, c->files, err) < 0)
		return -1;
	if (!c->memory || CONFINE_SANITIZED) /* shadow memory is terabytes */
		return 0;
	return address_space(&now, err) < 0 ? -1 : limit(RLIMIT_AS, now + c->memory, err);
}

/* --- user --- */

static int drop_capabilities(struct err *err)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return err_sys(err, "clear ambient capabilities");
	return syscall(SYS_capset, &head, none) < 0 ? err_sys(err, "drop capabilities") : 0;
}

static int become(const struct confine *c, struct err *err)
{
	uid_t uid = c->uid ? c->uid : CONFINE_NOBODY;
	gid_t gid = c->gid ? c->gid : CONFINE_NOBODY;

	if (!c->network && c->nwrite && (fchdir(c->write[0]) < 0 || chroot(".") < 0))
		return err_sys(err, "change the root directory");
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return err_sys(err, "drop capability %d", cap);
	}
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return err_sys(err, "become user %u", (unsigned)uid);
	return 0;
}

int confine_lower(const struct confine *c, struct err *err)
{
	if (geteuid() == 0 && become(c, err) < 0)
		return -1;
	if (drop_capabilities(err) < 0)
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(err, "give up privileges for good");
	if (geteuid() == 0 || getuid() == 0)
		return err_set(err, E_PERMISSION, "this process is still root");
	return 0;
}
