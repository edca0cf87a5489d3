// SPDX-License-Identifier: Apache-2.0
/*
 * Makes container images from files of the build machine, without a daemon (libs/image):
 *
 *	mkimage build -o DIR -n NAME:TAG [OPTION]... PATH=SOURCE[,PATH=SOURCE]...
 *	mkimage attach --to TAG [--architecture A] DIR TYPE=FILE...
 *	mkimage archive --to TAG [--architecture A] DIR FILE
 *
 * Each operand of build is a layer. In a directory the name refers to an index, so that images for
 * other architectures can be added later; in an archive (--archive) it refers to the image itself,
 * and Docker's manifest.json is added. attach adds artifacts that belong to an image, such as
 * signatures, as manifests with a subject. They are listed under the tag that clients use with
 * registries that do not support referrers (the OCI distribution specification, "Referrers Tag
 * Schema"). archive writes an image of a directory to a file without its artifacts, which engines
 * would import as images; the bytes and digests of index, manifests and layers do not change.
 */

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "base/vec.h"
#include "cli/subverb.h"
#include "image/image.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>

enum { ARTIFACT_MAX = 64 << 20 };

static struct {
	const char *out, *name, *created, *machine, *to;
	char **entrypoint, **command, **env, **labels;
	bool archive;
} o;

static const struct opt build_opts[] = {
	OPT_PATH('o', "output", "PATH", &o.out, "a directory, or with --archive a file"),
	OPT_STR('n', "name", "NAME:TAG", &o.name, "name of the image"),
	OPT_STRV('e', "entrypoint", "WORD", &o.entrypoint,
		 "a word of the entry point; may be repeated"),
	OPT_STRV('c', "command", "WORD", &o.command,
		 "a word of the default arguments; may be repeated"),
	OPT_STRV(0, "env", "NAME=VALUE", &o.env, "environment variable; may be repeated"),
	OPT_STRV('l', "label", "NAME=VALUE", &o.labels, "label and annotation; may be repeated"),
	OPT_STR(0, "created", "TIME", &o.created, "as 2026-11-24T02:08:00Z; default: none"),
	OPT_STR(0, "architecture", "A", &o.machine,
		"as uname -m prints it; default: this machine's"),
	OPT_FLAG(0, "archive", &o.archive, "write one tar archive, which docker load reads too"),
	OPT_END,
};

static const struct opt archive_opts[] = {
	OPT_STR(0, "to", "TAG", &o.to, "the image"),
	OPT_STR(0, "architecture", "A", &o.machine,
		"the one that docker load reads; as uname -m; default: this machine's"),
	OPT_END,
};

static const struct opt attach_opts[] = {
	OPT_STR(0, "to", "TAG", &o.to, "the image that the files belong to"),
	OPT_STR(0, "architecture", "A", &o.machine, "only its image for this one; as uname -m"),
	OPT_END,
};

static struct json *strings(char *const *list)
{
	struct json *j = json_make_array();

	strv_each(s, list)
		json_add(j, json_make_string(*s));
	return j;
}

static struct json *one_string(const char *s)
{
	struct json *j = json_make_array();

	json_add(j, json_make_string(s));
	return j;
}

/* Sets *out to an object with the members NAME=VALUE of the list. */
static int members(char *const *list, struct json **out, struct err *err)
{
	AUTO(json) struct json *j = json_make_object();

	strv_each(s, list) {
		char *equals = strchr(*s, '=');

		if (!equals || equals == *s)
			return err_set(err, E_USAGE, "'%s' is not NAME=VALUE", *s);
		AUTO(str) char *name = xstrndup(*s, (size_t)(equals - *s));
		json_put(j, name, json_make_string(equals + 1));
	}
	*out = STEAL(j, NULL);
	return 0;
}

static const char *architecture(void)
{
	static struct utsname u;

	if (!o.machine && uname(&u) < 0)
		bug("uname");
	return image_architecture(o.machine ? o.machine : u.machine);
}

/* --- build --- */

struct build {
	struct image *image;
	struct json *labels;
	struct json *layers, *diff_ids; /* one entry per layer */
};

static void build_release(struct build *b)
{
	json_free(b->labels);
	json_free(b->layers);
	json_free(b->diff_ids);
	image_close(b->image);
}
DEFINE_AUTO_STRUCT(build, struct build, build_release)

static int add_layers(struct build *b, char *const *layers, struct err *err)
{
	strv_each(layer, layers) {
		AUTO(strv) char **parts = strv_split(*layer, ",");
		struct image_layer l = { 0 };

		if (image_add_layer(b->image, parts, o.archive ? PACK_PLAIN : PACK_GZIP, &l, err) <
		    0)
			return -1;
		json_add(b->layers, l.descriptor);
		json_add(b->diff_ids, json_make_string(l.diff_id));
	}
	return 0;
}

