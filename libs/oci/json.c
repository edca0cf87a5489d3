// SPDX-License-Identifier: Apache-2.0
/* JSON to struct and back, by the tables. Errors name the member by its path from the top. */

#include "json/json.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "oci/spec.h"
#include "oci/table.h"

#include <fcntl.h>
#include <string.h>

/* --- parsing --- */

/* The path of the current value: "config.json: linux.mounts[3].type". */
struct place {
	const struct place *up;
	const char *name;
	size_t index; /* SIZE_MAX: a member */
};

static void place_print(const struct place *p, struct buf *to)
{
	if (p->up)
		place_print(p->up, to);
	if (p->index != SIZE_MAX)
		buf_fmt(to, "[%zu]", p->index);
	else
		buf_fmt(to, "%s%s", !p->up ? "" : p->up->up ? "." : ": ", p->name);
}

static int wrong(const struct place *p, const struct json *j, const char *wanted, struct err *err)
{
	AUTO(buf) struct buf where = BUF_INIT(300);

	place_print(p, &where);
	return err_set(err, E_INVALID, "%s: expected %s, found %s", buf_cstr(&where), wanted,
		       json_kind_name(json_kind(j)));
}

static int parse_object(const struct oci_type *type, const struct json *j, const struct place *p,
			void *obj, struct err *err);

static int parse_string(const struct json *j, const struct place *p, char **out, struct err *err)
{
	if (json_kind(j) != JSON_IS_STRING)
		return wrong(p, j, "a string", err);
	*out = xstrdup(json_text(j));
	return 0;
}

static int parse_i64(const struct json *j, const struct place *p, int64_t *out, struct err *err)
{
	if (json_kind(j) != JSON_IS_INT)
		return wrong(p, j, "an integer", err);
	*out = json_int(j);
	return 0;
}

static int parse_u64(const struct json *j, const struct place *p, uint64_t max, uint64_t *out,
		     struct err *err)
{
	if (json_kind(j) != JSON_IS_INT || json_u64(j, out) < 0 || *out > max)
		return wrong(p, j,
			     max == UINT32_MAX ? "an unsigned 32-bit integer"
					       : "an unsigned integer",
			     err);
	return 0;
}

static int parse_u32(const struct json *j, const struct place *p, uint32_t *out, struct err *err)
{
	uint64_t v;

	if (parse_u64(j, p, UINT32_MAX, &v, err) < 0)
		return -1;
	*out = (uint32_t)v;
	return 0;
}

static int parse_strv(const struct json *j, const struct place *p, char ***out, struct err *err)
{
	if (json_kind(j) != JSON_IS_ARRAY)
		return wrong(p, j, "an array", err);
	*out = xcalloc(json_count(j) + 1, sizeof(**out));
	for (size_t i = 0; i < json_count(j); i++) {
		struct place here = { p, NULL, i };

		if (parse_string(json_at(j, i), &here, &(*out)[i], err) < 0)
			return -1;
	}
	return 0;
}

static int parse_u32s(const struct json *j, const struct place *p, uint32_t **out, size_t *n,
		      struct err *err)
{
	if (json_kind(j) != JSON_IS_ARRAY)
		return wrong(p, j, "an array", err);
	*n = json_count(j);
	*out = xcalloc(*n, sizeof(**out));
	for (size_t i = 0; i < *n; i++) {
		struct place here = { p, NULL, i };

		if (parse_u32(json_at(j, i), &here, &(*out)[i], err) < 0)
			return -1;
	}
	return 0;
}

static int parse_list(const struct oci_type *type, const struct json *j, const struct place *p,
		      char **out, size_t *n, struct err *err)
{
	if (json_kind(j) != JSON_IS_ARRAY)
		return wrong(p, j, "an array", err);
	*n = json_count(j);
	*out = xcalloc(*n, type->size);
	for (size_t i = 0; i < *n; i++) {
		struct place here = { p, NULL, i };

		if (parse_object(type, json_at(j, i), &here, *out + i * type->size, err) < 0)
			return -1;
	}
	return 0;
}

static int parse_map(const struct json *j, const struct place *p, struct oci_pair **out, size_t *n,
		     struct err *err)
{
	size_t i = 0;

