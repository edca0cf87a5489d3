// SPDX-License-Identifier: Apache-2.0
/*
 * Parses and formats release.yaml. A parsed release is consistent: each file belongs to a listed
 * component, sizes add up, and each patch makes a file of the release.
 */

#include "deploy/release/release.h"

#include "base/mem.h"
#include "base/str.h"
#include "crypto/sha256.h"
#include "deploy/release/release-internal.h"
#include "yaml/yaml.h"

#include <stdlib.h>
#include <string.h>

enum { ID_BYTES = 64, TEXT_BYTES = 200 };

void release_release(struct release *r)
{
	vec_each(struct release_component, c, &r->components) {
		free(c->name);
		free(c->text);
	}
	vec_release(&r->components);
	vec_release(&r->patches);
	layout_release(&r->layout);
	free(r->version);
	free(r->architecture);
	free(r->minimum);
	free(r->guest_kernel);
	free(r->agent);
	*r = (struct release)RELEASE_INIT;
}

static int component_order(const void *a, const void *b)
{
	return strcmp(((const struct release_component *)a)->name,
		      ((const struct release_component *)b)->name);
}

static int component_find(const void *name, const void *c)
{
	return strcmp(name, ((const struct release_component *)c)->name);
}

const struct release_component *release_component(const struct release *r, const char *name)
{
	return r->components.n ? bsearch(name, r->components.v, r->components.n,
					 sizeof(*r->components.v), component_find)
			       : NULL;
}

static int patch_order(const void *a, const void *b)
{
	const struct release_patch *one = a, *other = b;
	int order = strcmp(one->target, other->target);

	return order ? order : strcmp(one->base, other->base);
}

const struct release_patch *release_patch(const struct release *r, const char *base,
					  const char *target)
{
	struct release_patch key = { .size = 0 };

	if (!r->patches.n || str_print(key.base, sizeof(key.base), "%s", base) < 0 ||
	    str_print(key.target, sizeof(key.target), "%s", target) < 0)
		return NULL;
	return bsearch(&key, r->patches.v, r->patches.n, sizeof(key), patch_order);
}

static int parse_component(struct release *r, const struct json *j, struct err *err)
{
	struct release_component c = { 0 };
	const char *name, *text, *compression;
	struct fields f;

	if (fields_begin(&f, j, "component", err) < 0 ||
	    release_take_text(&f, "name", true, ID_BYTES, &name, err) < 0 ||
	    release_take_text(&f, "text", true, TEXT_BYTES, &text, err) < 0 ||
	    fields_bool(&f, "required", &c.required, err) < 0 ||
	    release_take_digest(&f, "blob", true, c.blob, err) < 0 ||
	    fields_text(&f, "compression", true, &compression, err) < 0 ||
	    fields_u64(&f, "size", true, &c.size, err) < 0 ||
	    fields_u64(&f, "unpacked", true, &c.unpacked, err) < 0 || fields_end(&f, err) < 0 ||
	    str_check_id(name, "component", err) < 0)
		return -1;
	if (!str_eq(compression, "zstd"))
		return err_set(
			err, E_UNSUPPORTED,
			"the blob of component '%s' is not zstd; install a newer kata-deploy",
			name);
	if (c.size > RELEASE_BLOB_MAX || c.unpacked > RELEASE_UNPACKED_MAX)
		return err_set(err, E_LIMIT, "component '%s' is too large", name);
	c.name = xstrdup(name);
	c.text = xstrdup(text);
	vec_push(&r->components, c);
	return 0;
}

static int parse_mode(const char *text, const char *path, mode_t *mode, struct err *err)
{
	if (!str_eq(text, "0444") && !str_eq(text, "0555"))
		return err_set(err, E_INVALID, "the mode of '%s' is neither \"0444\" nor \"0555\"",
			       path);
	*mode = str_eq(text, "0555") ? 0555 : 0444;
	return 0;
}

