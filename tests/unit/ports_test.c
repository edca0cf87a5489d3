// SPDX-License-Identifier: Apache-2.0
/*
 * Forwarded ports from end to end: a namespace as a pod's on the host, the real agent, and a
 * "guest" that is the test's own network. Needs root.
 */

#include "tests/unit/suite.h"

#include "agent_lab.h"

#include "base/fd.h"
#include "base/mem.h"
#include "network/netns.h"
#include "sandbox/ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#define POD "/run/pod"

enum { AT_ONCE = 128, WAIT_MS = 60000, SOON_MS = 300 };

static struct runtime_config config;
static struct loop *loop;
static pthread_t thread;
static struct vm *vm;
static struct ports *ports;
static int netns = -1;
static struct err err;

/* --- the shim's side --- */

static void *run_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

static void connect_agent(void *arg)
{
	int *fd = arg;

	vm->client = ttrpc_client_new(loop, STEAL(*fd, -1), NULL, NULL);
}

static void start_ports(void *arg)
{
	ports_start(arg);
}

static void stop_ports(void *arg)
{
	ports_stop(arg);
}

static void disconnect_agent(void *arg)
{
	struct vm *v = arg;

	ttrpc_client_free(STEAL(v->client, NULL));
}

static void loopback_up(void)
{
	struct ifreq lo = { .ifr_flags = IFF_UP };
	AUTO(fd) int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)str_print(lo.ifr_name, sizeof(lo.ifr_name), "lo");
	ck_assert_int_eq(ioctl(any, SIOCSIFFLAGS, &lo), 0);
}

static void begin(const char *agent_config)
{
	struct netns_identity identity;
	int fd;

	err_clear(&err);
	lab_start_with(agent_config);
	loopback_up();
	lab_sandbox();
	ck_assert_msg(netns_make(POD, &err) == 0, "%s", err.msg);
	netns = netns_open(POD, &identity, &err);
	ck_assert_int_ge(netns, 0);
	loop = loop_new(&(struct err)ERR_INIT);
	ck_assert(pthread_create(&thread, NULL, run_loop, loop) == 0);
	vm = vm_new(loop, &config, "/run/vm");
	fd = fd_unix_connect(LAB_SOCKET, &err);
	ck_assert_int_ge(fd, 0);
	loop_call(loop, connect_agent, &fd);
	ports = ports_open(loop, vm, netns, deadline_in(WAIT_MS), &err);
}

static void setup(void)
{
	begin(NULL);
	ck_assert_msg(ports != NULL, "%s", err.msg);
	loop_call(loop, start_ports, ports);
}

static void teardown(void)
{
	loop_call(loop, stop_ports, ports);
	loop_call(loop, disconnect_agent, vm);
	ports_free(ports);
	vm_free(vm);
	loop_stop(loop);
	(void)pthread_join(thread, NULL);
	loop_free(loop);
	fd_close(&netns);
	ck_assert(umount2(POD, MNT_DETACH) == 0);
	lab_stop();
}

/* --- the two ends --- */

/* A program of the guest. */
static int serve(uint16_t *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert(fd >= 0 && bind(fd, (void *)&a, len) == 0 && listen(fd, 256) == 0);
	ck_assert(getsockname(fd, (void *)&a, &len) == 0);
	*port = ntohs(a.sin_port);
	return fd;
}

struct dial {
	uint16_t port;
	int fd;
};

static int dial_there(void *arg, struct err *e)
{
	struct dial *d = arg;
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(d->port),
				 .sin_addr = { htonl(INADDR_LOOPBACK) } };

	d->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(d->fd, (void *)&a, sizeof(a)) < 0)
		return err_sys(e, "connect");
	return 0;
}

/* A client on the host. */
static int dial(uint16_t port)
{
	struct dial d = { port, -1 };

	ck_assert_msg(netns_call(netns, dial_there, &d, &err) == 0, "%s", err.msg);
	return d.fd;
}

static bool is_readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

