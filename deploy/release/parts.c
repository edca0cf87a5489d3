// SPDX-License-Identifier: Apache-2.0
/* Reads components.yaml, and finds the component of a file by it. */

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "crypto/sha256.h"
#include "deploy/release/build-internal.h"
#include "deploy/release/release-internal.h"
#include "yaml/yaml.h"

#include <fcntl.h>
#include <fnmatch.h>

enum { PARTS_TEXT_MAX = 1 << 20, NAME_BYTES = 64, TEXT_BYTES = 200, PATH_BYTES = 1024 };

void parts_release(struct parts *p)
{
	vec_each(struct part, part, &p->parts) {
		free(part->name);
		free(part->text);
		free(part->sources);
		strv_free(part->patterns);
	}
	vec_each(struct part_copy, c, &p->copies) {
		free(c->from);
		free(c->to);
	}
	vec_release(&p->parts);
	vec_release(&p->copies);
}

static int parse_part(struct parts *p, const struct json *j, struct err *err)
{
	const char *name, *text, *sources;
	const struct json *paths;
	struct part part = { 0 };
	struct fields f;

	if (fields_begin(&f, j, "component", err) < 0 ||
	    release_take_text(&f, "name", true, NAME_BYTES, &name, err) < 0 ||
	    release_take_text(&f, "text", true, TEXT_BYTES, &text, err) < 0 ||
	    release_take_text(&f, "sources", false, PATH_BYTES, &sources, err) < 0 ||
	    fields_bool(&f, "required", &part.required, err) < 0 ||
	    fields_array(&f, "paths", &paths, err) < 0 || fields_end(&f, err) < 0 ||
	    str_check_id(name, "component", err) < 0)
		return -1;
	for (size_t i = 0; i < json_count(paths); i++) {
		if (json_kind(json_at(paths, i)) != JSON_IS_STRING) {
			strv_free(part.patterns);
			return err_set(err, E_INVALID, "path %zu of '%s' is not a string; quote it",
				       i + 1, name);
		}
		strv_push(&part.patterns, json_text(json_at(paths, i)));
	}
	part.name = xstrdup(name);
	part.text = xstrdup(text);
	part.sources = sources ? xstrdup(sources) : NULL;
	vec_push(&p->parts, part);
	return 0;
}

static int parse_copy(struct parts *p, const struct json *j, struct err *err)
{
	const char *from, *to;
	struct part_copy copy;
	struct fields f;

	if (fields_begin(&f, j, "copy", err) < 0 ||
	    release_take_text(&f, "from", true, PATH_BYTES, &from, err) < 0 ||
	    release_take_text(&f, "to", true, PATH_BYTES, &to, err) < 0 || fields_end(&f, err) < 0)
		return -1;
	copy.from = xstrdup(from);
	copy.to = xstrdup(to);
	vec_push(&p->copies, copy);
	return 0;
}

static int parse(struct parts *p, const struct json *j, const char *name, struct err *err)
{
	const struct json *components, *copies;
	struct fields f;

	if (fields_begin(&f, j, name, err) < 0 ||
	    fields_array(&f, "components", &components, err) < 0 ||
	    fields_array(&f, "copies", &copies, err) < 0 || fields_end(&f, err) < 0)
		return -1;
	for (size_t i = 0; i < json_count(components); i++) {
		if (parse_part(p, json_at(components, i), err) < 0)
			return err_wrap(err, "%s", name);
	}
	for (size_t i = 0; i < json_count(copies); i++) {
		if (parse_copy(p, json_at(copies, i), err) < 0)
			return err_wrap(err, "%s", name);
	}
	return 0;
}

int parts_load(struct parts *p, const char *path, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(PARTS_TEXT_MAX);
	AUTO(json) struct json *j = NULL;

	if (file_read(AT_FDCWD, path, PARTS_TEXT_MAX, &text, err) < 0)
		return -1;
	sha256_hex(buf_cstr(&text), text.len, p->sha256);
	j = yaml_parse(buf_cstr(&text), text.len, path, err);
	return j ? parse(p, j, path, err) : -1;
}

static bool owns(const struct part *part, const char *path)
{
	strv_each(pattern, part->patterns) {
		if (fnmatch(*pattern, path, FNM_PATHNAME | FNM_PERIOD | FNM_LEADING_DIR) == 0)
			return true;
	}
	return false;
}

const struct part *parts_owner(const struct parts *p, const char *path, struct err *err)
{
	const struct part *owner = NULL;

	vec_each(struct part, part, &p->parts) {
		if (!owns(part, path))
			continue;
		if (owner) {
			err_set(err, E_INVALID,
				"'%s' belongs to both '%s' and '%s'; correct the paths of one",
				path, owner->name, part->name);
			return NULL;
		}
		owner = part;
	}
	if (!owner) {
		err_set(err, E_INVALID, "'%s' belongs to no component", path);
		err_hint(err, "add it to the paths of a component");
	}
	return owner;
}
