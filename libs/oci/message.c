// SPDX-License-Identifier: Apache-2.0
/*
 * The agent's messages to struct and back. The tables name the members, protobuf-c's descriptors
 * say where the message keeps them; the names are the same but for case.
 */

#include "oci/message.h"

#include "base/mem.h"
#include "base/str.h"
#include "oci/table.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

static const ProtobufCFieldDescriptor *find(const ProtobufCMessageDescriptor *d,
					    const struct oci_field *f)
{
	const char *name = f->message ? f->message : f->name;

	for (unsigned i = 0; i < d->n_fields; i++) {
		if (strcasecmp(d->fields[i].name, name) == 0)
			return &d->fields[i];
	}
	return NULL; /* the protocol has no such field */
}

static const ProtobufCMessageDescriptor *sub(const ProtobufCFieldDescriptor *d)
{
	return d->descriptor;
}

/* The fields of an entry of a map. */
enum { MAP_KEY, MAP_VALUE };

/* --- from messages --- */

static int from_message(const struct oci_type *type, const ProtobufCMessage *m, char *obj,
			struct err *err);

/* Any integer of a message, sign extended into 64 bits. */
static uint64_t read_number(const ProtobufCFieldDescriptor *d, const void *at)
{
	switch ((int)d->type) {
	case PROTOBUF_C_TYPE_BOOL:
		return *(const protobuf_c_boolean *)at != 0;
	case PROTOBUF_C_TYPE_INT32:
		return (uint64_t)(int64_t) * (const int32_t *)at;
	case PROTOBUF_C_TYPE_UINT32:
		return *(const uint32_t *)at;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
		return *(const uint64_t *)at;
	default:
		bug("field %s is not a number", d->name);
	}
}

