// SPDX-License-Identifier: Apache-2.0
/* Layouts: blobs, and the index that refers to them. layer.c makes layers. */

#include "image/image.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "crypto/sha256.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REF_NAME  "org.opencontainers.image.ref.name"
#define FULL_NAME "io.containerd.image.name"
#define ALGORITHM "sha256:"

static const char version[] = "{\"imageLayoutVersion\":\"1.0.0\"}";

struct image {
	int dir;           /* -1: an archive */
	struct pack *pack; /* NULL: a directory */
	struct json *tags; /* the descriptors of index.json */
};

/* --- opening --- */

static struct image *image_new(void)
{
	struct image *image = NEW(struct image);

	image->dir = -1;
	image->tags = json_make_array();
	return image;
}

static int read_document(const struct image *image, const char *path, struct json **out,
			 struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(IMAGE_DOCUMENT_MAX);

	if (file_read(image->dir, path, IMAGE_DOCUMENT_MAX, &text, err) < 0)
		return -1;
	*out = json_parse(buf_cstr(&text), text.len, path, err);
	return *out ? 0 : -1;
}

/* Reads the index of an existing layout. */
static int read_tags(struct image *image, struct err *err)
{
	AUTO(json) struct json *index = NULL;
	struct json *list;

	if (read_document(image, "index.json", &index, err) < 0) {
		if (err->code != E_NOT_FOUND)
			return -1;
		err_clear(err);
		return 0;
	}
	list = json_kind(index) == JSON_IS_OBJECT ? json_get(index, "manifests") : NULL;
	if (!list || json_kind(list) != JSON_IS_ARRAY) {
		err_set(err, E_INVALID, "index.json lists no manifests");
		return err_hint(err, "name a new directory, or remove it");
	}
	json_free(image->tags);
	image->tags = json_share(list);
	return 0;
}

