// SPDX-License-Identifier: Apache-2.0
/*
 * Answers of a gRPC server. The input is the headers, which are parsed line by line, a NUL and the
 * body. If an answer is accepted, its message is the body without the frame; and a message that is
 * framed here is always accepted. Messages are also read as the answer to a CRI status call.
 */

#include "base/str.h"
#include "cri/client.h"
#include "http/grpc-internal.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_status(const char *message, size_t len)
{
	AUTO(strv) char **names = NULL;
	struct err err = ERR_INIT;

	if (cri_client_read_handlers(message, len, &names, &err) < 0 && !err.code)
		bug("failed without an error");
	strv_each(name, names) {
		if (!**name)
			bug("a handler without a name");
	}
}

static void check_frame(const char *message, size_t len)
{
	AUTO(buf) struct buf body = BUF_INIT(len + GRPC_HEAD);
	struct grpc_answer good = { .http = 200, .status = 0, .is_grpc = true };
	unsigned char head[GRPC_HEAD];
	struct err err = ERR_INIT;
	const char *back;
	size_t n;

	grpc_frame_head(len, head);
	buf_add(&body, head, sizeof(head));
	buf_add(&body, message, len);
	if (grpc_answer_end(&good, "fuzz", &body, &back, &n, &err) < 0)
		bug("framed, but: %s", err.msg);
	if (n != len || memcmp(back, message, len) != 0)
		bug("framed, but not the same");
	if (grpc_answer_next(&body, "fuzz", &n, &err) != 1 || n != len)
		bug("framed, but no message of a stream");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct grpc_answer a = GRPC_ANSWER_INIT;
	const char *text = (const char *)data, *message;
	const char *end = size ? memchr(text, '\0', size) : NULL;
	size_t head = end ? (size_t)(end - text) : 0, body_at = end ? head + 1 : 0, len;
	AUTO(buf) struct buf body = BUF_INIT(size);
	struct err err = ERR_INIT;

	if (size == 0)
		return 0;
	for (size_t at = 0; at < head;) {
		const char *newline = memchr(text + at, '\n', head - at);
		size_t n = newline ? (size_t)(newline - text) + 1 - at : head - at;

		grpc_answer_line(&a, text + at, n);
		at += n;
	}
	if (strlen(a.message) > GRPC_MESSAGE_MAX)
		bug("a message of %zu bytes", strlen(a.message));
	buf_add(&body, text + body_at, size - body_at);
	check_frame(text + body_at, size - body_at);
	check_status(text + body_at, size - body_at);
	if (grpc_answer_end(&a, "fuzz", &body, &message, &len, &err) < 0)
		return 0;
	if (len + GRPC_HEAD != body.len || message != body.data + GRPC_HEAD)
		bug("a message that is not the body");
	check_status(message, len);
	return 0;
}
