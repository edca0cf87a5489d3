// SPDX-License-Identifier: Apache-2.0
/* Checks a release directory, byte by byte, against its release.yaml: everything that a node
 * checks, and more. */

#include "archive/walk.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "crypto/sha256.h"
#include "deploy/release/build-internal.h"
#include "deploy/release/signatures.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { JSON_TEXT_MAX = 256 << 20 };

static int check_signatures(int dir, struct trust *trust, const char *document,
			    const struct buf *text, struct err *err)
{
	AUTO(signatures) struct signatures s = SIGNATURES_INIT;

	if (!trust)
		return 0;
	if (signatures_read(dir, document, &s, err) < 0)
		return -1;
	return trust_signatures(trust, document, text->data, text->len, s.list, s.n, err);
}

/* A component's archive while it is read. */
struct look {
	const struct release *r;
	const char *component;
	const struct entry *entry; /* the current file, */
	struct sha256 *sum;        /* its digest and its size so far */
	uint64_t size;
	struct json *seen; /* a set of the paths so far, as an object */
};

static void look_release(struct look *l)
{
	if (l->sum)
		sha256_free(l->sum);
	json_free(l->seen);
}
DEFINE_AUTO_STRUCT(look, struct look, look_release)

static int look_begin(void *arg, const struct archive_item *item, struct err *err)
{
	struct look *l = arg;
	const struct entry *e = layout_find(&l->r->layout, item->path);

	if (!e || !str_eq(e->component, l->component) || json_get(l->seen, item->path))
		return err_set(err, E_INVALID, "'%s' is unexpected or a duplicate", item->path);
	if (item->type != (e->type == ENTRY_LINK ? S_IFLNK : S_IFREG) ||
	    (e->type == ENTRY_LINK ? !str_eq(item->target, e->target) : item->size != e->size))
		return err_set(err, E_INVALID, "'%s' differs from release.yaml", item->path);
	json_put(l->seen, item->path, json_make_bool(true));
	if (e->type == ENTRY_LINK)
		return 0;
	l->entry = e;
	l->size = 0;
	if (l->sum)
		sha256_free(l->sum);
	l->sum = sha256_new();
	return 1;
}

static int look_data(void *arg, const void *bytes, size_t len, struct err *err)
{
	struct look *l = arg;

	(void)err;
	sha256_add(l->sum, bytes, len);
	l->size += len;
	return 0;
}

static int look_end(void *arg, struct err *err)
{
	struct look *l = arg;
	char hex[65];

	sha256_end(l->sum, hex);
	if (l->size != l->entry->size || !str_eq(hex, l->entry->sha256))
		return err_set(err, E_INVALID, "the contents of '%s' differ from release.yaml",
			       l->entry->path);
	return 0;
}

/* Checks size and digest of a file that is named by its digest; *out is its fd, at the start. */
static int check_named(int dir, const char *path, const char *sha256, uint64_t size, int *out,
		       struct err *err)
{
	AUTO(fd) int fd = path_open(dir, path, PATH_NO_LINKS, O_RDONLY, 0, err);
	uint64_t found;
	char hex[65];

	if (fd < 0 || sha256_fd(fd, path, hex, &found, err) < 0)
		return -1;
	if (found != size || !str_eq(hex, sha256))
		return err_set(err, E_INVALID, "%s is damaged: its size or digest differs", path);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, "rewind %s", path);
	*out = STEAL(fd, -1);
	return 0;
}

static int check_component(const struct release *r, int dir, const struct release_component *c,
			   struct err *err)
{
	AUTO(look) struct look l = { .r = r, .component = c->name, .seen = json_make_object() };
	struct archive_visitor v = { look_begin, look_data, look_end, &l };
	AUTO(str) char *path = str_fmt("blobs/%s.tar.zst", c->blob);
	AUTO(fd) int fd = -1;

	if (check_named(dir, path, c->blob, c->size, &fd, err) < 0)
		return -1;
	if (archive_walk(fd, path, &v, err) < 0)
		return err_wrap(err, "component '%s'", c->name);
	vec_each(struct entry, e, &r->layout.entries) {
		if (str_eq(e->component, c->name) && !json_get(l.seen, e->path))
			return err_set(err, E_INVALID, "'%s' is not in %s", e->path, path);
	}
	return 0;
}

static int check_patch(int dir, const struct release_patch *p, struct err *err)
{
	AUTO(str) char *path = str_fmt("patches/%s.zst", p->sha256);
	AUTO(fd) int fd = -1;

	return check_named(dir, path, p->sha256, p->size, &fd, err);
}

/* Reads a JSON file of the release; returns NULL without an error if the release does not have
 * it. */
static struct json *load_document(int dir, const char *name, const char *sha256, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(JSON_TEXT_MAX);
	char hex[65];

	if (!*sha256 || file_read(dir, name, JSON_TEXT_MAX, &text, err) < 0)
		return NULL;
	sha256_hex(buf_cstr(&text), text.len, hex);
	if (!str_eq(hex, sha256)) {
		err_set(err, E_INVALID, "%s is damaged: its digest differs", name);
		return NULL;
	}
	return json_parse(text.data, text.len, name, err);
}

