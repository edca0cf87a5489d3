// SPDX-License-Identifier: Apache-2.0
/*
 * The QMP client. A command is in the list of pending ones until its answer, its deadline or the
 * end of the connection removes it; whichever removes it completes it, so it is completed once.
 */

#include "vmm/qemu/qmp.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_SIZE = 4096, ID_SIZE = 24 };

/* A command in flight, on the stack of its caller. */
struct command {
	const char *name;
	char id[ID_SIZE];
	bool done;
	struct json *reply; /* the whole answer */
	struct err err;
};

/* A line to be sent, with an fd or -1. */
struct line {
	char *text;
	size_t len, sent;
	int fd; /* owned */
};

struct qmp {
	struct loop *loop;
	int fd;                             /* loop */
	struct watch *watch;                /* loop */
	struct buf in;                      /* loop: what was received and is not complete yet */
	struct qmp_subscription *listeners; /* loop */

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	VEC(struct command *) pending;
	VEC(struct line) out;
	uint64_t next_id;
	struct err why; /* set: the connection is broken */
};

/* --- lines --- */

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

/* --- commands end --- */

/* With the lock held: removes the pending command of that id and returns it, or NULL. */
static struct command *take(struct qmp *q, const char *id)
{
	for (size_t i = 0; i < q->pending.n; i++) {
		struct command *c = q->pending.v[i];

		if (str_eq(c->id, id)) {
			vec_remove(&q->pending, i);
			return c;
		}
	}
	return NULL;
}

/* Loop: calls the event's listeners; event NULL: no more events will come. */
static void notify(struct qmp *q, const char *event, const struct json *data)
{
	struct qmp_subscription *s, *next;

	for (s = q->listeners; s; s = next) {
		next = s->next; /* it may unsubscribe itself */
		if (!event || !s->event || str_eq(s->event, event))
			s->fn(s->arg, event, data);
	}
}

/* Loop: nothing can be sent or received any more. */
static void break_off(struct qmp *q, const struct err *why)
{
	watch_remove(STEAL(q->watch, NULL));
	fd_close(&q->fd);
	(void)pthread_mutex_lock(&q->lock);
	if (!q->why.code)
		q->why = *why;
	for (size_t i = 0; i < q->pending.n; i++) {
		q->pending.v[i]->err = q->why;
		q->pending.v[i]->done = true;
	}
	q->pending.n = 0;
	(void)pthread_cond_broadcast(&q->changed);
	(void)pthread_mutex_unlock(&q->lock);
	notify(q, NULL, NULL);
}

/* Takes over the answer. */
static void on_answer(struct qmp *q, const char *id, struct json *answer)
{
	struct command *c;

	(void)pthread_mutex_lock(&q->lock);
	c = take(q, id);
	if (c) {
		c->reply = STEAL(answer, NULL);
		c->done = true;
		(void)pthread_cond_broadcast(&q->changed);
	}
	(void)pthread_mutex_unlock(&q->lock);
	json_free(answer); /* not NULL if the command has timed out */
}

/* Takes over j: an answer, an event, or the greeting, which is ignored. */
static void on_object(struct qmp *q, struct json *j)
{
	const char *id = json_get_text(j, "id"), *event = json_get_text(j, "event");

	if (id) {
		on_answer(q, id, j);
		return;
	}
	if (event) {
		const struct json *data = json_get(j, "data");
		AUTO(str) char *text = data ? json_format(data, false) : NULL;

		log_debug("QEMU event", LOG_S("event", event), LOG_S("data", text ? text : ""));
		notify(q, event, data);
	}
	json_free(j);
}

/* --- input and output, on the loop --- */

static void receive(struct qmp *q)
{
	struct err err = ERR_INIT;
	struct json *j;
	size_t want = q->in.max - q->in.len < READ_SIZE ? q->in.max - q->in.len : READ_SIZE;
	ssize_t n = read(q->fd, buf_room(&q->in, want), want);
	int got;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		err_set(&err, E_GONE, "QMP: QEMU closed the connection");
		break_off(q, &err);
		return;
	}
	q->in.len += (size_t)n;
	while ((got = qmp_next(&q->in, &j, &err)) > 0) {
		if (j)
			on_object(q, j);
	}
	if (got < 0)
		break_off(q, &err);
}