static void expect_reset(int fd)
{
	char c;

	ck_assert(is_readable(fd, WAIT_MS));
	ck_assert_int_eq(read(fd, &c, 1), -1);
	ck_assert_int_eq(errno, ECONNRESET);
}

static void expect_end(int fd)
{
	char c;

	ck_assert(is_readable(fd, WAIT_MS));
	ck_assert_int_eq(read(fd, &c, 1), 0);
}

static void say(int fd, const char *text)
{
	ck_assert_msg(fd_write_all(fd, text, strlen(text), &err) == 0, "%s", err.msg);
}

static void hear(int fd, const char *text)
{
	char got[64] = { 0 };

	ck_assert_int_eq(fd_read_full(fd, got, strlen(text), &err), (int)strlen(text));
	ck_assert_str_eq(got, text);
}

/* --- tests --- */

START_TEST(each_direction_ends_alone)
{
	uint16_t port;
	AUTO(fd) int listener = serve(&port);
	AUTO(fd) int client = dial(port);
	AUTO(fd) int server = accept(listener, NULL, NULL);
	int first = _i ? server : client, second = _i ? client : server;

	say(client, "question");
	hear(server, "question");
	say(first, "last words");
	ck_assert(shutdown(first, SHUT_WR) == 0);
	hear(second, "last words");
	expect_end(second);
	ck_assert(!is_readable(first, SOON_MS));
	say(second, "an answer");
	hear(first, "an answer");
	ck_assert(shutdown(second, SHUT_WR) == 0);
	expect_end(first);
}
END_TEST

struct writer {
	pthread_t thread;
	int fd;
	const uint8_t *data;
	size_t len;
};

static void *write_all(void *arg)
{
	struct writer *w = arg;
	struct err why = ERR_INIT;

	ck_assert_msg(fd_write_all(w->fd, w->data, w->len, &why) == 0, "%s", why.msg);
	ck_assert(shutdown(w->fd, SHUT_WR) == 0);
	return NULL;
}

/* In both directions at the same time. */
START_TEST(much_data_arrives_whole_both_ways)
{
	enum { LEN = 8 << 20 };
	uint16_t port;
	AUTO(fd) int listener = serve(&port);
	AUTO(fd) int client = dial(port);
	AUTO(fd) int server = accept(listener, NULL, NULL);
	AUTO(mem) uint8_t *up = xmalloc(LEN), *down = xmalloc(LEN), *got = xmalloc(LEN);
	struct writer writers[2] = { { .fd = client, .data = up, .len = LEN },
				     { .fd = server, .data = down, .len = LEN } };

	for (size_t i = 0; i < LEN; i++) {
		up[i] = (uint8_t)(i * 2654435761U >> 24);
		down[i] = (uint8_t)(i * 2246822519U >> 24);
	}
	for (int i = 0; i < 2; i++)
		ck_assert(pthread_create(&writers[i].thread, NULL, write_all, &writers[i]) == 0);
	ck_assert_int_eq(fd_read_full(server, got, LEN, &err), LEN);
	ck_assert(memcmp(got, up, LEN) == 0);
	ck_assert_int_eq(fd_read_full(client, got, LEN, &err), LEN);
	ck_assert(memcmp(got, down, LEN) == 0);
	for (int i = 0; i < 2; i++)
		ck_assert(pthread_join(writers[i].thread, NULL) == 0);
	expect_end(client);
	expect_end(server);
}
END_TEST

START_TEST(a_port_without_a_server_resets_the_client)
{
	uint16_t port;
	int listener = serve(&port);

	fd_close(&listener);
	AUTO(fd) int client = dial(port);
	expect_reset(client);
}
END_TEST

static void reset(int *fd)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	ck_assert(setsockopt(*fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) == 0);
	fd_close(fd);
}

START_TEST(a_reset_is_passed_on)
{
	uint16_t port;
	AUTO(fd) int listener = serve(&port);
	AUTO(fd) int client = dial(port);
	AUTO(fd) int server = accept(listener, NULL, NULL);

	if (_i) {
		reset(&server);
		expect_reset(client);
	} else {
		reset(&client); /* the guest's program sees that nobody is there */
		expect_end(server);
	}
}
END_TEST