static int parse_file(struct release *r, const struct json *j, struct err *err)
{
	const char *path, *component, *target, *mode = NULL;
	struct entry e = { 0 };
	struct fields f;

	if (fields_begin(&f, j, "file", err) < 0 || fields_text(&f, "path", true, &path, err) < 0 ||
	    fields_text(&f, "component", true, &component, err) < 0 ||
	    fields_text(&f, "target", false, &target, err) < 0)
		return -1;
	if (!target && (fields_text(&f, "mode", true, &mode, err) < 0 ||
			parse_mode(mode, path, &e.mode, err) < 0 ||
			fields_u64(&f, "size", true, &e.size, err) < 0 ||
			release_take_digest(&f, "sha256", true, e.sha256, err) < 0))
		return -1;
	if (fields_end(&f, err) < 0)
		return -1;
	if (e.size > RELEASE_UNPACKED_MAX)
		return err_set(err, E_LIMIT, "file '%s' is too large", path);
	e.type = target ? ENTRY_LINK : ENTRY_FILE;
	e.path = (char *)path;
	e.target = (char *)target;
	e.component = (char *)component;
	layout_add(&r->layout, &e);
	return 0;
}

static int parse_patch(struct release *r, const struct json *j, struct err *err)
{
	struct release_patch p = { 0 };
	struct fields f;

	if (fields_begin(&f, j, "patch", err) < 0 ||
	    release_take_digest(&f, "base", true, p.base, err) < 0 ||
	    release_take_digest(&f, "target", true, p.target, err) < 0 ||
	    release_take_digest(&f, "sha256", true, p.sha256, err) < 0 ||
	    fields_u64(&f, "size", true, &p.size, err) < 0 || fields_end(&f, err) < 0)
		return -1;
	if (p.size > RELEASE_BLOB_MAX)
		return err_set(err, E_LIMIT, "patch %s is too large", p.sha256);
	vec_push(&r->patches, p);
	return 0;
}

static int parse_list(struct release *r, struct fields *f, const char *key, size_t max,
		      int (*parse)(struct release *, const struct json *, struct err *),
		      struct err *err)
{
	const struct json *list;

	if (fields_array(f, key, &list, err) < 0)
		return -1;
	if (json_count(list) > max)
		return err_set(err, E_LIMIT, "%zu %s, at most %zu", json_count(list), key, max);
	for (size_t i = 0; i < json_count(list); i++) {
		if (parse(r, json_at(list, i), err) < 0)
			return err_wrap(err, "%s[%zu]", key, i);
	}
	return 0;
}

static int parse_minimum(struct release *r, const char *minimum, struct err *err)
{
	if (str_check_id(minimum, "minimum", err) < 0)
		return -1;
	if (version_compare(KATA_VERSION, minimum) < 0)
		return err_set(err, E_UNSUPPORTED,
			       "needs kata-deploy %s and this is %s; get the newer kata-deploy "
			       "first",
			       minimum, KATA_VERSION);
	r->minimum = xstrdup(minimum);
	return 0;
}

static int parse_head(struct release *r, struct fields *f, struct err *err)
{
	const char *version, *architecture, *minimum, *guest_kernel, *agent;

	if (release_take_schema(f, err) < 0 ||
	    release_take_text(f, "version", true, ID_BYTES, &version, err) < 0 ||
	    release_take_text(f, "architecture", true, ID_BYTES, &architecture, err) < 0 ||
	    release_take_times(f, &r->serial, &r->created, &r->expires, err) < 0 ||
	    release_take_text(f, "minimum", true, ID_BYTES, &minimum, err) < 0 ||
	    release_take_text(f, "guest_kernel", false, TEXT_BYTES, &guest_kernel, err) < 0 ||
	    release_take_text(f, "agent", false, TEXT_BYTES, &agent, err) < 0 ||
	    release_take_digest(f, "sbom", false, r->sbom, err) < 0 ||
	    release_take_digest(f, "provenance", false, r->provenance, err) < 0 ||
	    str_check_id(version, "version", err) < 0 ||
	    str_check_id(architecture, "architecture", err) < 0 ||
	    parse_minimum(r, minimum, err) < 0)
		return -1;
	str_set(&r->version, version);
	str_set(&r->architecture, architecture);
	str_set(&r->guest_kernel, guest_kernel);
	str_set(&r->agent, agent);
	layout_begin(&r->layout, version);
	return 0;
}

void release_sort(struct release *r)
{
	if (r->components.n > 1)
		qsort(r->components.v, r->components.n, sizeof(*r->components.v), component_order);
	if (r->patches.n > 1)
		qsort(r->patches.v, r->patches.n, sizeof(*r->patches.v), patch_order);
}

