// SPDX-License-Identifier: Apache-2.0
/* Opens files to be locked. */
#include "base/lock.h"

#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

/* Returns 1 if something of another user was removed, 0 if there is nothing of that kind. */
static int drop_foreign(const char *path, struct err *err)
{
	struct stat st;

	if (geteuid() != 0 || lstat(path, &st) < 0 || st.st_uid == 0)
		return 0;
	if (!S_ISDIR(st.st_mode))
		return unlink(path) == 0;
	if (rmdir(path) == 0)
		return 1;
	(void)err_set(err, E_STATE, "the lock %s is a directory of user %u", path, st.st_uid);
	return err_hint(err, "remove it");
}

int lock_open(const char *path, enum lock_kind kind, struct err *err)
{
	enum { TRIES = 8 };
	int dropped = kind == LOCK_OWN, fd;

	for (int i = 0; i < TRIES && dropped; i++) {
		dropped = drop_foreign(path, err);
		if (dropped < 0)
			return -1;
	}
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 && errno == EISDIR)
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? path_sys(err, AT_FDCWD, path, "open the lock %s", path) : fd;
}
