// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The OCI documents as tables, internal to libs/oci: each member is described once; parsing,
 * formatting, copying, freeing and the conversion to and from the agent's messages all follow the
 * table.
 */

#include <stddef.h>

enum oci_kind {
	OCI_END,
	OCI_BOOL,        /* bool */
	OCI_STATED_BOOL, /* bool that JSON has also when it is false */
	OCI_STR,         /* char * */
	OCI_STRV,        /* char ** */
	OCI_U32,         /* uint32_t */
	OCI_I64,         /* int64_t */
	OCI_U64,         /* uint64_t */
	OCI_OPT_I64,     /* struct oci_i64 */
	OCI_ANY_I64, /* struct oci_i64, where unset means "any": -1 in messages, where 0 means 0 */
	OCI_OPT_U64, /* struct oci_u64 */
	OCI_U32S,    /* uint32_t * and a count */
	OCI_GROUP,   /* an object whose members are part of the same struct, at offset */
	OCI_OBJECT,  /* a pointer to a struct */
	OCI_LIST,    /* structs and a count */
	OCI_MAP,     /* struct oci_pair * and a count */
};

struct oci_field {
	enum oci_kind kind;
	const char *name;            /* in JSON, and in messages, where case does not matter */
	const char *message;         /* the name in messages if it differs, or NULL */
	size_t offset, count;        /* offsets of the member and of its number of elements */
	const struct oci_type *type; /* of groups, objects and lists */
};

struct oci_type {
	size_t size;
	const struct oci_field *fields;
};

extern const struct oci_type oci_spec_type, oci_process_type, oci_resources_type;

/* Frees what obj owns (not obj itself) and leaves it empty. */
void oci_release(const struct oci_type *type, void *obj);
