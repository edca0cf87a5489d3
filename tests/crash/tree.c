// SPDX-License-Identifier: Apache-2.0
/* Describes and copies directory trees. */

#include "tests/crash/tree.h"

#include "base/fd.h"
#include "base/path.h"
#include "base/scope.h"
#include "base/spawn.h"
#include "base/str.h"
#include "crypto/sha256.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int describe(const char *path, const char *shown, struct buf *to, struct err *err);

static int describe_file(const char *path, struct buf *to, struct err *err)
{
	AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char hex[65];
	uint64_t size;

	if (fd < 0)
		return err_sys(err, "open %s", path);
	if (sha256_fd(fd, path, hex, &size, err) < 0)
		return -1;
	buf_fmt(to, " %.16s", hex);
	return 0;
}

static int describe_entries(const char *path, const char *shown, struct buf *to, struct err *err)
{
	struct dirent **list;
	int n = scandir(path, &list, NULL, alphasort), rc = 0;

	if (n < 0)
		return err_sys(err, "list %s", path);
	for (int i = 0; i < n; i++) {
		const char *name = list[i]->d_name;
		AUTO(str) char *sub = path_join(path, name), *sub_shown = path_join(shown, name);

		if (rc == 0 && !str_eq(name, ".") && !str_eq(name, ".."))
			rc = describe(sub, sub_shown, to, err);
		free(list[i]);
	}
	free(list);
	return rc;
}

static int describe(const char *path, const char *shown, struct buf *to, struct err *err)
{
	char target[4096] = "";
	struct stat st;

	if (lstat(path, &st) < 0)
		return err_sys(err, "look at %s", path);
	buf_fmt(to, "%07o %u:%u %s", (unsigned)st.st_mode, st.st_uid, st.st_gid, shown);
	if (S_ISREG(st.st_mode)) {
		buf_fmt(to, " %u", (unsigned)st.st_nlink);
		if (describe_file(path, to, err) < 0)
			return -1;
	} else if (S_ISLNK(st.st_mode)) {
		if (readlink(path, target, sizeof(target) - 1) < 0)
			return err_sys(err, "read the link %s", path);
		buf_fmt(to, " -> %s", target);
	}
	buf_chr(to, '\n');
	return S_ISDIR(st.st_mode) ? describe_entries(path, shown, to, err) : 0;
}

int tree_describe(const char *path, struct buf *to, struct err *err)
{
	buf_clear(to);
	return describe(path, ".", to, err) < 0 ? -1 : buf_check(to, "the description", err);
}

int tree_copy(const char *from, const char *to, struct err *err)
{
	struct spawn s = { .argv = ARGV("cp", "-a", from, to) };
	int code;

	if (path_remove_tree(to, err) < 0)
		return -1;
	code = spawn_run(&s, NULL, 0, NULL, DEADLINE_NEVER, err);
	return code == 0 || err->code ? (code == 0 ? 0 : -1)
				      : err_set(err, E_FAILED, "copy %s: %d", from, code);
}
