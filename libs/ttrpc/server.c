// SPDX-License-Identifier: Apache-2.0
/*
 * The ttRPC server. Flows run on threads of their own, events on the loop. Lifetimes: the server
 * owns its sessions; a session ends with its connection; a call holds a reference to the connection
 * and may be answered after its session has ended, without effect.
 */

#include "ttrpc/ttrpc.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/thread.h"
#include "base/vec.h"
#include "loop/listener.h"
#include "protocols/ttrpc.pb-c.h"
#include "ttrpc/bytes.h"
#include "ttrpc/conn.h"
#include "ttrpc/unpack.h"

#include <limits.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	CALLS_MAX = 1024,    /* unanswered calls of one connection that do not just wait */
	WAIT_MAX = 1024,     /* bytes of a request that waits */
	WAIT_BYTES = 2048,   /* memory that such a call needs at most */
	WAIT_SHARE = 32,     /* this part of the machine's memory is for such calls */
	DATA_SHARE = 8,      /* and this part, but not more than DATA_MAX, for larger requests */
	DATA_MAX = 32 << 20, /* of streams that are blocked */
	FLOWS_MAX = 64,      /* threads of one server */
	FLOWS_URGENT = 16,   /* and so many more for urgent requests */
	FLOW_STACK = 256 * 1024, /* address space, not memory */
};

struct session {
	struct ttrpc_server *server;
	struct conn *conn;
	ttrpc_close_fn on_close;
	void *arg;
	bool ended;
	VEC(struct ttrpc_call *) calls; /* unanswered; guarded by server->lock */
	size_t waits;                   /* those of them that wait; guarded by server->lock */
	size_t data; /* bytes of their larger requests; guarded by server->lock */
};

struct ttrpc_server {
	struct loop *loop;
	const struct ttrpc_service *services;
	VEC(struct session *) sessions; /* loop only */
	VEC(struct listener *) listeners;
	pthread_mutex_t lock; /* guards flows, busy and the sessions' calls */
	pthread_cond_t idle;
	unsigned flows, busy;
	bool freed; /* ttrpc_server_free was called: the last call frees the server */
};

struct ttrpc_call {
	struct ttrpc_server *server;
	struct conn *conn;
	struct session *session; /* NULL once it ended; guarded by server->lock */
	size_t at;               /* in the session's calls; guarded by server->lock */
	size_t data;             /* bytes that count to the session's */
	uint32_t stream;
	const struct ttrpc_service *service;
	const struct ttrpc_method *method;
	ProtobufCMessage *request;
	struct deadline deadline;
	loop_fn on_cancel; /* guarded by server->lock */
	void *cancel_arg;
};

/* --- answers --- */

static void send_response(struct conn *conn, uint32_t stream, const Ttrpc__Response *response)
{
	Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;
	Ttrpc__Response instead = TTRPC__RESPONSE__INIT;
	struct err err = ERR_INIT, again = ERR_INIT;

	if (conn_send(conn, stream, TTRPC_RESPONSE, &response->base, &err) == 0)
		return;
	if (err.code == E_GONE)
		return; /* the caller has disconnected */
	status.code = err_rpc_status(err.code);
	status.message = err.msg;
	instead.status = &status;
	if (conn_send(conn, stream, TTRPC_RESPONSE, &instead.base, &again) < 0)
		conn_shutdown(conn);
}

static void send_status(struct conn *conn, uint32_t stream, const struct err *err)
{
	Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;
	Ttrpc__Response response = TTRPC__RESPONSE__INIT;
	char text[sizeof(err->msg)];

	/* The message may have a name in another encoding, or be cut within a character. Clients in
	 * Go refuse a response with such a text as a whole, also its code. */
	(void)str_print(text, sizeof(text), "%s", err->msg);
	str_make_utf8(text);
	status.code = err_rpc_status(err->code);
	status.message = text;
	response.status = &status;
	send_response(conn, stream, &response);
}

static void destroy(struct ttrpc_server *server)
{
	(void)pthread_cond_destroy(&server->idle);
	(void)pthread_mutex_destroy(&server->lock);
	free(server);
}

static bool waits(const struct ttrpc_method *method)
{
	return method->kind == TTRPC_WAIT || method->kind == TTRPC_STREAM;
}

static bool blocks(const struct ttrpc_method *method)
{
	return method->kind == TTRPC_FLOW || method->kind == TTRPC_URGENT;
}

/* With the lock held. There may be many calls: the last one takes the place. */
static void unlist(struct session *s, const struct ttrpc_call *call)
{
	struct ttrpc_call *last = s->calls.v[--s->calls.n];

	s->calls.v[call->at] = last;
	last->at = call->at;
	s->waits -= waits(call->method);
	s->data -= call->data;
}

