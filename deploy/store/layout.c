// SPDX-License-Identifier: Apache-2.0
/*
 * The contents of a generation, and the rules that make it safe to lay down. The input is text from
 * a release or from a state file; nothing here accesses the file system.
 */

#include "deploy/store/layout.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "crypto/sha256.h"
#include "json/fields.h"
#include "json/json.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SCHEMA = 1, PATH_MAX_BYTES = 1024, NAME_MAX_BYTES = 240, ENTRIES_MAX = 200000 };

const char *const layout_tops[] = { "bin", "share", "libexec", "lib", NULL };

void layout_begin(struct layout *l, const char *version)
{
	str_set(&l->version, version);
}

void layout_add(struct layout *l, const struct entry *e)
{
	struct entry copy = *e;

	copy.path = xstrdup(e->path);
	copy.target = e->target ? xstrdup(e->target) : NULL;
	copy.component = e->component ? xstrdup(e->component) : NULL;
	vec_push(&l->entries, copy);
}

void layout_release(struct layout *l)
{
	vec_each(struct entry, e, &l->entries) {
		free(e->path);
		free(e->target);
		free(e->component);
	}
	vec_release(&l->entries);
	free(l->version);
	free(l->id);
	l->version = l->id = NULL;
}

bool entry_is_exec(const struct entry *e)
{
	return (e->mode & 0111) != 0;
}

bool entry_is_same(const struct entry *a, const struct entry *b)
{
	return a->type == b->type && entry_is_exec(a) == entry_is_exec(b) &&
	       str_eq(a->sha256, b->sha256) && str_eq(a->target, b->target);
}

bool entry_is_conf(const struct entry *e)
{
	return e->type == ENTRY_FILE && str_starts(e->path, "etc/");
}

uint64_t layout_bytes(const struct layout *l)
{
	uint64_t sum = 0;

	vec_each(struct entry, e, &l->entries)
		sum += e->size;
	return sum;
}

/* '/' sorts before every other character, so that the paths below a path follow it directly. */
static int path_order(const char *a, const char *b)
{
	for (; *a && *a == *b; a++, b++)
		;
	if (*a == *b)
		return 0;
	if (!*a || !*b)
		return *a ? 1 : -1;
	if (*a == '/' || *b == '/')
		return *a == '/' ? -1 : 1;
	return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
}

static int entry_order(const void *a, const void *b)
{
	return path_order(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

static int find_order(const void *path, const void *entry)
{
	return path_order(path, ((const struct entry *)entry)->path);
}

const struct entry *layout_find(const struct layout *l, const char *path)
{
	return l->entries.n ? bsearch(path, l->entries.v, l->entries.n, sizeof(*l->entries.v),
				      find_order)
			    : NULL;
}

bool layout_has_top(const struct layout *l, const char *dir)
{
	size_t n = strlen(dir);

	vec_each(struct entry, e, &l->entries) {
		if (str_starts(e->path, dir) && e->path[n] == '/')
			return true;
	}
	return false;
}

static bool plain_text(const char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s < 0x20 || (unsigned char)*s >= 0x7f)
			return false;
	}
	return true;
}

static bool known_top(const char *top)
{
	return str_eq(top, "etc") || strv_has((char *const *)layout_tops, top);
}

static int check_path(const char *path, struct err *err)
{
	AUTO(strv) char **parts = strv_split(path, "/");
	AUTO(str) char *again = strv_join(parts, "/");

	if (strlen(path) > PATH_MAX_BYTES || !plain_text(path))
		return err_set(err, E_INVALID, "a path is too long or not plain ASCII");
	if (!str_eq(path, again) || strv_len(parts) < 2 || !known_top(parts[0]))
		return err_set(
			err, E_INVALID,
			"path '%s' is not a clean path below bin, share, libexec, lib or etc",
			path);
	strv_each(part, parts) {
		if (str_eq(*part, ".") || str_eq(*part, "..") || strlen(*part) > NAME_MAX_BYTES)
			return err_set(err, E_INVALID, "path '%s' has a bad component", path);
	}
	return 0;
}