	if (json_kind(j) != JSON_IS_OBJECT)
		return wrong(p, j, "an object", err);
	*n = json_count(j);
	*out = xcalloc(*n, sizeof(**out));
	for (void *it = json_begin(j); it; it = json_after(j, it), i++) {
		struct place here = { p, json_key(it), SIZE_MAX };

		(*out)[i].key = xstrdup(json_key(it));
		if (parse_string(json_value(it), &here, &(*out)[i].value, err) < 0)
			return -1;
	}
	return 0;
}

static int parse_field(const struct oci_field *f, const struct json *j, const struct place *p,
		       char *obj, struct err *err)
{
	void *at = obj + f->offset;
	size_t *n = (size_t *)(void *)(obj + f->count);

	switch (f->kind) {
	case OCI_BOOL:
	case OCI_STATED_BOOL:
		if (json_kind(j) != JSON_IS_BOOL)
			return wrong(p, j, "a boolean", err);
		*(bool *)at = json_bool(j);
		return 0;
	case OCI_STR:
		return parse_string(j, p, at, err);
	case OCI_STRV:
		return parse_strv(j, p, at, err);
	case OCI_U32:
		return parse_u32(j, p, at, err);
	case OCI_I64:
		return parse_i64(j, p, at, err);
	case OCI_U64:
		return parse_u64(j, p, UINT64_MAX, at, err);
	case OCI_OPT_I64:
	case OCI_ANY_I64:
		((struct oci_i64 *)at)->set = true;
		return parse_i64(j, p, &((struct oci_i64 *)at)->v, err);
	case OCI_OPT_U64:
		((struct oci_u64 *)at)->set = true;
		return parse_u64(j, p, UINT64_MAX, &((struct oci_u64 *)at)->v, err);
	case OCI_U32S:
		return parse_u32s(j, p, at, n, err);
	case OCI_GROUP:
		return parse_object(f->type, j, p, at, err);
	case OCI_OBJECT:
		*(void **)at = xcalloc(1, f->type->size);
		return parse_object(f->type, j, p, *(void **)at, err);
	case OCI_LIST:
		return parse_list(f->type, j, p, at, n, err);
	case OCI_MAP:
		return parse_map(j, p, at, n, err);
	case OCI_END:
		break;
	}
	bug("kind of field %s", f->name);
}

static int parse_object(const struct oci_type *type, const struct json *j, const struct place *p,
			void *obj, struct err *err)
{
	if (json_kind(j) != JSON_IS_OBJECT)
		return wrong(p, j, "an object", err);
	for (const struct oci_field *f = type->fields; f->kind != OCI_END; f++) {
		const struct json *value = json_get(j, f->name);
		struct place here = { p, f->name, SIZE_MAX };

		/* Some writers use null for "absent". */
		if (value && json_kind(value) != JSON_IS_NULL &&
		    parse_field(f, value, &here, obj, err) < 0)
			return -1;
	}
	return 0;
}

static void *parse(const struct oci_type *type, const char *text, size_t len, const char *name,
		   struct err *err)
{
	AUTO(json) struct json *j = NULL;
	struct place top = { NULL, name, SIZE_MAX };
	void *obj;

	if (len > OCI_DOCUMENT_MAX) {
		err_set(err, E_LIMIT, "%s is larger than %d bytes", name, OCI_DOCUMENT_MAX);
		return NULL;
	}
	j = json_parse(text, len, name, err);
	if (!j)
		return NULL;
	obj = xcalloc(1, type->size);
	if (parse_object(type, j, &top, obj, err) == 0)
		return obj;
	oci_release(type, obj);
	free(obj);
	return NULL;
}

struct oci_spec *oci_spec_parse(const char *json, size_t len, const char *name, struct err *err)
{
	return parse(&oci_spec_type, json, len, name, err);
}

struct oci_spec *oci_spec_load(const char *path, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(OCI_DOCUMENT_MAX);

	if (file_read(AT_FDCWD, path, OCI_DOCUMENT_MAX, &text, err) < 0)
		return NULL;
	return oci_spec_parse(buf_cstr(&text), text.len, path, err);
}