static int check_names(const struct release *r, struct err *err)
{
	for (size_t i = 1; i < r->components.n; i++) {
		if (str_eq(r->components.v[i - 1].name, r->components.v[i].name))
			return err_set(err, E_INVALID, "component '%s' is listed twice",
				       r->components.v[i].name);
	}
	return 0;
}

/* The sums cannot overflow: there are at most 2^17 files of at most 2^36 bytes. */
static int check_components(const struct release *r, struct err *err)
{
	AUTO(mem) uint64_t *sums = xcalloc(r->components.n + 1, sizeof(*sums));
	AUTO(mem) bool *used = xcalloc(r->components.n + 1, sizeof(*used));
	uint64_t all = 0;

	vec_each(struct entry, e, &r->layout.entries) {
		const struct release_component *c = release_component(r, e->component);

		if (!c)
			return err_set(err, E_INVALID, "file '%s' names the unknown component '%s'",
				       e->path, e->component);
		used[c - r->components.v] = true;
		sums[c - r->components.v] += e->size;
		all += e->size;
	}
	if (all > RELEASE_UNPACKED_MAX)
		return err_set(err, E_LIMIT, "its files have %llu bytes together",
			       (unsigned long long)all);
	for (size_t i = 0; i < r->components.n; i++) {
		const struct release_component *c = &r->components.v[i];

		if (!used[i])
			return err_set(err, E_INVALID, "component '%s' has no files", c->name);
		if (sums[i] != c->unpacked)
			return err_set(err, E_INVALID,
				       "component '%s': its files have %llu bytes, not %llu",
				       c->name, (unsigned long long)sums[i],
				       (unsigned long long)c->unpacked);
	}
	return 0;
}

static int check_patches(const struct release *r, struct err *err)
{
	AUTO(mem) const char **known = xcalloc(r->layout.entries.n + 1, sizeof(*known));
	size_t n = 0;

	if (!r->patches.n)
		return 0;
	vec_each(struct entry, e, &r->layout.entries) {
		if (e->type == ENTRY_FILE)
			known[n++] = e->sha256;
	}
	qsort(known, n, sizeof(*known), str_order);
	for (size_t i = 0; i < r->patches.n; i++) {
		const struct release_patch *p = &r->patches.v[i];
		const char *target = p->target;

		if (!bsearch(&target, known, n, sizeof(*known), str_order) ||
		    str_eq(p->base, p->target))
			return err_set(err, E_INVALID, "patch %s makes no file of the release",
				       p->sha256);
		if (i && patch_order(p - 1, p) == 0)
			return err_set(err, E_INVALID, "two patches make %s out of %s", p->target,
				       p->base);
	}
	return 0;
}

static int parse(struct release *r, const struct json *j, const char *name, struct err *err)
{
	struct fields f;

	if (fields_begin(&f, j, name, err) < 0)
		return -1;
	return parse_head(r, &f, err) < 0 ||
			       parse_list(r, &f, "components", RELEASE_COMPONENTS_MAX,
					  parse_component, err) < 0 ||
			       parse_list(r, &f, "files", RELEASE_FILES_MAX, parse_file, err) < 0 ||
			       parse_list(r, &f, "patches", RELEASE_PATCHES_MAX, parse_patch, err) <
				       0 ||
			       fields_end(&f, err) < 0
		       ? -1
		       : 0;
}

int release_parse(struct release *r, const char *text, size_t len, const char *name,
		  struct err *err)
{
	struct json *j;
	int rc;

	if (len > RELEASE_TEXT_MAX)
		return err_set(err, E_LIMIT, "%s has %zu bytes, at most %d", name, len,
			       RELEASE_TEXT_MAX);
	j = yaml_parse(text, len, name, err);
	if (!j)
		return -1;
	rc = parse(r, j, name, err);
	json_free(j); /* freed before sealing, which needs a document of the same size */
	if (rc == 0)
		release_sort(r);
	if (rc < 0 || layout_seal(&r->layout, err) < 0 || check_names(r, err) < 0 ||
	    check_components(r, err) < 0 || check_patches(r, err) < 0)
		return err_wrap(err, "%s", name);
	return 0;
}

static struct json *components_json(const struct release *r)
{
	struct json *list = json_make_array();

