// SPDX-License-Identifier: Apache-2.0
/* Reserves uids for VMMs by files in /run/vc/users. */

#include "host/user.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define USERS "/run/vc/users"

/* Above sssd's default range, which ends at 2000200000, and below what systemd keeps for itself,
 * from 2147352576 on. */
enum { FIRST_USER = 2046820352, USER_COUNT = 65536 };

uid_t host_user_pick(void)
{
	uint32_t random;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		bug("no random bytes: errno %d", errno);
	return FIRST_USER + random % USER_COUNT;
}

static char *file_of(uid_t uid)
{
	return str_fmt(USERS "/%u", (unsigned)uid);
}

int host_user_take(uid_t uid, const char *key, struct err *err)
{
	AUTO(str) char *path = file_of(uid);
	AUTO(fd) int fd = -1;

	if (path_make(USERS, 0700, err) < 0)
		return -1;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EEXIST ? 0 : err_sys(err, "make %s", path);
	if (fd_write_all(fd, key, strlen(key), err) == 0)
		return 1;
	(void)unlink(path);
	return -1;
}

int host_user_give_back(uid_t uid, const char *key, struct err *err)
{
	AUTO(str) char *path = file_of(uid);
	struct err missing = ERR_INIT;
	AUTO(str) char *owner = file_read_line(AT_FDCWD, path, &missing);

	/* An empty file is of a process that died before it wrote the key. */
	if (!owner || (*owner && !str_eq(owner, key)))
		return 0;
	return unlink(path) < 0 && errno != ENOENT ? err_sys(err, "remove %s", path) : 0;
}

bool host_user_may_use(const char *device, gid_t *group)
{
	struct stat st;

	*group = (gid_t)-1;
	if (stat(device, &st) < 0 || !S_ISCHR(st.st_mode))
		return false;
	if ((st.st_mode & 06) == 06)
		return true;
	if ((st.st_mode & 060) != 060 || st.st_gid == 0)
		return false;
	*group = st.st_gid;
	return true;
}
