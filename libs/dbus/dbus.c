// SPDX-License-Identifier: Apache-2.0
/* The connection: authentication, calls, and the signals that arrive before an answer. */

#include "dbus/dbus.h"

#include "base/fd.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 512, READ_AT_ONCE = 4096 };

struct dbus {
	int fd;
	uint32_t serial;
	struct buf in; /* what was read and not taken */
	VEC(struct dbus_message) kept;
};

void dbus_close(struct dbus *bus)
{
	if (!bus)
		return;
	fd_close(&bus->fd);
	buf_release(&bus->in);
	vec_each(struct dbus_message, m, &bus->kept)
		dbus_message_release(m);
	vec_release(&bus->kept);
	free(bus);
}

/* --- bytes --- */

static int wait_for(struct dbus *bus, short events, struct deadline deadline, struct err *err)
{
	struct pollfd pfd[2] = { { .fd = bus->fd, .events = events },
				 { .fd = interrupt_fd(), .events = POLLIN } };

	for (;;) {
		int n = poll(pfd, 2, deadline_left(deadline));

		if (n < 0 && errno != EINTR)
			return err_sys(err, "wait for a D-Bus peer");
		if (interrupt_check(err) < 0)
			return -1;
		/* Checked even if there is data: the peer may send for ever. */
		if (deadline_passed(deadline))
			return err_set(err, E_TIMEOUT, "a D-Bus peer does not answer");
		if (n > 0 && pfd[0].revents)
			return 0;
	}
}

static int send_all(struct dbus *bus, const char *data, size_t len, struct deadline deadline,
		    struct err *err)
{
	while (len) {
		ssize_t n = send(bus->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0) {
			data += n;
			len -= (size_t)n;
		} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
			return err_set(err, E_GONE, "a D-Bus peer has closed the connection");
		} else if (wait_for(bus, POLLOUT, deadline, err) < 0) {
			return -1;
		}
	}
	return 0;
}

/* Reads until bus->in has at most `want` bytes; may read fewer. */
static int read_more(struct dbus *bus, size_t want, struct deadline deadline, struct err *err)
{
	size_t n = want - bus->in.len < READ_AT_ONCE ? want - bus->in.len : READ_AT_ONCE;
	char *room = buf_room(&bus->in, n);
	ssize_t got;

	if (!room)
		return err_set(err, E_PROTOCOL, "a D-Bus peer sends too much");
	if (wait_for(bus, POLLIN, deadline, err) < 0)
		return -1;
	got = recv(bus->fd, room, n, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got <= 0)
		return err_set(err, E_GONE, "a D-Bus peer has closed the connection");
	bus->in.len += (size_t)got;
	return 0;
}

/* --- authentication --- */

/* Sends "AUTH EXTERNAL" with the user id as hex of its decimal digits; the kernel tells the peer
 * our real id. BEGIN is sent at once, as sd-bus does: systemd ignores a message that it reads
 * together with BEGIN, which could happen if BEGIN were sent after the peer's OK. */
static int send_auth(struct dbus *bus, struct deadline deadline, struct err *err)
{
	char id[16], hex[2 * sizeof(id) + 1], line[64];

	(void)!str_print(id, sizeof(id), "%u", (unsigned)geteuid());
	str_hex(id, strlen(id), hex);
	(void)!str_print(line, sizeof(line), "%cAUTH EXTERNAL %s\r\nBEGIN\r\n", '\0', hex);
	return send_all(bus, line, 1 + strlen(line + 1), deadline, err);
}

static int receive_ok(struct dbus *bus, struct deadline deadline, struct err *err)
{
	const char *end;

	/* Byte by byte, so that nothing after the line is read. */
	while (!(end = bus->in.len ? memchr(bus->in.data, '\n', bus->in.len) : NULL)) {
		if (bus->in.len >= LINE_MAX_BYTES)
			return err_set(err, E_PROTOCOL, "the D-Bus peer's greeting has no end");
		if (read_more(bus, bus->in.len + 1, deadline, err) < 0)
			return -1;
	}
	if (bus->in.len < 3 || memcmp(bus->in.data, "OK ", 3) != 0)
		return err_set(err, E_PERMISSION, "the D-Bus peer does not accept user %u",
			       (unsigned)geteuid());
	buf_clear(&bus->in);
	return 0;
}

