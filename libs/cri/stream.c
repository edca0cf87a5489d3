// SPDX-License-Identifier: Apache-2.0
/* A WebSocket to the streaming server of a CRI server. */

#include "cri/stream.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "json/json.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { HEAD_MAX = 16 << 10 };

/* A frame begins with FIN and its kind, then MASKED and its length; a length of more than 125
 * follows. */
enum {
	FIN = 0x80,
	KIND = 0x0f,
	CONTINUES = 0,
	BINARY = 2,
	CLOSE = 8,
	MASKED = 0x80,
	LENGTH = 0x7f,
	LENGTH_16 = 126,
	LENGTH_64 = 127,
	MASK = 4,
};

struct cri_stream {
	int fd;
	struct buf early; /* data that was read together with the answer's head */
	uint64_t left;    /* bytes left of the frame */
	bool ours;        /* the frame is part of a message, not a ping or the like */
	bool begun;       /* the channel of the message was read */
	unsigned channel;
};

/* --- bytes --- */

/* Reads between one and max bytes; 0 at the end. */
static ssize_t take(struct cri_stream *s, void *data, size_t max, struct deadline deadline,
		    struct err *err)
{
	struct pollfd ready = { .fd = s->fd, .events = POLLIN };
	ssize_t n;

	if (s->early.len) {
		n = (ssize_t)(max < s->early.len ? max : s->early.len);
		memcpy(data, s->early.data, (size_t)n);
		buf_eat(&s->early, (size_t)n);
		return n;
	}
	do {
		n = poll(&ready, 1, deadline_left(deadline));
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		return err_set(err, E_TIMEOUT, "the CRI server's stream: nothing arrived in time");
	n = read(s->fd, data, max);
	return n < 0 ? err_sys(err, "read the CRI server's stream") : n;
}

static int take_all(struct cri_stream *s, void *data, size_t len, struct deadline deadline,
		    struct err *err)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = take(s, (char *)data + done, len - done, deadline, err);

		if (n < 0)
			return -1;
		if (n == 0)
			return err_set(err, E_GONE, "the CRI server's stream ended");
		done += (size_t)n;
	}
	return 0;
}

/* --- opening --- */

struct place {
	char *host, *port, *path;
};

static void place_release(struct place *p)
{
	free(p->host);
	free(p->port);
	free(p->path);
}
DEFINE_AUTO_STRUCT(place, struct place, place_release)

static int parse(const char *url, struct place *out, struct err *err)
{
	static const char scheme[] = "http://";
	const char *host, *path, *colon;

	*out = (struct place){ NULL, NULL, NULL };
	if (!str_starts(url, scheme))
		return err_set(err, E_UNSUPPORTED, "%.200s: only http is supported", url);
	host = url + strlen(scheme);
	path = strchrnul(host, '/');
	colon = memrchr(host, ':', (size_t)(path - host));
	if (!colon || !*path)
		return err_set(err, E_INVALID, "%.200s is not the URL of a stream", url);
	out->host = xstrndup(host, (size_t)(colon - host));
	out->port = xstrndup(colon + 1, (size_t)(path - colon - 1));
	out->path = xstrdup(path);
	return 0;
}

static int dial(const struct place *p, struct deadline deadline, struct err *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	AUTO(fd) int fd = -1;
	int why = getaddrinfo(p->host, p->port, &hints, &found), result;

	if (why)
		return err_set(err, E_NOT_FOUND, "%s: %s", p->host, gai_strerror(why));
	fd = socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, 0);
	result = fd < 0 ? err_sys(err, "connect to %s", p->host)
			: fd_connect(fd, found->ai_addr, found->ai_addrlen, deadline, p->host, err);
	freeaddrinfo(found);
	return result < 0 ? -1 : STEAL(fd, -1);
}

/* The key protects against caches that mix up answers; there are none here, so it is constant. */
static int ask(const struct cri_stream *s, const struct place *p, struct err *err)
{
	AUTO(str)
	char *request = str_fmt("GET %s HTTP/1.1\r\n"
				"Host: %s:%s\r\n"
				"Upgrade: websocket\r\n"
				"Connection: Upgrade\r\n"
				"Sec-WebSocket-Version: 13\r\n"
				"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
				"Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n",
				p->path, p->host, p->port);

	return fd_write_all(s->fd, request, strlen(request), err);
}

static int read_answer(struct cri_stream *s, struct deadline deadline, struct err *err)
{
	AUTO(buf) struct buf head = BUF_INIT(HEAD_MAX);
	const char *end = NULL;
	char piece[1024];

	while (!end) {
		ssize_t n = take(s, piece, sizeof(piece), deadline, err);

		if (n < 0)
			return -1;
		if (n == 0)
			break;
		buf_add(&head, piece, (size_t)n);
		if (buf_check(&head, "the answer of the CRI server's streaming server", err) < 0)
			return -1;
		end = strstr(buf_cstr(&head), "\r\n\r\n");
	}
	if (!end || !str_starts(buf_cstr(&head), "HTTP/1.1 101 "))
		return err_set(err, E_FAILED, "the CRI server's streaming server refuses: %.300s",
			       buf_cstr(&head));
	end += strlen("\r\n\r\n");
	buf_add(&s->early, end, head.len - (size_t)(end - head.data));
	return 0;
}

int cri_stream_open(const char *url, struct deadline deadline, struct cri_stream **out,
		    struct err *err)
{
	AUTO(place) struct place p;
	AUTO(cri_stream) struct cri_stream *s = NULL;

