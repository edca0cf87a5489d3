// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Writes container images as OCI image layouts (the OCI image specification 1.1, "Image Layout",
 * "Image Manifest", "Image Index"), into a directory or as a tar archive. This needs no daemon and
 * no privilege. The same calls with the same contents yield the same bytes: everything is in the
 * order of the calls, and nothing depends on users, times or paths of the machine.
 *
 *	AUTO(image) struct image *image = image_open("build/image", err);
 *	struct image_layer layer = { 0 };
 *	AUTO(json) struct json *config = NULL;
 *	if (!image || image_add_layer(image, parts, PACK_GZIP, &layer, err) < 0)
 *		return -1;
 *	... make the configuration from layer.diff_id, the manifest from layer.descriptor ...
 *	manifest = image_add_document(image, IMAGE_MANIFEST, document, err);
 *	image_tag(image, manifest, "registry.example/name:1.0");
 *	return image_finish(image, err);
 *
 * A descriptor is {"mediaType", "digest", "size"}; the caller frees those that are returned unless
 * they are borrowed. A layout in a directory is complete after image_finish(), which writes
 * index.json last: an interrupted run leaves the old layout, with blobs that are not referenced. A
 * directory that has a layout already is extended; image_find() and image_read() then return its
 * contents too, which are trusted, since the packager made them.
 */

#include "archive/pack.h"
#include "base/err.h"
#include "base/scope.h"
#include "json/json.h"

#include <stddef.h>

#define IMAGE_TYPE     "application/vnd.oci.image."
#define IMAGE_INDEX    IMAGE_TYPE "index.v1+json"
#define IMAGE_MANIFEST IMAGE_TYPE "manifest.v1+json"
#define IMAGE_CONFIG   IMAGE_TYPE "config.v1+json"
/* The type of the configuration {} of an artifact without one. */
#define IMAGE_EMPTY "application/vnd.oci.empty.v1+json"

/* The limit of a document in bytes, which registries have too. */
enum { IMAGE_DOCUMENT_MAX = 4 << 20 };

struct image;

/* Opens a layout in dir, which is created if it is missing. NULL on error; E_INVALID if dir has
 * other files than a layout. */
struct image *image_open(const char *dir, struct err *err);
/* Writes a layout as a tar archive to fd, which is borrowed. Such a layout cannot be read back or
 * extended. NULL on error. */
struct image *image_open_tar(int fd, struct err *err);
void image_close(struct image *image);
DEFINE_AUTO(image, struct image *, NULL, image_close)

/* Each adds a blob and returns its descriptor, which the caller frees; NULL on error. fd is a file,
 * read from its start; name is for messages. */
struct json *image_add_blob(struct image *image, const char *type, const void *data, size_t len,
			    struct err *err);
struct json *image_add_fd(struct image *image, const char *type, int fd, const char *name,
			  struct err *err);
struct json *image_add_document(struct image *image, const char *type, const struct json *j,
				struct err *err);

struct image_layer {
	char diff_id[72];        /* the digest of the uncompressed layer, for the configuration */
	struct json *descriptor; /* the caller frees it; its media type names the compression */
};
/*
 * Adds a layer of files and trees: parts is a strv of PATH=SOURCE. In the layer the owner is root
 * and the time 0; modes are 0755 for directories, 0555 for files that their owner may execute, else
 * 0444; links stay links. Entries are sorted by path, and include the parent directories of every
 * path. E_USAGE: a part has another form; E_EXISTS: a path occurs twice; E_INVALID: a source is
 * neither a file, a link nor a directory.
 */
MUST_CHECK int image_add_layer(struct image *image, char *const *parts, enum pack_filter filter,
			       struct image_layer *out, struct err *err);

/* Adds a descriptor to index.json under a name (NULL: none), in place of another one with the same
 * reference. The reference of NAME:TAG is TAG, by which readers look images up. */
void image_tag(struct image *image, const struct json *descriptor, const char *name);
/* The descriptor of a reference, borrowed, or NULL. */
const struct json *image_find(const struct image *image, const char *reference);
/* Reads and parses the blob of a descriptor; the caller frees the result. NULL on error. */
struct json *image_read(const struct image *image, const struct json *descriptor, struct err *err);
/* The full name of a descriptor that image_find() returned, borrowed. */
const char *image_name(const struct json *descriptor);
/* Copies a blob from a layout in a directory to another layout. E_INVALID if its digest is not that
 * of the descriptor. */
MUST_CHECK int image_copy_blob(const struct image *from, const struct json *descriptor,
			       struct image *to, struct err *err);
/* Removes a blob that is no longer referenced from a directory. */
void image_drop(struct image *image, const struct json *descriptor);

/* Adds another file, such as docker's manifest.json for readers that do not know layouts. */
MUST_CHECK int image_add_file(struct image *image, const char *path, const void *data, size_t len,
			      struct err *err);

/* Writes index.json; nothing can be added after it. */
MUST_CHECK int image_finish(struct image *image, struct err *err);

/* The path of a descriptor's blob in a layout, heap. */
char *image_blob_path(const struct json *descriptor);
/* The name of an architecture in images ("amd64") for that of uname(2) ("x86_64"); static, or
 * machine itself. */
const char *image_architecture(const char *machine);
