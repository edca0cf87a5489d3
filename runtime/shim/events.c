// SPDX-License-Identifier: Apache-2.0
/*
 * Sends events to containerd over its ttRPC address, in order, on one thread. While containerd is
 * unreachable, as during a restart, delivery is tried again; after two minutes the event is
 * dropped, with a line in the log.
 */

#include "shim/shim.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "protocols/forward.pb-c.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

enum { CALL_MS = 5000, GIVE_UP_MS = 120000, QUEUE_MAX = 1024, PAUSE_MS = 200 };

struct queued {
	char *topic, *type;
	uint8_t *data;
	size_t len;
	struct timespec when;
};

struct events {
	char *address, *namespace; /* address NULL: events are only logged */
	pthread_t thread;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	VEC(struct queued) queue;
	bool delivering;    /* an event that is not in the queue any more */
	bool ending, ended; /* events_end() was called; the thread takes no more events */
	struct deadline end;
};

static void queued_release(struct queued *q)
{
	free(q->topic);
	free(q->type);
	free(q->data);
}

static int forward(struct events *e, struct ttrpc_client *client, const struct queued *q,
		   struct err *err)
{
	Containerd__Services__Events__Ttrpc__V1__ForwardRequest request =
		CONTAINERD__SERVICES__EVENTS__TTRPC__V1__FORWARD_REQUEST__INIT;
	Containerd__Services__Events__Ttrpc__V1__Envelope envelope =
		CONTAINERD__SERVICES__EVENTS__TTRPC__V1__ENVELOPE__INIT;
	Google__Protobuf__Timestamp when = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;

	when.seconds = q->when.tv_sec;
	when.nanos = (int32_t)q->when.tv_nsec;
	any.type_url = q->type;
	any.value.data = q->data;
	any.value.len = q->len;
	envelope.timestamp = &when;
	envelope.namespace_ = e->namespace;
	envelope.topic = q->topic;
	envelope.event = &any;
	request.envelope = &envelope;
	return ttrpc_call(client, "containerd.services.events.ttrpc.v1.Events", "Forward", &request,
			  NULL, deadline_in(CALL_MS), NULL, err);
}

/* A connection, kept until the queue is empty, with a loop of its own: this thread blocks in
 * calls. */
struct line {
	struct loop *loop;
	struct ttrpc_client *client;
	pthread_t thread;
};

static void *line_main(void *arg)
{
	loop_run(arg);
	return NULL;
}

static void line_free(struct line *l)
{
	ttrpc_client_free(l->client);
	loop_free(l->loop);
	*l = (struct line){ .loop = NULL };
}

static int line_open(struct line *l, const char *address, struct err *err)
{
	const char *path = str_starts(address, "unix://") ? address + strlen("unix://") : address;
	AUTO(fd) int fd = fd_unix_connect_until(path, deadline_in(CALL_MS), err);

	l->loop = fd < 0 ? NULL : loop_new(err);
	if (!l->loop)
		return -1;
	l->client = ttrpc_client_new(l->loop, STEAL(fd, -1), NULL, NULL);
	errno = pthread_create(&l->thread, NULL, line_main, l->loop);
	if (errno == 0)
		return 0;
	err_sys(err, "start a thread");
	line_free(l);
	return -1;
}

static void line_close(struct line *l)
{
	if (!l->loop)
		return;
	loop_stop(l->loop);
	(void)pthread_join(l->thread, NULL);
	line_free(l);
}

static bool past_end(struct events *e)
{
	bool past;

	(void)pthread_mutex_lock(&e->lock);
	past = e->ending && deadline_passed(e->end);
	(void)pthread_mutex_unlock(&e->lock);
	return past;
}

