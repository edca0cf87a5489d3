// SPDX-License-Identifier: Apache-2.0
/* Reads archives with libarchive, restricted to the formats that we write. */

#include "archive/walk.h"

#include "base/mem.h"
#include "base/scope.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

enum { BLOCK = 128 << 10, CHUNK = 256 << 10 };

DEFINE_AUTO(reader, struct archive *, NULL, archive_read_free)

static int fail(struct archive *a, const char *name, struct err *err)
{
	const char *why = archive_error_string(a);

	return err_set(err, E_INVALID, "%s: %s", name, why ? why : "not a valid archive");
}

/* Warnings are errors: our archives cause none. */
static int show_data(struct archive *a, const char *name, const struct archive_visitor *v,
		     struct err *err)
{
	AUTO(mem) char *chunk = xmalloc(CHUNK);
	la_ssize_t n;

	while ((n = archive_read_data(a, chunk, CHUNK)) != 0) {
		if (n < 0)
			return fail(a, name, err);
		if (v->data(v->arg, chunk, (size_t)n, err) < 0)
			return -1;
	}
	return v->end(v->arg, err);
}

static int show(struct archive *a, struct archive_entry *e, const char *name,
		const struct archive_visitor *v, struct err *err)
{
	struct archive_item item = {
		.path = archive_entry_pathname(e),
		.type = archive_entry_filetype(e),
		.size = (uint64_t)archive_entry_size(e),
		.target = archive_entry_symlink(e),
	};
	int want;

	if (!item.path || archive_entry_hardlink(e))
		return err_set(err, E_INVALID, "%s: an entry without a name, or a hard link", name);
	want = v->begin(v->arg, &item, err);
	return want > 0 ? show_data(a, name, v, err) : want;
}

int archive_walk(int fd, const char *name, const struct archive_visitor *v, struct err *err)
{
	AUTO(reader) struct archive *a = archive_read_new();
	struct archive_entry *e;
	int rc;

	if (!a)
		return err_set(err, E_FAILED, "%s: out of memory", name);
	if (archive_read_support_filter_zstd(a) != ARCHIVE_OK ||
	    archive_read_support_format_tar(a) != ARCHIVE_OK ||
	    archive_read_open_fd(a, fd, BLOCK) != ARCHIVE_OK)
		return fail(a, name, err);
	while ((rc = archive_read_next_header(a, &e)) == ARCHIVE_OK) {
		if (show(a, e, name, v, err) < 0)
			return -1;
	}
	return rc == ARCHIVE_EOF ? 0 : fail(a, name, err);
}
