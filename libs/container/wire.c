// SPDX-License-Identifier: Apache-2.0
/* Framed messages between a process being made and its parent. The parent checks every length. */

#include "container/wire.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct header {
	uint32_t kind, len;
};

struct error_body {
	uint32_t code;
	int32_t sys;
	char msg[480];
};

static int send_all(int sock, const char *data, size_t len, struct err *err)
{
	while (len) {
		ssize_t n = send(sock, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return err_set(err, E_TIMEOUT,
				       "the container's init does not read its messages");
		if (n < 0)
			return err_sys(err, "talk to the container's init");
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

int wire_send(int sock, enum wire_kind kind, const void *data, size_t len, int fd,
	      struct deadline deadline, struct err *err)
{
	struct header h = { (uint32_t)kind, (uint32_t)len };

	fd_limit_time(sock, SO_SNDTIMEO, deadline);
	if (fd_send(sock, &h, sizeof(h), &fd, fd >= 0 ? 1 : 0, err) < 0)
		return -1;
	return len ? send_all(sock, data, len, err) : 0;
}

static int recv_body(int sock, char *to, size_t len, struct err *err)
{
	ssize_t n;

	if (!len)
		return 0;
	do
		n = recv(sock, to, len, MSG_WAITALL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return err_set(err, E_TIMEOUT, "the container's init did not answer in time");
	if (n != (ssize_t)len)
		return err_set(err, E_GONE,
			       "the container's init ended in the middle of a message");
	return 0;
}

static int recv_header(int sock, struct header *h, int *fd, struct deadline deadline,
		       struct err *err)
{
	struct pollfd wait = { .fd = sock, .events = POLLIN };
	int fds[FD_PASS_MAX], n;
	size_t nfds = 0;
	ssize_t got;

	do
		n = poll(&wait, 1, deadline_left(deadline));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return err_set(err, E_TIMEOUT, "the container's init did not answer in time");
	fd_limit_time(sock, SO_RCVTIMEO, deadline);
	got = fd_recv(sock, h, sizeof(*h), fds, &nfds, err);
	for (size_t i = 0; got >= 0 && i < nfds; i++) {
		if (i == 0 && fd && *fd < 0)
			*fd = fds[i];
		else
			fd_close(&fds[i]);
	}
	if (got < 0) {
		if (err->sys != ECONNRESET)
			return -1;
		err_clear(err); /* the other side ended without reading our messages */
		got = 0;
	}
	if (got == 0)
		*h = (struct header){ WIRE_END, 0 };
	else if (got != (ssize_t)sizeof(*h))
		return err_set(err, E_PROTOCOL, "a cut message from the container's init");
	return 0;
}

static int recv_error(int sock, uint32_t len, struct err *err)
{
	struct error_body e = { 0 };

	if (len != sizeof(e))
		return err_set(err, E_PROTOCOL, "a malformed error from the container's init");
	if (recv_body(sock, (char *)&e, sizeof(e), err) < 0)
		return -1;
	e.msg[sizeof(e.msg) - 1] = '\0';
	return err_take(err, (int)e.code, e.sys, ERR_HERE, e.msg);
}

static int recv_note(int sock, uint32_t kind, uint32_t len, struct err *err)
{
	char text[512];

	if (len >= sizeof(text))
		return err_set(err, E_PROTOCOL, "a note of %u bytes from the container's init",
			       len);
	if (recv_body(sock, text, len, err) < 0)
		return -1;
	text[len] = '\0';
	if (kind == WIRE_WARNING)
		log_warn("from the container's init", LOG_S("warning", text));
	else
		log_debug("from the container's init", LOG_S("note", text));
	return 0;
}

int wire_recv(int sock, enum wire_kind want, struct buf *body, int *fd, struct deadline deadline,
	      struct err *err)
{
	struct header h;
	char *to;

	for (;;) {
		if (recv_header(sock, &h, fd, deadline, err) < 0)
			return -1;
		if (h.kind == WIRE_ERROR)
			return recv_error(sock, h.len, err);
		if (h.kind != WIRE_NOTE && h.kind != WIRE_WARNING)
			break;
		if (recv_note(sock, h.kind, h.len, err) < 0)
			return -1;
	}
	if (h.kind == WIRE_END && want != WIRE_END)
		return err_set(err, E_GONE, "the container's init ended unexpectedly");
	if (h.kind != (uint32_t)want || (h.len && !body))
		return err_set(err, E_PROTOCOL,
			       "unexpected message %u from the container's init, expected %d",
			       h.kind, (int)want);
	if (!h.len)
		return 0;
	to = h.len <= body->max ? buf_room(body, h.len) : NULL;
	if (!to)
		return err_set(err, E_LIMIT, "a message of %u bytes", h.len);
	if (recv_body(sock, to, h.len, err) < 0)
		return -1;
	body->len += h.len;
	body->data[body->len] = '\0';
	return 0;
}

void wire_error(int sock, const struct err *err)
{
	struct error_body e = { (uint32_t)err->code, err->sys, "" };
	struct err ignored = ERR_INIT; /* the parent is gone */

	memcpy(e.msg, err->msg, sizeof(e.msg));
	(void)!wire_send(sock, WIRE_ERROR, &e, sizeof(e), -1, deadline_in(5000), &ignored);
}

__attribute__((format(printf, 3, 0))) static void send_line(int sock, enum wire_kind kind,
							    const char *fmt, va_list ap)
{
	struct err ignored = ERR_INIT; /* only a line of the log is lost */
	AUTO(buf) struct buf b = BUF_INIT(500);

	buf_vfmt(&b, fmt, ap);
	if (b.len)
		(void)!wire_send(sock, kind, b.data, b.len, -1, deadline_in(5000), &ignored);
}

void wire_note(int sock, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	send_line(sock, WIRE_NOTE, fmt, ap);
	va_end(ap);
}

void wire_warn(int sock, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	send_line(sock, WIRE_WARNING, fmt, ap);
	va_end(ap);
}
