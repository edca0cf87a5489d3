// SPDX-License-Identifier: Apache-2.0
/*
 * Copies a release to a directory, for nodes without a network. Of the names that a release can
 * have (names.c), the directory then has exactly those of this release.
 *
 * A directory with a release.yaml is complete, even after a kill at any point:
 *
 *	1. Everything is fetched into NAME.part and verified. Blobs and patches get their names,
 *	   which are digests: an older copy stays complete. All of that is on disk then.
 *	2. The release.yaml of another release is removed: the directory is not a copy any more.
 *	3. The other documents and signatures are replaced, those of the older copy are removed.
 *	4. release.yaml is written: the directory is the new copy.
 *	5. Blobs and patches of the older copy are removed.
 *
 * After an interruption, the next fetch into the directory completes the copy.
 */

#include "deploy/fetch/fetch-internal.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "crypto/minisig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART ".part"

enum { CHUNK = 256 << 10, SIDE_DOCUMENT_MAX = 64 << 20 };

struct item {
	char *path;
	const char *sha256;
	uint64_t size; /* UINT64_MAX: a document, up to SIDE_DOCUMENT_MAX */
	int fd;        /* of its .part file while that is fetched; otherwise -1 */
	bool unnamed;  /* its .part file is complete and synced, but not renamed yet */
};

/* A signed document, or a signature. */
struct page {
	char *name;
	struct buf text;
};

struct copy {
	struct source *s;
	int to;
	const struct source_progress *progress;
	uint64_t done, total; /* bytes */
	bool changed;         /* something in the directory was changed */
	VEC(struct item) items;
	VEC(struct page) pages; /* release.yaml is the last */
};

static void copy_release(struct copy *c)
{
	vec_each(struct item, i, &c->items) {
		fd_close(&i->fd);
		free(i->path);
	}
	vec_each(struct page, p, &c->pages) {
		free(p->name);
		buf_release(&p->text);
	}
	vec_release(&c->items);
	vec_release(&c->pages);
}
DEFINE_AUTO_STRUCT(copy, struct copy, copy_release)

/* --- the files of the copy --- */

static void add(struct copy *c, char *path, const char *sha256, uint64_t size)
{
	struct item i = { path, sha256, size, -1, false };

	vec_push(&c->items, i);
	c->total += size == UINT64_MAX ? 0 : size;
}

static bool is_chosen(const char *component, char *const *components)
{
	return !components || !components[0] || strv_has(components, component);
}

static void list_items(struct copy *c, const struct release *r, char *const *components)
{
	const char *before = "";

	vec_each(struct release_component, p, &r->components) {
		if (p->required || is_chosen(p->name, components))
			add(c, str_fmt("blobs/%s.tar.zst", p->blob), p->blob, p->size);
	}
	vec_each(struct release_patch, p, &r->patches) {
		if (!str_eq(p->sha256, before))
			add(c, str_fmt("patches/%s.zst", p->sha256), p->sha256, p->size);
		before = p->sha256;
	}
	if (*r->sbom)
		add(c, xstrdup(RELEASE_SBOM), r->sbom, UINT64_MAX);
	if (*r->provenance)
		add(c, xstrdup(RELEASE_PROVENANCE), r->provenance, UINT64_MAX);
}

static void add_page(struct copy *c, const char *name, const char *text, size_t len)
{
	struct page p = { xstrdup(name), BUF_INIT(len) };

	buf_add(&p.text, text, len);
	vec_push(&c->pages, p);
}

/* Adds a document and its signatures. The source reads each once, so these are the bytes that were
 * verified. */
static int list_document(struct copy *c, const char *name, size_t limit, bool optional,
			 struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(limit);
	AUTO(strv) char **texts = NULL;
	unsigned n = 0;

	if (source_document(c->s, name, limit, &text, err) < 0) {
		if (!optional || err->code != E_NOT_FOUND)
			return -1;
		err_clear(err);
		return 0;
	}
	if (source_signatures(c->s, name, &texts, err) < 0)
		return -1;
	strv_each(t, texts) {
		AUTO(str) char *file = release_signature_name(name, n++);

		add_page(c, file, *t, strlen(*t));
	}
	add_page(c, name, text.data, text.len);
	return 0;
}