static const char *text_at(const struct json *j, const char *key)
{
	const struct json *v = j && json_kind(j) == JSON_IS_OBJECT ? json_get(j, key) : NULL;

	return v && json_kind(v) == JSON_IS_STRING ? json_text(v) : NULL;
}

/* Checks that the subjects are exactly the blobs and patches. */
static int check_provenance(const struct release *r, const struct json *j, struct err *err)
{
	const struct json *subjects = json_kind(j) == JSON_IS_OBJECT ? json_get(j, "subject")
								     : NULL;
	size_t n = subjects && json_kind(subjects) == JSON_IS_ARRAY ? json_count(subjects) : 0;
	AUTO(json) struct json *known = json_make_object();
	AUTO(json) struct json *listed = json_make_object();

	if (!str_eq(text_at(j, "_type"), "https://in-toto.io/Statement/v1") ||
	    !str_eq(text_at(j, "predicateType"), "https://slsa.dev/provenance/v1"))
		return err_set(err, E_INVALID,
			       RELEASE_PROVENANCE
			       ": it is not an in-toto statement with SLSA provenance");
	vec_each(struct release_component, c, &r->components)
		json_put(known, c->blob, json_make_bool(true));
	vec_each(struct release_patch, p, &r->patches)
		json_put(known, p->sha256, json_make_bool(true));
	for (size_t i = 0; i < n; i++) {
		const struct json *s = json_at(subjects, i);
		const char *sha256 = json_kind(s) == JSON_IS_OBJECT
					     ? text_at(json_get(s, "digest"), "sha256")
					     : NULL;

		if (!sha256 || !json_get(known, sha256))
			return err_set(err, E_INVALID,
				       RELEASE_PROVENANCE
				       ": it has a subject that is not in the release");
		json_put(listed, sha256, json_make_bool(true));
	}
	return json_count(listed) == json_count(known)
		       ? 0
		       : err_set(err, E_INVALID,
				 RELEASE_PROVENANCE ": a blob or patch is not among its subjects");
}

static int check_documents(const struct release *r, int dir, struct err *err)
{
	AUTO(json) struct json *sbom = load_document(dir, RELEASE_SBOM, r->sbom, err);
	AUTO(json) struct json *provenance = NULL;

	if ((!sbom && err->code) || (sbom && sbom_check(r, sbom, err) < 0))
		return -1;
	provenance = load_document(dir, RELEASE_PROVENANCE, r->provenance, err);
	if (!provenance)
		return err->code ? -1 : 0;
	return check_provenance(r, provenance, err);
}

static int check_channel(const struct release *r, const char *sha256, int dir, struct trust *trust,
			 struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(CHANNEL_TEXT_MAX);
	AUTO(channel) struct channel c = { 0 };

	if (file_read(dir, "channel.yaml", CHANNEL_TEXT_MAX, &text, err) < 0) {
		if (err->code != E_NOT_FOUND)
			return -1;
		err_clear(err);
		return 0;
	}
	if (check_signatures(dir, trust, "channel.yaml", &text, err) < 0 ||
	    channel_parse(&c, buf_cstr(&text), text.len, "channel.yaml", err) < 0 ||
	    (trust && trust_fresh(trust, c.name, c.serial, c.created, c.expires, err) < 0))
		return -1;
	if (!str_eq(c.path, "."))
		return 0; /* it names a release in another directory */
	if (!str_eq(c.release, sha256) || !str_eq(c.version, r->version))
		return err_set(err, E_INVALID, "channel.yaml names another release");
	return 0;
}

static int check_all(int dir, struct trust *trust, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(RELEASE_TEXT_MAX);
	AUTO(release) struct release r = RELEASE_INIT;
	char sha256[65];

	if (file_read(dir, "release.yaml", RELEASE_TEXT_MAX, &text, err) < 0 ||
	    check_signatures(dir, trust, "release.yaml", &text, err) < 0 ||
	    release_parse(&r, buf_cstr(&text), text.len, "release.yaml", err) < 0 ||
	    (trust && trust_fresh(trust, "release", r.serial, r.created, r.expires, err) < 0))
		return -1;
	sha256_hex(buf_cstr(&text), text.len, sha256);
	if (check_channel(&r, sha256, dir, trust, err) < 0)
		return -1;
	vec_each(struct release_component, c, &r.components) {
		if (check_component(&r, dir, c, err) < 0)
			return -1;
	}
	vec_each(struct release_patch, p, &r.patches) {
		if (check_patch(dir, p, err) < 0)
			return -1;
	}
	return check_documents(&r, dir, err);
}

int release_check(const char *dir, struct trust *trust, struct err *err)
{
	AUTO(fd) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "open %s", dir);
	return check_all(fd, trust, err) < 0 ? err_wrap(err, "%s", dir) : 0;
}