static struct json *make_config(const struct build *b)
{
	struct json *j = json_make_object(), *config = json_make_object(),
		    *rootfs = json_make_object();

	if (o.created)
		json_put(j, "created", json_make_string(o.created));
	json_put(j, "architecture", json_make_string(architecture()));
	json_put(j, "os", json_make_string("linux"));
	if (o.env)
		json_put(config, "Env", strings(o.env));
	if (o.entrypoint)
		json_put(config, "Entrypoint", strings(o.entrypoint));
	if (o.command)
		json_put(config, "Cmd", strings(o.command));
	if (json_count(b->labels))
		json_put(config, "Labels", json_share(b->labels));
	json_put(j, "config", config);
	json_put(rootfs, "type", json_make_string("layers"));
	json_put(rootfs, "diff_ids", json_share(b->diff_ids));
	json_put(j, "rootfs", rootfs);
	return j;
}

static struct json *make_document(const char *type)
{
	struct json *j = json_make_object();

	json_put(j, "schemaVersion", json_make_int(2));
	json_put(j, "mediaType", json_make_string(type));
	return j;
}

static struct json *add_manifest(const struct build *b, const struct json *config, struct err *err)
{
	AUTO(json) struct json *j = make_document(IMAGE_MANIFEST);

	json_put(j, "config", json_share(config));
	json_put(j, "layers", json_share(b->layers));
	if (json_count(b->labels))
		json_put(j, "annotations", json_share(b->labels));
	return image_add_document(b->image, IMAGE_MANIFEST, j, err);
}

/* Adds the manifest.json that Docker reads; older versions do not know OCI layouts. */
static int add_docker(struct image *image, const char *name, const struct json *config,
		      const struct json *layers, struct err *err)
{
	AUTO(json) struct json *list = json_make_array();
	AUTO(str) char *config_path = image_blob_path(config);
	struct json *j = json_make_object(), *paths = json_make_array();

	json_put(j, "Config", json_make_string(config_path));
	json_put(j, "RepoTags", one_string(name));
	for (size_t i = 0; i < json_count(layers); i++) {
		AUTO(str) char *path = image_blob_path(json_at(layers, i));

		json_add(paths, json_make_string(path));
	}
	json_put(j, "Layers", paths);
	json_add(list, j);
	AUTO(str) char *text = json_format(list, false);
	return image_add_file(image, "manifest.json", text, strlen(text), err);
}

/* Adds an index with this architecture's manifest. */
static struct json *add_index(const struct build *b, struct json *manifest, struct err *err)
{
	AUTO(json) struct json *j = make_document(IMAGE_INDEX);
	struct json *list = json_make_array(), *platform = json_make_object();

	json_put(platform, "architecture", json_make_string(architecture()));
	json_put(platform, "os", json_make_string("linux"));
	json_put(manifest, "platform", platform);
	json_add(list, json_share(manifest));
	json_put(j, "manifests", list);
	if (json_count(b->labels))
		json_put(j, "annotations", json_share(b->labels));
	return image_add_document(b->image, IMAGE_INDEX, j, err);
}

static int fill(struct build *b, char *const *layers, struct err *err)
{
	AUTO(json) struct json *config = NULL, *manifest = NULL, *index = NULL;

	if (members(o.labels, &b->labels, err) < 0 || add_layers(b, layers, err) < 0)
		return -1;
	AUTO(json) struct json *about = make_config(b);
	config = image_add_document(b->image, IMAGE_CONFIG, about, err);
	manifest = config ? add_manifest(b, config, err) : NULL;
	if (!manifest)
		return -1;
	if (o.archive) {
		if (add_docker(b->image, o.name, config, b->layers, err) < 0)
			return -1;
	} else {
		index = add_index(b, manifest, err);
		if (!index)
			return -1;
		(void)printf("%s\n", json_get_text(index, "digest"));
	}
	image_tag(b->image, o.archive ? manifest : index, o.name);
	return image_finish(b->image, err);
}

