// SPDX-License-Identifier: Apache-2.0
/*
 * Makes a container image of one program: an OCI image layout in a tar archive, with docker's
 * manifest.json for readers that need it. The output is reproducible.
 *
 *	mkimage NAME:TAG PROGRAM ARCHIVE
 */

#include "archive/pack.h"
#include "base/file.h"
#include "base/str.h"
#include "crypto/sha256.h"
#include "json/json.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/utsname.h>

enum { PROGRAM_MAX = 64 << 20 };

#define OCI "application/vnd.oci.image."

struct image {
	struct buf tar;
	struct pack *pack;
	const char *name;
};

static int add(struct image *image, const char *path, const void *data, size_t len, struct err *err)
{
	struct pack_entry e = { .path = path, .mode = S_IFREG | 0444, .data = data, .len = len };

	return pack_add(image->pack, &e, err);
}

/* Adds a blob and returns its descriptor; the caller frees it. */
static struct json *add_blob(struct image *image, const char *type, const void *data, size_t len,
			     struct err *err)
{
	struct json *ref = json_make_object();
	char hex[65];

	sha256_hex(data, len, hex);
	AUTO(str) char *path = str_fmt("blobs/sha256/%s", hex), *digest = str_fmt("sha256:%s", hex);
	if (add(image, path, data, len, err) < 0) {
		json_free(ref);
		return NULL;
	}
	json_put(ref, "mediaType", json_make_string(type));
	json_put(ref, "digest", json_make_string(digest));
	json_put(ref, "size", json_make_u64(len));
	return ref;
}

static struct json *add_document(struct image *image, const char *type, const struct json *j,
				 struct err *err)
{
	AUTO(str) char *text = json_format(j, false);

	return add_blob(image, type, text, strlen(text), err);
}

static int make_layer(const char *program, struct buf *layer, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(PROGRAM_MAX);
	AUTO(file) FILE *file = tmpfile();
	struct pack_entry e = { .path = "proof", .mode = S_IFREG | 0555 };

	if (!file)
		return err_sys(err, "make a temporary file");
	if (file_read(AT_FDCWD, program, PROGRAM_MAX, &text, err) < 0)
		return -1;
	AUTO(pack) struct pack *pack = pack_new_tar(PACK_PLAIN, 0, 0, fileno(file), err);
	e.data = text.data;
	e.len = text.len;
	if (!pack || pack_add(pack, &e, err) < 0 || pack_finish(pack, err) < 0)
		return -1;
	if (lseek(fileno(file), 0, SEEK_SET) < 0)
		return err_sys(err, "rewind");
	return file_read_fd(fileno(file), "layer", PROGRAM_MAX, layer, err);
}

static struct json *strings(const char *s)
{
	struct json *list = json_make_array();

	json_add(list, json_make_string(s));
	return list;
}

static struct json *make_config(const struct json *layer)
{
	struct json *j = json_make_object(), *config = json_make_object(),
		    *rootfs = json_make_object();
	struct utsname u;

	if (uname(&u) < 0)
		bug("uname");
	json_put(j, "architecture",
		 json_make_string(str_eq(u.machine, "aarch64") ? "arm64" : "amd64"));
	json_put(j, "os", json_make_string("linux"));
	json_put(config, "Entrypoint", strings("/proof"));
	json_put(j, "config", config);
	json_put(rootfs, "type", json_make_string("layers"));
	json_put(rootfs, "diff_ids", strings(json_text(json_get(layer, "digest"))));
	json_put(j, "rootfs", rootfs);
	return j;
}

static struct json *make_manifest(const struct json *config, const struct json *layer)
{
	struct json *j = json_make_object(), *layers = json_make_array();

	json_put(j, "schemaVersion", json_make_int(2));
	json_put(j, "mediaType", json_make_string(OCI "manifest.v1+json"));
	json_put(j, "config", json_share(config));
	json_add(layers, json_share(layer));
	json_put(j, "layers", layers);
	return j;
}

static int add_index(struct image *image, struct json *manifest, struct err *err)
{
	AUTO(json) struct json *j = json_make_object();
	struct json *notes = json_make_object(), *list = json_make_array();

	json_put(notes, "io.containerd.image.name", json_make_string(image->name));
	json_put(notes, "org.opencontainers.image.ref.name",
		 json_make_string(strrchr(image->name, ':') + 1));
	json_put(manifest, "annotations", notes);
	json_add(list, json_share(manifest));
	json_put(j, "schemaVersion", json_make_int(2));
	json_put(j, "manifests", list);
	AUTO(str) char *text = json_format(j, false);
	return add(image, "index.json", text, strlen(text), err);
}

static char *blob_path(const struct json *ref)
{
	return str_fmt("blobs/sha256/%s", json_text(json_get(ref, "digest")) + strlen("sha256:"));
}

static int add_docker(struct image *image, const struct json *config, const struct json *layer,
		      struct err *err)
{
	AUTO(json) struct json *list = json_make_array();
	AUTO(str) char *config_path = blob_path(config), *layer_path = blob_path(layer);
	struct json *j = json_make_object();

	json_put(j, "Config", json_make_string(config_path));
	json_put(j, "RepoTags", strings(image->name));
	json_put(j, "Layers", strings(layer_path));
	json_add(list, j);
	AUTO(str) char *text = json_format(list, false);
	return add(image, "manifest.json", text, strlen(text), err);
}

static int fill(struct image *image, const char *program, struct err *err)
{
	static const char version[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	AUTO(buf) struct buf bytes = BUF_INIT(PROGRAM_MAX);
	AUTO(json) struct json *layer = NULL, *config = NULL, *manifest = NULL;

	if (make_layer(program, &bytes, err) < 0 ||
	    add(image, "oci-layout", version, strlen(version), err) < 0)
		return -1;
	layer = add_blob(image, OCI "layer.v1.tar", bytes.data, bytes.len, err);
	if (!layer)
		return -1;
	AUTO(json) struct json *about = make_config(layer);
	config = add_document(image, OCI "config.v1+json", about, err);
	if (!config)
		return -1;
	AUTO(json) struct json *parts = make_manifest(config, layer);
	manifest = add_document(image, OCI "manifest.v1+json", parts, err);
	if (!manifest || add_docker(image, config, layer, err) < 0)
		return -1;
	return add_index(image, manifest, err);
}

static int make(const char *name, const char *program, const char *path, struct err *err)
{
	struct image image = { .name = name };
	AUTO(fd) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int rc;

	if (!strchr(name, ':'))
		return err_set(err, E_USAGE, "%s is not NAME:TAG", name);
	if (fd < 0)
		return err_sys(err, "make %s", path);
	image.pack = pack_new_tar(PACK_PLAIN, 0, 0, fd, err);
	if (!image.pack)
		return -1;
	rc = fill(&image, program, err);
	if (rc == 0)
		rc = pack_finish(image.pack, err);
	pack_free(image.pack);
	return rc;
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;

	if (argc != 4) {
		(void)fputs("usage: mkimage NAME:TAG PROGRAM ARCHIVE\n", stderr);
		return 2;
	}
	if (make(argv[1], argv[2], argv[3], &err) == 0)
		return EXIT_SUCCESS;
	(void)fprintf(stderr, "mkimage: %s\n", err.msg);
	return err_exit_status(err.code);
}