static void deliver(struct events *e, struct line *l, const struct queued *q)
{
	struct deadline give_up = deadline_in(GIVE_UP_MS);

	for (;;) {
		struct err err = ERR_INIT;

		if (past_end(e))
			err_set(&err, E_TIMEOUT,
				"the shim ends, and events before it took all time");
		else if ((l->loop || line_open(l, e->address, &err) == 0) &&
			 forward(e, l->client, q, &err) == 0)
			return;
		line_close(l);
		if (deadline_passed(give_up) || past_end(e)) {
			log_err(LOG_WARN, &err, "event not delivered", LOG_S("topic", q->topic));
			return;
		}
		(void)nanosleep(&(struct timespec){ .tv_nsec = PAUSE_MS * 1000000L }, NULL);
	}
}

/* Waits for an event and takes it from the queue; *last: the queue is empty now. False:
 * events_end() was called and nothing is queued. */
static bool next(struct events *e, struct queued *q, bool *last)
{
	bool any;

	(void)pthread_mutex_lock(&e->lock);
	while (!e->queue.n && !e->ending)
		(void)pthread_cond_wait(&e->changed, &e->lock);
	any = e->queue.n > 0;
	e->ended = !any;
	e->delivering = any;
	if (any) {
		*q = e->queue.v[0];
		vec_remove(&e->queue, 0);
	}
	*last = e->queue.n == 0;
	(void)pthread_mutex_unlock(&e->lock);
	return any;
}

static void delivered(struct events *e)
{
	(void)pthread_mutex_lock(&e->lock);
	e->delivering = false;
	(void)pthread_cond_broadcast(&e->changed);
	(void)pthread_mutex_unlock(&e->lock);
}

static void *events_main(void *arg)
{
	struct events *e = arg;
	struct line line = { .loop = NULL };
	struct queued q;
	bool last;

	while (next(e, &q, &last)) {
		if (e->address)
			deliver(e, &line, &q);
		else
			log_info("event", LOG_S("topic", q.topic));
		queued_release(&q);
		delivered(e);
		if (last)
			line_close(&line);
	}
	line_close(&line);
	return NULL;
}

struct events *events_new(const char *ttrpc_address, const char *namespace)
{
	struct events *e = NEW(struct events);

	e->address = str_empty(ttrpc_address) ? NULL : xstrdup(ttrpc_address);
	e->namespace = xstrdup(namespace);
	(void)pthread_mutex_init(&e->lock, NULL);
	cond_init(&e->changed);
	if (pthread_create(&e->thread, NULL, events_main, e) != 0)
		bug("no thread for events");
	return e;
}

void events_publish(struct events *e, const char *topic, const ProtobufCMessage *event)
{
	struct queued q = { .topic = xstrdup(topic), .type = xstrdup(event->descriptor->name) };
	bool dropped;

	(void)clock_gettime(CLOCK_REALTIME, &q.when);
	q.data = xmalloc(protobuf_c_message_get_packed_size(event));
	q.len = protobuf_c_message_pack(event, q.data);
	(void)pthread_mutex_lock(&e->lock);
	dropped = e->queue.n >= QUEUE_MAX || e->ended;
	if (!dropped)
		vec_push(&e->queue, q);
	(void)pthread_cond_broadcast(&e->changed);
	(void)pthread_mutex_unlock(&e->lock);
	if (dropped) {
		log_warn("event dropped: the queue is full, or the shim ends",
			 LOG_S("topic", topic));
		queued_release(&q);
	}
}

void events_flush(struct events *e, struct deadline deadline)
{
	(void)pthread_mutex_lock(&e->lock);
	while ((e->queue.n || e->delivering) && cond_wait_until(&e->changed, &e->lock, deadline))
		;
	(void)pthread_mutex_unlock(&e->lock);
}

void events_end(struct events *e, struct deadline deadline)
{
	(void)pthread_mutex_lock(&e->lock);
	e->ending = true;
	e->end = deadline;
	(void)pthread_cond_broadcast(&e->changed);
	(void)pthread_mutex_unlock(&e->lock);
	(void)pthread_join(e->thread, NULL);
}