/* One side sends and the other does not read; another connection is served, and what was sent is
 * kept within bounds. */
START_TEST(a_stuck_connection_delays_no_other)
{
	enum { MUCH = 64 << 20, PIECE = 64 << 10 };
	uint16_t port;
	AUTO(fd) int listener = serve(&port);
	AUTO(fd) int client = dial(port);
	AUTO(fd) int server = accept(listener, NULL, NULL);
	int from = _i ? server : client;
	AUTO(mem) char *piece = xcalloc(1, PIECE);
	struct pollfd room = { .fd = from, .events = POLLOUT };
	size_t sent = 0;

	ck_assert(fd_nonblock(from, true, &err) == 0);
	while (sent < MUCH && poll(&room, 1, 1000) == 1) {
		ssize_t n = write(from, piece, PIECE);

		ck_assert_int_gt(n, 0);
		sent += (size_t)n;
	}
	ck_assert_uint_lt(sent, MUCH);
	AUTO(fd) int other = dial(port);
	AUTO(fd) int answers = accept(listener, NULL, NULL);
	say(other, "hello");
	hear(answers, "hello");
	say(answers, "goodbye");
	hear(other, "goodbye");
}
END_TEST

START_TEST(connections_beyond_the_limit_wait)
{
	enum { N = AT_ONCE + 12 };
	uint16_t port;
	AUTO(fd) int listener = serve(&port);
	int clients[N], servers[N];

	for (int i = 0; i < N; i++)
		clients[i] = dial(port);
	for (int i = 0; i < AT_ONCE; i++) {
		ck_assert(is_readable(listener, WAIT_MS));
		servers[i] = accept(listener, NULL, NULL);
	}
	ck_assert(!is_readable(listener, SOON_MS));
	for (int i = 0; i < AT_ONCE; i++)
		fd_close(&clients[i]);
	for (int i = 0; i < AT_ONCE; i++) {
		expect_end(servers[i]);
		fd_close(&servers[i]);
	}
	for (int i = AT_ONCE; i < N; i++) {
		ck_assert(is_readable(listener, WAIT_MS));
		servers[i] = accept(listener, NULL, NULL);
		say(servers[i], "late");
	}
	for (int i = AT_ONCE; i < N; i++) {
		hear(clients[i], "late");
		fd_close(&clients[i]);
		fd_close(&servers[i]);
	}
}
END_TEST

/* Also a connection whose one direction has ended, and one that nobody reads. */
START_TEST(a_stop_ends_all)
{
	uint16_t port;
	AUTO(fd) int listener = serve(&port);
	AUTO(fd) int half = dial(port);
	AUTO(fd) int half_server = accept(listener, NULL, NULL);
	AUTO(fd) int busy = dial(port);
	AUTO(fd) int busy_server = accept(listener, NULL, NULL);
	char piece[4096] = { 0 };

	ck_assert_int_ge(busy_server, 0);
	ck_assert(shutdown(half, SHUT_WR) == 0);
	expect_end(half_server);
	ck_assert(fd_nonblock(busy, true, &err) == 0);
	for (int i = 0; i < 5000 && write(busy, piece, sizeof(piece)) > 0; i++)
		;
	AUTO(fd) int new = dial(port);
	loop_call(loop, stop_ports, ports);
	expect_reset(half);
	expect_reset(new);
	/* Nothing listens there now. */
	ck_assert_int_eq(netns_call(netns, dial_there, &(struct dial){ port, -1 }, &err), -1);
	ck_assert_int_eq(err.sys, ECONNREFUSED);
	loop_call(loop, stop_ports, ports);
}
END_TEST

START_TEST(an_agent_without_connections_has_no_ports)
{
	begin("[endpoints]\nallowed = [ \"CreateSandboxRequest\", \"DestroySandboxRequest\" ]\n");
	ck_assert_ptr_null(ports);
	ck_assert_msg(err.code == E_UNSUPPORTED, "%s", err.msg);
	err_clear(&err);
	ck_assert_int_eq(netns_call(netns, dial_there, &(struct dial){ 80, -1 }, &err), -1);
	ck_assert_int_eq(err.sys, ECONNREFUSED);
}
END_TEST

