// SPDX-License-Identifier: Apache-2.0
/*
 * The ttRPC client. A pending call is on the client's list from send to answer. The event that
 * removes it from the list (answer, time-out, cancellation, end of the connection) completes it, so
 * each call is completed exactly once.
 */

#include "ttrpc/ttrpc.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/vec.h"
#include "protocols/ttrpc.pb-c.h"
#include "ttrpc/bytes.h"
#include "ttrpc/conn.h"
#include "ttrpc/unpack.h"

#include <pthread.h>
#include <time.h>

struct pending {
	struct ttrpc_client *client;
	uint32_t id;
	const ProtobufCMessageDescriptor *reply_type; /* NULL: the payload is ignored */
	ttrpc_done_fn done;
	void *arg;
	bool keeps_reply;                  /* done takes ownership of the reply */
	const struct ttrpc_reader *reader; /* instead of reply_type and done, or NULL */
	struct watch *timer;               /* loop only */
};

struct ttrpc_client {
	struct loop *loop;
	struct conn *conn;
	void (*on_close)(void *arg, const struct err *why);
	void *arg;
	pthread_mutex_t lock; /* guards all below */
	unsigned refs;
	uint32_t next_id; /* odd, rising; after 2^31 calls the ids start again */
	bool ids_reused;  /* they have */
	VEC(struct pending *) pending;
	struct err why; /* set: the connection is closed */
};

static void client_ref(struct ttrpc_client *c)
{
	(void)pthread_mutex_lock(&c->lock);
	c->refs++;
	(void)pthread_mutex_unlock(&c->lock);
}

static void client_unref(struct ttrpc_client *c)
{
	bool last;

	(void)pthread_mutex_lock(&c->lock);
	last = --c->refs == 0;
	(void)pthread_mutex_unlock(&c->lock);
	if (!last)
		return;
	conn_unref(c->conn);
	vec_release(&c->pending);
	(void)pthread_mutex_destroy(&c->lock);
	free(c);
}

/* With the lock held. Returns the position, or that after the last one. */
static size_t find(const struct ttrpc_client *c, uint32_t id)
{
	size_t i = 0;

	while (i < c->pending.n && c->pending.v[i]->id != id)
		i++;
	return i;
}

static struct pending *take(struct ttrpc_client *c, uint32_t id)
{
	struct pending *found = NULL;
	size_t at;

	(void)pthread_mutex_lock(&c->lock);
	at = find(c, id);
	if (at < c->pending.n) {
		found = c->pending.v[at];
		vec_remove(&c->pending, at);
	}
	(void)pthread_mutex_unlock(&c->lock);
	return found;
}

/* On the loop. */
static void complete(struct pending *p, const void *reply, const struct err *err)
{
	watch_remove(p->timer);
	if (p->reader)
		p->reader->done(p->arg, NULL, 0, err);
	else
		p->done(p->arg, reply, err);
	free(p);
}

static void complete_all(struct ttrpc_client *c)
{
	for (;;) {
		struct pending *p = NULL;

		(void)pthread_mutex_lock(&c->lock);
		if (c->pending.n) {
			p = c->pending.v[0];
			vec_remove(&c->pending, 0);
		}
		(void)pthread_mutex_unlock(&c->lock);
		if (!p)
			return;
		complete(p, NULL, &c->why);
	}
}

static void hand_over(struct pending *p, const uint8_t *data, size_t len)
{
	p->reader->done(p->arg, data, len, NULL);
	free(p); /* it has no timer */
}

static void deliver_bytes(struct pending *p, const uint8_t *payload, size_t n)
{
	struct err err = ERR_INIT;
	const uint8_t *data;
	size_t len;

	if (ttrpc_bytes_of(payload, n, &data, &len)) {
		hand_over(p, data, len);
		return;
	}
	err_set(&err, E_PROTOCOL, "the answer is not a message of bytes");
	complete(p, NULL, &err);
}