/* The channel.yaml of a directory above is not copied: its path would not lead to the copy. */
static int list_documents(struct copy *c, struct err *err)
{
	if (!c->s->entered && list_document(c, "channel.yaml", CHANNEL_TEXT_MAX, true, err) < 0)
		return -1;
	return list_document(c, "release.yaml", RELEASE_TEXT_MAX, false, err);
}

static bool belongs(const struct copy *c, const char *path)
{
	vec_each(struct item, i, &c->items) {
		if (str_eq(i->path, path))
			return true;
	}
	vec_each(struct page, p, &c->pages) {
		if (str_eq(p->name, path))
			return true;
	}
	return false;
}

/* --- files --- */

static int verify(int fd, const struct item *i, struct err *err)
{
	AUTO(mem) char *chunk = xmalloc(CHUNK);
	AUTO(stream) struct stream stream;
	ssize_t n;

	stream_begin(&stream, fd, i->path, i->sha256, i->size, SIDE_DOCUMENT_MAX);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, "read %s", i->path);
	while ((n = stream_read(&stream, chunk, CHUNK, err)) > 0)
		;
	return n < 0 ? -1 : stream_end(&stream, err);
}

/* Opens the .part file of an item, unless the directory has the item already. */
static int open_item(struct copy *c, struct item *i, struct err *err)
{
	AUTO(str) char *part = str_fmt("%s" PART, i->path);
	AUTO(fd) int there = openat(c->to, i->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct err why = ERR_INIT;

	if (there >= 0 && verify(there, i, &why) == 0)
		return 0;
	c->changed = true;
	i->fd = openat(c->to, part, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	return i->fd < 0 ? err_sys(err, "create %s", part) : 0;
}

static int name_item(const struct copy *c, struct item *i, struct err *err)
{
	AUTO(str) char *part = str_fmt("%s" PART, i->path);

	i->unnamed = false;
	return renameat(c->to, part, c->to, i->path) < 0 ? err_sys(err, "name %s", i->path) : 0;
}

/* Completes an item whose bytes were verified. A document gets its name only after the older
 * release.yaml was removed. */
static int finish_item(const struct copy *c, struct item *i, struct err *err)
{
	if (fsync(i->fd) < 0)
		return err_sys(err, "sync %s", i->path);
	fd_close(&i->fd);
	i->unnamed = true;
	return i->size == UINT64_MAX ? 0 : name_item(c, i, err);
}

static void tell(struct copy *c, uint64_t done)
{
	if (c->progress && c->progress->at)
		c->progress->at(c->progress->arg, "fetch", done, c->total);
}

/* Copies an item from a directory, and verifies it on the way. */
static int copy_item(struct copy *c, struct item *i, struct err *err)
{
	AUTO(fd) int from = source_file(c->s, i->path, i->size, err);
	AUTO(mem) char *chunk = xmalloc(CHUNK);
	AUTO(stream) struct stream stream;
	ssize_t n;

	stream_begin(&stream, from, i->path, i->sha256, i->size, SIDE_DOCUMENT_MAX);
	if (from < 0)
		return -1;
	if (ftruncate(i->fd, 0) < 0)
		return err_sys(err, "write %s", i->path);
	while ((n = stream_read(&stream, chunk, CHUNK, err)) > 0) {
		if (fd_write_all(i->fd, chunk, (size_t)n, err) < 0)
			return err_wrap(err, "write %s", i->path);
		if (i->size != UINT64_MAX)
			tell(c, c->done += (uint64_t)n);
	}
	return n < 0 || stream_end(&stream, err) < 0 ? err_wrap(err, "%s", c->s->name) : 0;
}

static void on_progress(void *arg, uint64_t done, uint64_t total)
{
	struct copy *c = arg;

	(void)total;
	tell(c, c->done + done < c->total ? c->done + done : c->total);
}

/* Downloads items and verifies them here, since the child is not trusted. No HTTP validators (tags)
 * are needed for a resume: every file has a digest. */
static int download_items(struct copy *c, struct item *from, size_t n, struct err *err)
{
	AUTO(mem) struct http_job *jobs = xcalloc(n + 1, sizeof(*jobs));
	AUTO(download)
	struct download d = { .http = &c->s->http,
			      .helpers = &c->s->helpers,
			      .sites = &c->s->sites,
			      .jobs = jobs,
			      .watch = { .progress = on_progress, .arg = c } };

	for (struct item *i = from; i < from + n; i++) {
		if (i->fd >= 0)
			jobs[d.n++] = (struct http_job){ .path = i->path,
							 .fd = i->fd,
							 .size = i->size,
							 .limit = SIDE_DOCUMENT_MAX,
							 .sha256 = i->sha256 };
	}
	if (d.n && download_run(&d, err) < 0)
		return -1;
	for (struct item *i = from; i < from + n; i++) {
		if (i->fd < 0)
			continue;
		if (verify(i->fd, i, err) < 0)
			return err_wrap(err, "%s", c->s->name);
		if (finish_item(c, i, err) < 0)
			return -1;
		c->done += i->size == UINT64_MAX ? 0 : i->size;
	}
	return 0;
}

static int fetch_items(struct copy *c, struct item *from, size_t n, struct err *err)
{
	for (struct item *i = from; i < from + n; i++) {
		if (open_item(c, i, err) < 0)
			return -1;
		if (i->fd < 0 && i->size != UINT64_MAX)
			c->done += i->size;
		if (i->fd >= 0 && !source_is_remote(c->s) &&
		    (copy_item(c, i, err) < 0 || finish_item(c, i, err) < 0))
			return -1;
	}
	return source_is_remote(c->s) ? download_items(c, from, n, err) : 0;
}

/* Each item needs an fd while it is downloaded, so they are fetched in batches. */
enum { BATCH = 8 };

static const char *const folders[] = { "blobs", "patches" };

static int fetch_all(struct copy *c, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		if (mkdirat(c->to, folders[i], 0755) < 0 && errno != EEXIST)
			return err_sys(err, "make %s", folders[i]);
	}
	for (size_t at = 0; at < c->items.n; at += BATCH) {
		struct item *from = &c->items.v[at];
		size_t n = c->items.n - at < BATCH ? c->items.n - at : BATCH;

		if (fetch_items(c, from, n, err) < 0)
			return -1;
	}
	return 0;
}

/* --- replacing an older copy --- */

/* True for a name that only a copy has; files with other names are left alone. */
static bool is_of_a_copy(const char *path)
{
	AUTO(str)
	char *whole = str_ends(path, PART) ? xstrndup(path, strlen(path) - strlen(PART))
					   : xstrdup(path);

	return name_is_document(whole) || name_is_content(whole);
}

/* Removes files of an older copy from a folder: "", "blobs/" or "patches/". */
static int remove_others(struct copy *c, const char *folder, struct err *err)
{
	AUTO(fd)
	int fd = openat(c->to, *folder ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(dir) DIR *list = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!list)
		return fd < 0 && errno == ENOENT
			       ? 0
			       : err_sys(err, "list the copy's directory '%s'", folder);
	(void)STEAL(fd, -1);
	while ((e = readdir(list))) {
		AUTO(str) char *path = str_fmt("%s%s", folder, e->d_name);

		if (!is_of_a_copy(path) || belongs(c, path))
			continue;
		c->changed = true;
		if (unlinkat(c->to, path, 0) < 0 && errno != ENOENT)
			return err_sys(err, "remove %s of an older copy", path);
	}
	return 0;
}

static bool is_there(const struct copy *c, const struct page *p)
{
	AUTO(buf) struct buf old = BUF_INIT(RELEASE_TEXT_MAX);
	struct err why = ERR_INIT; /* a file that cannot be read differs */

	return file_read(c->to, p->name, RELEASE_TEXT_MAX, &old, &why) == 0 &&
	       old.len == p->text.len && memcmp(buf_cstr(&old), p->text.data, old.len) == 0;
}

/* Removes the release.yaml of another release. */
static int invalidate(const struct copy *c, struct err *err)
{
	const struct page *release = &c->pages.v[c->pages.n - 1];

	if (is_there(c, release))
		return 0;
	if (unlinkat(c->to, release->name, 0) < 0 && errno != ENOENT)
		return err_sys(err, "remove %s of an older copy", release->name);
	return fsync(c->to) < 0 ? err_sys(err, "sync the copy's directory") : 0;
}

/* Not every file system keeps the order of renames in different directories. */
static int sync_folders(const struct copy *c, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		AUTO(fd) int fd = openat(c->to, folders[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0 || fsync(fd) < 0)
			return err_sys(err, "sync %s", folders[i]);
	}
	return 0;
}

static int replace_documents(struct copy *c, struct err *err)
{
	if (sync_folders(c, err) < 0 || invalidate(c, err) < 0)
		return -1;
	vec_each(struct item, i, &c->items) {
		if (i->unnamed && name_item(c, i, err) < 0)
			return -1;
	}
	if (remove_others(c, "", err) < 0)
		return -1;
	vec_each(struct page, p, &c->pages) {
		/* With this temporary name the next fetch finds and removes it after a crash. */
		AUTO(str) char *part = str_fmt("%s" PART, p->name);
		struct file_new how = { .tmp = part, .mode = 0644, .uid = -1, .gid = -1 };

		if (is_there(c, p))
			continue;
		c->changed = true;
		if (file_replace_via(c->to, p->name, buf_cstr(&p->text), p->text.len, &how, err) <
		    0)
			return -1;
	}
	return 0;
}

static int drop_older_files(struct copy *c, struct err *err)
{
	if (remove_others(c, "blobs/", err) < 0 || remove_others(c, "patches/", err) < 0)
		return -1;
	if (unlinkat(c->to, "patches", AT_REMOVEDIR) < 0 && errno != ENOTEMPTY && errno != EEXIST)
		return err_sys(err, "remove patches");
	return 0;
}

/* After a failure: removes empty .part files and directories; other .part files stay for a
 * resume. */
static int tidy(const struct copy *c)
{
	vec_each(struct item, i, &c->items) {
		AUTO(str) char *part = str_fmt("%s" PART, i->path);
		struct stat st;

		if (fstatat(c->to, part, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size == 0)
			(void)unlinkat(c->to, part, 0);
	}
	(void)unlinkat(c->to, "blobs", AT_REMOVEDIR); /* fails unless it is empty */
	(void)unlinkat(c->to, "patches", AT_REMOVEDIR);
	return -1;
}

/* Two at once would write the same .part files. */
static int lock(int to, struct err *err)
{
	/* A lock of a directory is not possible on every network file system. */
	if (flock(to, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
		return 0;
	(void)err_set(err, E_STATE, "another kata-deploy is copying to the directory");
	return err_hint(err, "wait until it has ended, or name another directory");
}

int source_copy(struct source *s, const struct release *r, char *const *components, int to,
		const struct source_progress *progress, bool *changed, struct err *err)
{
	AUTO(copy)
	struct copy c = {
		.s = s, .to = to, .progress = progress, .items = VEC_INIT, .pages = VEC_INIT
	};

	if (lock(to, err) < 0)
		return -1;
	list_items(&c, r, components);
	if (list_documents(&c, err) < 0 || fetch_all(&c, err) < 0 ||
	    replace_documents(&c, err) < 0 || drop_older_files(&c, err) < 0)
		return tidy(&c);
	*changed = c.changed;
	return 0;
}