	vec_each(struct release_component, c, &r->components) {
		struct json *j = json_make_object();

		json_put(j, "name", json_make_string(c->name));
		json_put(j, "text", json_make_string(c->text));
		if (c->required)
			json_put(j, "required", json_make_bool(true));
		json_put(j, "blob", json_make_string(c->blob));
		json_put(j, "compression", json_make_string("zstd"));
		json_put(j, "size", json_make_u64(c->size));
		json_put(j, "unpacked", json_make_u64(c->unpacked));
		json_add(list, j);
	}
	return list;
}

static struct json *files_json(const struct release *r)
{
	struct json *list = json_make_array();

	vec_each(struct entry, e, &r->layout.entries) {
		struct json *j = json_make_object();

		json_put(j, "path", json_make_string(e->path));
		json_put(j, "component", json_make_string(e->component));
		if (e->type == ENTRY_LINK) {
			json_put(j, "target", json_make_string(e->target));
		} else {
			json_put(j, "mode", json_make_string(entry_is_exec(e) ? "0555" : "0444"));
			json_put(j, "size", json_make_u64(e->size));
			json_put(j, "sha256", json_make_string(e->sha256));
		}
		json_add(list, j);
	}
	return list;
}

static struct json *patches_json(const struct release *r)
{
	struct json *list = json_make_array();

	vec_each(struct release_patch, p, &r->patches) {
		struct json *j = json_make_object();

		json_put(j, "base", json_make_string(p->base));
		json_put(j, "target", json_make_string(p->target));
		json_put(j, "sha256", json_make_string(p->sha256));
		json_put(j, "size", json_make_u64(p->size));
		json_add(list, j);
	}
	return list;
}

static void put_text(struct json *j, const char *key, const char *value)
{
	if (!str_empty(value))
		json_put(j, key, json_make_string(value));
}

int release_format(const struct release *r, struct buf *to, struct err *err)
{
	AUTO(json) struct json *j = json_make_object();

	json_put(j, "schema", json_make_int(RELEASE_SCHEMA));
	json_put(j, "version", json_make_string(r->version));
	json_put(j, "architecture", json_make_string(r->architecture));
	release_put_times(j, r->serial, r->created, r->expires);
	json_put(j, "minimum", json_make_string(r->minimum));
	put_text(j, "guest_kernel", r->guest_kernel);
	put_text(j, "agent", r->agent);
	put_text(j, "sbom", r->sbom);
	put_text(j, "provenance", r->provenance);
	json_put(j, "components", components_json(r));
	json_put(j, "files", files_json(r));
	json_put(j, "patches", patches_json(r));
	return yaml_format(j, to, err);
}

static int check_name(const struct release *r, const char *name, struct err *err)
{
	const char *names[RELEASE_COMPONENTS_MAX + 1] = { 0 }, *near;

	if (release_component(r, name))
		return 0;
	for (size_t i = 0; i < r->components.n && i < RELEASE_COMPONENTS_MAX; i++)
		names[i] = r->components.v[i].name;
	near = str_nearest(name, names);
	err_set(err, E_NOT_FOUND, "release %s has no component '%s'", r->version, name);
	if (near)
		return err_hint(err, "did you mean %s?", near);
	AUTO(str) char *all = strv_join((char *const *)names, ", ");
	return err_hint(err, "there are: %s", all);
}

static bool is_wanted(const struct release_component *c, char *const *components,
		      char *const *without)
{
	if (c->required)
		return true;
	return (!strv_len(components) || strv_has(components, c->name)) &&
	       !strv_has(without, c->name);
}

int release_select(const struct release *r, char *const *components, char *const *without,
		   struct layout *out, struct err *err)
{
	strv_each(name, components) {
		if (check_name(r, *name, err) < 0)
			return -1;
	}
	strv_each(name, without) {
		if (check_name(r, *name, err) < 0)
			return -1;
		if (release_component(r, *name)->required)
			return err_set(err, E_USAGE,
				       "component '%s' cannot be left out; it is required", *name);
	}
	layout_begin(out, r->version);
	vec_each(struct entry, e, &r->layout.entries) {
		if (is_wanted(release_component(r, e->component), components, without))
			layout_add(out, e);
	}
	return layout_seal(out, err);
}
