// SPDX-License-Identifier: Apache-2.0
/* Layers: files and trees of the build machine, sorted, as a tar archive. */

#include "image/image.h"

#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "base/vec.h"
#include "crypto/sha256.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 64, TARGET_MAX = 4095 };

struct item {
	char *path; /* in the layer */
	char *from; /* the source; NULL: a parent directory of other items */
	mode_t type;
};

struct items {
	VEC(struct item) list;
};

static void items_release(struct items *items)
{
	vec_each(struct item, i, &items->list) {
		free(i->path);
		free(i->from);
	}
	vec_release(&items->list);
}
DEFINE_AUTO_STRUCT(items, struct items, items_release)

static void push(struct items *items, const char *path, size_t len, const char *from, mode_t type)
{
	struct item i = { xstrndup(path, len), from ? xstrdup(from) : NULL, type & S_IFMT };

	vec_push(&items->list, i);
}

/* --- the items --- */

static int collect(struct items *items, const char *path, const char *from, unsigned depth,
		   struct err *err);

static int collect_dir(struct items *items, const char *path, const char *from, unsigned depth,
		       struct err *err)
{
	AUTO(dir) DIR *dir = opendir(from);
	struct dirent *e;

	if (!dir)
		return err_sys(err, "list %s", from);
	if (depth == DEPTH_MAX)
		return err_set(err, E_LIMIT, "%s is nested too deeply; move it up", from);
	while (errno = 0, (e = readdir(dir)) != NULL) {
		AUTO(str) char *to = path_join(path, e->d_name), *of = path_join(from, e->d_name);

		if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
			continue;
		if (collect(items, to, of, depth + 1, err) < 0)
			return -1;
	}
	return errno ? err_sys(err, "list %s", from) : 0;
}

static int collect(struct items *items, const char *path, const char *from, unsigned depth,
		   struct err *err)
{
	struct stat st;

	if (lstat(from, &st) < 0)
		return err_sys(err, "look at %s", from);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) && !S_ISLNK(st.st_mode))
		return err_set(err, E_INVALID, "%s is not a file, link or directory", from);
	push(items, path, strlen(path), from, st.st_mode);
	return S_ISDIR(st.st_mode) ? collect_dir(items, path, from, depth, err) : 0;
}

/* Adds the parent directories of a path. */
static void collect_parents(struct items *items, const char *path)
{
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/'))
		push(items, path, (size_t)(slash - path), NULL, S_IFDIR);
}

static int collect_part(struct items *items, const char *part, struct err *err)
{
	const char *equals = strchr(part, '=');
	AUTO(str) char *path = equals ? xstrndup(part, (size_t)(equals - part)) : NULL;
	AUTO(str) char *clean = path ? path_clean(path) : NULL;

	if (!clean || !*clean || !str_eq(clean, path) || *clean == '/' || *clean == '.')
		return err_set(err, E_USAGE,
			       "'%s' is not PATH=SOURCE with a path from the image's root, such as "
			       "bin/tool=build/tool",
			       part);
	collect_parents(items, clean);
	return collect(items, clean, equals + 1, 0, err);
}

static int order(const void *a, const void *b)
{
	return strcmp(((const struct item *)a)->path, ((const struct item *)b)->path);
}

/* Sorts the items; of equal directories only one stays. */
static int sort(struct items *items, struct err *err)
{
	struct item *v = items->list.v;

	if (items->list.n)
		qsort(v, items->list.n, sizeof(*v), order);
	for (size_t i = 1; i < items->list.n; i++) {
		if (!str_eq(v[i - 1].path, v[i].path))
			continue;
		if (!S_ISDIR(v[i - 1].type) || !S_ISDIR(v[i].type))
			return err_set(err, E_EXISTS,
				       "%s is twice in the layer; leave one of them out",
				       v[i].path);
		free(v[i].path);
		free(v[i].from);
		vec_remove(&items->list, i);
		i--;
	}
	return 0;
}

/* --- the archive --- */

static int pack_file(struct pack *pack, const struct item *i, struct err *err)
{
	AUTO(fd) int fd = open(i->from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct pack_entry e = { .path = i->path };
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "open %s", i->from);
	e.mode = S_IFREG | (st.st_mode & S_IXUSR ? 0555 : 0444);
	e.len = (size_t)st.st_size;
	return pack_add_fd(pack, &e, fd, i->from, err);
}

static int pack_link(struct pack *pack, const struct item *i, struct err *err)
{
	char target[TARGET_MAX + 1];
	ssize_t n = readlink(i->from, target, TARGET_MAX);
	struct pack_entry e = { .path = i->path, .mode = S_IFLNK | 0777, .target = target };

	if (n < 0)
		return err_sys(err, "read the link %s", i->from);
	target[n] = '\0';
	return pack_add(pack, &e, err);
}

static int pack_items(const struct items *items, enum pack_filter filter, int fd, struct err *err)
{
	AUTO(pack) struct pack *pack = pack_new_tar(filter, 0, 0, fd, err);

	if (!pack)
		return -1;
	vec_each(struct item, i, &items->list) {
		struct pack_entry dir = { .path = i->path, .mode = S_IFDIR | 0755 };
		int rc = S_ISDIR(i->type)   ? pack_add(pack, &dir, err)
			 : S_ISLNK(i->type) ? pack_link(pack, i, err)
					    : pack_file(pack, i, err);

		if (rc < 0)
			return -1;
	}
	return pack_finish(pack, err);
}

static const char *media_type(enum pack_filter filter)
{
	switch (filter) {
	case PACK_GZIP:
		return IMAGE_TYPE "layer.v1.tar+gzip";
	case PACK_ZSTD:
		return IMAGE_TYPE "layer.v1.tar+zstd";
	case PACK_PLAIN:
		break;
	}
	return IMAGE_TYPE "layer.v1.tar";
}

/* Packs the items into a temporary file. */
static int packed(const struct items *items, enum pack_filter filter, FILE **file, struct err *err)
{
	*file = tmpfile();
	return *file ? pack_items(items, filter, fileno(*file), err)
		     : err_sys(err, "make a temporary file");
}

static int digest(FILE *file, char diff_id[72], struct err *err)
{
	char hex[65];
	uint64_t size;

	if (lseek(fileno(file), 0, SEEK_SET) < 0)
		return err_sys(err, "rewind the layer");
	if (sha256_fd(fileno(file), "the layer", hex, &size, err) < 0)
		return -1;
	return str_print(diff_id, 72, "sha256:%s", hex);
}

/* A compressed layer is packed a second time without compression, for the digest diff_id. */
int image_add_layer(struct image *image, char *const *parts, enum pack_filter filter,
		    struct image_layer *out, struct err *err)
{
	AUTO(items) struct items items = { VEC_INIT };
	AUTO(file) FILE *plain = NULL, *small = NULL;

	strv_each(part, parts) {
		if (collect_part(&items, *part, err) < 0)
			return -1;
	}
	if (sort(&items, err) < 0 || packed(&items, PACK_PLAIN, &plain, err) < 0 ||
	    digest(plain, out->diff_id, err) < 0)
		return -1;
	if (filter != PACK_PLAIN && packed(&items, filter, &small, err) < 0)
		return -1;
	out->descriptor = image_add_fd(image, media_type(filter), fileno(small ? small : plain),
				       "the layer", err);
	return out->descriptor ? 0 : -1;
}