int dbus_connect(const char *socket, struct deadline deadline, struct dbus **out, struct err *err)
{
	AUTO(dbus) struct dbus *bus = NEW(struct dbus);

	*bus = (struct dbus){ .fd = fd_unix_connect_until(socket, deadline, err),
			      .in = BUF_INIT(DBUS_MESSAGE_MAX),
			      .kept = VEC_INIT };
	if (bus->fd < 0)
		return -1;
	if (send_auth(bus, deadline, err) < 0 || receive_ok(bus, deadline, err) < 0)
		return err_wrap(err, "%s", socket);
	*out = STEAL(bus, NULL);
	return 0;
}

/* --- messages --- */

static int next_message(struct dbus *bus, struct deadline deadline, struct dbus_message *out,
			struct err *err)
{
	size_t length;

	while (bus->in.len < DBUS_HEAD) {
		if (read_more(bus, DBUS_HEAD, deadline, err) < 0)
			return -1;
	}
	if (dbus_length(bus->in.data, &length, err) < 0)
		return -1;
	while (bus->in.len < length) {
		if (read_more(bus, length, deadline, err) < 0)
			return -1;
	}
	buf_clear(&out->data);
	buf_add(&out->data, bus->in.data, length);
	buf_eat(&bus->in, length);
	return dbus_parse(out, err);
}

static void keep(struct dbus *bus, struct dbus_message *m)
{
	if (bus->kept.n == DBUS_KEPT) {
		dbus_message_release(&bus->kept.v[0]);
		vec_remove(&bus->kept, 0);
	}
	vec_push(&bus->kept, *m);
	*m = (struct dbus_message)DBUS_MESSAGE_INIT;
}

static int refuse(const struct dbus_message *m, const struct dbus_call *call, struct err *err)
{
	struct dbus_reader r = dbus_read(m);
	const char *text = dbus_text(&r, 's');
	enum err_code code = strstr(m->error, "NoSuchUnit") || strstr(m->error, "UnknownMethod") ||
					     strstr(m->error, "UnknownObject")
				     ? E_NOT_FOUND
			     : strstr(m->error, "AccessDenied") ? E_PERMISSION
			     : strstr(m->error, "UnitExists")   ? E_EXISTS
								: E_FAILED;

	(void)err_take(err, (int)code, 0, ERR_HERE, text ? text : m->error);
	return err_wrap(err, "%s", call->member);
}

int dbus_ask(struct dbus *bus, const struct dbus_call *call, struct deadline deadline,
	     struct dbus_message *answer, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(DBUS_MESSAGE_MAX);
	uint32_t serial = ++bus->serial;

	dbus_format(call, serial, &text);
	if (buf_check(&text, call->member, err) < 0 ||
	    send_all(bus, text.data, text.len, deadline, err) < 0)
		return -1;
	for (;;) {
		if (next_message(bus, deadline, answer, err) < 0)
			return err_wrap(err, "%s", call->member);
		if (answer->type == DBUS_SIGNAL)
			keep(bus, answer);
		else if (answer->type == DBUS_ERROR && answer->answers == serial)
			return refuse(answer, call, err);
		else if (answer->type == DBUS_ANSWER && answer->answers == serial)
			return 0;
	}
}

int dbus_signal(struct dbus *bus, struct deadline deadline, struct dbus_message *out,
		struct err *err)
{
	if (bus->kept.n) {
		dbus_message_release(out);
		*out = bus->kept.v[0];
		vec_remove(&bus->kept, 0);
		return 0;
	}
	do {
		if (next_message(bus, deadline, out, err) < 0)
			return -1;
	} while (out->type != DBUS_SIGNAL);
	return 0;
}