/* Sends a part of a line, with the first byte also the line's fd. Returns how many bytes, or -1. */
static ssize_t send_part(struct qmp *q, struct line *l, struct err *err)
{
	ssize_t n;

	if (l->fd >= 0 && !l->sent)
		return fd_send(q->fd, l->text, 1, &l->fd, 1, err) < 0 ? -1 : 1;
	n = send(q->fd, l->text + l->sent, l->len - l->sent, MSG_NOSIGNAL);
	return n < 0 ? err_sys(err, "send") : n;
}

/* With the lock held: returns 1 if all lines are sent, 0 if the socket takes no more now, or -1. */
static int send_lines(struct qmp *q, struct err *err)
{
	while (q->out.n) {
		struct line *l = &q->out.v[0];
		ssize_t n = send_part(q, l, err);

		if (n < 0 && (err->sys == EAGAIN || err->sys == EINTR)) {
			err_clear(err);
			return 0;
		}
		if (n < 0)
			return err_wrap(err, "QMP");
		l->sent += (size_t)n;
		if (l->sent < l->len)
			continue;
		fd_close(&l->fd);
		free(l->text);
		vec_remove(&q->out, 0);
	}
	return 1;
}

static void flush(void *arg)
{
	struct qmp *q = arg;
	struct err err = ERR_INIT;
	int done;

	if (q->fd < 0)
		return;
	(void)pthread_mutex_lock(&q->lock);
	done = send_lines(q, &err);
	(void)pthread_mutex_unlock(&q->lock);
	if (done < 0)
		break_off(q, &err);
	else
		watch_set(q->watch, EPOLLIN | (done ? 0U : (unsigned)EPOLLOUT));
}