static void deliver(struct pending *p, const Ttrpc__Response *r)
{
	struct err err = ERR_INIT;
	ProtobufCMessage *reply = NULL;
	bool keeps = p->keeps_reply;

	if (r->status && r->status->code) {
		(void)err_take(&err, (int)err_from_rpc_status(r->status->code), 0, ERR_HERE,
			       r->status->message ? r->status->message : "the peer gave no reason");
	} else if (p->reader) {
		deliver_bytes(p, r->payload.data, r->payload.len);
		return;
	} else if (p->reply_type) {
		reply = ttrpc_unpack(p->reply_type, r->payload.len, r->payload.data);
		if (!reply)
			err_set(&err, E_PROTOCOL, "the answer is not a valid %s message",
				p->reply_type->name);
	}
	complete(p, reply, err.code ? &err : NULL);
	if (reply && !keeps)
		protobuf_c_message_free_unpacked(reply, NULL);
}

static bool was_issued(struct ttrpc_client *c, uint32_t id)
{
	bool known;

	(void)pthread_mutex_lock(&c->lock);
	known = id % 2 == 1 && (c->ids_reused || id < c->next_id);
	(void)pthread_mutex_unlock(&c->lock);
	return known;
}

static void on_begun(void *arg, const struct ttrpc_frame *f)
{
	struct ttrpc_client *c = arg;
	const struct ttrpc_reader *reader = NULL;
	void *reader_arg = NULL;
	size_t at;

	(void)pthread_mutex_lock(&c->lock);
	at = find(c, f->stream);
	if (at < c->pending.n) {
		reader = c->pending.v[at]->reader;
		reader_arg = c->pending.v[at]->arg;
	}
	(void)pthread_mutex_unlock(&c->lock);
	if (reader && reader->begun)
		reader->begun(reader_arg);
}

static int on_frame(void *arg, const struct ttrpc_frame *f, const uint8_t *body, struct err *err)
{
	struct ttrpc_client *c = arg;
	Ttrpc__Response *response;
	const uint8_t *data;
	struct pending *p;
	size_t len;

	if (f->type != TTRPC_RESPONSE)
		return err_set(err, E_PROTOCOL, "frame of type %u from the server", f->type);
	if (!was_issued(c, f->stream))
		return err_set(err, E_PROTOCOL, "answer on stream %u, which was never opened",
			       f->stream);
	p = take(c, f->stream);
	if (!p)
		return 0; /* timed out or cancelled here: the answer is late */
	if (p->reader && ttrpc_bytes_find(body, f->len, &data, &len)) {
		hand_over(p, data, len);
		return 0;
	}
	response = ttrpc_unpack(&ttrpc__response__descriptor, f->len, body);
	if (!response) {
		err_set(err, E_PROTOCOL, "the frame does not hold a ttRPC response");
		complete(p, NULL, err);
		return -1;
	}
	deliver(p, response);
	ttrpc__response__free_unpacked(response, NULL);
	return 0;
}

static void on_broken(void *arg, const struct err *why)
{
	struct ttrpc_client *c = arg;
	int fd;

	client_ref(c);
	(void)pthread_mutex_lock(&c->lock);
	c->why = *why;
	(void)pthread_mutex_unlock(&c->lock);
	fd = conn_close(c->conn);
	fd_close(&fd);
	complete_all(c);
	if (c->on_close)
		c->on_close(c->arg, &c->why);
	client_unref(c);
}

/* strict: if an answer is too long, its rest is not read; otherwise a server could keep us busy. */
static const struct conn_ops client_ops = {
	.strict = true, .begun = on_begun, .frame = on_frame, .broken = on_broken
};

struct ttrpc_client *ttrpc_client_new(struct loop *loop, int fd,
				      void (*on_close)(void *arg, const struct err *why), void *arg)
{
	struct ttrpc_client *c = NEW(struct ttrpc_client);

	c->loop = loop;
	c->on_close = on_close;
	c->arg = arg;
	c->refs = 1;
	c->next_id = 1;
	(void)pthread_mutex_init(&c->lock, NULL);
	c->conn = conn_new(loop, fd, &client_ops, c);
	return c;
}