struct oci_process *oci_process_parse(const char *json, size_t len, const char *name,
				      struct err *err)
{
	return parse(&oci_process_type, json, len, name, err);
}

struct oci_resources *oci_resources_parse(const char *json, size_t len, const char *name,
					  struct err *err)
{
	return parse(&oci_resources_type, json, len, name, err);
}

/* --- formatting --- */

static struct json *format_object(const struct oci_type *type, const char *obj);

static struct json *format_strv(char *const *list)
{
	struct json *j = json_make_array();

	strv_each(item, list)
		json_add(j, json_make_string(*item));
	return j;
}

static struct json *format_u32s(const uint32_t *v, size_t n)
{
	struct json *j = n ? json_make_array() : NULL;

	for (size_t i = 0; i < n; i++)
		json_add(j, json_make_int(v[i]));
	return j;
}

static struct json *format_list(const struct oci_type *type, const char *v, size_t n)
{
	struct json *j = n ? json_make_array() : NULL;

	for (size_t i = 0; i < n; i++)
		json_add(j, format_object(type, v + i * type->size));
	return j;
}

static struct json *format_map(const struct oci_pair *v, size_t n)
{
	struct json *j = n ? json_make_object() : NULL;

	for (size_t i = 0; i < n; i++)
		json_put(j, v[i].key, json_make_string(v[i].value));
	return j;
}

/* NULL: the member is absent. */
static struct json *format_field(const struct oci_field *f, const char *obj)
{
	const void *at = obj + f->offset;
	size_t n = f->count ? *(const size_t *)(const void *)(obj + f->count) : 0;

	switch (f->kind) {
	case OCI_BOOL:
		return *(const bool *)at ? json_make_bool(true) : NULL;
	case OCI_STATED_BOOL:
		return json_make_bool(*(const bool *)at);
	case OCI_STR:
		return *(char *const *)at ? json_make_string(*(char *const *)at) : NULL;
	case OCI_STRV:
		return *(char **const *)at ? format_strv(*(char **const *)at) : NULL;
	case OCI_U32:
		return json_make_int(*(const uint32_t *)at);
	case OCI_I64:
		return json_make_int(*(const int64_t *)at);
	case OCI_U64:
		return json_make_u64(*(const uint64_t *)at);
	case OCI_OPT_I64:
	case OCI_ANY_I64:
		return ((const struct oci_i64 *)at)->set
			       ? json_make_int(((const struct oci_i64 *)at)->v)
			       : NULL;
	case OCI_OPT_U64:
		return ((const struct oci_u64 *)at)->set
			       ? json_make_u64(((const struct oci_u64 *)at)->v)
			       : NULL;
	case OCI_U32S:
		return format_u32s(*(uint32_t *const *)at, n);
	case OCI_GROUP:
		return format_object(f->type, at);
	case OCI_OBJECT:
		return *(void *const *)at ? format_object(f->type, *(void *const *)at) : NULL;
	case OCI_LIST:
		return format_list(f->type, *(char *const *)at, n);
	case OCI_MAP:
		return format_map(*(struct oci_pair *const *)at, n);
	case OCI_END:
		break;
	}
	bug("kind of field %s", f->name);
}

static struct json *format_object(const struct oci_type *type, const char *obj)
{
	struct json *j = json_make_object();

	for (const struct oci_field *f = type->fields; f->kind != OCI_END; f++) {
		struct json *value = format_field(f, obj);

		if (value && f->kind == OCI_GROUP && json_count(value) == 0)
			json_free(value);
		else if (value)
			json_put(j, f->name, value);
	}
	return j;
}

static char *format(const struct oci_type *type, const void *obj)
{
	AUTO(json) struct json *j = format_object(type, obj);

	return json_format(j, false);
}

char *oci_spec_format(const struct oci_spec *spec)
{
	return format(&oci_spec_type, spec);
}

char *oci_process_format(const struct oci_process *process)
{
	return format(&oci_process_type, process);
}

char *oci_resources_format(const struct oci_resources *resources)
{
	return format(&oci_resources_type, resources);
}
