// SPDX-License-Identifier: Apache-2.0
/*
 * Reserves space for the verbs that free space. state/reserve/ holds as many files and bytes as the
 * largest of gc, rollback and uninstall may need for its journal and its copies of files. Every
 * change removes the reserve first, so that these verbs work on a full disk. Afterwards it is
 * created again, for what is installed then, if there is room.
 *
 * The reserve holds nothing of value. It is created under another name and renamed when complete,
 * and renamed before it is removed: a directory with its name is always complete.
 */

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "deploy/engine/engine-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RESERVE "reserve"

/* The need apart from files below etc/: so many files and bytes for the journal, install.json, and
 * kept copies of the container manager's files; and bytes in the journal for each object. */
enum { FILES = 12, BYTES = 192 << 10, PER_OBJECT = 192, BLOCK = 4096 };

struct reserve {
	unsigned files;
	uint64_t bytes; /* of each */
};

static uint64_t blocks(uint64_t bytes)
{
	return (bytes + BLOCK - 1) / BLOCK * BLOCK;
}

/* Adds the need of files below etc/: for each, the kept copy and the new contents. */
static int count_confs(const struct deploy *d, uint64_t *bytes, unsigned *files, struct err *err)
{
	vec_each(struct generation, g, &d->in.generations) {
		AUTO(layout) struct layout l = LAYOUT_INIT;

		if (deploy_layout(d, g->id, &l, err) < 0)
			return -1;
		vec_each(struct entry, e, &l.entries) {
			if (!entry_is_conf(e))
				continue;
			*bytes += 2 * blocks(e->size);
			*files += 1;
		}
	}
	return 0;
}

static int measure(const struct deploy *d, struct reserve *r, struct err *err)
{
	AUTO(str) char *record = installed_format(&d->in);
	uint64_t bytes = BYTES + 3 * blocks(strlen(record));

	r->files = FILES;
	vec_each(struct generation, g, &d->in.generations)
		bytes += g->files * PER_OBJECT;
	if (count_confs(d, &bytes, &r->files, err) < 0)
		return -1;
	r->bytes = blocks(bytes / r->files);
	return 0;
}

uint64_t reserve_size(const struct deploy *d)
{
	struct err ignored = ERR_INIT;
	struct reserve r;

	return measure(d, &r, &ignored) < 0 ? 0 : r.files * r.bytes;
}

/* Allocates bytes for a file. Where the file system cannot allocate without writing, it writes a
 * fixed pseudo-random sequence, which a file system cannot compress. */
static int fill(int fd, uint64_t bytes, struct err *err)
{
	uint64_t state = 0x9e3779b97f4a7c15;
	uint8_t block[BLOCK];

	if (fallocate(fd, 0, 0, (off_t)bytes) == 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != ENOSYS)
		return err_sys(err, "reserve space");
	for (uint64_t done = 0; done < bytes; done += sizeof(block)) {
		for (size_t i = 0; i < sizeof(block); i++) {
			state = state * 6364136223846793005 + 1442695040888963407;
			block[i] = (uint8_t)(state >> 56);
		}
		if (fd_write_all(fd, block, sizeof(block), err) < 0)
			return -1;
	}
	return 0;
}

static int fill_all(int dir, const struct reserve *r, struct err *err)
{
	for (unsigned i = 0; i < r->files; i++) {
		AUTO(str) char *name = str_fmt("%u", i);
		AUTO(fd)
		int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

		if (fd < 0)
			return err_sys(err, "create %s", name);
		if (fill(fd, r->bytes, err) < 0)
			return -1;
	}
	return fsync(dir) < 0 ? err_sys(err, "sync the reserve") : 0;
}

static int make(const struct deploy *d, const struct reserve *r, struct err *err)
{
	if (mkdirat(d->state, RESERVE ".new", 0700) < 0)
		return err_sys(err, "make the reserve");
	AUTO(fd)
	int dir = path_open(d->state, RESERVE ".new", PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0,
			    err);
	if (dir < 0 || fill_all(dir, r, err) < 0)
		return -1;
	return renameat(d->state, RESERVE ".new", d->state, RESERVE) < 0
		       ? err_sys(err, "make the reserve")
		       : 0;
}

int reserve_release(const struct deploy *d, struct err *err)
{
	int there = d->state < 0 ? 0 : path_look(d->state, RESERVE, err);

	if (there <= 0)
		return there;
	if (renameat(d->state, RESERVE, d->state, RESERVE ".old") < 0)
		return err_sys(err, "release the reserve");
	if (path_remove_below(d->state, RESERVE ".old", err) < 0)
		return -1;
	/* Some file systems free the blocks only at a sync. */
	return fsync(d->state) < 0 ? err_sys(err, "release the reserve") : 0;
}

int reserve_settle(struct deploy *d, struct err *err)
{
	struct err ignored = ERR_INIT;
	struct reserve r;

	int there = d->state < 0 ? 1 : path_look(d->state, RESERVE, err);

	if (there)
		return there < 0 ? -1 : 0;
	/* A change may have returned an error after its commit: read what is installed now. */
	if (prefix_load(d, err) < 0)
		return -1;
	if (!d->in.current)
		return 0;
	if (measure(d, &r, err) == 0 && make(d, &r, err) == 0)
		return 0;
	(void)!path_remove_below(d->state, RESERVE ".new", &ignored);
	return -1;
}
