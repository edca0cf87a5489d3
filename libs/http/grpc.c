// SPDX-License-Identifier: Apache-2.0
/* gRPC's framing, its trailers, and unary calls. */

#include "http/grpc.h"

#include "base/str.h"
#include "http/grpc-internal.h"
#include "http/http-internal.h"
#include "http/local-internal.h"

#include <string.h>
#include <strings.h>

enum { GRPC_TRIES = 5 };

void grpc_frame_head(size_t len, unsigned char head[GRPC_HEAD])
{
	head[0] = 0; /* not compressed */
	for (int i = 0; i < 4; i++)
		head[1 + i] = (unsigned char)(len >> (24 - 8 * i));
}

/* Parses a number from 0 to 999; -1 for anything else. */
static long small_number(const char *text, size_t len)
{
	long n = 0;

	if (len == 0 || len > 3)
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		n = 10 * n + (text[i] - '0');
	}
	return n;
}

/* Decodes %XX; control characters become blanks. */
static void decode_message(struct grpc_answer *a, const char *text, size_t len)
{
	size_t to = 0;

	for (size_t i = 0; i < len && to < GRPC_MESSAGE_MAX; i++) {
		unsigned char c = (unsigned char)text[i];
		int high = c == '%' && len - i > 2 ? str_hex_digit(text[i + 1]) : -1;
		int low = high >= 0 ? str_hex_digit(text[i + 2]) : -1;

		if (low >= 0) {
			c = (unsigned char)(high * 16 + low);
			i += 2;
		}
		a->message[to++] = c < 0x20 || c == 0x7F ? ' ' : (char)c;
	}
	a->message[to] = '\0';
}

void grpc_answer_line(struct grpc_answer *a, const char *line, size_t len)
{
	static const char http[] = "HTTP/2 ";
	const char *value;
	size_t n;

	if (len >= sizeof(http) + 2 && memcmp(line, http, sizeof(http) - 1) == 0)
		a->http = small_number(line + sizeof(http) - 1, 3);
	else if (http_field(line, len, "content-type", &value, &n))
		a->is_grpc = n >= 16 && strncasecmp(value, "application/grpc", 16) == 0;
	else if (http_field(line, len, "grpc-status", &value, &n))
		a->status = small_number(value, n);
	else if (http_field(line, len, "grpc-message", &value, &n))
		decode_message(a, value, n);
}

int grpc_answer_status(const struct grpc_answer *a, const char *name, struct err *err)
{
	if (a->http != 200 || !a->is_grpc)
		return err_set(err, E_PROTOCOL, "%s: not a gRPC server (status %ld)", name,
			       a->http);
	if (a->status > 0)
		return err_set(err, err_from_rpc_status((int)a->status), "%s: %s", name,
			       *a->message ? a->message : "failed without a reason");
	if (a->status < 0)
		return err_set(err, E_PROTOCOL, "%s: the answer has no status", name);
	return 0;
}

int grpc_answer_next(const struct buf *body, const char *name, size_t *len, struct err *err)
{
	const unsigned char *head = (const unsigned char *)buf_cstr(body);

	if (body->len < GRPC_HEAD)
		return 0;
	if (head[0] != 0)
		return err_set(err, E_PROTOCOL,
			       "%s: the answer is compressed, which was not requested", name);
	*len = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
	return body->len - GRPC_HEAD >= *len;
}

int grpc_answer_end(const struct grpc_answer *a, const char *name, const struct buf *body,
		    const char **message, size_t *len, struct err *err)
{
	int whole;

	if (grpc_answer_status(a, name, err) < 0)
		return -1;
	if (body->len < GRPC_HEAD)
		return err_set(err, E_PROTOCOL, "%s: the answer has no message", name);
	whole = grpc_answer_next(body, name, len, err);
	if (whole < 0)
		return -1;
	if (whole == 0 || *len != body->len - GRPC_HEAD)
		return err_set(err, E_PROTOCOL, "%s: a message of %zu bytes in an answer of %zu",
			       name, *len, body->len - GRPC_HEAD);
	*message = buf_cstr(body) + GRPC_HEAD;
	return 0;
}

