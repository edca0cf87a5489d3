// SPDX-License-Identifier: Apache-2.0
/* Connects to ports of localhost, and keeps the connections until they are closed. */

#include "agent/connection.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { CONNECT_MS = 10000, IDLE_S = 60, PROBE_S = 10 };

struct connection {
	struct connections *list;
	char *id;
	uint16_t port;
	unsigned tried;              /* number of addresses that were tried */
	int fd;                      /* while connecting; else -1 */
	struct watch *watch, *timer; /* while connecting */
	connection_done_fn done;     /* NULL once it was called */
	void *call;
	struct stream_owner owner;
	struct stream stream; /* once connected */
};

void connections_init(struct connections *list, struct loop *loop)
{
	*list = (struct connections){ .loop = loop };
}

static struct connection *find(const struct connections *list, const char *id)
{
	for (size_t i = 0; i < list->v.n; i++) {
		if (str_eq(list->v.v[i]->id, id))
			return list->v.v[i];
	}
	return NULL;
}

static void stop_trying(struct connection *c)
{
	watch_remove(STEAL(c->watch, NULL));
	watch_remove(STEAL(c->timer, NULL));
}

/* Reports the result of connecting, once. */
static void finish(struct connection *c, const struct err *err)
{
	connection_done_fn done = STEAL(c->done, NULL);

	stop_trying(c);
	if (done)
		done(c->call, err);
}

/* Removes and frees a connection; err is reported if it was still connecting. */
static void drop(struct connection *c, const struct err *err)
{
	vec_each(struct connection *, one, &c->list->v) {
		if (*one == c) {
			vec_remove(&c->list->v, (size_t)(one - c->list->v.v));
			break;
		}
	}
	finish(c, err);
	stream_close(&c->stream);
	fd_close(&c->fd);
	free(c->id);
	free(c);
}

static void advanced(void *arg)
{
	(void)arg; /* a connection lasts until connection_close() */
}

static void begin(struct connection *c)
{
	const int on = 1;

	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	/* It may only look established: a server whose queue was full may have dropped it. */
	fd_keep_alive(c->fd, IDLE_S, PROBE_S);
	finish(c, NULL);
	stream_init(&c->stream, &c->owner, STEAL(c->fd, -1), STREAM_SOCKET);
}

/* --- connecting --- */

static int connect_to(int family, uint16_t port)
{
	const struct sockaddr_in v4 = { .sin_family = AF_INET,
					.sin_port = htons(port),
					.sin_addr = { htonl(INADDR_LOOPBACK) } };
	const struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
					 .sin6_port = htons(port),
					 .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	const struct sockaddr *to = family == AF_INET ? (const void *)&v4 : (const void *)&v6;
	AUTO(fd) int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);

	if (fd < 0 || (connect(fd, to, family == AF_INET ? sizeof(v4) : sizeof(v6)) < 0 &&
		       errno != EINPROGRESS))
		return -1;
	return STEAL(fd, -1);
}

static void on_result(void *arg, uint32_t events);

/* Tries the next address, or fails with errno, which is why the one before failed. */
static void try_next(struct connection *c)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct err err = ERR_INIT;
	int why = errno;

	while (c->tried < ARRAY_LEN(families)) {
		c->fd = connect_to(families[c->tried++], c->port);
		if (c->fd >= 0) {
			c->watch = loop_watch(c->list->loop, c->fd, EPOLLOUT, on_result, c);
			return;
		}
		/* That the guest has no IPv6 is not the reason to report. */
		if (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL)
			why = errno;
	}
	errno = why;
	err_sys(&err, "connect to port %u of localhost", c->port);
	drop(c, &err);
}

static void on_result(void *arg, uint32_t events)
{
	struct connection *c = arg;
	int why = 0;
	socklen_t len = sizeof(why);

	(void)events;
	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &why, &len) < 0)
		why = errno;
	if (why == 0) {
		begin(c);
		return;
	}
	watch_remove(STEAL(c->watch, NULL));
	fd_close(&c->fd);
	errno = why;
	try_next(c);
}

/* As when the server accepts nothing and its queue is full. */
static void on_timeout(void *arg)
{
	struct connection *c = arg;
	struct err err = ERR_INIT;

	err_set(&err, E_TIMEOUT, "connect to port %u of localhost: no answer within %d seconds",
		c->port, CONNECT_MS / 1000);
	drop(c, &err);
}

int connection_open(struct connections *list, const char *id, uint32_t port,
		    connection_done_fn done, void *call, struct err *err)
{
	struct connection *c;

	if (port == 0 || port > UINT16_MAX)
		return err_set(err, E_INVALID, "there is no port %u", port);
	if (str_check_id(id, "connection id", err) < 0)
		return -1;
	if (find(list, id))
		return err_set(err, E_EXISTS, "the connection %s exists already", id);
	if (list->v.n >= CONNECTIONS_MAX)
		return err_set(err, E_LIMIT, "there are %d connections already", CONNECTIONS_MAX);
	c = NEW(struct connection);
	*c = (struct connection){ .list = list,
				  .id = xstrdup(id),
				  .port = (uint16_t)port,
				  .fd = -1,
				  .done = done,
				  .call = call,
				  .owner = { .loop = list->loop, .advanced = advanced, .arg = c } };
	stream_init(&c->stream, &c->owner, -1, STREAM_SOCKET);
	vec_push(&list->v, c);
	c->timer = loop_timer(list->loop, CONNECT_MS, false, on_timeout, c);
	errno = 0;
	try_next(c);
	return 0;
}

/* --- connected --- */

struct stream *connection_stream(struct connections *list, const char *id, struct err *err)
{
	struct connection *c = find(list, id);

	if (c && !c->done)
		return &c->stream;
	err_set(err, E_NOT_FOUND, "there is no connection '%.128s'", id);
	return NULL;
}

static void close_one(struct connection *c)
{
	struct err err = ERR_INIT;

	err_set(&err, E_CANCELLED, "the connection was closed");
	drop(c, &err);
}

void connection_close(struct connections *list, const char *id)
{
	struct connection *c = find(list, id);

	if (c)
		close_one(c);
}

void connections_release(struct connections *list)
{
	while (list->v.n)
		close_one(list->v.v[list->v.n - 1]);
	vec_release(&list->v);
}