/* Is a number given? Only a field in a oneof tells 0 from absence. */
static bool is_present(const ProtobufCFieldDescriptor *d, const char *m)
{
	if (d->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return *(const uint32_t *)(const void *)(m + d->quantifier_offset) == d->id;
	return read_number(d, m + d->offset) != 0;
}

static char **copy_strings(char *const *v, size_t n)
{
	char **out = n ? xcalloc(n + 1, sizeof(*out)) : NULL;

	for (size_t i = 0; i < n; i++)
		out[i] = xstrdup(v[i]);
	return out;
}

static struct oci_pair *copy_map(const ProtobufCFieldDescriptor *d, ProtobufCMessage *const *v,
				 size_t n)
{
	const ProtobufCMessageDescriptor *entry = sub(d);
	struct oci_pair *out = xcalloc(n, sizeof(*out));

	for (size_t i = 0; i < n; i++) {
		const char *at = (const char *)v[i];

		out[i].key =
			xstrdup(*(char *const *)(const void *)(at + entry->fields[MAP_KEY].offset));
		out[i].value = xstrdup(
			*(char *const *)(const void *)(at + entry->fields[MAP_VALUE].offset));
	}
	return out;
}

static int copy_list(const struct oci_type *type, ProtobufCMessage *const *v, size_t n, char **out,
		     struct err *err)
{
	*out = xcalloc(n, type->size);
	for (size_t i = 0; i < n; i++) {
		if (from_message(type, v[i], *out + i * type->size, err) < 0)
			return -1;
	}
	return 0;
}

static int read_field(const struct oci_field *f, const ProtobufCFieldDescriptor *d, const char *m,
		      char *obj, struct err *err)
{
	const void *from = m + d->offset;
	size_t n = d->label == PROTOBUF_C_LABEL_REPEATED
			   ? *(const size_t *)(const void *)(m + d->quantifier_offset)
			   : 0;
	const ProtobufCMessage *part = d->type == PROTOBUF_C_TYPE_MESSAGE && !n
					       ? *(ProtobufCMessage *const *)from
					       : NULL;
	void *at = obj + f->offset;
	uint64_t number;

	switch (f->kind) {
	case OCI_BOOL:
	case OCI_STATED_BOOL:
		*(bool *)at = read_number(d, from) != 0;
		return 0;
	case OCI_STR:
		*(char **)at = str_empty(*(char *const *)from) ? NULL
							       : xstrdup(*(char *const *)from);
		return 0;
	case OCI_STRV:
		*(char ***)at = copy_strings(*(char **const *)from, n);
		return 0;
	case OCI_U32:
		number = read_number(d, from);
		if (number > UINT32_MAX)
			return err_set(err, E_INVALID, "%s: %" PRIu64 " is too large", f->name,
				       number);
		*(uint32_t *)at = (uint32_t)number;
		return 0;
	case OCI_I64:
	case OCI_U64:
		*(uint64_t *)at = read_number(d, from);
		return 0;
	case OCI_OPT_I64:
	case OCI_OPT_U64:
		if (!is_present(d, m))
			return 0;
		*(struct oci_u64 *)at = (struct oci_u64){ true, read_number(d, from) };
		return 0;
	case OCI_ANY_I64:
		number = read_number(d, from);
		*(struct oci_i64 *)at = (struct oci_i64){ (int64_t)number >= 0, (int64_t)number };
		return 0;
	case OCI_U32S:
		*(uint32_t **)at = n ? xmemdup(*(uint32_t *const *)from, n * sizeof(uint32_t))
				     : NULL;
		break;
	case OCI_GROUP:
		return part ? from_message(f->type, part, at, err) : 0;
	case OCI_OBJECT:
		*(void **)at = part ? xcalloc(1, f->type->size) : NULL;
		return part ? from_message(f->type, part, *(void **)at, err) : 0;
	case OCI_LIST:
		*(size_t *)(void *)(obj + f->count) = n;
		return copy_list(f->type, *(ProtobufCMessage * *const *)from, n, at, err);
	case OCI_MAP:
		*(struct oci_pair **)at = copy_map(d, *(ProtobufCMessage * *const *)from, n);
		break;
	case OCI_END:
		bug("end of a table as a field");
	}
	*(size_t *)(void *)(obj + f->count) = n;
	return 0;
}

static int from_message(const struct oci_type *type, const ProtobufCMessage *m, char *obj,
			struct err *err)
{
	for (const struct oci_field *f = type->fields; f->kind != OCI_END; f++) {
		const ProtobufCFieldDescriptor *d = find(m->descriptor, f);

		if (d && read_field(f, d, (const char *)m, obj, err) < 0)
			return -1;
	}
	return 0;
}

static void *make_struct(const struct oci_type *type, const ProtobufCMessage *m, struct err *err)
{
	void *obj = xcalloc(1, type->size);

	if (from_message(type, m, obj, err) == 0)
		return obj;
	oci_release(type, obj);
	free(obj);
	return NULL;
}

struct oci_spec *oci_spec_from_message(const Grpc__Spec *message, struct err *err)
{
	return make_struct(&oci_spec_type, &message->base, err);
}

struct oci_process *oci_process_from_message(const Grpc__Process *message, struct err *err)
{
	return make_struct(&oci_process_type, &message->base, err);
}

struct oci_resources *oci_resources_from_message(const Grpc__LinuxResources *message,
						 struct err *err)
{
	return make_struct(&oci_resources_type, &message->base, err);
}

/* --- to messages --- */

static ProtobufCMessage *to_message(const ProtobufCMessageDescriptor *d,
				    const struct oci_type *type, const char *obj);

static void write_number(const ProtobufCFieldDescriptor *d, void *at, uint64_t v)
{
	switch ((int)d->type) {
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)at = v != 0;
		break;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_UINT32:
		*(uint32_t *)at = (uint32_t)v;
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
		*(uint64_t *)at = v;
		break;
	default:
		bug("field %s is not a number", d->name);
	}
}

static ProtobufCMessage *new_message(const ProtobufCMessageDescriptor *d)
{
	ProtobufCMessage *m = xcalloc(1, d->sizeof_message);

	protobuf_c_message_init(d, m);
	return m;
}

static ProtobufCMessage **make_map(const ProtobufCFieldDescriptor *d, const struct oci_pair *v,
				   size_t n)
{
	const ProtobufCMessageDescriptor *entry = sub(d);
	ProtobufCMessage **out = xcalloc(n, sizeof(*out));

	for (size_t i = 0; i < n; i++) {
		char *at = (char *)(out[i] = new_message(entry));

		*(char **)(void *)(at + entry->fields[MAP_KEY].offset) = xstrdup(v[i].key);
		*(char **)(void *)(at + entry->fields[MAP_VALUE].offset) = xstrdup(v[i].value);
	}
	return out;
}

