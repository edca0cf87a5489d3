// SPDX-License-Identifier: Apache-2.0
/*
 * The bytes of a ttRPC connection: frames, the requests and responses in them, the messages in
 * those, and OCI documents in those. Bytes that arrive one by one give the same frames as bytes
 * that arrive at once. A message that was unpacked can be packed and unpacked again. An OCI
 * document that the agent accepts can be printed as JSON, which the container's init parses.
 */

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "oci/message.h"
#include "protocols/agent.pb-c.h"
#include "protocols/health.pb-c.h"
#include "protocols/task.pb-c.h"
#include "protocols/ttrpc.pb-c.h"
#include "ttrpc/bytes.h"
#include "ttrpc/codec.h"
#include "ttrpc/ttrpc.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* --- messages --- */

static const ProtobufCServiceDescriptor *const services[] = {
	&grpc__agent_service__descriptor,
	&grpc__health__descriptor,
	&containerd__task__v2__task__descriptor,
};

static void check_spec(const Grpc__Spec *message)
{
	struct err err = ERR_INIT;
	AUTO(oci_spec)
	struct oci_spec *spec = message ? oci_spec_from_message(message, &err) : NULL;

	if (!spec)
		return;
	AUTO(str) char *text = oci_spec_format(spec);
	AUTO(oci_spec) struct oci_spec *again = oci_spec_parse(text, strlen(text), "again", &err);
	if (!again && err.code != E_LIMIT)
		bug("what was printed does not parse: %s: %s", err.msg, text);
}

static void check_process(const Grpc__Process *message)
{
	struct err err = ERR_INIT;
	AUTO(oci_process)
	struct oci_process *p = message ? oci_process_from_message(message, &err) : NULL;

	if (!p)
		return;
	AUTO(str) char *text = oci_process_format(p);
	AUTO(oci_process)
	struct oci_process *again = oci_process_parse(text, strlen(text), "again", &err);
	if (!again && err.code != E_LIMIT)
		bug("what was printed does not parse: %s: %s", err.msg, text);
}

static void check_resources(const Grpc__LinuxResources *message)
{
	struct err err = ERR_INIT;
	AUTO(oci_resources)
	struct oci_resources *r = message ? oci_resources_from_message(message, &err) : NULL;

	if (!r)
		return;
	AUTO(str) char *text = oci_resources_format(r);
	(void)text;
}

static void check_documents(const ProtobufCMessage *m)
{
	if (m->descriptor == &grpc__create_container_request__descriptor)
		check_spec(((const Grpc__CreateContainerRequest *)m)->oci);
	else if (m->descriptor == &grpc__exec_process_request__descriptor)
		check_process(((const Grpc__ExecProcessRequest *)m)->process);
	else if (m->descriptor == &grpc__update_container_request__descriptor)
		check_resources(((const Grpc__UpdateContainerRequest *)m)->resources);
}

static bool has_unknown(const ProtobufCMessage *m);

static bool field_has_unknown(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	const void *member = (const char *)m + f->offset;
	const ProtobufCMessage *const *list =
		f->label == PROTOBUF_C_LABEL_REPEATED
			? *(const ProtobufCMessage *const *const *)member
			: member;
	size_t n = f->label == PROTOBUF_C_LABEL_REPEATED
			   ? *(const size_t *)((const char *)m + f->quantifier_offset)
			   : 1;

	if (f->type != PROTOBUF_C_TYPE_MESSAGE)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (list[i] && has_unknown(list[i]))
			return true;
	}
	return false;
}

/* True if the message, or a message in it, has unknown fields. The types of the messages are not
 * recursive, so the depth is limited. */
static bool has_unknown(const ProtobufCMessage *m)
{
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		if (field_has_unknown(m, &m->descriptor->fields[i]))
			return true;
	}
	return m->n_unknown_fields != 0;
}

static void check_payload(const ProtobufCMessageDescriptor *type, const ProtobufCBinaryData *body)
{
	ProtobufCMessage *m = protobuf_c_message_unpack(type, NULL, body->len, body->data);

	if (!m)
		return;
	size_t len = protobuf_c_message_get_packed_size(m);
	AUTO(mem) uint8_t *packed = xmalloc(len ? len : 1);
	if (protobuf_c_message_pack(m, packed) != len)
		bug("%s: its packed size is not what it packs to", type->name);
	ProtobufCMessage *again = protobuf_c_message_unpack(type, NULL, len, packed);
	/* protobuf-c keeps unknown fields even if their number is 0, which it refuses to unpack
	 * again. */
	if (!again && !has_unknown(m))
		bug("%s: what was packed does not unpack", type->name);
	if (again)
		protobuf_c_message_free_unpacked(again, NULL);
	check_documents(m);
	protobuf_c_message_free_unpacked(m, NULL);
}