/* Refuses a directory that has files but no layout: they are not ours. */
static int check_dir(const struct image *image, struct err *err)
{
	AUTO(fd) int again = openat(image->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(dir) DIR *list = again < 0 ? NULL : fdopendir(again);
	struct dirent *e;

	if (!list)
		return err_sys(err, "list it");
	(void)STEAL(again, -1);
	if (faccessat(image->dir, "oci-layout", F_OK, 0) == 0)
		return 0;
	while (errno = 0, (e = readdir(list)) != NULL) {
		if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
			continue;
		err_set(err, E_INVALID, "it has %s and is no image layout", e->d_name);
		return err_hint(err, "name a new directory, or remove it");
	}
	return errno ? err_sys(err, "list it") : 0;
}

static int make_dirs(const struct image *image, struct err *err)
{
	static const char *const dirs[] = { "blobs", "blobs/sha256" };

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		if (mkdirat(image->dir, dirs[i], 0755) < 0 && errno != EEXIST)
			return err_sys(err, "make %s", dirs[i]);
	return 0;
}

static int open_dir(struct image *image, const char *dir, struct err *err)
{
	if (path_make(dir, 0755, err) < 0)
		return -1;
	image->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (image->dir < 0)
		return err_sys(err, "open it");
	if (check_dir(image, err) < 0 || read_tags(image, err) < 0 || make_dirs(image, err) < 0)
		return -1;
	return image_add_file(image, "oci-layout", version, strlen(version), err);
}

struct image *image_open(const char *dir, struct err *err)
{
	AUTO(image) struct image *image = image_new();

	if (open_dir(image, dir, err) < 0) {
		err_wrap(err, "image %s", dir);
		return NULL;
	}
	return STEAL(image, NULL);
}

struct image *image_open_tar(int fd, struct err *err)
{
	AUTO(image) struct image *image = image_new();

	image->pack = pack_new_tar(PACK_PLAIN, 0, 0, fd, err);
	if (!image->pack || image_add_file(image, "oci-layout", version, strlen(version), err) < 0)
		return NULL;
	return STEAL(image, NULL);
}

void image_close(struct image *image)
{
	if (!image)
		return;
	pack_free(image->pack);
	json_free(image->tags);
	fd_close(&image->dir);
	free(image);
}

/* --- blobs --- */

char *image_blob_path(const struct json *descriptor)
{
	return str_fmt("blobs/sha256/%s", json_get_text(descriptor, "digest") + strlen(ALGORITHM));
}

static struct json *make_descriptor(const char *type, const char *hex, uint64_t size)
{
	AUTO(str) char *digest = str_fmt(ALGORITHM "%s", hex);
	struct json *j = json_make_object();

	json_put(j, "mediaType", json_make_string(type));
	json_put(j, "digest", json_make_string(digest));
	json_put(j, "size", json_make_u64(size));
	return j;
}

int image_add_file(struct image *image, const char *path, const void *data, size_t len,
		   struct err *err)
{
	struct pack_entry e = { .path = path, .mode = S_IFREG | 0444, .data = data, .len = len };

	return image->pack ? pack_add(image->pack, &e, err)
			   : file_replace_volatile(image->dir, path, data, len, 0644, err);
}

struct json *image_add_blob(struct image *image, const char *type, const void *data, size_t len,
			    struct err *err)
{
	char hex[65];

	sha256_hex(data, len, hex);
	AUTO(json) struct json *j = make_descriptor(type, hex, len);
	AUTO(str) char *path = image_blob_path(j);
	return image_add_file(image, path, data, len, err) < 0 ? NULL : STEAL(j, NULL);
}

struct json *image_add_document(struct image *image, const char *type, const struct json *j,
				struct err *err)
{
	AUTO(str) char *text = json_format(j, false);

	return image_add_blob(image, type, text, strlen(text), err);
}

/* Stores a blob under a temporary name first, so that readers never see a part of it. */
static int store(const struct image *image, const char *path, int fd, const char *name,
		 struct err *err)
{
	static const char part[] = "blobs/sha256/.part";
	AUTO(mem) char *chunk = xmalloc(256 << 10);
	AUTO(fd)
	int to = openat(image->dir, part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ssize_t n;

	if (to < 0)
		return err_sys(err, "make %s", part);
	while ((n = fd_read_full(fd, chunk, 256 << 10, err)) > 0) {
		if (fd_write_all(to, chunk, (size_t)n, err) < 0)
			return err_wrap(err, "%s", part);
	}
	if (n < 0)
		return err_wrap(err, "%s", name);
	if (close(STEAL(to, -1)) < 0 || renameat(image->dir, part, image->dir, path) < 0)
		return err_sys(err, "write %s", path);
	return 0;
}

static int rewind_fd(int fd, const char *name, struct err *err)
{
	return lseek(fd, 0, SEEK_SET) < 0 ? err_sys(err, "rewind %s", name) : 0;
}

struct json *image_add_fd(struct image *image, const char *type, int fd, const char *name,
			  struct err *err)
{
	struct pack_entry e = { .mode = S_IFREG | 0444 };
	char hex[65];
	uint64_t size;
	int rc;

	if (rewind_fd(fd, name, err) < 0 || sha256_fd(fd, name, hex, &size, err) < 0 ||
	    rewind_fd(fd, name, err) < 0)
		return NULL;
	AUTO(json) struct json *j = make_descriptor(type, hex, size);
	AUTO(str) char *path = image_blob_path(j);
	e.path = path;
	e.len = size;
	rc = image->pack ? pack_add_fd(image->pack, &e, fd, name, err)
			 : store(image, path, fd, name, err);
	return rc < 0 ? NULL : STEAL(j, NULL);
}

int image_copy_blob(const struct image *from, const struct json *descriptor, struct image *to,
		    struct err *err)
{
	AUTO(str) char *path = image_blob_path(descriptor);
	AUTO(fd) int fd = openat(from->dir, path, O_RDONLY | O_CLOEXEC);
	AUTO(json) struct json *copy = NULL;

	if (fd < 0)
		return err_sys(err, "open %s", path);
	copy = image_add_fd(to, json_get_text(descriptor, "mediaType"), fd, path, err);
	if (!copy)
		return -1;
	if (str_eq(json_get_text(copy, "digest"), json_get_text(descriptor, "digest")))
		return 0;
	err_set(err, E_INVALID, "%s has another digest than its name", path);
	return err_hint(err, "make the image again");
}

/* --- the index --- */

static const char *reference_of(const struct json *descriptor)
{
	const struct json *notes = json_get(descriptor, "annotations");

	return notes ? json_get_text(notes, REF_NAME) : NULL;
}

const char *image_name(const struct json *descriptor)
{
	const struct json *notes = json_get(descriptor, "annotations");
	const char *name = notes ? json_get_text(notes, FULL_NAME) : NULL;

	return name ? name : reference_of(descriptor);
}

const struct json *image_find(const struct image *image, const char *reference)
{
	for (size_t i = 0; i < json_count(image->tags); i++) {
		const struct json *j = json_at(image->tags, i);

		if (str_eq(reference_of(j), reference))
			return j;
	}
	return NULL;
}

static struct json *make_entry(const struct json *descriptor, const char *reference,
			       const char *name)
{
	struct json *j = json_make_object(), *notes = json_make_object();

	for (void *it = json_begin(descriptor); it; it = json_after(descriptor, it))
		json_put(j, json_key(it), json_share(json_value(it)));
	if (reference != name)
		json_put(notes, FULL_NAME, json_make_string(name));
	json_put(notes, REF_NAME, json_make_string(reference));
	json_put(j, "annotations", notes);
	return j;
}

void image_tag(struct image *image, const struct json *descriptor, const char *name)
{
	const char *colon = name ? strrchr(name, ':') : NULL;
	const char *reference = colon ? colon + 1 : name;
	struct json *tags = json_make_array();

	for (size_t i = 0; i < json_count(image->tags); i++) {
		struct json *old = json_at(image->tags, i);

		if (!reference || !str_eq(reference_of(old), reference))
			json_add(tags, json_share(old));
	}
	json_add(tags,
		 reference ? make_entry(descriptor, reference, name) : json_share(descriptor));
	json_free(image->tags);
	image->tags = tags;
}

struct json *image_read(const struct image *image, const struct json *descriptor, struct err *err)
{
	AUTO(str) char *path = image_blob_path(descriptor);
	struct json *j = NULL;

	return read_document(image, path, &j, err) < 0 ? NULL : j;
}

void image_drop(struct image *image, const struct json *descriptor)
{
	AUTO(str) char *path = image_blob_path(descriptor);

	(void)unlinkat(image->dir, path, 0);
}

int image_finish(struct image *image, struct err *err)
{
	AUTO(json) struct json *j = json_make_object();

	json_put(j, "schemaVersion", json_make_int(2));
	json_put(j, "manifests", json_share(image->tags));
	AUTO(str) char *text = json_format(j, false);
	if (image_add_file(image, "index.json", text, strlen(text), err) < 0)
		return -1;
	return image->pack ? pack_finish(image->pack, err) : 0;
}

const char *image_architecture(const char *machine)
{
	static const char *const names[][2] = {
		{ "x86_64", "amd64" },
		{ "aarch64", "arm64" },
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq(machine, names[i][0]))
			return names[i][1];
	return machine;
}
