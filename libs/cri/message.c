// SPDX-License-Identifier: Apache-2.0
/* CRI messages as JSON and back. */

#include "cri/message.h"

#include "base/mem.h"
#include "base/str.h"

#include <inttypes.h>
#include <string.h>

/* The size of a field's value, and of an element of a repeated field. */
static size_t size_of(const ProtobufCFieldDescriptor *f)
{
	switch ((int)f->type) {
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_ENUM:
		return sizeof(uint32_t);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
		return sizeof(uint64_t);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	default:
		bug("field %s: a type that the interface does not use", f->name);
	}
}

static size_t *count_of(const ProtobufCFieldDescriptor *f, char *m)
{
	return (size_t *)(void *)(m + f->quantifier_offset);
}

/* The entries of a map are messages of two strings. protobuf-c does not mark them, but protoc names
 * them after their field. */
enum { MAP_KEY, MAP_VALUE, MAP_FIELDS };

static bool is_map(const ProtobufCFieldDescriptor *f)
{
	const ProtobufCMessageDescriptor *d = f->descriptor;

	return f->label == PROTOBUF_C_LABEL_REPEATED && f->type == PROTOBUF_C_TYPE_MESSAGE &&
	       d->n_fields == MAP_FIELDS && str_eq(d->fields[MAP_KEY].name, "key") &&
	       str_ends(d->short_name, "Entry");
}

static char **entry_part(ProtobufCMessage *entry, int part)
{
	return (char **)(void *)((char *)entry + entry->descriptor->fields[part].offset);
}

/* --- printing --- */

static struct json *print_enum(const ProtobufCFieldDescriptor *f, int value)
{
	const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(f->descriptor, value);

	return v ? json_make_string(v->name) : json_make_int(value);
}

/* The text ends at the first NUL, which JSON text cannot have. */
static struct json *print_bytes(const ProtobufCBinaryData *b)
{
	AUTO(str) char *text = b->len ? xstrndup((const char *)b->data, b->len) : NULL;

	return json_make_string(text ? text : "");
}

static struct json *print_value(const ProtobufCFieldDescriptor *f, const void *at)
{
	switch ((int)f->type) {
	case PROTOBUF_C_TYPE_BOOL:
		return json_make_bool(*(const protobuf_c_boolean *)at != 0);
	case PROTOBUF_C_TYPE_INT32:
		return json_make_int(*(const int32_t *)at);
	case PROTOBUF_C_TYPE_UINT32:
		return json_make_u64(*(const uint32_t *)at);
	case PROTOBUF_C_TYPE_INT64:
		return json_make_int(*(const int64_t *)at);
	case PROTOBUF_C_TYPE_UINT64:
		return json_make_u64(*(const uint64_t *)at);
	case PROTOBUF_C_TYPE_ENUM:
		return print_enum(f, *(const int *)at);
	case PROTOBUF_C_TYPE_STRING:
		return json_make_string(*(char *const *)at);
	case PROTOBUF_C_TYPE_BYTES:
		return print_bytes(at);
	case PROTOBUF_C_TYPE_MESSAGE:
		return cri_message_print(*(ProtobufCMessage *const *)at);
	default:
		bug("field %s: a type that the interface does not use", f->name);
	}
}

static struct json *print_map(ProtobufCMessage *const *entries, size_t n)
{
	struct json *out = json_make_object();

	for (size_t i = 0; i < n; i++)
		json_put(out, *entry_part(entries[i], MAP_KEY),
			 json_make_string(*entry_part(entries[i], MAP_VALUE)));
	return out;
}

static struct json *print_repeated(const ProtobufCFieldDescriptor *f, const char *elements,
				   size_t n)
{
	struct json *out;

	if (is_map(f))
		return print_map((ProtobufCMessage *const *)(const void *)elements, n);
	out = json_make_array();
	for (size_t i = 0; i < n; i++)
		json_add(out, print_value(f, elements + i * size_of(f)));
	return out;
}

struct json *cri_message_print(const ProtobufCMessage *m)
{
	struct json *out = json_make_object();
	char *base = (char *)m;

	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		const void *at = base + f->offset;

		if (f->label == PROTOBUF_C_LABEL_REPEATED)
			json_put(out, f->name,
				 print_repeated(f, *(char *const *)at, *count_of(f, base)));
		else if (f->type != PROTOBUF_C_TYPE_MESSAGE || *(void *const *)at)
			json_put(out, f->name, print_value(f, at));
	}
	return out;
}

/* --- parsing --- */

static ProtobufCMessage *new_message(const ProtobufCMessageDescriptor *d)
{
	ProtobufCMessage *m = xcalloc(1, d->sizeof_message);

	protobuf_c_message_init(d, m);
	return m;
}

static int want(enum json_kind kind, const struct json *j, const char *where, struct err *err)
{
	if (json_kind(j) == kind)
		return 0;
	return err_set(err, E_INVALID, "%s: %s where %s is expected", where,
		       json_kind_name(json_kind(j)), json_kind_name(kind));
}

/* Parses a number between min (at most 0) and max. */
static int parse_number(const struct json *j, int64_t min, uint64_t max, const char *where,
			uint64_t *out, struct err *err)
{
	if (want(JSON_IS_INT, j, where, err) < 0)
		return -1;
	if (json_u64(j, out) < 0) {
		*out = (uint64_t)json_int(j);
		if (json_int(j) >= min)
			return 0;
	} else if (*out <= max) {
		return 0;
	}
	return err_set(err, E_INVALID, "%s: a number from %" PRId64 " to %" PRIu64 " is expected",
		       where, min, max);
}

