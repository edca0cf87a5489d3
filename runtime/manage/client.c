// SPDX-License-Identifier: Apache-2.0
/* The client's side: sends a request to a shim, for kata-runtime. */

#include "manage/manage.h"

#include "base/fd.h"
#include "base/str.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { HEAD_MAX = 4096 };

/* Reads until the shim closes the connection. */
static int receive(int fd, struct deadline deadline, struct buf *in, struct err *err)
{
	for (;;) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		char *room = buf_room(in, 4096);
		ssize_t n;

		if (!room)
			return err_set(err, E_LIMIT, "the answer is too long");
		if (poll(&wait, 1, deadline_left(deadline)) == 0)
			return err_set(err, E_TIMEOUT, "the shim did not answer in time");
		if (!wait.revents) /* a signal */
			continue;
		n = read(fd, room, 4096);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return err_sys(err, "read the answer");
		if (n == 0)
			return 0;
		in->len += (size_t)n;
	}
}

/* Takes the answer apart: appends its body to answer, or sets the error that it reports. */
static int take(struct buf *in, struct buf *answer, struct err *err)
{
	const char *text = buf_cstr(in), *body;

	in->data[in->len] = '\0';
	body = strstr(text, "\r\n\r\n");
	if (!body || !str_starts(text, "HTTP/1.1 "))
		return err_set(err, E_PROTOCOL, "the shim's answer is not one of HTTP/1.1");
	if (!str_starts(text, "HTTP/1.1 200 "))
		return err_take(err, str_starts(text, "HTTP/1.1 404 ") ? E_NOT_FOUND : E_FAILED, 0,
				ERR_HERE, body + 4);
	buf_str(answer, body + 4);
	return buf_check(answer, "the answer", err);
}

int manage_ask(const char *socket, const char *method, const char *target, const char *body,
	       struct deadline deadline, struct buf *answer, struct err *err)
{
	AUTO(fd) int fd = fd_unix_connect_until(socket, deadline, err);
	AUTO(buf) struct buf in = BUF_INIT(answer->max + HEAD_MAX);
	AUTO(str)
	char *request = str_fmt("%s %s HTTP/1.1\r\nHost: shim\r\nConnection: close\r\n"
				"Content-Length: %zu\r\n\r\n%s",
				method, target, body ? strlen(body) : 0, body ? body : "");

	if (fd < 0)
		return -1;
	if (fd_write_all(fd, request, strlen(request), err) < 0 ||
	    receive(fd, deadline, &in, err) < 0)
		return err_wrap(err, "%s", socket);
	return in.len ? take(&in, answer, err)
		      : err_set(err, E_GONE, "%s: the shim hung up", socket);
}