/* --- an agent that lies --- */

static struct ttrpc_server *liar;
static struct ttrpc_call *kept; /* or NULL */
static const char *lies;        /* in this method */
static bool takes_more;         /* than it was sent; else nothing */

static void on_empty(struct ttrpc_call *call, const void *request, void *arg)
{
	Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;

	(void)request;
	(void)arg;
	ttrpc_reply(call, &empty);
}

/* The agent sends more than was requested, or nothing for a long time. */
static void on_read(struct ttrpc_call *call, const void *request, void *arg)
{
	Grpc__ReadStreamResponse reply = GRPC__READ_STREAM_RESPONSE__INIT;
	const Grpc__ReadStreamRequest *r = request;
	AUTO(mem) uint8_t *data = xcalloc(2, r->len);

	(void)arg;
	if (!str_eq(lies, "ReadStdout")) {
		kept = call;
		return;
	}
	reply.data.data = data;
	reply.data.len = 2 * (size_t)r->len;
	ttrpc_reply(call, &reply);
}

/* The agent reports that it accepted no byte, or one more than it got. */
static void on_write(struct ttrpc_call *call, const void *request, void *arg)
{
	Grpc__WriteStreamResponse reply = GRPC__WRITE_STREAM_RESPONSE__INIT;
	const Grpc__WriteStreamRequest *r = request;

	(void)arg;
	reply.len = takes_more ? (uint32_t)r->data.len + 1 : 0;
	ttrpc_reply(call, &reply);
}

/* The agent has no room for long requests, nor for the first short one. What it takes is kept. */
static unsigned refusals;
static struct buf taken = BUF_INIT(1 << 20); /* loop */

static void on_write_short(struct ttrpc_call *call, const void *request, void *arg)
{
	Grpc__WriteStreamResponse reply = GRPC__WRITE_STREAM_RESPONSE__INIT;
	const Grpc__WriteStreamRequest *r = request;
	struct err full = ERR_INIT;

	(void)arg;
	if (r->data.len > 1000 || refusals++ == 0) {
		err_set(&full, E_LIMIT, "too much waits");
		ttrpc_fail(call, &full);
		return;
	}
	buf_add(&taken, r->data.data, r->data.len);
	reply.len = (uint32_t)r->data.len;
	ttrpc_reply(call, &reply);
}

/* The first request is refused, the next one has data. */
static void on_read_later(struct ttrpc_call *call, const void *request, void *arg)
{
	Grpc__ReadStreamResponse reply = GRPC__READ_STREAM_RESPONSE__INIT;
	static unsigned n;
	struct err full = ERR_INIT;

	(void)request;
	(void)arg;
	err_set(&full, E_LIMIT, "too much waits");
	reply.data.data = (uint8_t *)(char[]){ "late" };
	reply.data.len = 4;
	if (n == 0)
		ttrpc_fail(call, &full);
	else if (n == 1)
		ttrpc_reply(call, &reply);
	else
		kept = call;
	n++;
}

static const struct ttrpc_method without_room[] = {
	{ "ConnectPort", TTRPC_EVENT, &grpc__connect_port_request__descriptor, on_empty },
	{ "DisconnectPort", TTRPC_EVENT, &grpc__disconnect_port_request__descriptor, on_empty },
	{ "CloseStdin", TTRPC_EVENT, &grpc__close_stdin_request__descriptor, on_empty },
	{ "ReadStdout", TTRPC_EVENT, &grpc__read_stream_request__descriptor, on_read_later },
	{ "WriteStdin", TTRPC_EVENT, &grpc__write_stream_request__descriptor, on_write_short },
	{ NULL, TTRPC_EVENT, NULL, NULL },
};

static bool has_no_room;

