// SPDX-License-Identifier: Apache-2.0
#include "deploy/node/door.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "deploy/node/channel.h"
#include "loop/listener.h"

#include <sys/socket.h>

enum { QUEUE_MAX = 4096 }; /* of the kernel, by default */

struct door {
	struct loop *loop;
	struct listener *listener;
	int fd;                  /* of the listener */
	struct watch *timer;     /* opens it again */
	struct channel *channel; /* NULL: nobody is there */
	door_came *came;
	door_heard *heard;
	void *arg;
	bool told; /* that one has ended */
};

static void on_message(void *arg, const struct message *m)
{
	struct door *d = arg;

	d->told = false;
	d->heard(d->arg, m);
}

static void on_end(void *arg, const struct err *why)
{
	struct door *d = arg;

	log_err(d->told ? LOG_DEBUG : LOG_INFO, why, "report is gone");
	d->told = true;
	channel_free(STEAL(d->channel, NULL));
}

/* Those that came meanwhile are older than the last of them, and do not count. */
static int newest(const struct door *d, int fd)
{
	for (int i = 0; i < QUEUE_MAX; i++) {
		int next = accept4(d->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (next < 0)
			break;
		fd_close(&fd);
		fd = next;
	}
	return fd;
}

static void on_connection(void *arg, int fd)
{
	struct door *d = arg;

	fd = newest(d, fd);
	listener_set(d->listener, false);
	timer_set(d->timer, MESSAGE_RETRY_MS, false);
	channel_free(d->channel);
	d->channel = channel_new(d->loop, fd, MESSAGE_FROM_REPORT, on_message, on_end, d);
	d->came(d->arg);
}

static void on_timer(void *arg)
{
	struct door *d = arg;

	listener_set(d->listener, true);
}

struct door *door_open(struct loop *loop, const char *path, door_came *came, door_heard *heard,
		       void *arg, struct err *err)
{
	int fd = channel_listen(path, err);
	struct door *d;

	if (fd < 0)
		return NULL;
	d = NEW(struct door);
	*d = (struct door){ .loop = loop, .fd = fd, .came = came, .heard = heard, .arg = arg };
	d->timer = loop_timer(loop, 0, false, on_timer, d);
	d->listener = listener_new(loop, fd, SOCK_NONBLOCK, on_connection, d);
	return d;
}

void door_close(struct door *d)
{
	if (!d)
		return;
	listener_free(d->listener);
	watch_remove(d->timer);
	channel_free(d->channel);
	free(d);
}

bool door_has_peer(const struct door *d)
{
	return d && d->channel;
}

void door_say(struct door *d, const struct message *m)
{
	if (d && d->channel)
		channel_say(d->channel, m);
}
