// SPDX-License-Identifier: Apache-2.0
/* Walks a directory twice, once for all but links and once for links, and sends each entry. */

#include "share/copy.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "base/tree.h"
#include "base/vec.h"
#include "share/share.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 1 << 20, FILES_MAX = 65536, DIR_MODE = 0755 };

/* --- the list --- */

void copies_add(struct copies *list, const char *source, const char *container, const char *name,
		char **guest)
{
	struct copy c = { .source = xstrdup(source),
			  .guest = str_fmt(SHARE_COPIES "/%s/%s", container, name),
			  .container = xstrdup(container) };

	*guest = xstrdup(c.guest);
	vec_push(list, c);
}

void copy_release(struct copy *c)
{
	free(c->source);
	free(c->guest);
	free(c->container);
}

void copies_release(struct copies *list)
{
	vec_each(struct copy, c, list)
		copy_release(c);
	vec_release(list);
}

bool copy_is_live(const char *source)
{
	static const char *const kinds[] = { "kubernetes.io~configmap", "kubernetes.io~secret",
					     "kubernetes.io~projected",
					     "kubernetes.io~downward-api", NULL };
	AUTO(str) char *clean = path_clean(source);
	AUTO(strv) char **parts = strv_split(clean, "/");
	size_t n = strv_len(parts);

	return n >= 2 && strv_has((char *const *)kinds, parts[n - 2]);
}

int copy_check(const char *source, bool readonly, struct err *err)
{
	struct stat st;

	if (stat(source, &st) < 0)
		return err_sys(err, "copy %s", source);
	if (S_ISREG(st.st_mode) || (S_ISDIR(st.st_mode) && readonly))
		return 0;
	if (!S_ISDIR(st.st_mode)) {
		err_set(err, E_UNSUPPORTED,
			"%s: shared_fs = \"none\": only directories and regular files can be "
			"copied "
			"into the guest",
			source);
		return err_hint(err, "use another shared_fs");
	}
	err_set(err, E_UNSUPPORTED,
		"%s: shared_fs = \"none\": the directory is copied into the guest, and what is "
		"written there would be lost",
		source);
	return err_hint(err,
			"mount it to read only, use an emptyDir or a volume on a block device, "
			"or another shared_fs");
}

/* --- one copy --- */

struct job {
	const struct copy *copy;
	const struct copy_to *to;
	bool links;        /* this pass sends symbolic links; else everything else */
	char *path;        /* in the guest, of the directory that the walk is in */
	uint64_t bytes;    /* sent so far */
	size_t files, odd; /* entries sent; sockets, FIFOs and device nodes left out */
};

static int count(struct job *j, uint64_t bytes, struct err *err)
{
	j->bytes += bytes;
	j->files++;
	if (j->bytes <= j->to->limit && j->files <= FILES_MAX)
		return 0;
	err_set(err, E_LIMIT,
		"%s has more than %llu MiB or %d files, too much for a copy in the guest's memory",
		j->copy->source, (unsigned long long)(j->to->limit >> 20), FILES_MAX);
	return err_hint(err,
			"use a snapshotter or volumes with block devices, or another shared_fs "
			"than \"none\"; default_memory sets the size of the VM");
}

static Grpc__CopyFileRequest describe(const char *path, const struct stat *st)
{
	Grpc__CopyFileRequest r = GRPC__COPY_FILE_REQUEST__INIT;

	r.path = (char *)path;
	r.file_mode = st->st_mode;
	r.dir_mode = DIR_MODE;
	r.uid = (int32_t)st->st_uid;
	r.gid = (int32_t)st->st_gid;
	return r;
}

static int send_directory(struct job *j, const char *path, const struct stat *st, struct err *err)
{
	Grpc__CopyFileRequest r = describe(path, st);

	return count(j, 0, err) < 0 ? -1 : j->to->send(j->to->arg, &r, err);
}

static int send_link(struct job *j, const char *path, const struct stat *st, const char *target,
		     struct err *err)
{
	Grpc__CopyFileRequest r = describe(path, st);

	r.data.data = (uint8_t *)target;
	r.data.len = strlen(target);
	r.file_size = (int64_t)r.data.len;
	return count(j, 0, err) < 0 ? -1 : j->to->send(j->to->arg, &r, err);
}

static int read_chunk(int fd, int64_t at, uint8_t *to, size_t len, struct err *err)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = pread(fd, to + done, len - done, at + (int64_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "read it");
		if (n == 0)
			return err_set(err, E_STATE, "it became shorter while it was copied");
		done += (size_t)n;
	}
	return 0;
}

