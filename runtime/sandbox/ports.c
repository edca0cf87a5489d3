// SPDX-License-Identifier: Apache-2.0
/*
 * Forwarded connections, all on the loop. A connection is freed when it is closed and none of its
 * calls to the agent is pending any more.
 */

#include "sandbox/ports.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "loop/listener.h"
#include "network/forward.h"
#include "protocols/agent.pb-c.h"
#include "sandbox/piece.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	CONNECTIONS_MAX = 128,
	CHUNK = 64 << 10,
	QUEUE_MAX = 2 * CHUNK,
	CONNECT_MS = 15000, /* the agent tries for less */
};

/* The events to wait for when neither reading nor writing: EPOLLERR and EPOLLHUP are always
 * reported, and edge-triggered only once. */
static const uint32_t REPORT_ERRORS = EPOLLET;

struct ports {
	struct loop *loop;
	struct vm *vm;
	struct forward forward;
	struct listener *listeners[FORWARD_FAMILIES];
	VEC(struct port *) v;
	uint64_t next; /* number of the next connection, for its id */
	bool full;     /* no connection is accepted now */
	bool was_full; /* that has been logged */
};

/* A connection. */
struct port {
	struct ports *all;
	char *id; /* to the agent */
	uint16_t number;
	unsigned refs; /* one until it is closed, one per request to the agent */
	int fd;
	struct watch *watch;
	bool connected, closed;
	struct {
		uint8_t *data; /* the piece that the agent is taking, or NULL */
		struct piece piece;
		struct watch *again; /* timer: until the agent may have room, or NULL */
		bool ended;
	} up; /* to the guest */
	struct {
		struct buf queue;    /* what the socket has not taken */
		bool asking;         /* a ReadStdout is pending, or the timer runs */
		struct watch *again; /* as of up */
		bool ended;
	} down; /* from the guest */
};

static struct ttrpc_client *client_of(const struct port *p)
{
	return p->all->vm->client;
}

/* --- the end --- */

static void unref(struct port *p)
{
	if (--p->refs)
		return;
	buf_release(&p->down.queue);
	free(p->up.data);
	free(p->id);
	free(p);
}

static void on_disconnected(void *arg, const void *reply, const struct err *err)
{
	(void)reply;
	(void)err; /* the VM ends */
	unref(arg);
}

static void disconnect(struct port *p)
{
	Grpc__DisconnectPortRequest request = GRPC__DISCONNECT_PORT_REQUEST__INIT;

	if (!client_of(p))
		return;
	p->refs++;
	request.connection_id = p->id;
	(void)ttrpc_call_async(client_of(p), "grpc.AgentService", "DisconnectPort", &request, NULL,
			       DEADLINE_NEVER, on_disconnected, p);
}

static void listen_again(struct ports *all);

static void forget(struct port *p)
{
	struct ports *all = p->all;

	for (size_t i = 0; i < all->v.n; i++) {
		if (all->v.v[i] == p) {
			vec_remove(&all->v, i);
			break;
		}
	}
	if (all->full)
		listen_again(all);
}

/* Closes the connection on both sides; later calls do nothing. */
static void end(struct port *p, bool reset)
{
	if (p->closed)
		return;
	p->closed = true;
	watch_remove(STEAL(p->watch, NULL));
	watch_remove(STEAL(p->up.again, NULL));
	watch_remove(STEAL(p->down.again, NULL));
	if (reset)
		forward_reset(&p->fd);
	else
		fd_close(&p->fd);
	disconnect(p);
	forget(p);
	unref(p);
}

static void abort_port(struct port *p, const struct err *why)
{
	if (!p->closed)
		log_err(LOG_DEBUG, why, "a forwarded connection is reset",
			LOG_I("port", p->number));
	end(p, true);
}

static void abort_for(struct port *p, const char *why)
{
	struct err err = ERR_INIT;

	err_set(&err, E_PROTOCOL, "%s", why);
	abort_port(p, &err);
}

/* --- the socket's events --- */

static void on_socket(void *arg, uint32_t events);

/* Chooses the events to wait for next, or closes a connection whose directions have both ended. */
static void update(struct port *p)
{
	uint32_t events = REPORT_ERRORS;

	if (p->closed)
		return;
	if (p->up.ended && p->down.ended && !p->down.queue.len) {
		end(p, false);
		return;
	}
	if (p->connected && !p->up.ended && !p->up.data)
		events = EPOLLIN;
	if (p->down.queue.len)
		events = (events & EPOLLIN) | EPOLLOUT;
	watch_set(p->watch, events);
}