static int build(int argc, char **argv, struct err *err)
{
	AUTO(fd) int fd = -1;
	AUTO(build)
	struct build b = { .layers = json_make_array(), .diff_ids = json_make_array() };

	(void)argc;
	if (!o.out || !o.name || !strchr(o.name, ':'))
		return err_set(err, E_USAGE, "--output PATH and --name NAME:TAG are needed");
	if (o.archive) {
		fd = open(o.out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		if (fd < 0)
			return err_sys(err, "make %s", o.out);
	}
	b.image = o.archive ? image_open_tar(fd, err) : image_open(o.out, err);
	return b.image ? fill(&b, argv, err) : -1;
}

/* --- attach --- */

static const struct json *of_architecture(const struct json *index)
{
	const struct json *list = json_get(index, "manifests");

	for (size_t i = 0; list && i < json_count(list); i++) {
		const struct json *j = json_at(list, i), *platform = json_get(j, "platform");

		if (platform && str_eq(json_get_text(platform, "architecture"), architecture()))
			return j;
	}
	return NULL;
}

/* A descriptor as a subject needs it: without platform and names. */
static struct json *bare(const struct json *descriptor)
{
	static const char *const keys[] = { "mediaType", "digest", "size" };
	struct json *j = json_make_object();

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		json_put(j, keys[i], json_share(json_get(descriptor, keys[i])));
	return j;
}

static struct json *find_subject(const struct image *image, struct err *err)
{
	const struct json *top = image_find(image, o.to), *one;
	AUTO(json) struct json *index = NULL;

	if (!top) {
		err_set(err, E_NOT_FOUND, "the layout has no image with the tag '%s'", o.to);
		return NULL;
	}
	if (!o.machine)
		return bare(top);
	index = image_read(image, top, err);
	if (!index)
		return NULL;
	one = of_architecture(index);
	if (one)
		return bare(one);
	err_set(err, E_NOT_FOUND, "%s has no image for %s", o.to, o.machine);
	return NULL;
}

static struct json *make_artifact(const struct json *config, const struct json *blob,
				  const struct json *subject)
{
	struct json *j = make_document(IMAGE_MANIFEST), *layers = json_make_array();

	json_put(j, "artifactType", json_share(json_get(blob, "mediaType")));
	json_put(j, "config", json_share(config));
	json_add(layers, json_share(blob));
	json_put(j, "layers", layers);
	json_put(j, "subject", json_share(subject));
	return j;
}

/* Adds a manifest with one file. *out is the manifest's descriptor, with the artifactType that
 * lists of referrers need. */
static int add_artifact(struct image *image, const char *operand, const struct json *subject,
			struct json **out, struct err *err)
{
	const char *equals = strchr(operand, '=');
	AUTO(buf) struct buf bytes = BUF_INIT(ARTIFACT_MAX);
	AUTO(json) struct json *config = NULL, *blob = NULL;
	struct json *title = json_make_object();

	json_put(title, "org.opencontainers.image.title",
		 json_make_string(equals ? path_basename(equals + 1) : ""));
	AUTO(json) struct json *notes = title;
	if (!equals || !strchr(operand, '/') || strchr(operand, '/') > equals)
		return err_set(err, E_USAGE, "'%s' is not TYPE=FILE with a media type", operand);
	AUTO(str) char *type = xstrndup(operand, (size_t)(equals - operand));
	if (file_read(AT_FDCWD, equals + 1, ARTIFACT_MAX, &bytes, err) < 0)
		return -1;
	config = image_add_blob(image, IMAGE_EMPTY, "{}", 2, err);
	blob = config ? image_add_blob(image, type, buf_cstr(&bytes), bytes.len, err) : NULL;
	if (!blob)
		return -1;
	json_put(blob, "annotations", json_share(notes));
	AUTO(json) struct json *j = make_artifact(config, blob, subject);
	*out = image_add_document(image, IMAGE_MANIFEST, j, err);
	if (!*out)
		return -1;
	json_put(*out, "artifactType", json_make_string(type));
	return 0;
}

/* Sets *list to the existing referrers of a subject, and drops the index that contained them. */
static int read_referrers(struct image *image, const char *tag, struct json **list, struct err *err)
{
	const struct json *old = image_find(image, tag);
	AUTO(json) struct json *index = NULL;
	struct json *was;

	if (!old) {
		*list = json_make_array();
		return 0;
	}
	index = image_read(image, old, err);
	was = index ? json_get(index, "manifests") : NULL;
	if (!was)
		return index ? err_set(err, E_INVALID, "%s is not an index", tag) : -1;
	*list = json_share(was);
	image_drop(image, old);
	return 0;
}

static void add_referrer(struct json *list, struct json *descriptor)
{
	AUTO(json) struct json *kept = descriptor;

	for (size_t i = 0; i < json_count(list); i++)
		if (str_eq(json_get_text(json_at(list, i), "digest"),
			   json_get_text(descriptor, "digest")))
			return;
	json_add(list, json_share(kept));
}

static int attach_all(struct image *image, char *const *operands, struct err *err)
{
	AUTO(json) struct json *subject = find_subject(image, err), *list = NULL, *index = NULL;
	AUTO(str) char *tag = NULL;

	if (!subject)
		return -1;
	tag = xstrdup(json_get_text(subject, "digest"));
	*strchr(tag, ':') = '-';
	if (read_referrers(image, tag, &list, err) < 0)
		return -1;
	strv_each(operand, operands) {
		struct json *descriptor = NULL;

		if (add_artifact(image, *operand, subject, &descriptor, err) < 0)
			return -1;
		add_referrer(list, descriptor);
	}
	AUTO(json) struct json *j = make_document(IMAGE_INDEX);
	json_put(j, "manifests", json_share(list));
	index = image_add_document(image, IMAGE_INDEX, j, err);
	if (!index)
		return -1;
	image_tag(image, index, tag);
	return image_finish(image, err);
}

static int attach(int argc, char **argv, struct err *err)
{
	AUTO(image) struct image *image = NULL;

	(void)argc;
	if (!o.to)
		return err_set(err, E_USAGE,
			       "--to TAG is needed: the image that the files belong to");
	image = image_open(argv[0], err);
	return image ? attach_all(image, argv + 1, err) : -1;
}

/* --- archive --- */

struct copy {
	const struct image *from;
	struct image *to;
	struct json *seen; /* digests already copied: the images of an index share layers */
};

static int copy_blob(const struct copy *c, const struct json *descriptor, struct err *err)
{
	const char *digest = json_get_text(descriptor, "digest");

	if (json_get(c->seen, digest))
		return 0;
	json_put(c->seen, digest, json_make_bool(true));
	return image_copy_blob(c->from, descriptor, c->to, err);
}

/* Copies a manifest with its configuration and layers. *out is the manifest's document. */
static int copy_manifest(const struct copy *c, const struct json *descriptor, struct json **out,
			 struct err *err)
{
	const struct json *config, *layers;

	*out = image_read(c->from, descriptor, err);
	if (!*out)
		return -1;
	config = json_get(*out, "config");
	layers = json_get(*out, "layers");
	if (!config || !layers)
		return err_set(err, E_INVALID, "a manifest of %s names no layers", o.to);
	for (size_t i = 0; i < json_count(layers); i++)
		if (copy_blob(c, json_at(layers, i), err) < 0)
			return -1;
	return copy_blob(c, config, err) < 0 ? -1 : copy_blob(c, descriptor, err);
}

static int copy_image(const struct copy *c, const struct json *top, struct err *err)
{
	AUTO(json) struct json *index = image_read(c->from, top, err), *entry = bare(top);
	const struct json *list = index ? json_get(index, "manifests") : NULL,
			  *mine = index ? of_architecture(index) : NULL;

	if (!index)
		return -1;
	if (!mine)
		return err_set(err, E_NOT_FOUND, "%s has no image for %s", o.to, architecture());
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *descriptor = json_at(list, i);
		AUTO(json) struct json *m = NULL;

		if (copy_manifest(c, descriptor, &m, err) < 0 ||
		    (descriptor == mine && add_docker(c->to, image_name(top), json_get(m, "config"),
						      json_get(m, "layers"), err) < 0))
			return -1;
	}
	if (copy_blob(c, top, err) < 0)
		return -1;
	image_tag(c->to, entry, image_name(top));
	return image_finish(c->to, err);
}