static void on_ready(void *arg, uint32_t events)
{
	struct qmp *q = arg;

	if (events & EPOLLOUT)
		flush(q);
	if (q->fd >= 0 && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		receive(q);
}

/* --- commands begin --- */

static char *format_command(const char *name, const char *id, struct json *arguments)
{
	AUTO(json) struct json *j = json_make_object();
	AUTO(str) char *text = NULL;

	json_put(j, "execute", json_make_string(name));
	json_put(j, "id", json_make_string(id));
	if (arguments)
		json_put(j, "arguments", arguments);
	text = json_format(j, false);
	return str_fmt("%s\n", text);
}

/* With the lock held: gives the command an id, and queues its line. Takes over arguments and fd.
 * False if the connection is broken. */
static bool queue(struct qmp *q, struct command *c, struct json *arguments, int fd)
{
	struct line l = { .fd = fd };

	(void)!str_print(c->id, sizeof(c->id), "%llu", (unsigned long long)++q->next_id);
	l.text = format_command(c->name, c->id, arguments);
	l.len = strlen(l.text);
	if (q->why.code) {
		free(l.text);
		fd_close(&l.fd);
		return false;
	}
	vec_push(&q->out, l);
	loop_post(q->loop, flush, q);
	return true;
}

static int begin(struct qmp *q, struct command *c, struct json *arguments, int fd, struct err *err)
{
	(void)pthread_mutex_lock(&q->lock);
	if (queue(q, c, arguments, fd))
		vec_push(&q->pending, c);
	else
		*err = q->why;
	(void)pthread_mutex_unlock(&q->lock);
	return err->code ? -1 : 0;
}

void qmp_tell(struct qmp *q, const char *command, struct json *arguments)
{
	struct command c = { .name = command };

	(void)pthread_mutex_lock(&q->lock);
	(void)queue(q, &c, arguments, -1);
	(void)pthread_mutex_unlock(&q->lock);
}

static void await(struct qmp *q, struct command *c, struct deadline deadline)
{
	(void)pthread_mutex_lock(&q->lock);
	while (!c->done && cond_wait_until(&q->changed, &q->lock, deadline))
		;
	if (!c->done) {
		(void)take(q, c->id);
		err_set(&c->err, E_TIMEOUT, "no answer in time");
	}
	(void)pthread_mutex_unlock(&q->lock);
}

/* The result of a command that is done. Takes over c->reply. */
static int conclude(struct command *c, struct json **reply, struct err *err)
{
	AUTO(json) struct json *answer = c->reply;
	const struct json *refused = answer ? json_get(answer, "error") : NULL;
	const char *why = refused ? json_get_text(refused, "desc") : NULL;

	if (c->err.code) {
		*err = c->err;
		return err_wrap(err, "QMP %s", c->name);
	}
	if (refused)
		return err_set(err, E_FAILED, "QMP %s: %s", c->name, why ? why : "refused");
	if (reply)
		*reply = json_get(answer, "return") ? json_share(json_get(answer, "return"))
						    : json_make_null();
	return 0;
}

static int execute(struct qmp *q, const char *name, struct json *arguments, int fd,
		   struct deadline deadline, struct json **reply, struct err *err)
{
	struct command c = { .name = name, .err = ERR_INIT };

	if (loop_is_current(q->loop))
		bug("QMP %s on the loop", name);
	if (begin(q, &c, arguments, fd, err) < 0)
		return err_wrap(err, "QMP %s", name);
	await(q, &c, deadline);
	return conclude(&c, reply, err);
}

int qmp_execute(struct qmp *q, const char *command, struct json *arguments,
		struct deadline deadline, struct json **reply, struct err *err)
{
	return execute(q, command, arguments, -1, deadline, reply, err);
}

int qmp_give_fd(struct qmp *q, int fd, const char *name, struct deadline deadline, struct err *err)
{
	int copy = fd_dup(fd, err);
	struct json *arguments;

	if (copy < 0)
		return -1;
	arguments = json_make_object();
	json_put(arguments, "fdname", json_make_string(name));
	return execute(q, "getfd", arguments, copy, deadline, NULL, err);
}

/* --- subscriptions --- */

/* Arguments of the functions on the loop. */
struct listening {
	struct qmp *q;
	struct qmp_subscription *s;
};

static void add_listener(void *arg)
{
	struct listening *l = arg;

	l->s->next = l->q->listeners;
	l->q->listeners = l->s;
}

static void remove_listener(void *arg)
{
	struct listening *l = arg;

	for (struct qmp_subscription **at = &l->q->listeners; *at; at = &(*at)->next) {
		if (*at == l->s) {
			*at = l->s->next;
			return;
		}
	}
}

void qmp_subscribe(struct qmp *q, struct qmp_subscription *s)
{
	struct listening l = { q, s };

	loop_call(q->loop, add_listener, &l);
}

void qmp_unsubscribe(struct qmp *q, struct qmp_subscription *s)
{
	struct listening l = { q, s };

	loop_call(q->loop, remove_listener, &l);
}

/* --- the client --- */

static void open_on_loop(void *arg)
{
	struct qmp *q = arg;

	q->watch = loop_watch(q->loop, q->fd, EPOLLIN, on_ready, q);
}

static void close_on_loop(void *arg)
{
	struct err gone = ERR_INIT;

	err_set(&gone, E_GONE, "QMP: the connection was closed");
	break_off(arg, &gone);
}

struct qmp *qmp_new(struct loop *loop, int fd)
{
	struct qmp *q = NEW(struct qmp);
	struct err err = ERR_INIT;

	q->loop = loop;
	q->fd = fd;
	q->in = (struct buf)BUF_INIT(QMP_LINE_MAX);
	(void)pthread_mutex_init(&q->lock, NULL);
	cond_init(&q->changed);
	if (fd_nonblock(fd, true, &err) < 0)
		bug("QMP socket: %s", err.msg);
	loop_call(loop, open_on_loop, q);
	return q;
}

void qmp_free(struct qmp *q)
{
	if (!q)
		return;
	loop_call(q->loop, close_on_loop, q);
	vec_each(struct line, l, &q->out) {
		free(l->text);
		fd_close(&l->fd);
	}
	vec_release(&q->out);
	vec_release(&q->pending);
	buf_release(&q->in);
	(void)pthread_mutex_destroy(&q->lock);
	(void)pthread_cond_destroy(&q->changed);
	free(q);
}
