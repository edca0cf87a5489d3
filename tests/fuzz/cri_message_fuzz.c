// SPDX-License-Identifier: Apache-2.0
/*
 * Converts CRI messages to JSON and back. The first byte chooses the call; the rest is tried as the
 * JSON document of a request and as the bytes of an answer. A message that was read can be printed
 * and read again, and is then the same.
 */
#include "base/mem.h"
#include "base/str.h"
#include "cri/client.h"
#include "cri/message.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_message(const ProtobufCMessage *m)
{
	AUTO(json) struct json *first = cri_message_print(m), *second = NULL;
	AUTO(str) char *a = json_format(first, false), *b = NULL;
	struct err err = ERR_INIT;
	ProtobufCMessage *again = cri_message_parse(m->descriptor, first, "printed", &err);

	/* An unknown value of an enumeration is printed as a number, which is not accepted. */
	if (!again && strstr(err.msg, "an integer where a string is expected"))
		return;
	if (!again)
		bug("printed, but: %s", err.msg);
	second = cri_message_print(again);
	b = json_format(second, false);
	if (!str_eq(a, b))
		bug("printed and read, but not the same: %s", b);
	protobuf_c_message_free_unpacked(again, NULL);
}

static void check_document(const ProtobufCMessageDescriptor *type, const char *text, size_t len)
{
	struct err err = ERR_INIT;
	AUTO(json) struct json *j = json_parse(text, len, "fuzz", &err);
	ProtobufCMessage *m;

	if (!j)
		return;
	m = cri_message_parse(type, j, "fuzz", &err);
	if (!m && !err.code)
		bug("failed without an error");
	if (!m)
		return;
	check_message(m);
	protobuf_c_message_free_unpacked(m, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const ProtobufCServiceDescriptor *s = &runtime__v1__runtime_service__descriptor;
	const ProtobufCMethodDescriptor *call = size ? &s->methods[data[0] % s->n_methods] : NULL;
	ProtobufCMessage *m;

	if (!call)
		return 0;
	check_document(call->input, (const char *)data + 1, size - 1);
	m = protobuf_c_message_unpack(call->output, NULL, size - 1, data + 1);
	if (m) {
		check_message(m);
		protobuf_c_message_free_unpacked(m, NULL);
	}
	return 0;
}
