// SPDX-License-Identifier: Apache-2.0
/* Scans the install tree and hashes its files. */

#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "crypto/sha256.h"
#include "deploy/release/build-internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 256 << 10, TARGET_MAX = 1024, DEPTH_MAX = 64 };

/* Computes size and both digests in one pass. */
static int digest(int fd, const char *path, struct entry *e, char sha1[SHA1_HEX + 1],
		  struct err *err)
{
	AUTO(mem) unsigned char *chunk = xmalloc(CHUNK);
	AUTO(sha256) struct sha256 *long_sum = sha256_new();
	AUTO(sha1) struct sha1 *short_sum = sha1_new();
	ssize_t n;

	while ((n = read(fd, chunk, CHUNK)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "read %s", path);
		sha256_add(long_sum, chunk, (size_t)n);
		sha1_add(short_sum, chunk, (size_t)n);
		e->size += (uint64_t)n;
	}
	sha256_end(long_sum, e->sha256);
	sha1_end(short_sum, sha1);
	return 0;
}

/* path: of the file in the release; from: in the tree. */
static int add_file(struct build *b, const char *path, const char *from, struct err *err)
{
	AUTO(fd) int fd = path_open(b->tree, from, PATH_NO_LINKS, O_RDONLY, 0, err);
	const struct part *owner;
	struct source s = { 0 };
	struct entry e = { 0 };
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return err_sys(err, "look at %s", from);
	if (!S_ISREG(st.st_mode) || st.st_mode & (S_ISUID | S_ISGID))
		return err_set(err, E_INVALID,
			       "'%s' is setuid or setgid, or not a regular file; clear these bits, "
			       "or leave it out of the tree",
			       from);
	owner = parts_owner(&b->parts, path, err);
	if (!owner || digest(fd, from, &e, s.sha1, err) < 0)
		return -1;
	e.path = (char *)path;
	e.component = owner->name;
	e.mode = st.st_mode & S_IXUSR ? 0555 : 0444;
	layout_add(&b->r.layout, &e);
	s.path = xstrdup(path);
	s.from = xstrdup(from);
	vec_push(&b->sources, s);
	return 0;
}

static int add_link(struct build *b, const char *path, struct err *err)
{
	char target[TARGET_MAX + 1];
	const struct part *owner = parts_owner(&b->parts, path, err);
	ssize_t n = readlinkat(b->tree, path, target, sizeof(target));
	struct entry e = { .path = (char *)path, .type = ENTRY_LINK, .target = target };

	if (!owner)
		return -1;
	if (n < 0)
		return err_sys(err, "read the link %s", path);
	if (n > TARGET_MAX)
		return err_set(err, E_INVALID, "the target of '%s' is too long; make it shorter",
			       path);
	target[n] = '\0';
	e.component = owner->name;
	layout_add(&b->r.layout, &e);
	return 0;
}

static int scan(struct build *b, const char *path, unsigned depth, struct err *err);

static int add(struct build *b, const char *path, unsigned depth, struct err *err)
{
	struct stat st;

	if (fstatat(b->tree, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "look at %s", path);
	if (b->r.layout.entries.n == RELEASE_FILES_MAX)
		return err_set(err, E_LIMIT, "more than %d files; leave some out of the tree",
			       RELEASE_FILES_MAX);
	if (S_ISDIR(st.st_mode))
		return scan(b, path, depth + 1, err);
	if (S_ISLNK(st.st_mode))
		return add_link(b, path, err);
	if (S_ISREG(st.st_mode))
		return add_file(b, path, path, err);
	return err_set(err, E_INVALID,
		       "'%s' is not a file, link or directory; leave it out of the tree", path);
}

static int scan(struct build *b, const char *path, unsigned depth, struct err *err)
{
	AUTO(fd)
	int fd = path_open(b->tree, *path ? path : ".", PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0,
			   err);
	AUTO(dir) DIR *dir = NULL;
	struct dirent *e;

	if (fd < 0)
		return -1;
	if (depth > DEPTH_MAX)
		return err_set(err, E_LIMIT, "'%s' is nested too deeply; move it up", path);
	dir = fdopendir(fd);
	if (!dir)
		return err_sys(err, "list %s", path);
	(void)STEAL(fd, -1);
	while (errno = 0, (e = readdir(dir)) != NULL) {
		AUTO(str) char *name = *path ? path_join(path, e->d_name) : xstrdup(e->d_name);

		if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
			continue;
		if (add(b, name, depth, err) < 0)
			return -1;
	}
	return errno ? err_sys(err, "list %s", path) : 0;
}

static int source_order(const void *a, const void *b)
{
	return strcmp(((const struct source *)a)->path, ((const struct source *)b)->path);
}

static int source_find(const void *path, const void *s)
{
	return strcmp(path, ((const struct source *)s)->path);
}

const struct source *build_source(const struct build *b, const char *path)
{
	return b->sources.n ? bsearch(path, b->sources.v, b->sources.n, sizeof(*b->sources.v),
				      source_find)
			    : NULL;
}

int build_scan(struct build *b, struct err *err)
{
	if (scan(b, "", 0, err) < 0)
		return -1;
	vec_each(struct part_copy, c, &b->parts.copies) {
		if (add_file(b, c->to, c->from, err) < 0)
			return -1;
	}
	if (b->sources.n > 1)
		qsort(b->sources.v, b->sources.n, sizeof(*b->sources.v), source_order);
	return layout_seal(&b->r.layout, err);
}
