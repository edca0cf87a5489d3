// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Writes container images as OCI image layouts (the OCI image specification 1.1, "Image Layout",
 * "Image Manifest", "Image Index"), into a directory or as a tar archive. No daemon, no privilege,
 * and the same calls with the same contents give the same bytes: order is that of the calls, and
 * nothing depends on users, times or places.
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
 * A descriptor is {"mediaType", "digest", "size"}, owned by whom it is returned to. A layout in a
 * directory is complete after image_finish(), which writes index.json last: what was interrupted is
 * the old layout with blobs that nothing names. A directory that has a layout already is extended;
 * then image_find() and image_read() have its contents, which are trusted: it is the packager's own.
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
/* Of an artifact that has no configuration: {}. */
#define IMAGE_EMPTY "application/vnd.oci.empty.v1+json"

/* Most bytes of a document, as registries limit them too. */
enum { IMAGE_DOCUMENT_MAX = 4 << 20 };

struct image;

/* Makes dir if it is missing. E_INVALID: it has something else than a layout. */
struct image *image_open(const char *dir, struct err *err);
/* fd is borrowed. Nothing can be read back or extended. */
struct image *image_open_tar(int fd, struct err *err);
void image_close(struct image *image);
DEFINE_AUTO(image, struct image *, NULL, image_close)

/* Each adds a blob and returns its descriptor; NULL on error. fd is a file, taken from its start;
 * name is used in errors. */
struct json *image_add_blob(struct image *image, const char *type, const void *data, size_t len,
			    struct err *err);
struct json *image_add_fd(struct image *image, const char *type, int fd, const char *name,
			  struct err *err);
struct json *image_add_document(struct image *image, const char *type, const struct json *j,
				struct err *err);

struct image_layer {
	char diff_id[72];        /* the digest of what is not compressed, for the configuration */
	struct json *descriptor; /* owned; its media type says how it is compressed */
};
/*
 * Adds a layer of files and trees: parts is a strv of PATH=SOURCE. Owner is root, the time 0, modes
 * are 0555 (directories 0755) for what its owner may execute, else 0444; links stay links; the
 * order is that of the paths, and the directories above a path are there too. E_USAGE: not of that
 * form; E_EXISTS: a path twice; E_INVALID: neither file, link nor directory.
 */
MUST_CHECK int image_add_layer(struct image *image, char *const *parts, enum pack_filter filter,
			       struct image_layer *out, struct err *err);

/* Enters a descriptor into index.json, under a name or (NULL) none; it replaces one of that name.
 * Of NAME:TAG the reference is the part after the last colon, as readers look it up. */
void image_tag(struct image *image, const struct json *descriptor, const char *name);
/* The descriptor of a reference, borrowed; NULL: there is none. */
const struct json *image_find(const struct image *image, const char *reference);
/* The document that a descriptor names. NULL on error. */
struct json *image_read(const struct image *image, const struct json *descriptor, struct err *err);
/* The name that a descriptor of image_find() was given, borrowed. */
const char *image_name(const struct json *descriptor);
/* Copies a blob from a layout in a directory to another layout. E_INVALID: it is not what the
 * descriptor says. */
MUST_CHECK int image_copy_blob(const struct image *from, const struct json *descriptor,
			       struct image *to, struct err *err);
/* Forgets a blob of a directory that nothing names any more. */
void image_drop(struct image *image, const struct json *descriptor);

/* Puts a file beside the layout: docker's manifest.json, for readers that know no layouts. */
MUST_CHECK int image_add_file(struct image *image, const char *path, const void *data, size_t len,
			      struct err *err);

MUST_CHECK int image_finish(struct image *image, struct err *err);

/* Where the blob of a descriptor is in a layout, heap. */
char *image_blob_path(const struct json *descriptor);
/* What images call an architecture ("amd64" for what uname calls x86_64). */
const char *image_architecture(const char *machine);
