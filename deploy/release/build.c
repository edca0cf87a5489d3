// SPDX-License-Identifier: Apache-2.0
/*
 * Builds a release directory. Each document has digests of the files before it, which gives the
 * order: blobs, patches, SBOM and provenance, release.yaml, channel.yaml. It signs nothing.
 */

#include "deploy/release/build.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "crypto/sha256.h"
#include "deploy/release/build-internal.h"
#include "deploy/release/release-internal.h"
#include "deploy/release/stamp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { DAY = 24 * 60 * 60 };

static void build_release(struct build *b)
{
	vec_each(struct source, s, &b->sources) {
		free(s->path);
		free(s->from);
	}
	vec_release(&b->sources);
	parts_release(&b->parts);
	origins_release(&b->origins);
	release_release(&b->r);
	if (b->tree >= 0)
		(void)close(b->tree);
	if (b->out >= 0)
		(void)close(b->out);
}
DEFINE_AUTO_STRUCT(build, struct build, build_release)

static int choose_created(const struct release_build_options *o, uint64_t *created, struct err *err)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");

	*created = o->created;
	if (*created)
		return 0;
	if (!epoch)
		return err_set(
			err, E_USAGE,
			"the creation time is missing; set SOURCE_DATE_EPOCH, or give it, so that "
			"others can reproduce the build");
	return str_u64(epoch, 10, 1, STAMP_MAX, "SOURCE_DATE_EPOCH", created, err);
}

/* Nodes order releases by their serials, so no serial may be used twice. The creation time alone is
 * not unique: two versions can be built from one commit. */
static int choose_serial(struct build *b, struct err *err)
{
	const struct release_build_options *o = b->o;
	uint64_t highest = 0;

	strv_each(dir, o->old) {
		AUTO(release) struct release old = RELEASE_INIT;

		if (release_load(*dir, &old, err) < 0)
			return err_wrap(err, "patches from %s", *dir);
		if (o->serial && o->serial <= old.serial) {
			err_set(err, E_USAGE,
				"the serial %llu of kata %s is not above %llu, that of kata %s in "
				"%s: nodes would not know which is newer",
				(unsigned long long)o->serial, o->version,
				(unsigned long long)old.serial, old.version, *dir);
			return err_hint(err, "give a higher serial, or none");
		}
		highest = old.serial > highest ? old.serial : highest;
	}
	b->r.serial = o->serial ? o->serial : b->r.created > highest ? b->r.created : highest + 1;
	return 0;
}

static int fill_head(struct build *b, struct err *err)
{
	const struct release_build_options *o = b->o;
	struct release *r = &b->r;
	struct utsname machine;

	if (choose_created(o, &r->created, err) < 0 || choose_serial(b, err) < 0)
		return -1;
	if (uname(&machine) < 0)
		return err_sys(err, "read the architecture");
	r->expires = o->expires ? o->expires : r->created + 365 * (uint64_t)DAY;
	if (r->expires <= r->created || r->expires > STAMP_MAX)
		return err_set(err, E_USAGE,
			       "the expiry must be after the creation time; give --expires Nd, N "
			       "days after it");
	str_set(&r->version, o->version);
	str_set(&r->architecture, o->architecture ? o->architecture : machine.machine);
	str_set(&r->minimum, o->minimum ? o->minimum : RELEASE_MINIMUM);
	str_set(&r->guest_kernel, o->guest_kernel);
	str_set(&r->agent, o->agent);
	layout_begin(&r->layout, o->version);
	return 0;
}