/* --- to the guest --- */

static void on_input_ended(void *arg, const void *reply, const struct err *err)
{
	(void)reply;
	(void)err; /* the other direction reports it */
	unref(arg);
}

static void end_input(struct port *p)
{
	Grpc__CloseStdinRequest request = GRPC__CLOSE_STDIN_REQUEST__INIT;

	p->up.ended = true;
	p->refs++;
	request.container_id = (char *)"";
	request.exec_id = p->id;
	(void)ttrpc_call_async(client_of(p), "grpc.AgentService", "CloseStdin", &request, NULL,
			       DEADLINE_NEVER, on_input_ended, p);
}

static void send_input(void *arg);

static void on_sent(void *arg, const void *reply, const struct err *err)
{
	const Grpc__WriteStreamResponse *r = reply;
	struct port *p = arg;

	if (!p->closed && err && err->code == E_LIMIT) {
		loop_delay(p->all->loop, &p->up.again, piece_refused(&p->up.piece), send_input, p);
	} else if (!p->closed && err) {
		abort_port(p, err);
	} else if (!p->closed && !piece_taken(&p->up.piece, r->len)) {
		abort_for(p, "the agent takes nothing, or more than it was sent");
	} else if (!p->closed && piece_is_left(&p->up.piece)) {
		send_input(p);
	} else if (!p->closed) {
		free(STEAL(p->up.data, NULL));
		update(p);
	}
	unref(p);
}

static void send_input(void *arg)
{
	Grpc__WriteStreamRequest request = GRPC__WRITE_STREAM_REQUEST__INIT;
	struct port *p = arg;
	struct piece_part part = piece_next(&p->up.piece);

	p->refs++;
	request.container_id = (char *)"";
	request.exec_id = p->id;
	request.data.data = part.data;
	request.data.len = part.len;
	(void)ttrpc_call_async(client_of(p), "grpc.AgentService", "WriteStdin", &request,
			       &grpc__write_stream_response__descriptor, DEADLINE_NEVER, on_sent,
			       p);
}

static void take_input(struct port *p)
{
	AUTO(mem) uint8_t *data = xmalloc(CHUNK);
	ssize_t n = read(p->fd, data, CHUNK);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		end(p, true);
	} else if (n == 0) {
		end_input(p);
	} else {
		p->up.data = STEAL(data, NULL);
		piece_begin(&p->up.piece, p->up.data, (size_t)n);
		send_input(p);
	}
}

/* --- from the guest --- */

/* Writes what the socket takes now; false if the connection is broken. */
static bool put(const struct port *p, const char *data, size_t len, size_t *done)
{
	for (*done = 0; *done < len;) {
		ssize_t n = write(p->fd, data + *done, len - *done);

		if (n >= 0)
			*done += (size_t)n;
		else if (errno == EAGAIN)
			return true;
		else if (errno != EINTR)
			return false;
	}
	return true;
}

static void flush(struct port *p)
{
	size_t done;

	if (!put(p, p->down.queue.data, p->down.queue.len, &done)) {
		end(p, true);
		return;
	}
	buf_eat(&p->down.queue, done);
	if (p->down.ended && !p->down.queue.len)
		(void)shutdown(p->fd, SHUT_WR);
}

static void ask_output(struct port *p);

static void ask_again(void *arg)
{
	struct port *p = arg;

	p->down.asking = false;
	ask_output(p);
}

static void on_output(void *arg, const uint8_t *data, size_t len, const struct err *err)
{
	struct port *p = arg;

	if (!p->closed && err && err->code == E_LIMIT) {
		loop_delay(p->all->loop, &p->down.again, VM_AGAIN_MS, ask_again, p);
		unref(p);
		return;
	}
	p->down.asking = false;
	if (!p->closed && err && err->code != E_FAILED) {
		abort_port(p, err);
	} else if (!p->closed && len > CHUNK) {
		abort_for(p, "the agent sent more than it was asked for");
	} else if (!p->closed) {
		p->down.ended = err != NULL; /* E_FAILED, "read meet eof": the end */
		buf_add(&p->down.queue, data, len);
		ask_output(p); /* if there is room: the agent reads while this piece is written */
		flush(p);
		ask_output(p);
		update(p);
	}
	unref(p);
}

