// SPDX-License-Identifier: Apache-2.0
/* QMP: lines in, commands out. */

#include "vmm/qemu/qmp.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

int qmp_next(struct buf *in, struct json **out, struct err *err)
{
	char *end = in->len ? memchr(in->data, '\n', in->len) : NULL;
	size_t len = end ? (size_t)(end - in->data) : 0;

	*out = NULL;
	if (!end)
		return in->len >= in->max
			       ? err_set(err, E_PROTOCOL, "QMP: a line is longer than %zu", in->max)
			       : 0;
	if (len && in->data[len - 1] == '\r')
		len--;
	if (len) {
		*out = json_parse(in->data, len, "QMP", err);
		if (!*out)
			return -1;
		if (json_kind(*out) != JSON_IS_OBJECT) {
			json_free(*out);
			return err_set(err, E_PROTOCOL, "QMP: not a JSON object");
		}
	}
	buf_eat(in, (size_t)(end - in->data) + 1);
	return 1;
}

/* Waits for the next object. */
static struct json *receive(int fd, struct buf *in, struct deadline deadline, struct err *err)
{
	for (;;) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		struct json *j;
		int got = qmp_next(in, &j, err);
		ssize_t n;

		if (got < 0)
			return NULL;
		if (got > 0 && j)
			return j;
		if (got > 0)
			continue;
		if (poll(&wait, 1, deadline_left(deadline)) == 0) {
			err_set(err, E_TIMEOUT, "QMP: no answer in time");
			return NULL;
		}
		size_t want = in->max - in->len < 4096 ? in->max - in->len : 4096;
		n = read(fd, buf_room(in, want), want);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0) {
			err_set(err, E_GONE, "QMP: QEMU closed the connection");
			return NULL;
		}
		in->len += (size_t)n;
	}
}

int qmp_execute(int fd, const char *command, struct deadline deadline, struct err *err)
{
	AUTO(buf) struct buf in = BUF_INIT(QMP_LINE_MAX);
	AUTO(str) char *line = str_fmt("{\"execute\":\"%s\",\"id\":\"%s\"}\n", command, command);

	if (fd_write_all(fd, line, strlen(line), err) < 0)
		return err_wrap(err, "QMP %s", command);
	for (;;) {
		AUTO(json) struct json *j = receive(fd, &in, deadline, err);
		struct json *id, *why, *event;

		if (!j)
			return err_wrap(err, "QMP %s", command);
		event = json_get(j, "event");
		if (event && json_kind(event) == JSON_IS_STRING)
			log_debug("QEMU event", LOG_S("event", json_text(event)));
		id = json_get(j, "id");
		if (!id || json_kind(id) != JSON_IS_STRING || !str_eq(json_text(id), command))
			continue;
		why = json_get(j, "error");
		if (!why)
			return 0;
		why = json_kind(why) == JSON_IS_OBJECT ? json_get(why, "desc") : NULL;
		return err_set(err, E_FAILED, "QMP %s: %s", command,
			       why && json_kind(why) == JSON_IS_STRING ? json_text(why)
								       : "refused");
	}
}

int qmp_open(int fd, struct deadline deadline, struct err *err)
{
	/* The greeting needs no answer: QEMU queues it before our first command's reply. */
	return qmp_execute(fd, "qmp_capabilities", deadline, err);
}
