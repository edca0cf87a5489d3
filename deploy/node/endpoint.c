// SPDX-License-Identifier: Apache-2.0
/* Listens at node's socket and keeps the newest connection. */
#include "deploy/node/endpoint.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "deploy/node/channel.h"
#include "loop/listener.h"

#include <sys/socket.h>

enum { QUEUE_MAX = 4096 }; /* the kernel's default limit of connections that wait (somaxconn) */

struct endpoint {
	struct loop *loop;
	struct listener *listener;
	int fd;                  /* of the listener */
	struct watch *timer;     /* when to accept again */
	struct channel *channel; /* NULL: no connection */
	endpoint_came *came;
	endpoint_heard *heard;
	void *arg;
	bool logged; /* that a connection has ended */
};

static void on_message(void *arg, const struct message *m)
{
	struct endpoint *e = arg;

	e->logged = false;
	e->heard(e->arg, m);
}

static void on_end(void *arg, const struct err *why)
{
	struct endpoint *e = arg;

	log_err(e->logged ? LOG_DEBUG : LOG_INFO, why, "the connection to report has ended");
	e->logged = true;
	channel_free(STEAL(e->channel, NULL));
}

/* Accepts all connections that wait and returns the newest. */
static int newest(const struct endpoint *e, int fd)
{
	for (int i = 0; i < QUEUE_MAX; i++) {
		int next = accept4(e->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (next < 0)
			break;
		fd_close(&fd);
		fd = next;
	}
	return fd;
}

static void on_connection(void *arg, int fd)
{
	struct endpoint *e = arg;

	fd = newest(e, fd);
	listener_set(e->listener, false);
	timer_set(e->timer, MESSAGE_RETRY_MS, false);
	channel_free(e->channel);
	e->channel = channel_new(e->loop, fd, MESSAGE_FROM_REPORT, on_message, on_end, e);
	e->came(e->arg);
}

static void on_timer(void *arg)
{
	struct endpoint *e = arg;

	listener_set(e->listener, true);
}

struct endpoint *endpoint_open(struct loop *loop, const char *path, endpoint_came *came,
			       endpoint_heard *heard, void *arg, struct err *err)
{
	int fd = channel_listen(path, err);
	struct endpoint *e;

	if (fd < 0)
		return NULL;
	e = NEW(struct endpoint);
	*e = (struct endpoint){ .loop = loop, .fd = fd, .came = came, .heard = heard, .arg = arg };
	e->timer = loop_timer(loop, 0, false, on_timer, e);
	e->listener = listener_new(loop, fd, SOCK_NONBLOCK, on_connection, e);
	return e;
}

void endpoint_close(struct endpoint *e)
{
	if (!e)
		return;
	listener_free(e->listener);
	watch_remove(e->timer);
	channel_free(e->channel);
	free(e);
}

bool endpoint_has_peer(const struct endpoint *e)
{
	return e && e->channel;
}

void endpoint_say(struct endpoint *e, const struct message *m)
{
	if (e && e->channel)
		channel_say(e->channel, m);
}
