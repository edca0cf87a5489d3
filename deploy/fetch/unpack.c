// SPDX-License-Identifier: Apache-2.0
/* The children that unpack into staging: each a blob, or the patches of a component. */

#include "deploy/fetch/fetch-internal.h"

#include "archive/unpack.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Address space of a child: for zstd's window and tables, libarchive, buffers. */
enum { MEMORY = 64 << 20 };

/* --- in the child --- */

struct sender {
	const struct unpacking *u;
	struct confine_talk *talk;
	uint64_t before; /* bytes of the finished patches */
};

static void send_progress(void *arg, uint64_t bytes)
{
	const struct sender *t = arg;

	bytes += t->before;
	confine_say(t->talk, &bytes, sizeof(bytes));
}

static bool find(void *arg, const char *path, struct unpack_file *out)
{
	const struct unpacking *u = ((const struct sender *)arg)->u;
	const struct entry *e = layout_find(&u->r->layout, path);

	if (!e || !str_eq(e->component, u->component->name))
		return false;
	/* No digest: the parent hashes the file, since it does not trust the child. */
	*out = (struct unpack_file){ .target = e->target,
				     .size = e->size,
				     .want = u->wanted[e - u->r->layout.entries.v],
				     .seen = &u->seen[e - u->r->layout.entries.v] };
	return true;
}

static int unpack_component(struct sender *t, struct err *err)
{
	const struct unpacking *u = t->u;
	struct unpack_expect e = { .find = find,
				   .progress = send_progress,
				   .arg = t,
				   .sha256 = u->component->blob,
				   .size = u->component->size };

	vec_each(struct entry, entry, &u->r->layout.entries)
		e.entries += str_eq(entry->component, u->component->name);
	return unpack_blob(u->blob, u->component->name, u->staging, &e, err);
}

static int apply(const struct unpacking *u, const struct patching *p, struct err *err)
{
	const char *name;
	AUTO(fd)
	int parent = path_parent(u->staging, p->entry->path, PATH_NO_LINKS, 0700, &name, err);
	AUTO(fd)
	int out = parent < 0 ? -1
			     : openat(parent, name,
				      O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (parent < 0)
		return -1;
	if (out < 0)
		return err_sys(err, "create %s", p->entry->path);
	return unpack_patch(p->base, p->fd, out, p->entry->size, p->entry->sha256, p->entry->path,
			    err);
}

static int work(void *arg, struct confine_talk *talk, struct err *err)
{
	const struct unpacking *u = arg;
	struct sender t = { .u = u, .talk = talk };

	if (u->blob >= 0)
		return unpack_component(&t, err);
	for (size_t i = 0; i < u->npatches; i++) {
		if (apply(u, &u->patches[i], err) < 0)
			return -1;
		send_progress(&t, u->patches[i].patch->size);
		t.before += u->patches[i].patch->size;
	}
	return 0;
}

/* --- in the parent --- */

static int take(void *arg, const void *data, size_t len, struct err *err)
{
	struct unpacking *u = arg;

	if (len != sizeof(u->done))
		return err_set(err, E_PROTOCOL, "%s: invalid message from the child", u->name);
	memcpy(&u->done, data, len);
	return 0;
}

static uint64_t file_size(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? 0 : (uint64_t)st.st_size;
}

/* Returns how many bytes are mapped at a time at most: base, patch and result of one patch. */
static uint64_t mapped(const struct unpacking *u)
{
	uint64_t most = 0;

	for (size_t i = 0; i < u->npatches; i++) {
		const struct patching *p = &u->patches[i];
		uint64_t sum = file_size(p->base) + p->patch->size + p->entry->size;

		if (sum > most)
			most = sum;
	}
	return most;
}

int unpacking_start(struct unpacking *u, struct confined **child, struct err *err)
{
	struct confine c = { .uid = u->helpers->uid,
			     .gid = u->helpers->gid,
			     .write = &u->staging,
			     .nwrite = 1,
			     .memory = MEMORY + mapped(u),
			     .files = 1 };

	u->name = str_fmt("unpack '%s'", u->component->name);
	u->fds = xcalloc(2 * u->npatches + 1, sizeof(int));
	u->seen = xcalloc(u->r->layout.entries.n + 1, sizeof(bool));
	if (u->blob >= 0)
		u->fds[c.nkeep++] = u->blob;
	for (size_t i = 0; i < u->npatches; i++) {
		u->fds[c.nkeep++] = u->patches[i].base;
		u->fds[c.nkeep++] = u->patches[i].fd;
	}
	vec_each(struct entry, e, &u->r->layout.entries) {
		if (str_eq(e->component, u->component->name) && e->size > c.files)
			c.files = e->size;
	}
	c.name = u->name;
	c.keep = u->fds;
	return confine_start(&c, work, u, take, u, child, err);
}

void unpacking_release(struct unpacking *u)
{
	free(u->name);
	free(u->fds);
	free(u->seen);
	u->name = NULL;
	u->fds = NULL;
	u->seen = NULL;
}
