// SPDX-License-Identifier: Apache-2.0
/*
 * Archives through libarchive. Features that depend on the machine are disabled: otherwise the gzip
 * header would have a timestamp, and the last block padding.
 */
#include "archive/pack.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#include <archive.h>
#include <archive_entry.h>

enum { CHUNK = 256 << 10, STRONGEST_GZIP = 9, STRONGEST_ZSTD = 19 };

struct pack {
	struct archive *archive;
	struct buf *out; /* borrowed; NULL: fd */
	int fd;          /* borrowed */
	struct err io;   /* why writing to fd failed */
	time_t mtime;
	int64_t inode; /* of the last entry */
};

static const char *const filter_names[] = {
	[PACK_PLAIN] = "none",
	[PACK_GZIP] = "gzip",
	[PACK_ZSTD] = "zstd",
	NULL,
};

static la_ssize_t write_fd(struct archive *archive, struct pack *pack, const void *bytes,
			   size_t len)
{
	if (!pack->io.code && fd_write_all(pack->fd, bytes, len, &pack->io) == 0)
		return (la_ssize_t)len;
	archive_set_error(archive, pack->io.sys, "%s", pack->io.msg);
	return -1;
}

static la_ssize_t pack_write(struct archive *archive, void *data, const void *bytes, size_t len)
{
	struct pack *pack = data;

	if (!pack->out)
		return write_fd(archive, pack, bytes, len);
	buf_add(pack->out, bytes, len);
	if (pack->out->over) {
		archive_set_error(archive, ENOSPC, "too large");
		return -1;
	}
	return (la_ssize_t)len;
}

static int pack_fail(const struct pack *pack, const char *what, struct err *err)
{
	struct err limit = ERR_INIT;
	const char *why = archive_error_string(pack->archive);

	if (pack->out && buf_check(pack->out, what, &limit) < 0)
		return err_set(err, limit.code, "%s", limit.msg);
	if (pack->io.code)
		return err_set(err, pack->io.code, "%s: %s", what, pack->io.msg);
	return err_set(err, E_FAILED, "%s: %s", what, why ? why : "the archive library refused");
}

static int set_level(struct archive *a, const char *filter, unsigned level)
{
	AUTO(str) char *text = str_fmt("%u", level);

	return archive_write_set_filter_option(a, filter, "compression-level", text);
}

/* zstd's default is one worker: more of them would change the output. */
static int pack_set_filter(struct archive *a, enum pack_filter filter, unsigned level)
{
	int rc = ARCHIVE_FATAL;

	switch (filter) {
	case PACK_PLAIN:
		rc = archive_write_add_filter_none(a);
		break;
	case PACK_GZIP:
		rc = archive_write_add_filter_gzip(a);
		if (rc == ARCHIVE_OK)
			rc = archive_write_set_filter_option(a, "gzip", "timestamp", NULL);
		if (rc == ARCHIVE_OK)
			rc = set_level(a, "gzip", level ? level : STRONGEST_GZIP);
		break;
	case PACK_ZSTD:
		rc = archive_write_add_filter_zstd(a);
		if (rc == ARCHIVE_OK)
			rc = set_level(a, "zstd", level ? level : STRONGEST_ZSTD);
		break;
	}
	return rc;
}

/* Makes a pack from a partly filled one, and opens it. */
static struct pack *pack_open(struct pack *from, int (*set_format)(struct archive *),
			      enum pack_filter filter, unsigned level, struct err *err)
{
	AUTO(pack) struct pack *pack = from;

	pack->archive = archive_write_new();
	if (!pack->archive) {
		err_set(err, E_FAILED, "archive: out of memory");
		return NULL;
	}
	if (set_format(pack->archive) != ARCHIVE_OK ||
	    pack_set_filter(pack->archive, filter, level) != ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(pack->archive, 1) != ARCHIVE_OK ||
	    archive_write_open(pack->archive, pack, NULL, pack_write, NULL) != ARCHIVE_OK) {
		pack_fail(pack, "archive", err);
		return NULL;
	}
	return STEAL(pack, NULL);
}