static void ask_output(struct port *p)
{
	static const struct ttrpc_reader reader = { NULL, on_output };
	Grpc__ReadStreamRequest request = GRPC__READ_STREAM_REQUEST__INIT;

	if (p->closed || p->down.asking || p->down.ended || p->down.queue.len > CHUNK)
		return;
	p->down.asking = true;
	p->refs++;
	request.container_id = (char *)"";
	request.exec_id = p->id;
	request.len = CHUNK;
	ttrpc_read_async(client_of(p), "grpc.AgentService", "ReadStdout", &request, &reader, p);
}

/* --- a connection --- */

static void on_socket(void *arg, uint32_t events)
{
	struct port *p = arg;

	p->refs++;
	if (events & EPOLLERR)
		end(p, true);
	if (!p->closed && (events & EPOLLOUT)) {
		flush(p);
		ask_output(p);
	}
	if (!p->closed && (events & EPOLLIN))
		take_input(p);
	update(p);
	unref(p);
}

static void on_connected(void *arg, const void *reply, const struct err *err)
{
	struct port *p = arg;

	(void)reply;
	if (!p->closed && err) {
		abort_port(p, err);
	} else if (!p->closed) {
		p->connected = true;
		ask_output(p);
		update(p);
	}
	unref(p);
}

static void begin(struct ports *all, int fd, uint16_t number)
{
	Grpc__ConnectPortRequest request = GRPC__CONNECT_PORT_REQUEST__INIT;
	struct port *p = NEW(struct port);

	p->all = all;
	p->id = str_fmt("port-%llu", (unsigned long long)all->next++);
	p->number = number;
	p->fd = fd;
	p->refs = 2;
	p->down.queue = (struct buf)BUF_INIT(QUEUE_MAX);
	p->watch = loop_watch(all->loop, fd, REPORT_ERRORS, on_socket, p);
	vec_push(&all->v, p);
	request.connection_id = p->id;
	request.port = number;
	(void)ttrpc_call_async(client_of(p), "grpc.AgentService", "ConnectPort", &request, NULL,
			       deadline_in(CONNECT_MS), on_connected, p);
}

/* --- accepting --- */

static void listen_to(struct ports *all, bool accepting)
{
	for (int i = 0; i < FORWARD_FAMILIES; i++) {
		if (all->listeners[i])
			listener_set(all->listeners[i], accepting);
	}
}

static void listen_again(struct ports *all)
{
	all->full = false;
	listen_to(all, true);
}

static void on_connection(void *arg, int fd)
{
	struct ports *all = arg;
	struct err err = ERR_INIT;
	uint16_t number;

	if (!all->vm->client || forward_take(fd, &number, &err) < 0) {
		fd_close(&fd);
		if (!all->vm->client) /* stopped meanwhile */
			ports_stop(all);
		return;
	}
	begin(all, fd, number);
	if (all->v.n < CONNECTIONS_MAX)
		return;
	if (!all->was_full)
		log_warn("connections to localhost of the pod wait for others to end",
			 LOG_I("connections", CONNECTIONS_MAX));
	all->full = all->was_full = true;
	listen_to(all, false);
}

/* --- all of them --- */

/* E_UNSUPPORTED if the agent has no ConnectPort. Port 0, the default, connects to nothing. */
static int check_agent(struct vm *vm, struct deadline deadline, struct err *err)
{
	Grpc__ConnectPortRequest request = GRPC__CONNECT_PORT_REQUEST__INIT;

	return vm_call(vm, "ConnectPort", &request, NULL, deadline, NULL, err);
}

struct ports *ports_open(struct loop *loop, struct vm *vm, int netns, struct deadline deadline,
			 struct err *err)
{
	struct forward forward;
	struct ports *all;

	if (check_agent(vm, deadline, err) < 0 || forward_open(netns, &forward, err) < 0)
		return NULL;
	all = NEW(struct ports);
	*all = (struct ports){ .loop = loop, .vm = vm, .forward = forward };
	return all;
}

void ports_start(struct ports *all)
{
	for (int i = 0; i < FORWARD_FAMILIES; i++) {
		int fd = STEAL(all->forward.listeners[i], -1);

		if (fd >= 0)
			all->listeners[i] = listener_new(all->loop, fd, SOCK_NONBLOCK,
							 on_connection, all);
	}
}

void ports_stop(struct ports *all)
{
	if (!all)
		return;
	for (int i = 0; i < FORWARD_FAMILIES; i++)
		listener_free(STEAL(all->listeners[i], NULL));
	forward_close(&all->forward);
	while (all->v.n)
		end(all->v.v[all->v.n - 1], true);
}

void ports_free(struct ports *all)
{
	if (!all)
		return;
	vec_release(&all->v);
	free(all);
}
