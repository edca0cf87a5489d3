// SPDX-License-Identifier: Apache-2.0
#include "deploy/cri/dropins.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/scope.h"
#include "base/str.h"
#include "deploy/cri/containerd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEPTH_MAX = 8, FILES_MAX = 1000 };

struct walk {
	int root;
	char **files; /* strv */
};

/* The order of CRI-O, whatever the locale is. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_entry(const struct dirent *entry)
{
	return !str_eq(entry->d_name, ".") && !str_eq(entry->d_name, "..");
}

/* Returns the sorted names in a directory, strv; NULL: it has none. */
static int names_in(int dir, const char *path, char ***out, struct err *err)
{
	struct dirent **entries = NULL;
	int n = scandirat(dir, ".", &entries, is_entry, by_name);

	*out = NULL;
	if (n < 0)
		return err_sys(err, "list %s", path);
	for (int i = 0; i < n; i++) {
		strv_push(out, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return 0;
}

/* True if path, through links inside the root, is a regular file. */
static bool is_file(const struct walk *w, const char *path)
{
	struct err ignored = ERR_INIT;
	AUTO(fd) int fd = path_open(w->root, path, PATH_IN_ROOT, O_PATH, 0, &ignored);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static int walk_dir(struct walk *w, int dir, const char *path, unsigned depth, struct err *err);

/* CRI-O enters no directory through a link. */
static int walk_entry(struct walk *w, int dir, const char *name, const char *path, unsigned depth,
		      struct err *err)
{
	AUTO(fd) int below = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (below >= 0)
		return walk_dir(w, below, path, depth + 1, err);
	if (errno != ENOTDIR && errno != ELOOP)
		return errno == ENOENT ? 0 : err_sys(err, "open %s", path);
	if (is_file(w, path))
		strv_push(&w->files, path);
	return 0;
}

static int walk_dir(struct walk *w, int dir, const char *path, unsigned depth, struct err *err)
{
	AUTO(strv) char **names = NULL;

	if (depth > DEPTH_MAX)
		return err_set(err, E_CONFIG, "%s is too deep: at most %d directories; move it up",
			       path, DEPTH_MAX);
	if (names_in(dir, path, &names, err) < 0)
		return -1;
	strv_each(name, names) {
		AUTO(str) char *full = path_join(path, *name);

		if (walk_entry(w, dir, *name, full, depth, err) < 0)
			return -1;
	}
	if (strv_len(w->files) > FILES_MAX)
		return err_set(err, E_CONFIG, "%s has more than %d files; remove some", path,
			       FILES_MAX);
	return 0;
}

int dropins_list(const struct cri *c, char ***out, struct err *err)
{
	AUTO(str) char *path = c->back->dropins ? beside(c->config, c->back->dropins) : NULL;
	AUTO(fd) int root = open(*c->root ? c->root : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct walk w = { .root = root };
	struct err why = ERR_INIT;

	*out = NULL;
	if (!path || root < 0)
		return 0;
	AUTO(fd) int dir = path_open(root, path, PATH_IN_ROOT, O_RDONLY | O_DIRECTORY, 0, &why);
	if (dir < 0 && (why.code == E_NOT_FOUND || why.sys == ENOTDIR))
		return 0;
	if (dir < 0) {
		*err = why;
		return -1;
	}
	if (walk_dir(&w, dir, path, 0, err) < 0) {
		strv_free(w.files);
		return -1;
	}
	*out = w.files;
	return 0;
}