static int open_tree(struct build *b, struct err *err)
{
	b->tree = open(b->o->tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return b->tree < 0 ? err_sys(err, "open the tree %s", b->o->tree) : 0;
}

/* Creates out. It must be empty, since other files would look like part of the release. From here
 * on a build that fails removes it. */
static int open_out(struct build *b, struct err *err)
{
	const char *path = b->o->out;
	AUTO(dir) DIR *dir = NULL;
	struct dirent *e;

	if (path_make(path, 0755, err) < 0)
		return -1;
	b->out = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = b->out < 0 ? NULL : opendir(path);
	if (!dir)
		return err_sys(err, "open %s", path);
	while ((e = readdir(dir)) != NULL) {
		if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, ".."))
			return err_set(err, E_EXISTS,
				       "%s is not empty; name a new directory, or remove it", path);
	}
	b->begun = true;
	return 0;
}

static int write_text(struct build *b, const char *name, const char *text, size_t len,
		      char sha256[65], struct err *err)
{
	sha256_hex(text, len, sha256);
	return file_replace_volatile(b->out, name, text, len, 0644, err);
}

static int write_json(struct build *b, const char *name, struct json *j, char sha256[65],
		      struct err *err)
{
	AUTO(json) struct json *owned = j;
	AUTO(str) char *text = json_format(owned, true);
	AUTO(str) char *line = str_fmt("%s\n", text);

	return write_text(b, name, line, strlen(line), sha256, err);
}

/* Writes release.yaml, after checking that release_parse() accepts it as a node will. */
static int write_release(struct build *b, char sha256[65], struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(RELEASE_TEXT_MAX);
	AUTO(release) struct release again = RELEASE_INIT;

	if (release_format(&b->r, &text, err) < 0 ||
	    release_parse(&again, text.data, text.len, "release.yaml", err) < 0)
		return -1;
	return write_text(b, "release.yaml", text.data, text.len, sha256, err);
}

static int write_channel(struct build *b, const char sha256[65], struct err *err)
{
	struct channel c = {
		.name = (char *)(b->o->channel ? b->o->channel : "stable"),
		.serial = b->r.serial,
		.created = b->r.created,
		.expires = b->o->channel_expires ? b->o->channel_expires
						 : b->r.created + 30 * (uint64_t)DAY,
		.version = b->r.version,
		.path = (char *)".",
	};

	memcpy(c.release, sha256, sizeof(c.release));
	return channel_write(b->out, &c, err);
}

static int write_documents(struct build *b, struct err *err)
{
	char sha256[65];

	release_sort(&b->r);
	if (build_origins(b, err) < 0 ||
	    write_json(b, RELEASE_SBOM, build_sbom(b), b->r.sbom, err) < 0 ||
	    write_json(b, RELEASE_PROVENANCE, build_provenance(b), b->r.provenance, err) < 0 ||
	    write_release(b, sha256, err) < 0)
		return -1;
	return write_channel(b, sha256, err);
}

int release_build(const struct release_build_options *o, struct err *err)
{
	AUTO(build)
	struct build b = {
		.o = o,
		.parts = { .parts = VEC_INIT, .copies = VEC_INIT },
		.r = RELEASE_INIT,
		.sources = VEC_INIT,
		.origins = { .rows = VEC_INIT },
		.tree = -1,
		.out = -1,
	};
	struct err ignored = ERR_INIT;

	if (fill_head(&b, err) == 0 && parts_load(&b.parts, o->components, err) == 0 &&
	    open_tree(&b, err) == 0 && build_scan(&b, err) == 0 && open_out(&b, err) == 0 &&
	    build_blobs(&b, err) == 0 && build_patches(&b, err) == 0 &&
	    write_documents(&b, err) == 0)
		return 0;
	if (b.begun && path_remove_tree(o->out, &ignored) < 0)
		return err_hint(err, "remove %s, which is incomplete", o->out);
	return -1;
}

int release_load(const char *dir, struct release *r, struct err *err)
{
	AUTO(str) char *path = path_join(dir, "release.yaml");
	AUTO(buf) struct buf text = BUF_INIT(RELEASE_TEXT_MAX);

	if (file_read(AT_FDCWD, path, RELEASE_TEXT_MAX, &text, err) < 0)
		return -1;
	return release_parse(r, buf_cstr(&text), text.len, path, err);
}