/*
 * In a target ".." may come only at the start, and not so often that it leads above the top. The
 * directories of a generation are never links, so ".." means the directory that the path shows; the
 * components after it may be links, to which the same rule applies.
 */
static int check_target(const struct entry *e, struct err *err)
{
	AUTO(strv) char **up = strv_split(e->path, "/");
	AUTO(strv) char **parts = strv_split(e->target ? e->target : "", "/");
	size_t depth = strv_len(up) - 1;
	bool down = false;

	if (str_empty(e->target) || *e->target == '/' || strlen(e->target) > PATH_MAX_BYTES ||
	    !plain_text(e->target))
		return err_set(err, E_INVALID, "link '%s' has a bad target", e->path);
	strv_each(part, parts) {
		if (!str_eq(*part, "..")) {
			down = true;
		} else if (down || depth-- == 0) {
			return err_set(err, E_INVALID, "link '%s' leads out of the release: '%s'",
				       e->path, e->target);
		}
	}
	return 0;
}

static int check_entry(const struct entry *e, struct err *err)
{
	if (check_path(e->path, err) < 0)
		return -1;
	if (e->component && (!plain_text(e->component) || strlen(e->component) > NAME_MAX_BYTES))
		return err_set(err, E_INVALID, "the component name of '%s' is invalid", e->path);
	if (e->type == ENTRY_LINK)
		return check_target(e, err);
	if (e->target)
		return err_set(err, E_INVALID, "file '%s' has a target", e->path);
	if (!sha256_is_hex(e->sha256))
		return err_set(err, E_INVALID, "the digest of '%s' is not a SHA-256 digest",
			       e->path);
	if (e->mode & ~(mode_t)0777)
		return err_set(err, E_INVALID, "mode %04o of '%s' is not allowed",
			       (unsigned)e->mode, e->path);
	return 0;
}

static int check_neighbours(const struct layout *l, struct err *err)
{
	for (size_t i = 1; i < l->entries.n; i++) {
		const char *before = l->entries.v[i - 1].path, *path = l->entries.v[i].path;

		if (str_eq(before, path))
			return err_set(err, E_INVALID, "'%s' is listed twice", path);
		if (str_starts(path, before) && path[strlen(before)] == '/')
			return err_set(err, E_INVALID, "'%s' lies below '%s'", path, before);
	}
	return 0;
}

static struct json *entry_json(const struct entry *e)
{
	struct json *j = json_make_object();

	json_put(j, "path", json_make_string(e->path));
	if (e->component)
		json_put(j, "component", json_make_string(e->component));
	if (e->type == ENTRY_LINK) {
		json_put(j, "target", json_make_string(e->target));
		return j;
	}
	json_put(j, "mode", json_make_int(entry_is_exec(e) ? 0555 : 0444));
	json_put(j, "size", json_make_u64(e->size));
	json_put(j, "sha256", json_make_string(e->sha256));
	return j;
}

static struct json *body_json(const struct layout *l)
{
	struct json *j = json_make_object(), *entries = json_make_array();

	json_put(j, "schema", json_make_int(SCHEMA));
	json_put(j, "version", json_make_string(l->version));
	vec_each(struct entry, e, &l->entries)
		json_add(entries, entry_json(e));
	json_put(j, "entries", entries);
	return j;
}

