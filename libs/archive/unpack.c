// SPDX-License-Identifier: Apache-2.0
/* Unpacks blobs. inflate.h decompresses them; libarchive parses the tar archive inside. */

#include "archive/unpack.h"
#include "archive/inflate.h"
#include "archive/unpack-internal.h"

#include "base/fd.h"
#include "base/path.h"
#include "base/scope.h"
#include "base/str.h"
#include "crypto/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Decompressed bytes that are allowed besides contents: for each entry (headers, long names,
 * padding), and at the end. */
enum { ENTRY_SLACK = 8 << 10, TAIL_SLACK = 1 << 20 };

DEFINE_AUTO(reader, struct archive *, NULL, archive_read_free)

struct stream {
	struct inflate *in;
	const char *name;
	const struct unpack_expect *e;
	struct err *err;
	uint64_t made;    /* decompressed bytes */
	uint64_t allowed; /* the limit of made so far */
};

static ssize_t pull(struct stream *s, const void **data)
{
	ssize_t n = inflate_next(s->in, data, s->err);

	if (n > 0)
		s->made += (uint64_t)n;
	if (s->made > s->allowed)
		return err_set(s->err, E_LIMIT,
			       "%s decompresses to much more than its expected files", s->name);
	return n;
}

static la_ssize_t on_read(struct archive *a, void *arg, const void **data)
{
	struct stream *s = arg;
	/* The library may call it again after a failure. */
	ssize_t n = s->err->code == E_OK ? pull(s, data) : -1;

	if (n < 0)
		archive_set_error(a, EINVAL, "%s", s->err->msg);
	return n;
}

/* The frame may have padding after the tar archive; nothing may follow the frame. */
static int finish(struct stream *s)
{
	const void *data;
	ssize_t n;

	s->allowed = s->made + TAIL_SLACK;
	do
		n = pull(s, &data);
	while (n > 0);
	return n < 0 ? -1 : inflate_finish(s->in, s->e->sha256, s->err);
}

/* --- entries --- */

int unpack_fail(struct archive *a, const char *name, struct err *err)
{
	const char *why = archive_error_string(a);

	if (err->code != E_OK)
		return -1;
	return err_set(err, E_INVALID, "%s: %s", name, why ? why : "not a valid archive");
}

int unpack_create(int dir, const char *path, struct err *err)
{
	const char *last;
	AUTO(fd) int parent = path_parent(dir, path, PATH_NO_LINKS, 0700, &last, err);
	int fd;

	if (parent < 0)
		return -1;
	fd = openat(parent, last, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST)
		return err_set(err, E_INVALID, "'%s' exists already", path);
	return fd < 0 ? err_sys(err, "create %s", path) : fd;
}

int unpack_contents(struct archive *a, const char *name, const char *path, int fd, uint64_t size,
		    struct sha256 *sum, struct err *err)
{
	uint64_t done = 0;

	for (;;) {
		const void *data;
		size_t n;
		la_int64_t at;
		int rc = archive_read_data_block(a, &data, &n, &at);

		if (rc == ARCHIVE_EOF)
			break;
		if (rc != ARCHIVE_OK)
			return unpack_fail(a, name, err);
		if (at < 0 || (uint64_t)at != done || n > size - done)
			return err_set(err, E_INVALID, "%s: '%s' has holes, or more than its size",
				       name, path);
		if (sum)
			sha256_add(sum, data, n);
		if (fd >= 0 && fd_write_all(fd, data, n, err) < 0)
			return err_wrap(err, "write %s", path);
		done += n;
	}
	return done == size
		       ? 0
		       : err_set(err, E_INVALID, "%s: '%s' is shorter than its size", name, path);
}

static int check_link(const struct stream *s, struct archive_entry *entry, const char *path,
		      const struct unpack_file *f)
{
	const char *target = archive_entry_symlink(entry);

	if (archive_entry_filetype(entry) != AE_IFLNK || !str_eq(target, f->target))
		return err_set(s->err, E_INVALID, "%s: '%s' is not the expected link", s->name,
			       path);
	return 0;
}

