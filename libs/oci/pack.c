// SPDX-License-Identifier: Apache-2.0
/*
 * The binary form of a specification: the members of each struct in the order of the tables,
 * without names. Numbers have the byte order of this machine. A text is preceded by its length plus
 * one, where 0 stands for NULL; a list by its number of elements.
 */

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "oci/spec.h"
#include "oci/table.h"

#include <string.h>

/* --- packing --- */

static void pack_object(const struct oci_type *type, const char *obj, struct buf *to);

static void pack_count(size_t n, struct buf *to)
{
	uint32_t count = (uint32_t)n;

	if (n > OCI_DOCUMENT_MAX)
		to->over = true;
	buf_add(to, &count, sizeof(count));
}

static void pack_text(const char *s, struct buf *to)
{
	size_t len = s ? strlen(s) : 0;

	pack_count(s ? len + 1 : 0, to);
	buf_add(to, s, len);
}

static void pack_strv(char *const *v, struct buf *to)
{
	pack_count(v ? strv_len(v) + 1 : 0, to);
	strv_each(s, v)
		pack_text(*s, to);
}

static void pack_map(const struct oci_pair *v, size_t n, struct buf *to)
{
	for (size_t i = 0; i < n; i++) {
		pack_text(v[i].key, to);
		pack_text(v[i].value, to);
	}
}

static void pack_field(const struct oci_field *f, const char *obj, struct buf *to)
{
	const void *at = obj + f->offset;
	size_t n = f->count ? *(const size_t *)(const void *)(obj + f->count) : 0;
	const char *part;

	if (f->count)
		pack_count(n, to);
	switch (f->kind) {
	case OCI_BOOL:
	case OCI_STATED_BOOL:
		buf_chr(to, *(const bool *)at);
		return;
	case OCI_STR:
		pack_text(*(char *const *)at, to);
		return;
	case OCI_STRV:
		pack_strv(*(char **const *)at, to);
		return;
	case OCI_U32:
		buf_add(to, at, sizeof(uint32_t));
		return;
	case OCI_I64:
	case OCI_U64:
		buf_add(to, at, sizeof(uint64_t));
		return;
	case OCI_OPT_I64:
	case OCI_ANY_I64:
	case OCI_OPT_U64:
		buf_chr(to, ((const struct oci_u64 *)at)->set);
		buf_add(to, &((const struct oci_u64 *)at)->v, sizeof(uint64_t));
		return;
	case OCI_U32S:
		buf_add(to, *(uint32_t *const *)at, n * sizeof(uint32_t));
		return;
	case OCI_GROUP:
		pack_object(f->type, at, to);
		return;
	case OCI_OBJECT:
		part = *(char *const *)at;
		buf_chr(to, part != NULL);
		if (part)
			pack_object(f->type, part, to);
		return;
	case OCI_LIST:
		part = *(char *const *)at;
		for (size_t i = 0; i < n; i++)
			pack_object(f->type, part + i * f->type->size, to);
		return;
	case OCI_MAP:
		pack_map(*(struct oci_pair *const *)at, n, to);
		return;
	case OCI_END:
		break;
	}
	bug("kind of field %s", f->name);
}

static void pack_object(const struct oci_type *type, const char *obj, struct buf *to)
{
	for (const struct oci_field *f = type->fields; f->kind != OCI_END; f++)
		pack_field(f, obj, to);
}

int oci_spec_pack(const struct oci_spec *spec, struct buf *to, struct err *err)
{
	pack_object(&oci_spec_type, (const char *)spec, to);
	return buf_check(to, "the specification", err);
}

/* --- unpacking --- */

struct reader {
	const char *at;
	size_t left;
	bool cut; /* the data ended too early; everything read after that is 0 or empty */
};

static void unpack_object(const struct oci_type *type, struct reader *r, char *obj);

static void take(struct reader *r, void *to, size_t len)
{
	if (len > r->left) {
		r->cut = true;
		r->left = 0;
		memset(to, 0, len);
		return;
	}
	if (len)
		memcpy(to, r->at, len);
	r->at += len;
	r->left -= len;
}

static bool take_flag(struct reader *r)
{
	char c;

	take(r, &c, sizeof(c));
	return c != 0;
}

static size_t least_bytes(const struct oci_type *type);

static size_t least_of_field(const struct oci_field *f)
{
	switch (f->kind) {
	case OCI_BOOL:
	case OCI_STATED_BOOL:
	case OCI_OBJECT:
		return 1;
	case OCI_I64:
	case OCI_U64:
		return sizeof(uint64_t);
	case OCI_OPT_I64:
	case OCI_ANY_I64:
	case OCI_OPT_U64:
		return 1 + sizeof(uint64_t);
	case OCI_GROUP:
		return least_bytes(f->type);
	case OCI_STR:
	case OCI_STRV:
	case OCI_U32:
	case OCI_U32S:
	case OCI_LIST:
	case OCI_MAP:
		return sizeof(uint32_t);
	case OCI_END:
		break;
	}
	bug("kind of field %s", f->name);
}

