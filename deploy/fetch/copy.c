// SPDX-License-Identifier: Apache-2.0
/*
 * A copy of a release as a directory, for nodes without a network. Files have names with ".part"
 * until their digests are verified; release.yaml is written last, so that a directory with one is a
 * complete release. An interrupted copy is resumed.
 */

#include "deploy/fetch/fetch-internal.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "crypto/minisig.h"
#include "crypto/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART ".part"

enum { CHUNK = 256 << 10, SIDE_DOCUMENT_MAX = 64 << 20 };

struct item {
	char *path;
	const char *sha256;
	uint64_t size;
	int fd; /* of its .part file; -1: the file is complete */
};

struct copy {
	struct source *s;
	int to;
	const struct source_progress *progress;
	uint64_t done, total; /* bytes */
	VEC(struct item) items;
};

static void copy_release(struct copy *c)
{
	vec_each(struct item, i, &c->items) {
		fd_close(&i->fd);
		free(i->path);
	}
	vec_release(&c->items);
}
DEFINE_AUTO_STRUCT(copy, struct copy, copy_release)

/* --- the list of files --- */

static void add(struct copy *c, const char *folder, const char *sha256, const char *suffix,
		uint64_t size)
{
	struct item i = { str_fmt("%s/%s%s", folder, sha256, suffix), sha256, size, -1 };

	vec_push(&c->items, i);
	c->total += size;
}

static bool is_chosen(const char *component, char *const *components)
{
	return !components || !components[0] || strv_has(components, component);
}

static void list(struct copy *c, const struct release *r, char *const *components)
{
	const char *before = "";

	vec_each(struct release_component, p, &r->components) {
		if (p->required || is_chosen(p->name, components))
			add(c, "blobs", p->blob, ".tar.zst", p->size);
	}
	vec_each(struct release_patch, p, &r->patches) {
		if (!str_eq(p->sha256, before))
			add(c, "patches", p->sha256, ".zst", p->size);
		before = p->sha256;
	}
}

/* --- files --- */

static int is_right(int fd, const struct item *i, bool *right, struct err *err)
{
	uint64_t size;
	char hex[65];

	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, "read %s", i->path);
	if (sha256_fd(fd, i->path, hex, &size, err) < 0)
		return -1;
	*right = size == i->size && str_eq(hex, i->sha256);
	return 0;
}

