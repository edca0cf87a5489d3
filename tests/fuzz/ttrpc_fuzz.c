// SPDX-License-Identifier: Apache-2.0
/* Bytes as a ttRPC stream: frames, request and response bodies, and the largest request inside. */

#include "base/buf.h"
#include "oci/message.h"
#include "protocols/agent.pb-c.h"
#include "protocols/ttrpc.pb-c.h"
#include "ttrpc/codec.h"
#include "ttrpc/ttrpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_spec(const ProtobufCBinaryData *payload)
{
	Grpc__CreateContainerRequest *r = grpc__create_container_request__unpack(NULL, payload->len,
										 payload->data);
	struct err err = ERR_INIT;

	if (!r)
		return;
	if (r->oci)
		oci_spec_free(oci_spec_from_message(r->oci, &err));
	grpc__create_container_request__free_unpacked(r, NULL);
}

static void try_body(const uint8_t *body, size_t len)
{
	Ttrpc__Request *request = ttrpc__request__unpack(NULL, len, body);
	Ttrpc__Response *response = ttrpc__response__unpack(NULL, len, body);

	if (request) {
		try_spec(&request->payload);
		ttrpc__request__free_unpacked(request, NULL);
	}
	if (response)
		ttrpc__response__free_unpacked(response, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf) struct buf body = BUF_INIT(TTRPC_MESSAGE_MAX);
	struct ttrpc_decoder d = { .have = 0 };
	struct ttrpc_frame f = { 0 };
	const uint8_t *piece;
	size_t len;

	for (;;) {
		switch (ttrpc_decode(&d, &data, &size, &f, &piece, &len)) {
		case TTRPC_MORE:
			return 0;
		case TTRPC_FRAME:
			buf_clear(&body);
			break;
		case TTRPC_BODY:
			buf_add(&body, piece, len);
			break;
		case TTRPC_END:
			try_body((const uint8_t *)buf_cstr(&body), body.len);
			break;
		}
	}
}
