// SPDX-License-Identifier: Apache-2.0
/* The shim's side: a thread for each connection, which ends with its one request. */

#include "manage/manage.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/thread.h"
#include "loop/listener.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_MAX = 64 * 1024, ANSWER_MAX = 1 << 20, IO_MS = 5000, CONNECTIONS_MAX = 8 };

struct manage {
	struct loop *loop;
	const struct manage_route *routes;
	void *arg;
	int socket;
	struct listener *listener; /* loop */

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t idle;
	unsigned connections;
};

struct connection {
	struct manage *m;
	int fd;
};

/* --- a request --- */

static int receive(int fd, struct buf *in, struct manage_request *out, struct err *err)
{
	struct deadline deadline = deadline_in(IO_MS);
	int done = 0;

	while (done == 0) {
		char *room = buf_room(in, 4096);
		ssize_t n;

		if (!room)
			return err_set(err, E_LIMIT, "the request is longer than %d", REQUEST_MAX);
		fd_limit_time(fd, SO_RCVTIMEO, deadline);
		n = read(fd, room, 4096);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return err_set(err, E_TIMEOUT,
				       "the request has not arrived after %d seconds",
				       IO_MS / 1000);
		if (n <= 0)
			return n == 0 ? err_set(err, E_GONE, "the request is incomplete")
				      : err_sys(err, "read the request");
		in->len += (size_t)n;
		in->data[in->len] = '\0';
		done = manage_parse(in->data, in->len, out, err);
	}
	return done < 0 ? -1 : 0;
}

/* Calls the route's handler. */
static int answer(const struct manage *m, const struct manage_request *r, struct buf *out,
		  struct err *err)
{
	bool known = false;

	for (const struct manage_route *route = m->routes; route->method; route++) {
		if (!str_eq(route->path, r->path))
			continue;
		known = true;
		if (str_eq(route->method, r->method))
			return route->handle(m->arg, r, out, err) < 0
				       ? -1
				       : buf_check(out, "the answer", err);
	}
	return known ? err_set(err, E_UNSUPPORTED, "%s cannot be asked with %s", r->path, r->method)
		     : err_set(err, E_NOT_FOUND, "there is no %s", r->path);
}

static const char *status_of(enum err_code code)
{
	static const struct {
		enum err_code code;
		const char *status;
	} known[] = {
		{ E_OK, "200 OK" },
		{ E_NOT_FOUND, "404 Not Found" },
		{ E_UNSUPPORTED, "501 Not Implemented" },
		{ E_INVALID, "400 Bad Request" },
		{ E_PROTOCOL, "400 Bad Request" },
		{ E_LIMIT, "400 Bad Request" },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (known[i].code == code)
			return known[i].status;
	}
	return "500 Internal Server Error";
}

static void send_answer(int fd, const struct buf *body, const struct err *err)
{
	AUTO(buf) struct buf out = BUF_INIT(ANSWER_MAX + 4096);
	struct err ignored = ERR_INIT; /* the client has disconnected, or does not read */
	const char *text = err->code ? err->msg : body->data ? body->data : "";

	buf_fmt(&out,
		"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
		"Connection: close\r\n\r\n%s",
		status_of(err->code), err->code ? "text/plain" : "application/json", strlen(text),
		text);
	if (fd_nonblock(fd, true, &ignored) == 0)
		(void)!fd_write_until(fd, out.data, out.len, deadline_in(IO_MS), &ignored);
}

static void hang_up(struct connection *c)
{
	struct manage *m = c->m;

	fd_close(&c->fd);
	free(c);
	(void)pthread_mutex_lock(&m->lock);
	m->connections--;
	(void)pthread_cond_broadcast(&m->idle);
	(void)pthread_mutex_unlock(&m->lock);
}

static void *serve(void *arg)
{
	struct connection *c = arg;
	struct manage *m = c->m;
	AUTO(buf) struct buf in = BUF_INIT(REQUEST_MAX), out = BUF_INIT(ANSWER_MAX);
	struct manage_request request = { NULL, NULL, NULL, NULL };
	struct err err = ERR_INIT;

	if (receive(c->fd, &in, &request, &err) == 0)
		(void)!answer(m, &request, &out, &err);
	if (err.code)
		log_err(LOG_INFO, &err, "a request of the sandbox's socket failed",
			LOG_S("path", request.path ? request.path : ""));
	send_answer(c->fd, &out, &err);
	hang_up(c);
	return NULL;
}

/* --- connections --- */

/* Counts a new connection; false if there are too many. */
static bool admit(struct manage *m)
{
	bool admitted;

	(void)pthread_mutex_lock(&m->lock);
	admitted = m->connections < CONNECTIONS_MAX;
	m->connections += admitted;
	(void)pthread_mutex_unlock(&m->lock);
	return admitted;
}

/* Loop. A connection is closed if there are too many, or the machine has no thread for it. */
static void on_connection(void *arg, int fd)
{
	struct err err = ERR_INIT;
	struct manage *m = arg;
	struct connection *c;

	if (!admit(m)) {
		fd_close(&fd);
		return;
	}
	c = NEW(struct connection);
	*c = (struct connection){ m, fd };
	if (thread_detach(serve, c, 0, &err) < 0)
		hang_up(c);
}

static void open_on_loop(void *arg)
{
	struct manage *m = arg;

	m->listener = listener_new(m->loop, m->socket, 0, on_connection, m);
}

static void close_on_loop(void *arg)
{
	struct manage *m = arg;

	listener_free(STEAL(m->listener, NULL));
}

struct manage *manage_new(struct loop *loop, const char *socket, const struct manage_route *routes,
			  void *arg, struct err *err)
{
	int fd = fd_unix_listen(socket, err);
	struct manage *m;

	if (fd < 0)
		return NULL;
	m = NEW(struct manage);
	m->loop = loop;
	m->routes = routes;
	m->arg = arg;
	m->socket = fd;
	(void)pthread_mutex_init(&m->lock, NULL);
	cond_init(&m->idle);
	loop_call(loop, open_on_loop, m);
	return m;
}

void manage_free(struct manage *m)
{
	if (!m)
		return;
	loop_call(m->loop, close_on_loop, m);
	(void)pthread_mutex_lock(&m->lock);
	while (m->connections)
		(void)cond_wait_until(&m->idle, &m->lock, DEADLINE_NEVER);
	(void)pthread_mutex_unlock(&m->lock);
	(void)pthread_mutex_destroy(&m->lock);
	(void)pthread_cond_destroy(&m->idle);
	free(m);
}