void ttrpc_client_free(struct ttrpc_client *c)
{
	int fd;

	if (!c)
		return;
	(void)pthread_mutex_lock(&c->lock);
	if (!c->why.code)
		err_set(&c->why, E_GONE, "the connection was closed here");
	(void)pthread_mutex_unlock(&c->lock);
	fd = conn_close(c->conn);
	fd_close(&fd);
	complete_all(c);
	client_unref(c);
}

void ttrpc_client_set_next_id(struct ttrpc_client *c, uint32_t id)
{
	(void)pthread_mutex_lock(&c->lock);
	c->next_id = id;
	(void)pthread_mutex_unlock(&c->lock);
}

void ttrpc_client_shutdown(struct ttrpc_client *c)
{
	conn_shutdown(c->conn);
}

/* --- sending --- */

/* With the lock held. A pod with much output makes 2^31 calls within weeks, while calls that wait
 * for an end keep their ids. */
static uint32_t new_id(struct ttrpc_client *c)
{
	uint32_t id;

	do {
		id = c->next_id;
		c->next_id += 2;
		c->ids_reused |= c->next_id < id;
	} while (c->ids_reused && find(c, id) < c->pending.n);
	return id;
}

static int enlist(struct ttrpc_client *c, struct pending *p, uint32_t *id, struct err *err)
{
	int result = 0;

	(void)pthread_mutex_lock(&c->lock);
	if (c->why.code) {
		*err = c->why;
		result = -1;
	} else {
		*id = p->id = new_id(c);
		vec_push(&c->pending, p);
	}
	(void)pthread_mutex_unlock(&c->lock);
	return result;
}

static int64_t nanoseconds(struct deadline d)
{
	int left = deadline_left(d);

	return left < 0 ? 0 : (int64_t)(left ? left : 1) * 1000000;
}

/*
 * Adds p to the list and sends the request; from then on p may be completed and freed at any
 * moment: the caller only has *id. On failure p is not on the list.
 */
static int submit(struct ttrpc_client *c, struct pending *p, const char *service,
		  const char *method, const void *message, struct deadline deadline, uint32_t *id,
		  struct err *err)
{
	Ttrpc__Request request = TTRPC__REQUEST__INIT;
	size_t len = protobuf_c_message_get_packed_size(message);
	int result;

	if (len > TTRPC_MESSAGE_MAX)
		return err_set(err, E_LIMIT, "%s: request of %zu bytes, limit %d", method, len,
			       TTRPC_MESSAGE_MAX);
	if (enlist(c, p, id, err) < 0)
		return -1;
	request.service = (char *)service;
	request.method = (char *)method;
	request.timeout_nano = nanoseconds(deadline);
	request.payload.data = xmalloc(len);
	request.payload.len = protobuf_c_message_pack(message, request.payload.data);
	result = conn_send(c->conn, *id, TTRPC_REQUEST, &request.base, err);
	free(request.payload.data);
	if (result == 0)
		return 0;
	/* If the connection broke meanwhile p may have been completed already. */
	if (!take(c, *id)) {
		err_clear(err);
		return 0;
	}
	return err_wrap(err, "%s", method);
}

/* --- async --- */

static void time_out(void *arg)
{
	struct pending *p = arg;
	struct err err = ERR_INIT;

	if (!take(p->client, p->id))
		return;
	err_set(&err, E_TIMEOUT, "no answer in time");
	complete(p, NULL, &err);
}

/* A task for the loop, posted by a thread. */
struct errand {
	struct ttrpc_client *client;
	struct pending *p; /* fail: owned; else NULL */
	uint32_t id;
	struct deadline deadline;
	struct err err;
};

static void send_errand(struct errand e, loop_fn fn)
{
	struct errand *copy = xmemdup(&e, sizeof(e));

	client_ref(e.client);
	loop_post(e.client->loop, fn, copy);
}

static void end_errand(struct errand *e)
{
	client_unref(e->client);
	free(e);
}

static void fail_on_loop(void *arg)
{
	struct errand *e = arg;

	complete(e->p, NULL, &e->err);
	end_errand(e);
}

