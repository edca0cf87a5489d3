// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Paths. An untrusted path (from an OCI spec, a guest, an archive) is only ever opened beneath a
 * root fd:
 *
 *	PATH_BENEATH	".." and absolute symlinks that would leave the root are an error:
 *			archives, state
 *	PATH_IN_ROOT	the root acts as "/", as inside a chroot: container root file systems
 *
 * Both refuse magic links of /proc. Needs openat2 (Linux 5.6).
 */

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

enum path_scope {
	PATH_BENEATH,
	PATH_IN_ROOT,
	PATH_NO_LINKS, /* as PATH_BENEATH, and no component may be a symlink at all */
};

/* Opens path below root; flags as for open(2), O_CLOEXEC is added. PATH_IN_ROOT strips leading
 * slashes itself. Returns an fd. */
MUST_CHECK int path_open(int root, const char *path, enum path_scope scope, int flags, mode_t mode,
			 struct err *err);

/* Makes every missing directory of path below root with mode; returns an O_PATH fd of the last.
 * Dangling links are followed: their target is made, within scope. */
MUST_CHECK int path_mkdirs(int root, const char *path, enum path_scope scope, mode_t mode,
			   struct err *err);

/* As path_mkdirs for a file: creates it empty with mode if it is missing, and missing directories
 * with dir_mode. Returns an O_PATH fd of the file, which may be of any kind. */
MUST_CHECK int path_mkfile(int root, const char *path, enum path_scope scope, mode_t dir_mode,
			   mode_t mode, struct err *err);

/* As path_mkdirs for the parent of path; *name gets the last component (points into path).
 * A path without a usable last component ("", "/", "..") is E_INVALID. */
MUST_CHECK int path_parent(int root, const char *path, enum path_scope scope, mode_t mode,
			   const char **name, struct err *err);

/* Translates path, absolute or not, as seen with root as "/" to a path below root, heap: symlinks
 * are resolved inside root; components that do not exist are kept as they are. root must not change
 * meanwhile. NULL with E_STATE if a symlink on the way is dangling. */
char *path_from_root(const char *root, const char *path, struct err *err);

/* The nearest existing ancestor of path, or path itself if it exists; heap. */
char *path_existing(const char *path);
/* mkdir -p for a trusted path, absolute or relative to the current directory. */
MUST_CHECK int path_make(const char *path, mode_t mode, struct err *err);

/* Removes path and everything below it, however deep (base/tree.h); a missing path is success.
 * Never crosses a mount point, not even a bind mount of the same file system: a mount point below
 * path is E_STATE, and the message names it. */
MUST_CHECK int path_remove_tree(const char *path, struct err *err);

/* As path_remove_tree for a path below root, none of whose parents may be a symlink. */
MUST_CHECK int path_remove_below(int root, const char *path, struct err *err);

/*
 * err_sys() after the kernel refused to create, replace, link, remove or open for writing the file
 * name in the directory dir (AT_FDCWD: name is a path). A hint is appended if the cause is the
 * attribute "immutable" or "append only" of the file or its directory, for which even root gets
 * EPERM; or if the file is a mount point.
 */
#define path_sys(e, dir, name, ...) path_sys_at((e), ERR_HERE, (dir), (name), __VA_ARGS__)
int path_sys_at(struct err *e, const char *where, int dir, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* dir + "/" + name without a double slash between them, heap. */
char *path_join(const char *dir, const char *name);

/* Resolves "//", "." and ".." in the text of a path (".." at the top disappears); absolute if path
 * is, heap. */
char *path_clean(const char *path);

/* True if path equals dir or is below it, compared by whole components; both clean. */
bool path_is_below(const char *path, const char *dir);

const char *path_basename(const char *path);
/* True if something is mounted on the file name in the directory dir (AT_FDCWD: name is a path), also
 * another file: it can be neither replaced nor removed. False on Linux before 5.8, which does not tell. */
bool path_is_mount(int dir, const char *name);
/* For a search, and where the answer is only shown: any failure counts as "no". */
bool path_exists(const char *path);
/* Returns 1 if path, relative to the directory dir (AT_FDCWD), exists, also as a dangling symlink; 0
 * if it does not. Any other failure, such as EACCES or EIO, says nothing of that and is an error. */
MUST_CHECK int path_look(int dir, const char *path, struct err *err);

/*
 * Renames a file to a name that nothing has; returns 0, or -1 with errno, EEXIST if something has it.
 * Not every file system has such a rename (RENAME_NOREPLACE): without it the name is looked at before
 * an ordinary one. So only for directories where nobody else creates that name at the same time.
 */
MUST_CHECK int path_rename_new(int from_dir, const char *from, int to_dir, const char *to);

/* "/proc/self/fd/N", for system calls without an *at form. */
struct path_fd {
	char path[32];
};
struct path_fd path_of_fd(int fd);