struct pack *pack_new(enum pack_filter filter, time_t mtime, struct buf *out, struct err *err)
{
	struct pack *pack = NEW(struct pack);

	pack->out = out;
	pack->mtime = mtime;
	return pack_open(pack, archive_write_set_format_cpio_newc, filter, 0, err);
}

struct pack *pack_new_tar(enum pack_filter filter, unsigned level, time_t mtime, int fd,
			  struct err *err)
{
	struct pack *pack = NEW(struct pack);

	pack->fd = fd;
	pack->mtime = mtime;
	return pack_open(pack, archive_write_set_format_pax_restricted, filter, level, err);
}

static int add_header(struct pack *pack, const struct pack_entry *entry, struct err *err)
{
	struct archive_entry *e = archive_entry_new();
	int rc;

	if (!e)
		return err_set(err, E_FAILED, "%s: out of memory", entry->path);
	archive_entry_set_pathname(e, entry->path);
	archive_entry_set_ino64(e, ++pack->inode);
	archive_entry_set_mode(e, entry->mode);
	archive_entry_set_uid(e, entry->uid);
	archive_entry_set_gid(e, entry->gid);
	archive_entry_set_mtime(e, pack->mtime, 0);
	archive_entry_set_nlink(e, S_ISDIR(entry->mode) ? 2 : 1);
	archive_entry_set_size(e, S_ISREG(entry->mode) ? (la_int64_t)entry->len : 0);
	if (S_ISLNK(entry->mode))
		archive_entry_set_symlink(e, entry->target);
	if (S_ISCHR(entry->mode) || S_ISBLK(entry->mode))
		archive_entry_set_rdev(e, entry->device);
	rc = archive_write_header(pack->archive, e);
	archive_entry_free(e);
	return rc == ARCHIVE_OK ? 0 : pack_fail(pack, entry->path, err);
}

static int add_data(struct pack *pack, const char *path, const void *data, size_t len,
		    struct err *err)
{
	return archive_write_data(pack->archive, data, len) == (la_ssize_t)len
		       ? 0
		       : pack_fail(pack, path, err);
}

int pack_add(struct pack *pack, const struct pack_entry *entry, struct err *err)
{
	if (add_header(pack, entry, err) < 0)
		return -1;
	if (!S_ISREG(entry->mode) || !entry->len)
		return 0;
	return add_data(pack, entry->path, entry->data, entry->len, err);
}

int pack_add_fd(struct pack *pack, const struct pack_entry *entry, int fd, const char *name,
		struct err *err)
{
	AUTO(mem) char *chunk = xmalloc(CHUNK);
	size_t left = entry->len;

	if (add_header(pack, entry, err) < 0)
		return -1;
	for (;;) {
		ssize_t n = fd_read_full(fd, chunk, CHUNK, err);

		if (n < 0)
			return err_wrap(err, "%s", name);
		if ((size_t)n > left || (n == 0 && left))
			return err_set(err, E_STATE, "%s changed while it was read", name);
		if (n == 0)
			return 0;
		if (add_data(pack, entry->path, chunk, (size_t)n, err) < 0)
			return -1;
		left -= (size_t)n;
	}
}

int pack_finish(struct pack *pack, struct err *err)
{
	if (archive_write_close(pack->archive) != ARCHIVE_OK)
		return pack_fail(pack, "archive", err);
	return 0;
}

void pack_free(struct pack *pack)
{
	if (!pack)
		return;
	/* An unfinished archive is closed here; its output is ignored. */
	if (pack->archive)
		(void)archive_write_free(pack->archive);
	free(pack);
}

int pack_filter_parse(const char *name, enum pack_filter *out, struct err *err)
{
	const char *near;

	for (size_t i = 0; filter_names[i]; i++)
		if (str_eq(name, filter_names[i])) {
			*out = (enum pack_filter)i;
			return 0;
		}
	near = str_nearest(name, filter_names);
	err_set(err, E_INVALID, "unknown compression '%s'", name);
	return err_hint(err, "%s%s", near ? "did you mean " : "supported are none, gzip and zstd",
			near ? near : "");
}