static int archive(int argc, char **argv, struct err *err)
{
	AUTO(image) struct image *from = NULL, *to = NULL;
	AUTO(json) struct json *seen = json_make_object();
	AUTO(fd) int fd = -1;
	const struct json *top;

	(void)argc;
	if (!o.to)
		return err_set(err, E_USAGE, "--to TAG is needed: the image to write");
	from = image_open(argv[0], err);
	if (!from)
		return -1;
	top = image_find(from, o.to);
	if (!top)
		return err_set(err, E_NOT_FOUND, "the layout has no image with the tag '%s'", o.to);
	fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_sys(err, "make %s", argv[1]);
	to = image_open_tar(fd, err);
	return to ? copy_image(&(struct copy){ from, to, seen }, top, err) : -1;
}

static const struct subverb verbs[] = {
	{ "build", "LAYER...", "make an image", build_opts, build, 1, -1 },
	{ "attach", "DIR TYPE=FILE...", "add artifacts to an image", attach_opts, attach, 2, -1 },
	{ "archive", "DIR FILE", "write an image as one file", archive_opts, archive, 2, 2 },
	{ NULL, NULL, NULL, NULL, NULL, 0, 0 },
};

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;

	fd_fill_standard();
	(void)!subverb_run(verbs, argc, argv, &err);
	if (fd_end_output(&err))
		(void)fprintf(stderr, "mkimage: %s\n", err.msg);
	return err.code ? err_exit_status(err.code) : EXIT_SUCCESS;
}
