// SPDX-License-Identifier: Apache-2.0
#include "deploy/report/link.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OUT_MAX = 4 * MESSAGE_MAX, READS_MAX = 16 };

struct link {
	struct loop *loop;
	char *path;
	link_fn fn;
	void *arg;
	int fd;
	struct watch *watch, *timer;
	struct buf in, out;
	bool told; /* that there is no connection */
};

static void on_ready(void *arg, uint32_t events);

static void hang_up(struct link *l)
{
	if (l->fd < 0)
		return;
	watch_remove(l->watch);
	l->watch = NULL;
	fd_close(&l->fd);
	buf_clear(&l->in);
	buf_clear(&l->out);
	timer_set(l->timer, MESSAGE_RETRY_MS, false);
	l->fn(l->arg, NULL, false);
}

static void dial(void *arg)
{
	struct link *l = arg;
	struct err err = ERR_INIT;

	l->fd = fd_unix_connect(l->path, &err);
	if (l->fd >= 0 && fd_nonblock(l->fd, true, &err) < 0)
		fd_close(&l->fd);
	if (l->fd < 0) {
		log_err(l->told ? LOG_DEBUG : LOG_INFO, &err, "kata-deploy node is not there");
		l->told = true;
		timer_set(l->timer, MESSAGE_RETRY_MS, false);
		return;
	}
	l->told = false;
	l->watch = loop_watch(l->loop, l->fd, EPOLLIN, on_ready, l);
	l->fn(l->arg, NULL, true);
}

/* -1: the connection has ended. */
static int flush(struct link *l)
{
	while (l->out.len) {
		ssize_t n = send(l->fd, l->out.data, l->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0)
			return -1;
		buf_eat(&l->out, (size_t)n);
	}
	watch_set(l->watch, l->out.len ? EPOLLIN | EPOLLOUT : EPOLLIN);
	return 0;
}

static int take_lines(struct link *l)
{
	char *end;

	while (l->in.len && (end = memchr(l->in.data, '\n', l->in.len))) {
		size_t n = (size_t)(end - l->in.data);
		struct err err = ERR_INIT;
		struct message m;

		if (message_parse(l->in.data, n, MESSAGE_FROM_NODE, &m, &err) < 0) {
			log_err(LOG_WARN, &err, "kata-deploy node broke the rules");
			return -1;
		}
		buf_eat(&l->in, n + 1);
		l->fn(l->arg, &m, true);
	}
	if (l->in.len < MESSAGE_MAX)
		return 0;
	log_warn("kata-deploy node said a line without end");
	return -1;
}

/* A peer that never stops must not keep the loop. */
static int receive(struct link *l)
{
	for (int i = 0; i < READS_MAX; i++) {
		char text[MESSAGE_MAX];
		ssize_t n = recv(l->fd, text, sizeof(text), MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n <= 0)
			return -1;
		buf_add(&l->in, text, (size_t)n);
		if (take_lines(l) < 0)
			return -1;
	}
	return 0;
}

static void on_ready(void *arg, uint32_t events)
{
	struct link *l = arg;
	int rc = 0;

	if (events & EPOLLOUT)
		rc = flush(l);
	if (rc == 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		rc = receive(l);
	if (rc < 0)
		hang_up(l);
}

struct link *link_new(struct loop *loop, const char *path, link_fn fn, void *arg)
{
	struct link *l = NEW(struct link);

	*l = (struct link){ .loop = loop,
			    .path = xstrdup(path),
			    .fn = fn,
			    .arg = arg,
			    .fd = -1,
			    .in = BUF_INIT(2 * MESSAGE_MAX),
			    .out = BUF_INIT(OUT_MAX) };
	l->timer = loop_timer(loop, 1, false, dial, l);
	return l;
}

void link_say(struct link *l, const struct message *m)
{
	struct err err = ERR_INIT;

	if (l->fd < 0)
		return;
	if (message_format(m, &l->out, &err) < 0) {
		log_err(LOG_WARN, &err, "kata-deploy node does not listen");
		hang_up(l);
	} else if (flush(l) < 0) {
		hang_up(l);
	}
}

void link_free(struct link *l)
{
	if (!l)
		return;
	watch_remove(l->watch);
	watch_remove(l->timer);
	fd_close(&l->fd);
	buf_release(&l->in);
	buf_release(&l->out);
	free(l->path);
	free(l);
}
