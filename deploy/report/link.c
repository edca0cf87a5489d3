// SPDX-License-Identifier: Apache-2.0
/* Connects to node's socket. */
#include "deploy/report/link.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "deploy/node/channel.h"

struct link {
	struct loop *loop;
	char *path;
	link_fn fn;
	void *arg;
	struct channel *channel; /* NULL: no connection */
	struct watch *timer;     /* when to connect again */
	bool logged;             /* that node is not there */
};

static void on_message(void *arg, const struct message *m)
{
	struct link *l = arg;

	l->fn(l->arg, m, true);
}

static void on_end(void *arg, const struct err *why)
{
	struct link *l = arg;

	log_err(why->code == E_GONE ? LOG_DEBUG : LOG_WARN, why,
		"the connection to kata-deploy node has ended");
	channel_free(STEAL(l->channel, NULL));
	timer_set(l->timer, MESSAGE_RETRY_MS, false);
	l->fn(l->arg, NULL, false);
}

static void dial(void *arg)
{
	struct link *l = arg;
	struct err err = ERR_INIT;
	int fd = fd_unix_connect(l->path, &err);

	if (fd < 0) {
		log_err(l->logged ? LOG_DEBUG : LOG_INFO, &err, "kata-deploy node is not there");
		l->logged = true;
		timer_set(l->timer, MESSAGE_RETRY_MS, false);
		return;
	}
	l->logged = false;
	l->channel = channel_new(l->loop, fd, MESSAGE_FROM_NODE, on_message, on_end, l);
	l->fn(l->arg, NULL, true);
}

struct link *link_new(struct loop *loop, const char *path, link_fn fn, void *arg)
{
	struct link *l = NEW(struct link);

	*l = (struct link){ .loop = loop, .path = xstrdup(path), .fn = fn, .arg = arg };
	l->timer = loop_timer(loop, 1, false, dial, l);
	return l;
}

void link_say(struct link *l, const struct message *m)
{
	if (l->channel)
		channel_say(l->channel, m);
}

void link_free(struct link *l)
{
	if (!l)
		return;
	channel_free(l->channel);
	watch_remove(l->timer);
	free(l->path);
	free(l);
}