static const ProtobufCMethodDescriptor *find_method(const Ttrpc__Request *r)
{
	for (size_t i = 0; i < ARRAY_LEN(services); i++) {
		if (strcmp(services[i]->name, r->service) == 0)
			return protobuf_c_service_descriptor_get_method_by_name(services[i],
										r->method);
	}
	return NULL;
}

static void check_request(const uint8_t *body, size_t len)
{
	Ttrpc__Request *r = ttrpc__request__unpack(NULL, len, body);
	const ProtobufCMethodDescriptor *method = r ? find_method(r) : NULL;

	if (method)
		check_payload(method->input, &r->payload);
	if (r)
		ttrpc__request__free_unpacked(r, NULL);
}

/* ttrpc_bytes_find() finds the same bytes as unpacking the response does. */
static void check_bytes(const uint8_t *body, size_t len)
{
	const uint8_t *data;
	size_t n;

	if (!ttrpc_bytes_find(body, len, &data, &n))
		return;
	Ttrpc__Response *r = ttrpc__response__unpack(NULL, len, body);
	Grpc__ReadStreamResponse *m = r ? grpc__read_stream_response__unpack(NULL, r->payload.len,
									     r->payload.data)
					: NULL;
	if (!m || (r->status && r->status->code) || m->data.len != n ||
	    (n && memcmp(m->data.data, data, n) != 0))
		bug("%zu bytes were found that are not there", n);
	grpc__read_stream_response__free_unpacked(m, NULL);
	ttrpc__response__free_unpacked(r, NULL);
}

static void check_response(const uint8_t *body, size_t len)
{
	Ttrpc__Response *r = ttrpc__response__unpack(NULL, len, body);

	if (!r)
		return;
	check_payload(&grpc__guest_details_response__descriptor, &r->payload);
	check_payload(&grpc__stats_container_response__descriptor, &r->payload);
	ttrpc__response__free_unpacked(r, NULL);
}

static void check_body(uint8_t type, const struct buf *body)
{
	const uint8_t *data = (const uint8_t *)buf_cstr(body);

	if (type == TTRPC_REQUEST) {
		check_request(data, body->len);
	} else if (type == TTRPC_RESPONSE) {
		check_bytes(data, body->len);
		check_response(data, body->len);
	}
}

/* --- frames --- */

struct seen {
	size_t frames, ends, bytes;
	uint64_t heads; /* a checksum of the headers in their order */
};

/* step: how many bytes arrive at a time. */
static struct seen decode(const uint8_t *data, size_t size, size_t step, bool look_inside)
{
	AUTO(buf) struct buf body = BUF_INIT(TTRPC_MESSAGE_MAX);
	struct ttrpc_decoder d = { .have = 0 };
	struct ttrpc_frame f = { 0 };
	struct seen seen = { 0 };

	for (size_t at = 0; at < size; at += step) {
		const uint8_t *p = data + at, *piece;
		size_t n = size - at < step ? size - at : step, len;
		enum ttrpc_event event;

		while ((event = ttrpc_decode(&d, &p, &n, &f, &piece, &len)) != TTRPC_MORE) {
			switch (event) {
			case TTRPC_FRAME:
				seen.frames++;
				seen.heads = seen.heads * 31 + f.len + f.stream + f.type + f.flags;
				buf_clear(&body);
				break;
			case TTRPC_BODY:
				seen.bytes += len;
				buf_add(&body, piece, len);
				break;
			case TTRPC_END:
				seen.ends++;
				if (look_inside && f.len <= TTRPC_MESSAGE_MAX)
					check_body(f.type, &body);
				break;
			case TTRPC_MORE:
				break;
			}
		}
		if (n)
			bug("%zu bytes were left", n);
	}
	return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole = decode(data, size, size ? size : 1, true);
	struct seen parts = decode(data, size, 1, false);

	if (whole.frames != parts.frames || whole.ends != parts.ends ||
	    whole.bytes != parts.bytes || whole.heads != parts.heads)
		bug("%zu frames at once, %zu byte by byte", whole.frames, parts.frames);
	return 0;
}