/* The size of the smallest packed element. It bounds the number of elements that the rest of the
 * data can have, so that a large count alone causes no large allocation. */
static size_t least_bytes(const struct oci_type *type)
{
	size_t n = 0;

	for (const struct oci_field *f = type->fields; f->kind != OCI_END; f++)
		n += least_of_field(f);
	return n;
}

/* Reads the number of elements, each of at least size bytes. */
static size_t take_count(struct reader *r, size_t size)
{
	uint32_t n;

	take(r, &n, sizeof(n));
	if (n > r->left / size) {
		r->cut = true;
		return 0;
	}
	return n;
}

static size_t take_count_of(struct reader *r, const struct oci_field *f)
{
	if (f->kind == OCI_LIST)
		return take_count(r, least_bytes(f->type));
	return take_count(r, f->kind == OCI_MAP ? 2 * sizeof(uint32_t) : sizeof(uint32_t));
}

static char *take_text(struct reader *r)
{
	uint32_t n;
	char *text;

	take(r, &n, sizeof(n));
	if (!n)
		return NULL;
	if (n - 1 > r->left) {
		r->cut = true;
		return NULL;
	}
	text = xstrndup(r->at, n - 1);
	r->at += n - 1;
	r->left -= n - 1;
	return text;
}

static char **take_strv(struct reader *r)
{
	uint32_t n;
	char **v;

	take(r, &n, sizeof(n));
	if (!n)
		return NULL;
	if ((n - 1) > r->left / sizeof(uint32_t)) {
		r->cut = true;
		return NULL;
	}
	v = xcalloc(n, sizeof(*v));
	for (uint32_t i = 0; i < n - 1 && !r->cut; i++) {
		v[i] = take_text(r);
		r->cut |= !v[i]; /* NULL would end the list */
	}
	return v;
}

static uint32_t *take_u32s(struct reader *r, size_t n)
{
	uint32_t *v = n ? xcalloc(n, sizeof(*v)) : NULL;

	if (n)
		take(r, v, n * sizeof(*v));
	return v;
}

static char *take_list(const struct oci_type *type, struct reader *r, size_t n)
{
	char *v = n ? xcalloc(n, type->size) : NULL;

	for (size_t i = 0; i < n; i++)
		unpack_object(type, r, v + i * type->size);
	return v;
}

static struct oci_pair *take_map(struct reader *r, size_t n)
{
	struct oci_pair *v = n ? xcalloc(n, sizeof(*v)) : NULL;

	for (size_t i = 0; i < n; i++) {
		v[i].key = take_text(r);
		v[i].value = take_text(r);
	}
	return v;
}

static void unpack_field(const struct oci_field *f, struct reader *r, char *obj)
{
	void *at = obj + f->offset;
	size_t n = f->count ? take_count_of(r, f) : 0;

	if (f->count)
		*(size_t *)(void *)(obj + f->count) = n;
	switch (f->kind) {
	case OCI_BOOL:
	case OCI_STATED_BOOL:
		*(bool *)at = take_flag(r);
		return;
	case OCI_STR:
		*(char **)at = take_text(r);
		return;
	case OCI_STRV:
		*(char ***)at = take_strv(r);
		return;
	case OCI_U32:
		take(r, at, sizeof(uint32_t));
		return;
	case OCI_I64:
	case OCI_U64:
		take(r, at, sizeof(uint64_t));
		return;
	case OCI_OPT_I64:
	case OCI_ANY_I64:
	case OCI_OPT_U64:
		((struct oci_u64 *)at)->set = take_flag(r);
		take(r, &((struct oci_u64 *)at)->v, sizeof(uint64_t));
		return;
	case OCI_U32S:
		*(uint32_t **)at = take_u32s(r, n);
		return;
	case OCI_GROUP:
		unpack_object(f->type, r, at);
		return;
	case OCI_OBJECT:
		*(void **)at = take_flag(r) ? xcalloc(1, f->type->size) : NULL;
		if (*(void **)at)
			unpack_object(f->type, r, *(void **)at);
		return;
	case OCI_LIST:
		*(char **)at = take_list(f->type, r, n);
		return;
	case OCI_MAP:
		*(struct oci_pair **)at = take_map(r, n);
		return;
	case OCI_END:
		break;
	}
	bug("kind of field %s", f->name);
}

static void unpack_object(const struct oci_type *type, struct reader *r, char *obj)
{
	for (const struct oci_field *f = type->fields; f->kind != OCI_END; f++)
		unpack_field(f, r, obj);
}

struct oci_spec *oci_spec_unpack(const void *data, size_t len, struct err *err)
{
	struct oci_spec *spec = NEW(struct oci_spec);
	struct reader r = { data, len, false };

	unpack_object(&oci_spec_type, &r, (char *)spec);
	if (!r.cut && r.left == 0)
		return spec;
	oci_spec_free(spec);
	err_set(err, E_PROTOCOL, "a specification of %zu bytes is malformed", len);
	return NULL;
}