/* Sends a file in chunks; an empty file is one empty chunk. */
static int send_file(struct job *j, int fd, const char *path, const struct stat *st,
		     struct err *err)
{
	AUTO(mem) uint8_t *chunk = NULL;
	Grpc__CopyFileRequest r = describe(path, st);

	if (count(j, (uint64_t)st->st_size, err) < 0)
		return -1;
	chunk = xmalloc(st->st_size < CHUNK ? (size_t)st->st_size + 1 : CHUNK);
	r.file_size = st->st_size;
	r.data.data = chunk;
	do {
		int64_t left = st->st_size - r.offset;

		r.data.len = left < CHUNK ? (size_t)left : CHUNK;
		if (read_chunk(fd, r.offset, chunk, r.data.len, err) < 0 ||
		    j->to->send(j->to->arg, &r, err) < 0)
			return -1;
		r.offset += (int64_t)r.data.len;
	} while (r.offset < st->st_size);
	return 0;
}

static int visit_link(struct job *j, const struct tree_at *at, const char *path,
		      const struct stat *st, struct err *err)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(at->dir, at->name, target, sizeof(target) - 1);

	if (n < 0)
		return errno == ENOENT ? 0 : err_sys(err, "read link %s", path);
	target[n] = '\0';
	return send_link(j, path, st, target, err);
}

static int visit_file(struct job *j, const struct tree_at *at, const char *path, struct err *err)
{
	AUTO(fd) int fd = openat(at->dir, at->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(err, "open %s", path);
	if (fstat(fd, &st) < 0)
		return err_sys(err, "look at %s", path);
	if (!S_ISREG(st.st_mode))
		return 0; /* it was replaced meanwhile */
	return send_file(j, fd, path, &st, err) < 0 ? err_wrap(err, "copy %s", path) : 0;
}

static int visit_entry(struct job *j, const struct tree_at *at, const char *path, struct err *err)
{
	struct stat st;

	if (fstatat(at->dir, at->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(err, "look at %s", path);
	if (S_ISLNK(st.st_mode))
		return j->links ? visit_link(j, at, path, &st, err) : 0;
	if (j->links)
		return 0;
	if (S_ISDIR(st.st_mode))
		return send_directory(j, path, &st, err);
	if (S_ISREG(st.st_mode))
		return visit_file(j, at, path, err);
	j->odd++;
	return 0;
}

/* Cuts j->path to the directory of an entry at that depth. Needed since the walk does not report
 * leaving a directory that has vanished. */
static void back_to(struct job *j, size_t depth)
{
	char *end = j->path + strlen(j->copy->guest);

	for (size_t i = 0; end && i < depth; i++)
		end = strchr(end + 1, '/');
	if (end)
		*end = '\0';
}

static int visit(void *arg, const struct tree_at *at, struct err *err)
{
	struct job *j = arg;
	AUTO(str) char *path = NULL;

	if (at->when == TREE_LEAVE)
		return TREE_GO_ON;
	back_to(j, at->depth);
	path = path_join(j->path, at->name);
	if (visit_entry(j, at, path, err) < 0)
		return TREE_FAILED;
	if (at->when == TREE_ENTER)
		str_set(&j->path, path);
	return TREE_GO_ON;
}

static int walk(struct job *j, int root, bool links, struct err *err)
{
	const struct tree_walk w = { .visit = visit, .arg = j, .name = j->copy->source };
	int result;

	j->links = links;
	j->path = xstrdup(j->copy->guest);
	result = tree_walk(root, &w, err);
	free(STEAL(j->path, NULL));
	return result;
}

static int send_tree(struct job *j, int root, const struct stat *st, struct err *err)
{
	if (send_directory(j, j->copy->guest, st, err) < 0 || walk(j, root, false, err) < 0 ||
	    walk(j, root, true, err) < 0)
		return -1;
	if (j->odd)
		log_info("sockets, FIFOs and device nodes are not copied",
			 LOG_S("source", j->copy->source), LOG_I("left_out", j->odd));
	return 0;
}

int copy_send(const struct copy *c, const struct copy_to *to, struct err *err)
{
	AUTO(fd) int fd = open(c->source, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct job j = { .copy = c, .to = to };
	struct stat st;
	int result;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "copy %s", c->source);
	result = S_ISDIR(st.st_mode) ? send_tree(&j, fd, &st, err)
				     : send_file(&j, fd, c->guest, &st, err);
	return result < 0 ? err_wrap(err, "copy %s into the guest", c->source) : 0;
}
