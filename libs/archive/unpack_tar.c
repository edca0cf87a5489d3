// SPDX-License-Identifier: Apache-2.0
/* Tar archives with unknown contents: files are only written, and verified later. */

#include "archive/unpack-internal.h"
#include "archive/unpack.h"

#include "base/scope.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

/* A few compressed bytes may decompress to any number of headers, so their size is limited. */
enum { BLOCK = 128 << 10, HEADERS_SLACK = 1 << 20 };

DEFINE_AUTO(reader, struct archive *, NULL, archive_read_free)

struct spread {
	const char *name;
	int dir;
	const struct unpack_tar *t;
	uint64_t bytes;
};

static int keep(struct spread *s, struct archive *a, const char *as, uint64_t size, struct err *err)
{
	AUTO(fd) int fd = unpack_create(s->dir, as, err);

	if (fd < 0)
		return err_wrap(err, "%s", s->name);
	if (unpack_contents(a, s->name, as, fd, size, NULL, err) < 0)
		return -1;
	return close(STEAL(fd, -1)) < 0 ? err_sys(err, "write %s", as) : 0;
}

static int take(struct spread *s, struct archive *a, struct archive_entry *entry, struct err *err)
{
	/* NULL: our locale has no such name. */
	const char *path = archive_entry_pathname(entry), *as;
	const char *shown = path ? path : "an entry with a foreign name";
	la_int64_t size = archive_entry_size(entry);

	if (archive_entry_hardlink(entry))
		return err_set(err, E_INVALID, "%s: '%s' is a hard link", s->name, shown);
	if (archive_entry_filetype(entry) == AE_IFDIR)
		return 0;
	if (archive_entry_filetype(entry) != AE_IFREG || size < 0 ||
	    archive_entry_sparse_count(entry))
		return err_set(err, E_INVALID, "%s: '%s' is not a regular file", s->name, shown);
	if ((uint64_t)size > s->t->limit - s->bytes)
		return err_set(err, E_LIMIT, "%s has more than %llu bytes", s->name,
			       (unsigned long long)s->t->limit);
	s->bytes += (uint64_t)size;
	as = path ? s->t->admit(s->t->arg, path) : NULL;
	/* Unread contents are skipped by reading the next header. */
	if (as && keep(s, a, as, (uint64_t)size, err) < 0)
		return -1;
	if (s->t->progress)
		s->t->progress(s->t->arg, s->bytes);
	return 0;
}

/* Reads the next header. A name or owner that our locale cannot express is a warning only: the
 * archive may have other files, and what is wrong with one of ours is seen when it is verified. */
static int next(struct archive *a, struct archive_entry **entry)
{
	int rc = archive_read_next_header(a, entry);

	return rc == ARCHIVE_WARN ? ARCHIVE_OK : rc;
}

/* libarchive detects the format and the compression. */
static int open_tar(struct archive *a, int tar, const char *name, struct err *err)
{
	if (archive_read_support_filter_gzip(a) != ARCHIVE_OK ||
	    archive_read_support_filter_zstd(a) != ARCHIVE_OK ||
	    archive_read_support_format_tar(a) != ARCHIVE_OK)
		return unpack_fail(a, name, err);
	if (archive_read_open_fd(a, tar, BLOCK) == ARCHIVE_OK)
		return 0;
	if (archive_errno(a) != EILSEQ)
		return unpack_fail(a, name, err);
	err_set(err, E_INVALID, "%s is not a tar archive, plain or compressed with gzip or zstd",
		name);
	return err_hint(err, "unpack it and name the directory");
}

int unpack_tar(int tar, const char *name, int dir, const struct unpack_tar *t, struct err *err)
{
	AUTO(reader) struct archive *a = archive_read_new();
	struct spread s = { .name = name, .dir = dir, .t = t };
	struct archive_entry *entry;
	int rc;

	if (!a)
		return err_set(err, E_FAILED, "%s: out of memory", name);
	if (open_tar(a, tar, name, err) < 0)
		return -1;
	while ((rc = next(a, &entry)) == ARCHIVE_OK) {
		if (take(&s, a, entry, err) < 0)
			return -1;
		if ((uint64_t)archive_filter_bytes(a, 0) / 2 > t->limit + HEADERS_SLACK)
			return err_set(err, E_LIMIT, "%s is headers for the most part", name);
	}
	return rc == ARCHIVE_EOF ? 0 : unpack_fail(a, name, err);
}