static int check_file(const struct stream *s, struct archive_entry *entry, const char *path,
		      const struct unpack_file *f)
{
	if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_sparse_count(entry) ||
	    (archive_entry_perm(entry) & 07000))
		return err_set(s->err, E_INVALID, "%s: '%s' is not a regular file", s->name, path);
	if (!archive_entry_size_is_set(entry) || archive_entry_size(entry) < 0 ||
	    (uint64_t)archive_entry_size(entry) != f->size)
		return err_set(s->err, E_INVALID, "%s: '%s' has %lld bytes instead of %llu",
			       s->name, path, (long long)archive_entry_size(entry),
			       (unsigned long long)f->size);
	return 0;
}

static int write_file(struct stream *s, struct archive *a, int dir, const char *path,
		      const struct unpack_file *f)
{
	AUTO(sha256) struct sha256 *sum = f->sha256 ? sha256_new() : NULL;
	AUTO(fd) int fd = unpack_create(dir, path, s->err);
	char hex[65];

	if (fd < 0 || unpack_contents(a, s->name, path, fd, f->size, sum, s->err) < 0)
		return -1;
	if (sum)
		sha256_end(sum, hex);
	if (sum && !str_eq(hex, f->sha256))
		return err_set(s->err, E_INVALID, "%s: the SHA-256 of '%s' is %s", s->name, path,
			       hex);
	/* Some file systems report a full disk only here. */
	if (close(STEAL(fd, -1)) < 0)
		return err_sys(s->err, "write %s", path);
	return 0;
}

static int take_entry(struct stream *s, struct archive *a, struct archive_entry *entry, int dir)
{
	const char *path = archive_entry_pathname(entry);
	struct unpack_file f = { 0 };
	int rc;

	if (!path || archive_entry_hardlink(entry))
		return err_set(s->err, E_INVALID, "%s: an entry without a name, or a hard link",
			       s->name);
	if (!s->e->find(s->e->arg, path, &f))
		return err_set(s->err, E_INVALID, "%s: '%s' is unexpected", s->name, path);
	if (*f.seen)
		return err_set(s->err, E_INVALID, "%s: '%s' is a duplicate", s->name, path);
	*f.seen = true;
	rc = f.target ? check_link(s, entry, path, &f) : check_file(s, entry, path, &f);
	if (rc < 0 || f.target)
		return rc;
	s->allowed += f.size + ENTRY_SLACK;
	return f.want ? write_file(s, a, dir, path, &f)
		      : unpack_contents(a, s->name, path, -1, f.size, NULL, s->err);
}

static int take_entries(struct stream *s, struct archive *a, int dir)
{
	struct archive_entry *entry;
	size_t n = 0;
	int rc;

	while ((rc = archive_read_next_header(a, &entry)) == ARCHIVE_OK) {
		s->allowed += ENTRY_SLACK;
		if (take_entry(s, a, entry, dir) < 0)
			return -1;
		n++;
	}
	/* The library reports a read error after the end marker as the end. */
	if (rc != ARCHIVE_EOF || s->err->code != E_OK)
		return unpack_fail(a, s->name, s->err);
	return n == s->e->entries ? 0
				  : err_set(s->err, E_INVALID, "%s has %zu entries instead of %zu",
					    s->name, n, s->e->entries);
}

int unpack_blob(int blob, const char *name, int dir, const struct unpack_expect *e, struct err *err)
{
	struct inflate_from from = {
		.fd = blob, .name = name, .size = e->size, .progress = e->progress, .arg = e->arg
	};
	AUTO(inflate) struct inflate *in = inflate_open(&from, err);
	AUTO(reader) struct archive *a = archive_read_new();
	struct stream s = { .in = in, .name = name, .e = e, .err = err, .allowed = TAIL_SLACK };

	if (!in)
		return -1;
	if (!a)
		return err_set(err, E_FAILED, "%s: out of memory", name);
	if (archive_read_support_format_tar(a) != ARCHIVE_OK ||
	    archive_read_open(a, &s, NULL, on_read, NULL) != ARCHIVE_OK)
		return unpack_fail(a, name, err);
	return take_entries(&s, a, dir) < 0 ? -1 : finish(&s);
}