static void arm_on_loop(void *arg)
{
	struct errand *e = arg;
	struct ttrpc_client *c = e->client;
	int left = deadline_left(e->deadline);

	(void)pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < c->pending.n; i++) {
		struct pending *p = c->pending.v[i];

		if (p->id == e->id)
			p->timer = loop_timer(c->loop, left > 0 ? (uint64_t)left : 1, false,
					      time_out, p);
	}
	(void)pthread_mutex_unlock(&c->lock);
	end_errand(e);
}

static void cancel_on_loop(void *arg)
{
	struct errand *e = arg;
	struct pending *p = take(e->client, e->id);

	if (p) {
		err_set(&e->err, E_CANCELLED, "the call was cancelled");
		complete(p, NULL, &e->err);
	}
	end_errand(e);
}

uint32_t ttrpc_call_async(struct ttrpc_client *c, const char *service, const char *method,
			  const void *message, const ProtobufCMessageDescriptor *reply_type,
			  struct deadline deadline, ttrpc_done_fn done, void *arg)
{
	struct pending *p = NEW(struct pending);
	struct errand e = { .client = c, .p = p, .deadline = deadline };

	*p = (struct pending){ .client = c, .reply_type = reply_type, .done = done, .arg = arg };
	if (submit(c, p, service, method, message, deadline, &e.id, &e.err) < 0) {
		send_errand(e, fail_on_loop);
		return 0;
	}
	if (deadline_left(deadline) >= 0)
		send_errand(e, arm_on_loop);
	return e.id;
}

void ttrpc_read_async(struct ttrpc_client *c, const char *service, const char *method,
		      const void *message, const struct ttrpc_reader *reader, void *arg)
{
	struct pending *p = NEW(struct pending);
	struct errand e = { .client = c, .p = p };

	*p = (struct pending){ .client = c, .reader = reader, .arg = arg };
	if (submit(c, p, service, method, message, DEADLINE_NEVER, &e.id, &e.err) < 0)
		send_errand(e, fail_on_loop);
}

void ttrpc_client_cancel(struct ttrpc_client *c, uint32_t id)
{
	send_errand((struct errand){ .client = c, .id = id }, cancel_on_loop);
}

/* --- blocking --- */

struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
	void *reply;
	struct err err;
};

static void wake_waiter(void *arg, const void *reply, const struct err *err)
{
	struct waiter *w = arg;

	(void)pthread_mutex_lock(&w->lock);
	w->reply = (void *)reply;
	if (err)
		w->err = *err;
	w->done = true;
	(void)pthread_cond_signal(&w->cond);
	(void)pthread_mutex_unlock(&w->lock);
}

/* False: the deadline passed. */
static bool wait_until(struct waiter *w, struct deadline deadline)
{
	bool done;

	(void)pthread_mutex_lock(&w->lock);
	while (!w->done && cond_wait_until(&w->cond, &w->lock, deadline))
		;
	done = w->done;
	(void)pthread_mutex_unlock(&w->lock);
	return done;
}

int ttrpc_call(struct ttrpc_client *c, const char *service, const char *method, const void *message,
	       const ProtobufCMessageDescriptor *reply_type, struct deadline deadline, void *reply,
	       struct err *err)
{
	struct waiter w = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct pending *p = NEW(struct pending);
	uint32_t id;

	if (loop_is_current(c->loop))
		bug("blocking call of %s on the loop", method);
	cond_init(&w.cond);
	*p = (struct pending){ .client = c,
			       .reply_type = reply_type,
			       .done = wake_waiter,
			       .arg = &w,
			       .keeps_reply = true };
	if (submit(c, p, service, method, message, deadline, &id, err) < 0) {
		free(p);
		goto out;
	}
	if (!wait_until(&w, deadline)) {
		p = take(c, id);
		if (p) {
			free(p);
			err_set(err, E_TIMEOUT, "%s: no answer in time", method);
			goto out;
		}
		(void)wait_until(&w, DEADLINE_NEVER); /* it is being completed right now */
	}
	if (w.err.code) {
		*err = w.err;
		err_wrap(err, "%s", method);
	} else if (reply) {
		*(void **)reply = w.reply;
	} else if (w.reply) {
		protobuf_c_message_free_unpacked(w.reply, NULL);
	}
out:
	(void)pthread_cond_destroy(&w.cond);
	return err->code ? -1 : 0;
}
