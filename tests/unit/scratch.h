// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A directory for the files of one test, below /tmp:
 *
 *	static char dir[SCRATCH_DIR];
 *
 *	static void setup(void)
 *	{
 *		scratch_make(dir, "minisig");
 *	}
 *
 *	static void teardown(void)
 *	{
 *		scratch_remove(dir);
 *	}
 *
 * A test that fails skips its teardown; tests/unit/run.sh removes what stays.
 */

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#include <check.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { SCRATCH_DIR = 64 };

/* Makes a new, empty directory and writes its path, which has the name in it, to dir. */
static inline void scratch_make(char dir[SCRATCH_DIR], const char *name)
{
	ck_assert_int_ge(str_print(dir, SCRATCH_DIR, "/tmp/kata-%s-XXXXXX", name), 0);
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

/* Removes the directory and everything in it. */
static inline void scratch_remove(const char *dir)
{
	struct err err = ERR_INIT;

	ck_assert_msg(path_remove_tree(dir, &err) == 0, "%s", err.msg);
}

/* Writes a file of the directory. Directories on the way to it, as in "a/b/file", are made. */
static inline void scratch_write(const char *dir, const char *name, const void *data, size_t len,
				 mode_t mode)
{
	AUTO(str) char *path = path_join(dir, name);
	AUTO(str) char *parent = xstrndup(path, (size_t)(path_basename(path) - path));
	struct err err = ERR_INIT;

	ck_assert_msg(path_make(parent, 0755, &err) == 0, "%s", err.msg);
	ck_assert_msg(file_replace_volatile(AT_FDCWD, path, data, len, mode, &err) == 0, "%s",
		      err.msg);
}

/* The same for a text, with mode 0644. */
static inline void scratch_write_text(const char *dir, const char *name, const char *text)
{
	scratch_write(dir, name, text, strlen(text), 0644);
}

/* Mounts a tmpfs on a directory, in a mount namespace of the test, if the test is root: for thousands of
 * directories. ext4 does not use an inode that was freed a moment ago, so that it searches for minutes
 * when thousands of others have just been removed. */
static inline void scratch_mount(const char *path)
{
	if (geteuid() != 0)
		return;
	ck_assert(unshare(CLONE_NEWNS) == 0);
	ck_assert(mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) == 0);
	ck_assert(mount("tmpfs", path, "tmpfs", 0, NULL) == 0);
}

/* Undoes that, and so removes what is there. */
static inline void scratch_unmount(const char *path)
{
	ck_assert(geteuid() != 0 || umount2(path, MNT_DETACH) == 0);
}

/* Makes that many nested directories below the directory with the fd, all named "d", and an empty
 * file "f" in the last one. */
static inline void scratch_nest(int dir, int levels)
{
	AUTO(fd) int at = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(fd) int file = -1;

	for (int i = 0; i < levels; i++) {
		int next;

		ck_assert(mkdirat(at, "d", 0700) == 0);
		next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		ck_assert_int_ge(next, 0);
		fd_close(&at);
		at = next;
	}
	file = openat(at, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(file, 0);
}