static ProtobufCMessage **make_list(const ProtobufCFieldDescriptor *d, const struct oci_type *type,
				    const char *v, size_t n)
{
	ProtobufCMessage **out = xcalloc(n, sizeof(*out));

	for (size_t i = 0; i < n; i++)
		out[i] = to_message(sub(d), type, v + i * type->size);
	return out;
}

/* A repeated field without elements stays NULL, as in an unpacked message. */
static void write_repeated(const struct oci_field *f, const ProtobufCFieldDescriptor *d,
			   const char *obj, char *m)
{
	const void *from = obj + f->offset;
	void *at = m + d->offset;
	size_t n = f->kind == OCI_STRV ? strv_len(*(char **const *)from)
				       : *(const size_t *)(const void *)(obj + f->count);

	*(size_t *)(void *)(m + d->quantifier_offset) = n;
	if (!n)
		return;
	if (f->kind == OCI_STRV)
		*(char ***)at = copy_strings(*(char **const *)from, n);
	else if (f->kind == OCI_U32S)
		*(void **)at = xmemdup(*(void *const *)from, n * sizeof(uint32_t));
	else if (f->kind == OCI_MAP)
		*(void **)at = make_map(d, *(struct oci_pair *const *)from, n);
	else
		*(void **)at = make_list(d, f->type, *(char *const *)from, n);
}

static void write_field(const struct oci_field *f, const ProtobufCFieldDescriptor *d,
			const char *obj, char *m)
{
	const void *from = obj + f->offset;
	void *at = m + d->offset;

	switch (f->kind) {
	case OCI_BOOL:
	case OCI_STATED_BOOL:
		write_number(d, at, *(const bool *)from);
		break;
	case OCI_STR:
		if (*(char *const *)from)
			*(char **)at = xstrdup(*(char *const *)from);
		break;
	case OCI_U32:
		write_number(d, at, *(const uint32_t *)from);
		break;
	case OCI_I64:
	case OCI_U64:
		write_number(d, at, *(const uint64_t *)from);
		break;
	case OCI_OPT_I64:
	case OCI_OPT_U64:
		if (!((const struct oci_u64 *)from)->set)
			break;
		write_number(d, at, ((const struct oci_u64 *)from)->v);
		if (d->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
			*(uint32_t *)(void *)(m + d->quantifier_offset) = d->id;
		break;
	case OCI_ANY_I64:
		write_number(d, at,
			     ((const struct oci_i64 *)from)->set
				     ? (uint64_t)((const struct oci_i64 *)from)->v
				     : UINT64_MAX);
		break;
	case OCI_GROUP:
		*(ProtobufCMessage **)at = to_message(sub(d), f->type, from);
		break;
	case OCI_OBJECT:
		if (*(void *const *)from)
			*(ProtobufCMessage **)at = to_message(sub(d), f->type,
							      *(const char *const *)from);
		break;
	case OCI_STRV:
	case OCI_U32S:
	case OCI_LIST:
	case OCI_MAP:
		write_repeated(f, d, obj, m);
		break;
	case OCI_END:
		bug("end of a table as a field");
	}
}

static ProtobufCMessage *to_message(const ProtobufCMessageDescriptor *d,
				    const struct oci_type *type, const char *obj)
{
	ProtobufCMessage *m = new_message(d);

	for (const struct oci_field *f = type->fields; f->kind != OCI_END; f++) {
		const ProtobufCFieldDescriptor *field = find(d, f);

		if (field)
			write_field(f, field, obj, (char *)m);
	}
	return m;
}

Grpc__Spec *oci_spec_to_message(const struct oci_spec *spec)
{
	return (Grpc__Spec *)to_message(&grpc__spec__descriptor, &oci_spec_type,
					(const char *)spec);
}

Grpc__Process *oci_process_to_message(const struct oci_process *process)
{
	return (Grpc__Process *)to_message(&grpc__process__descriptor, &oci_process_type,
					   (const char *)process);
}

Grpc__LinuxResources *oci_resources_to_message(const struct oci_resources *resources)
{
	return (Grpc__LinuxResources *)to_message(&grpc__linux_resources__descriptor,
						  &oci_resources_type, (const char *)resources);
}