/* A call while it is made. */
struct call {
	struct grpc_answer answer;
	const char *method;
	bool (*each)(void *arg, const void *message, size_t len);
	void *arg;
	struct err *err; /* set by on_body */
};

static void on_header(void *arg, const char *line, size_t len)
{
	struct call *c = arg;

	grpc_answer_line(&c->answer, line, len);
}

static bool on_body(void *arg, struct buf *body)
{
	struct call *c = arg;
	size_t len;
	int whole;

	while ((whole = grpc_answer_next(body, c->method, &len, c->err)) > 0) {
		if (!c->each(c->arg, buf_cstr(body) + GRPC_HEAD, len))
			return false;
		buf_eat(body, GRPC_HEAD + len);
	}
	return whole == 0;
}

/* A server that rejects a method sends a status and resets the stream. If libcurl is still sending
 * the request then, the exchange fails and the status may be lost. A request that was sent in part
 * was not executed, so it is sent again. */
static int exchange(struct local_exchange *x, struct grpc_answer *a, struct err *err)
{
	for (int left = GRPC_TRIES; local_exchange(x, err) < 0; left--) {
		bool broken = err->code == E_PROTOCOL || err->code == E_GONE;

		if (!broken || (a->status < 0 && (!x->unsent || left == 1)))
			return -1;
		err_clear(err);
		/* The status is the last part of an answer, so the answer is complete. */
		if (a->status >= 0)
			return 0;
		buf_clear(x->body);
		*a = (struct grpc_answer)GRPC_ANSWER_INIT;
	}
	return 0;
}

static int call(struct call *c, struct local_exchange *x, const void *request, size_t len,
		struct err *err)
{
	static const char *const headers[] = { "Content-Type: application/grpc", "te: trailers",
					       "Expect:", NULL };
	AUTO(buf) struct buf frame = BUF_INIT(len + GRPC_HEAD);
	unsigned char head[GRPC_HEAD];

	if (len > UINT32_MAX)
		return err_set(err, E_LIMIT, "%s: a request of %zu bytes", c->method, len);
	grpc_frame_head(len, head);
	buf_add(&frame, head, sizeof(head));
	buf_add(&frame, request, len);
	x->path = c->method;
	x->http2 = true;
	x->headers = headers;
	x->on_header = on_header;
	x->arg = c;
	x->request = buf_cstr(&frame);
	x->len = frame.len;
	return exchange(x, &c->answer, err);
}

int grpc_call(const char *socket, const char *method, const void *request, size_t len,
	      struct deadline deadline, struct buf *answer, struct err *err)
{
	AUTO(buf) struct buf body = BUF_INIT(answer->max + GRPC_HEAD);
	struct call c = { .answer = GRPC_ANSWER_INIT, .method = method };
	struct local_exchange x = { .socket = socket, .deadline = deadline, .body = &body };
	const char *message;
	size_t n;

	if (call(&c, &x, request, len, err) < 0 ||
	    grpc_answer_end(&c.answer, method, &body, &message, &n, err) < 0)
		return -1;
	buf_add(answer, message, n);
	return buf_check(answer, method, err);
}

int grpc_stream(const char *socket, const char *method, const void *request, size_t len,
		struct deadline deadline, size_t max,
		bool (*each)(void *arg, const void *message, size_t len), void *arg,
		struct err *err)
{
	AUTO(buf) struct buf body = BUF_INIT(max + GRPC_HEAD);
	struct call c = { GRPC_ANSWER_INIT, method, each, arg, err };
	struct local_exchange x = {
		.socket = socket, .deadline = deadline, .body = &body, .on_body = on_body
	};

	if (call(&c, &x, request, len, err) < 0)
		return -1;
	if (x.stopped)
		return err->code ? -1 : 0;
	if (grpc_answer_status(&c.answer, method, err) < 0)
		return -1;
	return body.len == 0 ? 0
			     : err_set(err, E_PROTOCOL, "%s: the answer ends in a message", method);
}