int layout_seal(struct layout *l, struct err *err)
{
	char hex[65];

	if (str_check_id(l->version ? l->version : "", "version", err) < 0)
		return -1;
	if (strlen(l->version) > 64)
		return err_set(err, E_INVALID, "version '%s' is too long", l->version);
	if (l->entries.n > ENTRIES_MAX)
		return err_set(err, E_LIMIT, "%zu entries, at most %d", l->entries.n, ENTRIES_MAX);
	if (l->entries.n == 0)
		return err_set(err, E_INVALID, "release %s is empty", l->version);
	vec_each(struct entry, e, &l->entries) {
		if (check_entry(e, err) < 0)
			return -1;
	}
	qsort(l->entries.v, l->entries.n, sizeof(*l->entries.v), entry_order);
	if (check_neighbours(l, err) < 0)
		return -1;
	AUTO(json) struct json *body = body_json(l);
	AUTO(str) char *text = json_format(body, false);
	sha256_hex(text, strlen(text), hex);
	if (l->rebuilt)
		return str_check_id(l->id, "generation", err);
	free(l->id);
	l->id = str_fmt("%s-%.12s", l->version, hex);
	return 0;
}

char *layout_format(const struct layout *l)
{
	AUTO(json) struct json *j = body_json(l);

	json_put(j, "id", json_make_string(l->id));
	if (l->rebuilt)
		json_put(j, "rebuilt", json_make_bool(true));
	AUTO(str) char *text = json_format(j, false);
	return str_fmt("%s\n", text);
}

static int parse_entry(struct layout *l, const struct json *j, struct err *err)
{
	struct fields f;
	const char *path, *target, *component, *sha256;
	uint64_t mode = 0, size = 0;
	struct entry e = { 0 };

	if (fields_begin(&f, j, "entry", err) < 0 ||
	    fields_text(&f, "path", true, &path, err) < 0 ||
	    fields_text(&f, "component", false, &component, err) < 0 ||
	    fields_text(&f, "target", false, &target, err) < 0 ||
	    fields_u64(&f, "mode", !target, &mode, err) < 0 ||
	    fields_u64(&f, "size", !target, &size, err) < 0 ||
	    fields_text(&f, "sha256", !target, &sha256, err) < 0 || fields_end(&f, err) < 0)
		return -1;
	e.path = (char *)path;
	e.component = (char *)component;
	e.target = (char *)target;
	e.type = target ? ENTRY_LINK : ENTRY_FILE;
	e.mode = mode > 0777 ? 07777 : (mode_t)mode;
	e.size = size;
	if (sha256 && str_print(e.sha256, sizeof(e.sha256), "%s", sha256) < 0)
		return err_set(err, E_INVALID, "the digest of '%s' is not a SHA-256 digest", path);
	layout_add(l, &e);
	return 0;
}

int layout_parse(struct layout *l, const char *text, size_t len, const char *name, struct err *err)
{
	AUTO(json) struct json *j = json_parse(text, len, name, err);
	const struct json *entries;
	const char *version, *id;
	uint64_t schema;
	struct fields f;

	if (!j)
		return -1;
	if (fields_begin(&f, j, name, err) < 0 || fields_u64(&f, "schema", true, &schema, err) < 0)
		return -1;
	if (schema != SCHEMA)
		return err_set(err, E_UNSUPPORTED,
			       "%s has schema %llu; it was written by a newer "
			       "kata-deploy",
			       name, (unsigned long long)schema);
	if (fields_text(&f, "version", true, &version, err) < 0 ||
	    fields_array(&f, "entries", &entries, err) < 0 ||
	    fields_text(&f, "id", true, &id, err) < 0 ||
	    fields_bool(&f, "rebuilt", &l->rebuilt, err) < 0 || fields_end(&f, err) < 0)
		return -1;
	layout_begin(l, version);
	if (l->rebuilt)
		str_set(&l->id, id);
	for (size_t i = 0; i < json_count(entries); i++) {
		if (parse_entry(l, json_at(entries, i), err) < 0)
			return err_wrap(err, "%s", name);
	}
	if (layout_seal(l, err) < 0)
		return err_wrap(err, "%s", name);
	if (!str_eq(l->id, id))
		return err_set(err, E_INVALID, "%s: id '%s' is not that of its contents", name, id);
	return 0;
}