/* Opens the .part file of an incomplete item. */
static int open_item(const struct copy *c, struct item *i, struct err *err)
{
	AUTO(str) char *part = str_fmt("%s" PART, i->path);
	AUTO(fd) int there = openat(c->to, i->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	bool right = false;

	if (there >= 0 && is_right(there, i, &right, err) < 0)
		return -1;
	if (right)
		return 0;
	i->fd = openat(c->to, part, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	return i->fd < 0 ? err_sys(err, "create %s", part) : 0;
}

static int finish_item(const struct copy *c, struct item *i, struct err *err)
{
	AUTO(str) char *part = str_fmt("%s" PART, i->path);
	bool right = false;

	if (is_right(i->fd, i, &right, err) < 0)
		return -1;
	if (!right)
		return err_set(err, E_INVALID, "%s: %s is not what the release lists", c->s->name,
			       i->path);
	if (fsync(i->fd) < 0 || renameat(c->to, part, c->to, i->path) < 0)
		return err_sys(err, "finish %s", i->path);
	fd_close(&i->fd);
	return 0;
}

static void tell(struct copy *c, uint64_t done)
{
	if (c->progress && c->progress->at)
		c->progress->at(c->progress->arg, "fetch", done, c->total);
}

static int copy_file(struct copy *c, struct item *i, struct err *err)
{
	AUTO(fd) int from = source_file(c->s, i->path, i->size, err);
	AUTO(mem) char *chunk = xmalloc(CHUNK);
	uint64_t left = i->size;

	if (from < 0)
		return -1;
	if (ftruncate(i->fd, 0) < 0)
		return err_sys(err, "write %s", i->path);
	while (left) {
		ssize_t n = fd_read_full(from, chunk, left < CHUNK ? (size_t)left : CHUNK, err);

		if (n < 0)
			return err_wrap(err, "read %s", i->path);
		if (n == 0)
			return err_set(err, E_INVALID, "%s: %s ends early", c->s->name, i->path);
		if (fd_write_all(i->fd, chunk, (size_t)n, err) < 0)
			return err_wrap(err, "write %s", i->path);
		left -= (uint64_t)n;
		tell(c, c->done += (uint64_t)n);
	}
	return 0;
}

static void on_progress(void *arg, uint64_t done, uint64_t total)
{
	struct copy *c = arg;

	(void)total;
	tell(c, c->done + done);
}

/* Without tags: every file has a digest, which is stronger. */
static int download_items(struct copy *c, struct err *err)
{
	AUTO(mem) struct http_job *jobs = xcalloc(c->items.n + 1, sizeof(*jobs));
	AUTO(download)
	struct download d = { .s = c->s,
			      .jobs = jobs,
			      .watch = { .progress = on_progress, .arg = c } };

	vec_each(struct item, i, &c->items) {
		if (i->fd >= 0)
			jobs[d.n++] = (struct http_job){
				.path = i->path, .fd = i->fd, .size = i->size, .sha256 = i->sha256
			};
	}
	return d.n ? download_run(&d, err) : 0;
}

/* In batches, since each item has an fd. */
enum { BATCH = 64 };

static int copy_batch(struct copy *c, size_t first, size_t end, struct err *err)
{
	for (size_t n = first; n < end; n++) {
		struct item *i = &c->items.v[n];

		if (open_item(c, i, err) < 0)
			return -1;
		if (i->fd < 0)
			c->done += i->size;
		else if (!c->s->urls && copy_file(c, i, err) < 0)
			return -1;
	}
	if (c->s->urls && download_items(c, err) < 0)
		return -1;
	for (size_t n = first; n < end; n++) {
		struct item *i = &c->items.v[n];

		if (i->fd < 0)
			continue;
		if (c->s->urls)
			c->done += i->size;
		if (finish_item(c, i, err) < 0)
			return -1;
	}
	return 0;
}

static int copy_items(struct copy *c, struct err *err)
{
	static const char *const folders[] = { "blobs", "patches" };

	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		if (mkdirat(c->to, folders[i], 0755) < 0 && errno != EEXIST)
			return err_sys(err, "make %s", folders[i]);
	}
	for (size_t n = 0; n < c->items.n; n += BATCH) {
		size_t end = n + BATCH < c->items.n ? n + BATCH : c->items.n;

		if (copy_batch(c, n, end, err) < 0)
			return -1;
	}
	if (unlinkat(c->to, "patches", AT_REMOVEDIR) < 0 && errno != ENOTEMPTY && errno != EEXIST)
		return err_sys(err, "remove patches");
	return 0;
}

/* --- documents --- */

static int copy_signatures(struct copy *c, const char *name, struct err *err)
{
	AUTO(strv) char **texts = NULL;
	unsigned n = 0;

	if (source_signatures(c->s, name, &texts, err) < 0)
		return -1;
	strv_each(text, texts) {
		AUTO(str) char *file = release_signature_name(name, n++);

		if (file_replace(c->to, file, *text, strlen(*text), 0644, err) < 0)
			return -1;
	}
	return 0;
}

/* sha256: the expected digest, or NULL. */
static int copy_document(struct copy *c, const char *name, size_t limit, const char *sha256,
			 bool optional, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(limit);
	char hex[65];

	if (source_document(c->s, name, limit, &text, err) < 0) {
		if (!optional || err->code != E_NOT_FOUND)
			return -1;
		err_clear(err);
		return 0;
	}
	sha256_hex(buf_cstr(&text), text.len, hex);
	if (sha256 && !str_eq(hex, sha256))
		return err_set(err, E_INVALID, "%s: %s is not what the release lists", c->s->name,
			       name);
	if (!sha256 && copy_signatures(c, name, err) < 0)
		return -1;
	return file_replace(c->to, name, buf_cstr(&text), text.len, 0644, err);
}

static int copy_documents(struct copy *c, const struct release *r, struct err *err)
{
	if (*r->sbom && copy_document(c, RELEASE_SBOM, SIDE_DOCUMENT_MAX, r->sbom, false, err) < 0)
		return -1;
	if (*r->provenance &&
	    copy_document(c, RELEASE_PROVENANCE, SIDE_DOCUMENT_MAX, r->provenance, false, err) < 0)
		return -1;
	return copy_document(c, "channel.yaml", CHANNEL_TEXT_MAX, NULL, true, err) < 0 ||
			       copy_document(c, "release.yaml", RELEASE_TEXT_MAX, NULL, false,
					     err) < 0
		       ? -1
		       : 0;
}

int source_copy(struct source *s, const struct release *r, char *const *components, int to,
		const struct source_progress *progress, struct err *err)
{
	AUTO(copy)
	struct copy c = { .s = s, .to = to, .progress = progress, .items = VEC_INIT };

	list(&c, r, components);
	return copy_items(&c, err) < 0 || copy_documents(&c, r, err) < 0 ? -1 : 0;
}