static void start_liar(void *arg)
{
	static const struct ttrpc_method methods[] = {
		{ "ConnectPort", TTRPC_EVENT, &grpc__connect_port_request__descriptor, on_empty },
		{ "DisconnectPort", TTRPC_EVENT, &grpc__disconnect_port_request__descriptor,
		  on_empty },
		{ "CloseStdin", TTRPC_EVENT, &grpc__close_stdin_request__descriptor, on_empty },
		{ "ReadStdout", TTRPC_EVENT, &grpc__read_stream_request__descriptor, on_read },
		{ "WriteStdin", TTRPC_EVENT, &grpc__write_stream_request__descriptor, on_write },
		{ NULL, TTRPC_EVENT, NULL, NULL },
	};
	static struct ttrpc_service services[] = {
		{ .name = "grpc.AgentService" },
		{ .name = NULL },
	};
	int *ends = arg;

	services[0].methods = has_no_room ? without_room : methods;

	disconnect_agent(vm);
	liar = ttrpc_server_new(loop, services);
	ttrpc_server_serve(liar, ends[0], NULL, NULL);
	vm->client = ttrpc_client_new(loop, ends[1], NULL, NULL);
}

static void stop_liar(void *arg)
{
	(void)arg;
	if (kept)
		ttrpc_fail(kept, &err);
	ttrpc_server_free(liar);
}

static const struct {
	const char *method;
	bool takes_more;
} methods_that_lie[] = {
	{ "ReadStdout", false },
	{ "WriteStdin", false },
	{ "WriteStdin", true },
};

/* The connection is reset; the shim neither grows nor repeats the request. */
START_TEST(an_agent_that_lies_loses_the_connection)
{
	int ends[2];

	lies = methods_that_lie[_i].method;
	takes_more = methods_that_lie[_i].takes_more;
	ck_assert(fd_socketpair(SOCK_STREAM, ends, &err) == 0);
	loop_call(loop, start_liar, ends);
	AUTO(fd) int client = dial(80);
	if (str_eq(lies, "WriteStdin"))
		say(client, "hello");
	expect_reset(client);
	loop_call(loop, stop_liar, NULL);
}
END_TEST

static void count_taken(void *arg)
{
	*(size_t *)arg = taken.len;
}

/* Nothing is lost, and the connection stays. */
START_TEST(an_agent_without_room_is_asked_again)
{
	enum { LEN = 5000 };
	AUTO(mem) char *data = xcalloc(1, LEN);
	size_t n = 0;
	int ends[2];

	has_no_room = true;
	ck_assert(fd_socketpair(SOCK_STREAM, ends, &err) == 0);
	loop_call(loop, start_liar, ends);
	AUTO(fd) int client = dial(80);
	ck_assert_msg(fd_write_all(client, data, LEN, &err) == 0, "%s", err.msg);
	hear(client, "late");
	for (struct deadline d = deadline_in(WAIT_MS); n < LEN && !deadline_passed(d);)
		loop_call(loop, count_taken, &n);
	ck_assert_uint_eq(n, LEN);
	loop_call(loop, stop_ports, ports);
	loop_call(loop, stop_liar, NULL);
	buf_release(&taken);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ports");
	TCase *tc = tcase_create("connections"), *without = tcase_create("without");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, each_direction_ends_alone, 0, 2);
	tcase_add_test(tc, much_data_arrives_whole_both_ways);
	tcase_add_test(tc, a_port_without_a_server_resets_the_client);
	tcase_add_loop_test(tc, a_reset_is_passed_on, 0, 2);
	tcase_add_loop_test(tc, a_stuck_connection_delays_no_other, 0, 2);
	tcase_add_test(tc, connections_beyond_the_limit_wait);
	tcase_add_test(tc, a_stop_ends_all);
	tcase_add_loop_test(tc, an_agent_that_lies_loses_the_connection, 0,
			    (int)ARRAY_LEN(methods_that_lie));
	tcase_add_test(tc, an_agent_without_room_is_asked_again);
	suite_add_tcase(suite, tc);
	tcase_set_timeout(without, 300);
	tcase_add_checked_fixture(without, NULL, teardown);
	tcase_add_test(without, an_agent_without_connections_has_no_ports);
	suite_add_tcase(suite, without);
	return suite_run(suite);
}
