// SPDX-License-Identifier: Apache-2.0
/* Writes blobs/: a compressed archive for each component. */

#include "archive/pack.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "crypto/sha256.h"
#include "deploy/release/build-internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEW_BLOB "blobs/new"

int build_name_by_digest(int dir, const char *from, const char *folder, const char *suffix,
			 char sha256[65], uint64_t *size, struct err *err)
{
	AUTO(fd) int fd = openat(dir, from, O_RDONLY | O_CLOEXEC);
	AUTO(str) char *name = NULL;

	if (fd < 0)
		return err_sys(err, "open %s", from);
	if (sha256_fd(fd, from, sha256, size, err) < 0)
		return -1;
	name = str_fmt("%s/%s%s", folder, sha256, suffix);
	return renameat(dir, from, dir, name) < 0 ? err_sys(err, "make %s", name) : 0;
}

static int pack_entry(struct build *b, struct pack *pack, const struct entry *e, struct err *err)
{
	struct pack_entry item = { .path = e->path, .mode = e->mode | S_IFREG, .len = e->size };
	const struct source *s;

	if (e->type == ENTRY_LINK) {
		item.mode = S_IFLNK | 0777;
		item.target = e->target;
		return pack_add(pack, &item, err);
	}
	s = build_source(b, e->path);
	AUTO(fd) int fd = path_open(b->tree, s->from, PATH_NO_LINKS, O_RDONLY, 0, err);
	return fd < 0 ? -1 : pack_add_fd(pack, &item, fd, s->from, err);
}

static int write_blob(struct build *b, struct release_component *c, int fd, struct err *err)
{
	AUTO(pack) struct pack *pack = pack_new_tar(PACK_ZSTD, b->o->level, 0, fd, err);

	if (!pack)
		return -1;
	vec_each(struct entry, e, &b->r.layout.entries) {
		if (!str_eq(e->component, c->name))
			continue;
		c->unpacked += e->size;
		if (pack_entry(b, pack, e, err) < 0)
			return -1;
	}
	return pack_finish(pack, err);
}

static int add_component(struct build *b, const struct part *part, struct err *err)
{
	AUTO(fd) int fd = openat(b->out, NEW_BLOB, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	struct release_component c = { .required = part->required };
	int rc;

	if (fd < 0)
		return err_sys(err, "make " NEW_BLOB);
	c.name = xstrdup(part->name);
	c.text = xstrdup(part->text);
	rc = write_blob(b, &c, fd, err);
	if (rc == 0)
		rc = build_name_by_digest(b->out, NEW_BLOB, "blobs", ".tar.zst", c.blob, &c.size,
					  err);
	vec_push(&b->r.components, c);
	return rc < 0 ? err_wrap(err, "component '%s'", part->name) : 0;
}

static bool has_files(const struct build *b, const struct part *part)
{
	vec_each(struct entry, e, &b->r.layout.entries) {
		if (str_eq(e->component, part->name))
			return true;
	}
	return false;
}

int build_blobs(struct build *b, struct err *err)
{
	if (mkdirat(b->out, "blobs", 0755) < 0)
		return err_sys(err, "make blobs/");
	vec_each(struct part, part, &b->parts.parts) {
		if (has_files(b, part)) {
			if (add_component(b, part, err) < 0)
				return -1;
		} else if (part->required) {
			return err_set(err, E_INVALID,
				       "component '%s' is required and has no files; add them to "
				       "the tree, or correct its paths",
				       part->name);
		}
	}
	return 0;
}
