// SPDX-License-Identifier: Apache-2.0
/*
 * Archives through libarchive. The library is asked for no feature that depends on the machine: its
 * gzip header would otherwise carry the hour, and its last block padding.
 */
#include "archive/pack.h"

#include "base/mem.h"
#include "base/str.h"

#include <archive.h>
#include <archive_entry.h>

struct pack {
	struct archive *archive;
	struct buf *out; /* borrowed */
	time_t mtime;
	int64_t inode; /* of the last entry */
};

static const char *const filter_names[] = {
	[PACK_PLAIN] = "none",
	[PACK_GZIP] = "gzip",
	[PACK_ZSTD] = "zstd",
	NULL,
};

static la_ssize_t pack_write(struct archive *archive, void *data, const void *bytes, size_t len)
{
	struct pack *pack = data;

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

	if (buf_check(pack->out, what, &limit) < 0)
		return err_set(err, limit.code, "%s", limit.msg);
	return err_set(err, E_FAILED, "%s: %s", what, why ? why : "the archive library refused");
}

static int pack_set_filter(struct archive *a, enum pack_filter filter)
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
			rc = archive_write_set_filter_option(a, "gzip", "compression-level", "9");
		break;
	case PACK_ZSTD:
		rc = archive_write_add_filter_zstd(a);
		if (rc == ARCHIVE_OK)
			rc = archive_write_set_filter_option(a, "zstd", "compression-level", "19");
		break;
	}
	return rc;
}

struct pack *pack_new(enum pack_filter filter, time_t mtime, struct buf *out, struct err *err)
{
	AUTO(pack) struct pack *pack = NEW(struct pack);

	pack->archive = archive_write_new();
	pack->out = out;
	pack->mtime = mtime;
	if (!pack->archive) {
		err_set(err, E_FAILED, "archive: out of memory");
		return NULL;
	}
	if (archive_write_set_format_cpio_newc(pack->archive) != ARCHIVE_OK ||
	    pack_set_filter(pack->archive, filter) != ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(pack->archive, 1) != ARCHIVE_OK ||
	    archive_write_open(pack->archive, pack, NULL, pack_write, NULL) != ARCHIVE_OK) {
		pack_fail(pack, "archive", err);
		return NULL;
	}
	return STEAL(pack, NULL);
}

int pack_add(struct pack *pack, const struct pack_entry *entry, struct err *err)
{
	struct archive_entry *e = archive_entry_new();
	la_ssize_t done = 0;
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
	if (rc == ARCHIVE_OK && S_ISREG(entry->mode) && entry->len > 0)
		done = archive_write_data(pack->archive, entry->data, entry->len);
	else if (rc == ARCHIVE_OK)
		return 0;
	if (rc != ARCHIVE_OK || done != (la_ssize_t)entry->len)
		return pack_fail(pack, entry->path, err);
	return 0;
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
	/* An archive that was not finished is closed here; nobody looks at what that writes. */
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
	return err_hint(err, "%s%s", near ? "did you mean " : "none, gzip and zstd are known",
			near ? near : "");
}