static void forget_call(struct ttrpc_call *call)
{
	struct ttrpc_server *server = call->server;
	bool last;

	(void)pthread_mutex_lock(&server->lock);
	if (call->session)
		unlist(call->session, call);
	last = --server->busy == 0 && server->freed;
	(void)pthread_mutex_unlock(&server->lock);
	protobuf_c_message_free_unpacked(call->request, NULL);
	conn_unref(call->conn);
	free(call);
	if (last)
		destroy(server);
}

void ttrpc_reply(struct ttrpc_call *call, const void *message)
{
	Ttrpc__Response response = TTRPC__RESPONSE__INIT;
	Google__Rpc__Status ok = GOOGLE__RPC__STATUS__INIT;
	size_t len = protobuf_c_message_get_packed_size(message);

	if (len <= TTRPC_MESSAGE_MAX) {
		response.status = &ok;
		response.payload.data = xmalloc(len);
		response.payload.len = protobuf_c_message_pack(message, response.payload.data);
		send_response(call->conn, call->stream, &response);
		free(response.payload.data);
	} else {
		struct err err = ERR_INIT;

		err_set(&err, E_LIMIT, "answer of %zu bytes, limit %d", len, TTRPC_MESSAGE_MAX);
		send_status(call->conn, call->stream, &err);
	}
	forget_call(call);
}

ssize_t ttrpc_reply_read(struct ttrpc_call *call, int fd, size_t max)
{
	ssize_t n = conn_send_read(call->conn, call->stream, TTRPC_RESPONSE, &ttrpc_bytes_prefix,
				   fd, max);

	if (n > 0)
		forget_call(call);
	return n;
}

void ttrpc_fail(struct ttrpc_call *call, const struct err *err)
{
	log_err(LOG_DEBUG, err, "request failed", LOG_S("method", call->method->name));
	send_status(call->conn, call->stream, err);
	forget_call(call);
}

struct deadline ttrpc_call_deadline(const struct ttrpc_call *call)
{
	return call->deadline;
}

const char *ttrpc_call_method(const struct ttrpc_call *call)
{
	return call->method->name;
}

void ttrpc_call_on_cancel(struct ttrpc_call *call, loop_fn fn, void *arg)
{
	struct ttrpc_server *server = call->server;

	(void)pthread_mutex_lock(&server->lock);
	call->on_cancel = fn;
	call->cancel_arg = arg;
	if (!call->session)
		loop_post(server->loop, fn, arg); /* the caller has disconnected already */
	(void)pthread_mutex_unlock(&server->lock);
}

/* --- calls --- */

static void *flow_main(void *arg)
{
	struct ttrpc_call *call = arg;
	struct ttrpc_server *server = call->server;

	call->method->handle(call, call->request, call->service->arg);
	(void)pthread_mutex_lock(&server->lock);
	server->flows--;
	(void)pthread_cond_broadcast(&server->idle);
	(void)pthread_mutex_unlock(&server->lock);
	return NULL;
}

static int start_flow(struct ttrpc_call *call, struct err *err)
{
	struct ttrpc_server *server = call->server;
	const unsigned most = FLOWS_MAX + (call->method->kind == TTRPC_URGENT ? FLOWS_URGENT : 0);
	bool room;

	(void)pthread_mutex_lock(&server->lock);
	room = server->flows < most;
	server->flows += room;
	(void)pthread_mutex_unlock(&server->lock);
	if (!room)
		return err_set(err, E_LIMIT, "%u requests are already being worked on", most);
	if (thread_detach(flow_main, call, FLOW_STACK, err) == 0)
		return 0;
	(void)pthread_mutex_lock(&server->lock);
	server->flows--;
	(void)pthread_mutex_unlock(&server->lock);
	return -1;
}

static const struct ttrpc_method *find(const struct ttrpc_server *server, const Ttrpc__Request *r,
				       const struct ttrpc_service **service, struct err *err)
{
	for (const struct ttrpc_service *s = server->services; s->name; s++) {
		if (!str_eq(s->name, r->service))
			continue;
		*service = s;
		for (const struct ttrpc_method *m = s->methods; m->name; m++) {
			if (str_eq(m->name, r->method))
				return m;
		}
		err_set(err, E_UNSUPPORTED, "service %s has no method '%.64s'", s->name, r->method);
		return NULL;
	}
	err_set(err, E_UNSUPPORTED, "there is no service '%.64s'", r->service);
	return NULL;
}

static struct deadline deadline_of(const Ttrpc__Request *r)
{
	return r->timeout_nano > 0 ? deadline_in((uint64_t)r->timeout_nano / 1000000 + 1)
				   : DEADLINE_NEVER;
}

