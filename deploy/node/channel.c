// SPDX-License-Identifier: Apache-2.0
/* Messages over a socket, with limits for a peer that is not trusted. */
#include "deploy/node/channel.h"

#include "base/deadline.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct channel {
	int fd;
	enum message_side from;
	struct watch *watch, *later;
	channel_heard *heard;
	channel_gone *gone;
	void *arg;
	struct err why; /* why the channel has ended; E_OK: it has not */
	char in[MESSAGE_MAX];
	size_t have;
	struct buf out;
	uint64_t since; /* when counting began: CHANNEL_RATE */
	unsigned count;
	bool *freed; /* set by channel_free() while a line is handled */
};

static void tell_gone(void *arg)
{
	struct channel *c = arg;

	watch_remove(STEAL(c->later, NULL));
	c->gone(c->arg, &c->why);
}

/* gone() is called from the loop, never from within channel_say(). */
static void leave(struct channel *c)
{
	if (c->watch)
		timer_set(c->later, 1, false);
	watch_remove(STEAL(c->watch, NULL));
}

/* Handles a line; returns false if the channel has ended. */
static bool hear(struct channel *c, const char *line, size_t len)
{
	struct message m;
	bool freed = false;

	if (clock_ms() - c->since > CHANNEL_RATE_MS) {
		c->since = clock_ms();
		c->count = 0;
	}
	if (++c->count > CHANNEL_RATE)
		err_set(&c->why, E_LIMIT, "more than %d messages within %d s", CHANNEL_RATE,
			CHANNEL_RATE_MS / 1000);
	else if (message_parse(line, len, c->from, &m, &c->why) == 0) {
		c->freed = &freed;
		c->heard(c->arg, &m);
		if (freed)
			return false;
		c->freed = NULL;
		return !c->why.code;
	}
	leave(c);
	return false;
}

static void on_lines(struct channel *c)
{
	char *end;

	while ((end = memchr(c->in, '\n', c->have)) != NULL) {
		char line[MESSAGE_MAX];
		size_t len = (size_t)(end - c->in);

		memcpy(line, c->in, len);
		c->have -= len + 1;
		memmove(c->in, end + 1, c->have);
		if (!hear(c, line, len))
			return;
	}
	if (c->have == sizeof(c->in)) {
		err_set(&c->why, E_PROTOCOL, "a message of more than %d bytes", MESSAGE_MAX - 1);
		leave(c);
	}
}

static void flush(struct channel *c)
{
	while (c->out.len) {
		ssize_t n = send(c->fd, c->out.data, c->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			err_set(&c->why, E_GONE, "the connection was closed");
			leave(c);
			return;
		}
		buf_eat(&c->out, (size_t)n);
	}
	watch_set(c->watch, c->out.len ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void on_socket(void *arg, uint32_t events)
{
	struct channel *c = arg;
	ssize_t n;

	if (events & EPOLLOUT) {
		flush(c);
		if (!c->watch)
			return;
	}
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	n = recv(c->fd, c->in + c->have, sizeof(c->in) - c->have, MSG_DONTWAIT);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		err_set(&c->why, E_GONE, "the connection was closed");
		leave(c);
		return;
	}
	c->have += (size_t)n;
	on_lines(c);
}

struct channel *channel_new(struct loop *loop, int fd, enum message_side from, channel_heard *heard,
			    channel_gone *gone, void *arg)
{
	struct channel *c = NEW(struct channel);

	*c = (struct channel){ .fd = fd,
			       .from = from,
			       .heard = heard,
			       .gone = gone,
			       .arg = arg,
			       .out = BUF_INIT(CHANNEL_OUT),
			       .since = clock_ms() };
	c->watch = loop_watch(loop, fd, EPOLLIN, on_socket, c);
	c->later = loop_timer(loop, 0, false, tell_gone, c);
	return c;
}

void channel_free(struct channel *c)
{
	if (!c)
		return;
	if (c->freed)
		*c->freed = true;
	watch_remove(c->watch);
	watch_remove(c->later);
	fd_close(&c->fd);
	buf_release(&c->out);
	free(c);
}

void channel_say(struct channel *c, const struct message *m)
{
	if (!c->watch)
		return;
	if (message_format(m, &c->out, &c->why) < 0) {
		leave(c);
		return;
	}
	flush(c);
}

/* Sets the mode of the socket. Report can write to the directory, too, and may have replaced the
 * socket by a symlink to a file of the host: the mode of nothing but a socket is changed. */
static int open_to_all(const char *path, struct err *err)
{
	AUTO(fd) int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	AUTO(str) char *same = str_fmt("/proc/self/fd/%d", fd);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "open %s for everybody", path);
	if (!S_ISSOCK(st.st_mode)) {
		(void)err_set(err, E_STATE, "somebody has replaced the socket %s", path);
		return err_hint(err, "find out who writes in its directory, which is report's too");
	}
	return chmod(same, 0666) < 0 ? err_sys(err, "open %s for everybody", path) : 0;
}

int channel_listen(const char *path, struct err *err)
{
	AUTO(fd) int fd = -1;

	if (unlink(path) < 0 && errno != ENOENT)
		return err_sys(err, "remove the old socket %s", path);
	fd = fd_unix_listen(path, err);
	if (fd < 0)
		return err_hint(err, "it needs a directory that report shares");
	return open_to_all(path, err) < 0 ? -1 : STEAL(fd, -1);
}