	if (parse(url, &p, err) < 0)
		return -1;
	s = NEW(struct cri_stream);
	s->early = (struct buf)BUF_INIT(HEAD_MAX);
	s->fd = dial(&p, deadline, err);
	if (s->fd < 0 || ask(s, &p, err) < 0 || read_answer(s, deadline, err) < 0)
		return -1;
	*out = STEAL(s, NULL);
	return 0;
}

void cri_stream_free(struct cri_stream *s)
{
	if (!s)
		return;
	fd_close(&s->fd);
	buf_release(&s->early);
	free(s);
}

/* --- messages --- */

static size_t put_length(uint8_t *to, uint64_t len)
{
	unsigned bytes = len < LENGTH_16 ? 0 : len <= UINT16_MAX ? 2 : 8;

	to[0] = MASKED | (bytes == 0 ? (uint8_t)len : bytes == 2 ? LENGTH_16 : LENGTH_64);
	for (unsigned i = 0; i < bytes; i++)
		to[1 + i] = (uint8_t)(len >> 8 * (bytes - 1 - i));
	return 1 + bytes;
}

/* A client has to mask its frames; the mask 0 leaves the bytes as they are. */
int cri_stream_write(struct cri_stream *s, unsigned channel, const void *data, size_t len,
		     struct err *err)
{
	uint8_t head[16] = { FIN | BINARY };
	size_t n = 1 + put_length(head + 1, (uint64_t)len + 1);

	n += MASK;
	head[n++] = (uint8_t)channel;
	return fd_write_all(s->fd, head, n, err) < 0 ? -1 : fd_write_all(s->fd, data, len, err);
}

int cri_stream_resize(struct cri_stream *s, unsigned columns, unsigned rows, struct err *err)
{
	AUTO(str) char *size = str_fmt("{\"Width\":%u,\"Height\":%u}", columns, rows);

	return cri_stream_write(s, CRI_RESIZE, size, strlen(size), err);
}

int cri_stream_close(struct cri_stream *s, struct err *err)
{
	static const uint8_t frame[2 + MASK] = { FIN | CLOSE, MASKED };

	return fd_write_all(s->fd, frame, sizeof(frame), err);
}

/* Reads the head of the next frame. Returns 1, or 0 if it closes the stream. */
static int next_frame(struct cri_stream *s, struct deadline deadline, struct err *err)
{
	uint8_t head[2], more[8];
	unsigned bytes;

	if (take_all(s, head, 1, deadline, err) < 0 || take_all(s, head + 1, 1, deadline, err) < 0)
		return -1;
	if (head[1] & MASKED)
		return err_set(err, E_PROTOCOL, "the CRI server's stream: a masked frame");
	bytes = head[1] < LENGTH_16 ? 0 : head[1] == LENGTH_16 ? 2 : 8;
	if (take_all(s, more, bytes, deadline, err) < 0)
		return -1;
	s->left = bytes ? 0 : head[1];
	for (unsigned i = 0; i < bytes; i++)
		s->left = s->left << 8 | more[i];
	s->ours = (head[0] & KIND) <= BINARY;
	if (s->ours && (head[0] & KIND) != CONTINUES)
		s->begun = false;
	return (head[0] & KIND) != CLOSE;
}

ssize_t cri_stream_read(struct cri_stream *s, unsigned *channel, void *data, size_t max,
			struct deadline deadline, struct err *err)
{
	for (;;) {
		uint8_t first;
		ssize_t n;

		while (!s->left) {
			n = next_frame(s, deadline, err);
			if (n <= 0)
				return n;
		}
		if (s->ours && !s->begun) {
			if (take_all(s, &first, 1, deadline, err) < 0)
				return -1;
			s->channel = first;
			s->begun = true;
			s->left--;
			continue;
		}
		n = take(s, data, max < s->left ? max : (size_t)s->left, deadline, err);
		if (n <= 0)
			return n < 0 ? -1 : err_set(err, E_GONE, "the CRI server's stream ended");
		s->left -= (uint64_t)n;
		*channel = s->channel;
		if (s->ours)
			return n;
	}
}

/* --- results --- */

/* The exit code is the message of one of the causes; NULL if no cause has it. */
static const char *code_of(const struct json *status)
{
	const struct json *details = json_get(status, "details"), *causes = NULL;

	if (details && json_kind(details) == JSON_IS_OBJECT)
		causes = json_get(details, "causes");
	if (!causes || json_kind(causes) != JSON_IS_ARRAY)
		return NULL;
	for (size_t i = 0; i < json_count(causes); i++) {
		const struct json *cause = json_at(causes, i);

		if (json_kind(cause) == JSON_IS_OBJECT &&
		    str_eq(json_get_text(cause, "reason"), "ExitCode"))
			return json_get_text(cause, "message");
	}
	return NULL;
}

/* A Status of Kubernetes' API. */
int cri_stream_result(const void *data, size_t len, int *code, struct err *err)
{
	AUTO(json) struct json *status = json_parse(data, len, "the result of the process", err);
	const char *number, *message;
	uint64_t n;

	if (!status)
		return -1;
	if (json_kind(status) != JSON_IS_OBJECT || !json_get_text(status, "status"))
		return err_set(err, E_PROTOCOL, "the result of the process has no status");
	*code = 0;
	if (str_eq(json_get_text(status, "status"), "Success"))
		return 0;
	number = code_of(status);
	message = json_get_text(status, "message");
	if (!number)
		return err_set(err, E_FAILED, "%s",
			       message ? message : "the process failed without a reason");
	if (str_u64(number, 10, 0, UINT8_MAX, "the exit code of the process", &n, err) < 0)
		return -1;
	*code = (int)n;
	return 0;
}