static void register_call(struct session *s, struct ttrpc_call *call)
{
	(void)pthread_mutex_lock(&s->server->lock);
	call->at = s->calls.n;
	vec_push(&s->calls, call);
	s->waits += waits(call->method);
	s->data += call->data;
	s->server->busy++;
	(void)pthread_mutex_unlock(&s->server->lock);
}

/* How many calls of one connection may wait. Memory may be taken from the machine, but what was
 * promised stays. */
static size_t waits_max(void)
{
	static size_t most = CALLS_MAX;
	size_t now = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE) /
		     (WAIT_SHARE * WAIT_BYTES);
	size_t before = __atomic_load_n(&most, __ATOMIC_RELAXED);

	while (now > before && !__atomic_compare_exchange_n(&most, &before, now, false,
							    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
	return now > before ? now : before;
}

static size_t data_max(void)
{
	size_t share = waits_max() * WAIT_BYTES * (WAIT_SHARE / DATA_SHARE);

	return share < DATA_MAX ? share : DATA_MAX;
}

int ttrpc_call_check_room(const struct ttrpc_call *call, size_t n, struct err *err)
{
	size_t most = waits_max(), waiting;

	(void)pthread_mutex_lock(&call->server->lock);
	waiting = call->session ? call->session->waits : 0;
	(void)pthread_mutex_unlock(&call->server->lock);
	return waiting + n <= most
		       ? 0
		       : err_set(err, E_LIMIT,
				 "%zu requests of this connection wait already, limit %zu", waiting,
				 most);
}

/* The bytes of a request that count to those of the session. */
static size_t data_of(const struct ttrpc_method *method, size_t len)
{
	return method->kind == TTRPC_STREAM && len > WAIT_MAX ? len : 0;
}

/* Takes the lock, since flows remove their calls on their own threads. */
static int check_room(struct session *s, const struct ttrpc_method *method, size_t len,
		      struct err *err)
{
	size_t most = waits(method) ? waits_max() : CALLS_MAX, n, data;

	if (method->kind == TTRPC_WAIT && len > WAIT_MAX)
		return err_set(err, E_LIMIT, "%s: request of %zu bytes, limit %d", method->name,
			       len, WAIT_MAX);
	(void)pthread_mutex_lock(&s->server->lock);
	n = waits(method) ? s->waits : s->calls.n - s->waits;
	data = s->data;
	(void)pthread_mutex_unlock(&s->server->lock);
	if (n >= most)
		return err_set(err, E_LIMIT, "%zu requests of this connection are unanswered",
			       most);
	if (data_of(method, len) && data + len > data_max())
		return err_set(err, E_LIMIT, "%s: %zu bytes of this connection wait already",
			       method->name, data);
	return 0;
}

static int new_call(struct session *s, uint32_t stream, const Ttrpc__Request *r, struct err *err)
{
	const struct ttrpc_service *service;
	const struct ttrpc_method *method = find(s->server, r, &service, err);
	ProtobufCMessage *request;
	struct ttrpc_call *call;

	if (!method || (service->allow && service->allow(service->arg, method, err) < 0))
		return -1;
	if (check_room(s, method, r->payload.len, err) < 0)
		return -1;
	request = ttrpc_unpack(method->request, r->payload.len, r->payload.data);
	if (!request)
		return err_set(err, E_INVALID, "%s: the request is not a valid %s message",
			       method->name, method->request->name);
	call = NEW(struct ttrpc_call);
	*call = (struct ttrpc_call){ .server = s->server,
				     .conn = conn_ref(s->conn),
				     .session = s,
				     .data = data_of(method, r->payload.len),
				     .stream = stream,
				     .service = service,
				     .method = method,
				     .request = request,
				     .deadline = deadline_of(r) };
	register_call(s, call);
	if (!blocks(method)) {
		method->handle(call, call->request, service->arg);
		return 0;
	}
	if (start_flow(call, err) == 0)
		return 0;
	forget_call(call);
	return -1;
}

/* An error in a request is sent as its answer; only an unusable stream ends the connection. */
static int on_frame(void *arg, const struct ttrpc_frame *f, const uint8_t *body, struct err *err)
{
	struct session *s = arg;
	struct err why = ERR_INIT;
	Ttrpc__Request *request = NULL;

	if (f->type == TTRPC_DATA)
		return 0; /* of a stream that was rejected below */
	if (f->type != TTRPC_REQUEST)
		return err_set(err, E_PROTOCOL, "frame of type %u from a client", f->type);
	if (!body)
		err_set(&why, E_LIMIT, "request of %u bytes, limit %d", f->len, TTRPC_MESSAGE_MAX);
	else if (f->stream % 2 == 0)
		err_set(&why, E_INVALID, "stream id %u: a client's must be odd", f->stream);
	else if (f->flags & TTRPC_REMOTE_OPEN)
		err_set(&why, E_UNSUPPORTED, "streaming calls are not supported");
	else if (!(request = ttrpc_unpack(&ttrpc__request__descriptor, f->len, body)))
		err_set(&why, E_INVALID, "the frame does not hold a ttRPC request");
	else
		(void)new_call(s, f->stream, request, &why);
	if (why.code)
		send_status(s->conn, f->stream, &why);
	if (request)
		ttrpc__request__free_unpacked(request, NULL);
	return 0;
}

/* --- sessions --- */

/* The calls continue without a session; their on_cancel is called. */
static void end_calls(struct session *s)
{
	VEC(struct {
		loop_fn fn;
		void *arg;
	})
	cancels = VEC_INIT;

	(void)pthread_mutex_lock(&s->server->lock);
	for (size_t i = 0; i < s->calls.n; i++) {
		struct ttrpc_call *call = s->calls.v[i];

		call->session = NULL;
		if (call->on_cancel) {
			vec_push(&cancels,
				 ((__typeof__(*cancels.v)){ call->on_cancel, call->cancel_arg }));
		}
	}
	vec_release(&s->calls);
	(void)pthread_mutex_unlock(&s->server->lock);
	for (size_t i = 0; i < cancels.n; i++)
		cancels.v[i].fn(cancels.v[i].arg);
	vec_release(&cancels);
}

static void end_session(struct session *s, const struct err *why)
{
	struct ttrpc_server *server = s->server;
	int fd;

	if (s->ended)
		return;
	s->ended = true;
	end_calls(s);
	fd = conn_close(s->conn);
	if (!s->on_close || !s->on_close(s->arg, fd, why))
		fd_close(&fd);
	for (size_t i = 0; i < server->sessions.n; i++) {
		if (server->sessions.v[i] == s) {
			vec_remove(&server->sessions, i);
			break;
		}
	}
	conn_unref(s->conn);
	free(s);
}

static void on_broken(void *arg, const struct err *why)
{
	struct session *s = arg;

	log_err(why->code == E_GONE ? LOG_DEBUG : LOG_WARN, why, "ttrpc connection ended");
	end_session(s, why);
}

static const struct conn_ops session_ops = { .frame = on_frame, .broken = on_broken };

void ttrpc_server_serve(struct ttrpc_server *server, int fd, ttrpc_close_fn on_close, void *arg)
{
	struct session *s = NEW(struct session);

	s->server = server;
	s->on_close = on_close;
	s->arg = arg;
	s->conn = conn_new(server->loop, fd, &session_ops, s);
	vec_push(&server->sessions, s);
}

static void on_connection(void *arg, int fd)
{
	ttrpc_server_serve(arg, fd, NULL, NULL);
}

void ttrpc_server_listen(struct ttrpc_server *server, int fd)
{
	vec_push(&server->listeners,
		 listener_new(server->loop, fd, SOCK_NONBLOCK, on_connection, server));
}

struct ttrpc_server *ttrpc_server_new(struct loop *loop, const struct ttrpc_service *services)
{
	struct ttrpc_server *server = NEW(struct ttrpc_server);

	server->loop = loop;
	server->services = services;
	(void)pthread_mutex_init(&server->lock, NULL);
	(void)pthread_cond_init(&server->idle, NULL);
	return server;
}

void ttrpc_server_free(struct ttrpc_server *server)
{
	struct err why = ERR_INIT;
	unsigned busy;

	if (!server)
		return;
	err_set(&why, E_GONE, "the server ends");
	for (size_t i = 0; i < server->listeners.n; i++)
		listener_free(server->listeners.v[i]);
	while (server->sessions.n)
		end_session(server->sessions.v[0], &why);
	(void)pthread_mutex_lock(&server->lock);
	while (server->flows)
		(void)pthread_cond_wait(&server->idle, &server->lock);
	(void)pthread_mutex_unlock(&server->lock);
	vec_release(&server->listeners);
	vec_release(&server->sessions);
	(void)pthread_mutex_lock(&server->lock);
	server->freed = true;
	busy = server->busy;
	(void)pthread_mutex_unlock(&server->lock);
	if (!busy)
		destroy(server);
}

size_t ttrpc_server_clients(const struct ttrpc_server *server)
{
	return server->sessions.n;
}

unsigned ttrpc_server_busy(const struct ttrpc_server *server)
{
	struct ttrpc_server *s = (struct ttrpc_server *)server;
	unsigned busy;

	(void)pthread_mutex_lock(&s->lock);
	busy = s->busy;
	(void)pthread_mutex_unlock(&s->lock);
	return busy;
}