static int parse_enum(const ProtobufCFieldDescriptor *f, const struct json *j, const char *where,
		      uint32_t *out, struct err *err)
{
	const ProtobufCEnumDescriptor *d = f->descriptor;
	const ProtobufCEnumValue *v;

	if (want(JSON_IS_STRING, j, where, err) < 0)
		return -1;
	v = protobuf_c_enum_descriptor_get_value_by_name(d, json_text(j));
	if (!v)
		return err_set(err, E_INVALID, "%s: '%s' is none of %s", where, json_text(j),
			       d->short_name);
	*out = (uint32_t)v->value;
	return 0;
}

static int parse_bytes(const struct json *j, const char *where, ProtobufCBinaryData *out,
		       struct err *err)
{
	if (want(JSON_IS_STRING, j, where, err) < 0)
		return -1;
	out->len = strlen(json_text(j));
	out->data = out->len ? xmemdup(json_text(j), out->len) : NULL;
	return 0;
}

/* Parses the value of a field, or an element of it, into at, which is still zero. */
static int parse_value(const ProtobufCFieldDescriptor *f, const struct json *j, const char *where,
		       void *at, struct err *err)
{
	bool is_signed = f->type == PROTOBUF_C_TYPE_INT32 || f->type == PROTOBUF_C_TYPE_INT64;
	uint64_t number = 0;

	switch ((int)f->type) {
	case PROTOBUF_C_TYPE_BOOL:
		if (want(JSON_IS_BOOL, j, where, err) < 0)
			return -1;
		*(protobuf_c_boolean *)at = json_bool(j);
		return 0;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_UINT32:
		if (parse_number(j, is_signed ? INT32_MIN : 0, is_signed ? INT32_MAX : UINT32_MAX,
				 where, &number, err) < 0)
			return -1;
		*(uint32_t *)at = (uint32_t)number;
		return 0;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
		return parse_number(j, is_signed ? INT64_MIN : 0,
				    is_signed ? INT64_MAX : UINT64_MAX, where, at, err);
	case PROTOBUF_C_TYPE_ENUM:
		return parse_enum(f, j, where, at, err);
	case PROTOBUF_C_TYPE_STRING:
		if (want(JSON_IS_STRING, j, where, err) < 0)
			return -1;
		*(char **)at = xstrdup(json_text(j));
		return 0;
	case PROTOBUF_C_TYPE_BYTES:
		return parse_bytes(j, where, at, err);
	case PROTOBUF_C_TYPE_MESSAGE:
		*(ProtobufCMessage **)at = cri_message_parse(f->descriptor, j, where, err);
		return *(ProtobufCMessage **)at ? 0 : -1;
	default:
		bug("field %s: a type that the interface does not use", f->name);
	}
}

/* The count grows with the elements, so that an incomplete message can be freed. */
static int parse_map(const ProtobufCFieldDescriptor *f, const struct json *j, const char *where,
		     ProtobufCMessage ***out, size_t *count, struct err *err)
{
	if (want(JSON_IS_OBJECT, j, where, err) < 0)
		return -1;
	*out = json_count(j) ? xcalloc(json_count(j), sizeof(**out)) : NULL;
	for (void *it = json_begin(j); it; it = json_after(j, it)) {
		AUTO(str) char *deeper = str_fmt("%s.%s", where, json_key(it));
		ProtobufCMessage *entry;

		if (want(JSON_IS_STRING, json_value(it), deeper, err) < 0)
			return -1;
		entry = (*out)[(*count)++] = new_message(f->descriptor);
		*entry_part(entry, MAP_KEY) = xstrdup(json_key(it));
		*entry_part(entry, MAP_VALUE) = xstrdup(json_text(json_value(it)));
	}
	return 0;
}

static int parse_array(const ProtobufCFieldDescriptor *f, const struct json *j, const char *where,
		       char **out, size_t *count, struct err *err)
{
	if (want(JSON_IS_ARRAY, j, where, err) < 0)
		return -1;
	*out = json_count(j) ? xcalloc(json_count(j), size_of(f)) : NULL;
	for (size_t i = 0; i < json_count(j); i++) {
		AUTO(str) char *deeper = str_fmt("%s[%zu]", where, i);

		if (parse_value(f, json_at(j, i), deeper, *out + i * size_of(f), err) < 0)
			return -1;
		(*count)++;
	}
	return 0;
}

static int parse_member(ProtobufCMessage *m, const char *key, const struct json *j,
			const char *where, struct err *err)
{
	const ProtobufCFieldDescriptor *f =
		protobuf_c_message_descriptor_get_field_by_name(m->descriptor, key);
	char *base = (char *)m;
	void *at;

	if (!f)
		return err_set(err, E_INVALID, "%s: %s has no such member", where,
			       m->descriptor->short_name);
	at = base + f->offset;
	if (is_map(f))
		return parse_map(f, j, where, at, count_of(f, base), err);
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return parse_array(f, j, where, at, count_of(f, base), err);
	return parse_value(f, j, where, at, err);
}

ProtobufCMessage *cri_message_parse(const ProtobufCMessageDescriptor *type, const struct json *j,
				    const char *name, struct err *err)
{
	ProtobufCMessage *m;

	if (want(JSON_IS_OBJECT, j, name, err) < 0)
		return NULL;
	m = new_message(type);
	for (void *it = json_begin(j); it; it = json_after(j, it)) {
		AUTO(str) char *deeper = str_fmt("%s.%s", name, json_key(it));

		if (json_kind(json_value(it)) == JSON_IS_NULL)
			continue;
		if (parse_member(m, json_key(it), json_value(it), deeper, err) < 0) {
			protobuf_c_message_free_unpacked(m, NULL);
			return NULL;
		}
	}
	return m;
}
