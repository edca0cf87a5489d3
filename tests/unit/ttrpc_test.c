// SPDX-License-Identifier: Apache-2.0
/*
 * libs/ttrpc: client and server with each other, and each of them with a peer that the test plays
 * byte by byte.
 */

#include "tests/unit/suite.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/scope.h"
#include "base/vec.h"
#include "loop/loop.h"
#include "protocols/agent.pb-c.h"
#include "protocols/health.pb-c.h"
#include "ttrpc/codec.h"
#include "ttrpc/ttrpc.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct loop *loop;
static struct ttrpc_server *server;
static struct ttrpc_client *client;
static pthread_t thread;
static int peer = -1; /* the test's end of the connection, if it plays the peer */
static struct ttrpc_call *kept;
static unsigned cancels;
static enum err_code closed_with;

static void on_version(struct ttrpc_call *call, const void *request, void *arg)
{
	Grpc__VersionCheckResponse reply = GRPC__VERSION_CHECK_RESPONSE__INIT;
	const Grpc__CheckRequest *r = request;

	(void)arg;
	reply.agent_version = r->service;
	ttrpc_reply(call, &reply);
}

static void on_check(struct ttrpc_call *call, const void *request, void *arg)
{
	struct err err = ERR_INIT;

	(void)request;
	(void)arg;
	err_set(&err, E_NOT_FOUND, "no such thing: caf\xe9\n");
	ttrpc_fail(call, &err);
}

static void on_cancelled(void *arg)
{
	(void)arg;
	(void)__atomic_add_fetch(&cancels, 1, __ATOMIC_RELEASE);
}

static void on_wait(struct ttrpc_call *call, const void *request, void *arg)
{
	Grpc__VersionCheckResponse reply = GRPC__VERSION_CHECK_RESPONSE__INIT;
	struct ttrpc_call *old;

	(void)request;
	(void)arg;
	ttrpc_call_on_cancel(call, on_cancelled, NULL);
	old = __atomic_exchange_n(&kept, call, __ATOMIC_ACQ_REL);
	if (old)
		ttrpc_reply(old, &reply); /* the client does not wait for it any more */
}

/* Keeps every call until the end. */
static VEC(struct ttrpc_call *) held;

static void on_hold(struct ttrpc_call *call, const void *request, void *arg)
{
	(void)request;
	(void)arg;
	vec_push(&held, call);
}

/* A pipe from which the server answers. */
static int source[2] = { -1, -1 };

static void on_read(struct ttrpc_call *call, const void *request, void *arg)
{
	ssize_t n = ttrpc_reply_read(call, source[0], 1 << 20);
	struct err err = ERR_INIT;

	(void)request;
	(void)arg;

	if (n > 0)
		return;
	if (n < 0 && errno == EAGAIN)
		err_set(&err, E_STATE, "there is nothing yet");
	else if (n < 0 && errno == ECONNRESET)
		err_set(&err, E_GONE, "the connection was reset");
	else
		err_set(&err, E_FAILED, "there is no more");
	ttrpc_fail(call, &err);
}

static pthread_mutex_t stuck_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned n_stuck;

static void on_stick(struct ttrpc_call *call, const void *request, void *arg)
{
	(void)__atomic_add_fetch(&n_stuck, 1, __ATOMIC_RELEASE);
	(void)pthread_mutex_lock(&stuck_lock);
	(void)pthread_mutex_unlock(&stuck_lock);
	on_version(call, request, arg);
}

static const struct ttrpc_method health[] = {
	{ "Version", TTRPC_FLOW, &grpc__check_request__descriptor, on_version },
	{ "Stick", TTRPC_FLOW, &grpc__check_request__descriptor, on_stick },
	{ "Signal", TTRPC_URGENT, &grpc__check_request__descriptor, on_version },
	{ "Check", TTRPC_EVENT, &grpc__check_request__descriptor, on_check },
	{ "Wait", TTRPC_EVENT, &grpc__check_request__descriptor, on_wait },
	{ "Hold", TTRPC_WAIT, &grpc__check_request__descriptor, on_hold },
	{ "Take", TTRPC_STREAM, &grpc__check_request__descriptor, on_hold },
	{ "Read", TTRPC_EVENT, &grpc__check_request__descriptor, on_read },
	{ NULL, TTRPC_EVENT, NULL, NULL },
};
static const struct ttrpc_service services[] = {
	{ .name = "grpc.Health", .methods = health },
	{ .name = NULL },
};

static void *run_loop(void *arg)
{
	(void)arg;
	loop_run(loop);
	return NULL;
}

static void on_close(void *arg, const struct err *why)
{
	(void)arg;
	__atomic_store_n(&closed_with, why->code, __ATOMIC_RELEASE);
}

/* Starts 's' a server, 'c' a client, 'b' both. The test plays the other end. */
static void start(char who)
{
	struct err err = ERR_INIT;
	int ends[2];

	(void)signal(SIGPIPE, SIG_IGN);
	ck_assert(fd_socketpair(SOCK_STREAM, ends, &err) == 0);
	loop = loop_new(&(struct err)ERR_INIT);
	server = ttrpc_server_new(loop, services);
	if (who != 'c')
		ttrpc_server_serve(server, ends[0], NULL, NULL);
	if (who != 's')
		client = ttrpc_client_new(loop, ends[1], on_close, NULL);
	peer = who == 'c' ? ends[0] : who == 's' ? ends[1] : -1;
	ck_assert(pthread_create(&thread, NULL, run_loop, NULL) == 0);
}

static void finish(void)
{
	loop_stop(loop);
	(void)pthread_join(thread, NULL);
	ttrpc_client_free(client);
	ttrpc_server_free(server);
	if (kept) {
		Grpc__VersionCheckResponse reply = GRPC__VERSION_CHECK_RESPONSE__INIT;

		ttrpc_reply(kept, &reply); /* the connection is gone */
	}
	for (size_t i = 0; i < held.n; i++) {
		struct err gone = ERR_INIT;

		err_set(&gone, E_GONE, "the test ends");
		ttrpc_fail(held.v[i], &gone);
	}
	vec_release(&held);
	loop_free(loop);
	fd_close(&peer);
}

static int call(const char *method, uint64_t ms, char **version, struct err *err)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;
	Grpc__VersionCheckResponse *reply = NULL;

	request.service = (char *)"hello";
	if (ttrpc_call(client, "grpc.Health", method, &request,
		       &grpc__version_check_response__descriptor, deadline_in(ms), &reply, err) < 0)
		return -1;
	if (version)
		*version = xstrdup(reply->agent_version);
	grpc__version_check_response__free_unpacked(reply, NULL);
	return 0;
}

START_TEST(calls_are_answered)
{
	struct err err = ERR_INIT;
	AUTO(str) char *version = NULL;

	start('b');
	ck_assert_msg(call("Version", 60000, &version, &err) == 0, "%s", err.msg);
	ck_assert_str_eq(version, "hello");
	ck_assert(call("Check", 60000, NULL, &err) < 0);
	ck_assert_int_eq(err.code, E_NOT_FOUND);
	ck_assert_str_eq(err.msg, "Check: no such thing: caf??");
	err_clear(&err);
	ck_assert(call("Nothing", 60000, NULL, &err) < 0);
	ck_assert_int_eq(err.code, E_UNSUPPORTED);
	finish();
}
END_TEST

START_TEST(a_call_without_answer_times_out_and_the_late_one_is_dropped)
{
	Grpc__VersionCheckResponse reply = GRPC__VERSION_CHECK_RESPONSE__INIT;
	struct err err = ERR_INIT;
	struct ttrpc_call *late;

	start('b');
	ck_assert(call("Wait", 30, NULL, &err) < 0);
	ck_assert_int_eq(err.code, E_TIMEOUT);
	err_clear(&err);
	/* On a busy machine the request comes to the server after that. */
	while (!(late = __atomic_exchange_n(&kept, NULL, __ATOMIC_ACQ_REL)))
		(void)poll(NULL, 0, 1);
	ttrpc_reply(late, &reply);
	ck_assert(call("Version", 60000, NULL, &err) == 0);
	finish();
}
END_TEST

static pthread_mutex_t done_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t done_cond = PTHREAD_COND_INITIALIZER;
static enum err_code done_code;
static bool is_done;

static void on_done(void *arg, const void *reply, const struct err *err)
{
	(void)arg;
	(void)reply;
	(void)pthread_mutex_lock(&done_lock);
	done_code = err ? err->code : E_OK;
	is_done = true;
	(void)pthread_cond_signal(&done_cond);
	(void)pthread_mutex_unlock(&done_lock);
}

static enum err_code wait_done(void)
{
	(void)pthread_mutex_lock(&done_lock);
	while (!is_done)
		(void)pthread_cond_wait(&done_cond, &done_lock);
	is_done = false;
	(void)pthread_mutex_unlock(&done_lock);
	return done_code;
}

START_TEST(async_calls_end_once)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;
	uint32_t id;

	start('b');
	(void)ttrpc_call_async(client, "grpc.Health", "Check", &request, NULL, DEADLINE_NEVER,
			       on_done, NULL);
	ck_assert_int_eq(wait_done(), E_NOT_FOUND);
	(void)ttrpc_call_async(client, "grpc.Health", "Wait", &request, NULL, deadline_in(20),
			       on_done, NULL);
	ck_assert_int_eq(wait_done(), E_TIMEOUT);
	id = ttrpc_call_async(client, "grpc.Health", "Wait", &request, NULL, DEADLINE_NEVER,
			      on_done, NULL);
	ttrpc_client_cancel(client, id);
	ck_assert_int_eq(wait_done(), E_CANCELLED);
	(void)ttrpc_call_async(client, "grpc.Health", "Wait", &request, NULL, DEADLINE_NEVER,
			       on_done, NULL);
	ttrpc_client_shutdown(client);
	ck_assert_int_eq(wait_done(), E_GONE);
	finish();
	ck_assert_uint_gt(cancels, 0);
}
END_TEST

static void send_bytes(const void *data, size_t len)
{
	struct err err = ERR_INIT;

	ck_assert(fd_write_all(peer, data, len, &err) == 0);
}

/* Reads one frame; returns the body's length. */
static size_t read_frame(struct ttrpc_frame *f, uint8_t *body, size_t size)
{
	struct ttrpc_decoder d = { .have = 0 };
	uint8_t head[TTRPC_HEADER];
	const uint8_t *p = head, *piece;
	size_t n = sizeof(head), len;
	struct err err = ERR_INIT;

	ck_assert_int_eq(fd_read_full(peer, head, sizeof(head), &err), TTRPC_HEADER);
	ck_assert_int_eq(ttrpc_decode(&d, &p, &n, f, &piece, &len), TTRPC_FRAME);
	ck_assert_uint_le(f->len, size);
	ck_assert_int_eq(fd_read_full(peer, body, f->len, &err), (ssize_t)f->len);
	return f->len;
}

/* --- much data at once --- */

static const struct much {
	size_t len;   /* in the pipe */
	size_t part;  /* of each write; pages of the pipe may be partly filled */
	bool crowded; /* the socket has a small buffer */
} muches[] = {
	{ 1, 1, false },          { 65535, 65535, false }, { 65536, 65536, false },
	{ 1 << 20, 4096, false }, { 1 << 20, 4096, true }, { 700001, 4097, false },
	{ 700001, 5000, true },   { 200000, 1000, false },
};
static uint8_t *got;
static size_t n_got;
static unsigned n_begun;

static void on_begun(void *arg)
{
	(void)arg;
	n_begun++;
}

static void on_bytes(void *arg, const uint8_t *data, size_t len, const struct err *err)
{
	if (!err) {
		got = xmemdup(data, len);
		n_got = len;
	}
	on_done(arg, NULL, err);
}

static const struct ttrpc_reader reader = { on_begun, on_bytes };

static void fill_source(const uint8_t *data, size_t len, size_t part)
{
	struct err err = ERR_INIT;

	ck_assert(fd_pipe(source, &err) == 0);
	ck_assert_int_ge(fcntl(source[1], F_SETPIPE_SZ, 1 << 20), 1 << 20);
	for (size_t at = 0, n; at < len; at += n) {
		n = len - at < part ? len - at : part;
		ck_assert(fd_write_all(source[1], data + at, n, &err) == 0);
	}
	ck_assert(fd_nonblock(source[0], true, &err) == 0);
	fd_close(&source[1]);
}

static void crowd(void)
{
	struct err err = ERR_INIT;
	int ends[2], small = 4096;

	ck_assert(fd_socketpair(SOCK_STREAM, ends, &err) == 0);
	ck_assert(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) == 0);
	loop = loop_new(&(struct err)ERR_INIT);
	server = ttrpc_server_new(loop, services);
	ttrpc_server_serve(server, ends[0], NULL, NULL);
	client = ttrpc_client_new(loop, ends[1], on_close, NULL);
	ck_assert(pthread_create(&thread, NULL, run_loop, NULL) == 0);
}

START_TEST(much_data_arrives_as_it_was)
{
	const struct much *m = &muches[_i];
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;
	uint8_t *data = xmalloc(m->len);
	struct err err = ERR_INIT;
	size_t at = 0;

	for (size_t i = 0; i < m->len; i++)
		data[i] = (uint8_t)(i * 31 + i / 4096);
	fill_source(data, m->len, m->part);
	if (m->crowded)
		crowd();
	else
		start('b');
	for (;; at += n_got) {
		ttrpc_read_async(client, "grpc.Health", "Read", &request, &reader, NULL);
		if (wait_done() != E_OK)
			break;
		ck_assert_uint_le(at + n_got, m->len);
		ck_assert_mem_eq(got, data + at, n_got);
		free(got);
	}
	ck_assert_int_eq(done_code, E_FAILED);
	ck_assert_uint_eq(at, m->len);
	ck_assert((n_begun > 0) == (m->len > 65500));
	ck_assert(call("Version", 60000, NULL, &err) == 0); /* nothing is left in between */
	finish();
	fd_close(&source[0]);
	free(data);
}
END_TEST

static void *steal(void *arg)
{
	uint8_t *chunk = xmalloc(64 << 10);
	ssize_t n;

	(void)arg;
	do {
		(void)poll(&(struct pollfd){ .fd = source[0], .events = POLLIN }, 1, -1);
		n = read(source[0], chunk, 64 << 10);
	} while (n > 0 || (n < 0 && errno == EAGAIN));
	free(chunk);
	return NULL;
}

static void *supply(void *arg)
{
	uint8_t *chunk = xmalloc(1 << 20);
	struct err err = ERR_INIT;

	(void)arg;
	memset(chunk, 'x', 1 << 20);
	for (int i = 0; i < 300; i++)
		ck_assert(fd_write_all(source[1], chunk, 1 << 20, &err) == 0);
	fd_close(&source[1]);
	free(chunk);
	return NULL;
}

/* Another thread reads from the pipe too, so an answer may have fewer bytes than the pipe had. */
START_TEST(a_pipe_has_other_readers)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;
	struct err err = ERR_INIT;
	pthread_t thief, supplier;

	ck_assert(fd_pipe(source, &err) == 0);
	ck_assert_int_ge(fcntl(source[1], F_SETPIPE_SZ, 1 << 20), 1 << 20);
	ck_assert(fd_nonblock(source[0], true, &err) == 0);
	start('b');
	ck_assert(pthread_create(&supplier, NULL, supply, NULL) == 0);
	ck_assert(pthread_create(&thief, NULL, steal, NULL) == 0);
	for (;;) {
		ttrpc_read_async(client, "grpc.Health", "Read", &request, &reader, NULL);
		if (wait_done() == E_FAILED)
			break;
		if (done_code == E_OK) {
			ck_assert(n_got > 0 && got[0] == 'x' && got[n_got - 1] == 'x');
			free(got);
		} else {
			ck_assert_int_eq(done_code, E_STATE); /* it was empty */
		}
	}
	ck_assert(pthread_join(supplier, NULL) == 0);
	ck_assert(pthread_join(thief, NULL) == 0);
	ck_assert(call("Version", 60000, NULL, &err) == 0);
	finish();
	fd_close(&source[0]);
}
END_TEST

/* The kernel reports a reset once. Seen as an end, it would make what came before look complete. */
START_TEST(a_reset_after_data_is_no_end)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;
	struct err err = ERR_INIT;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, source),
			 0);
	ck_assert(write(source[0], "unread", 6) == 6 && write(source[1], "xyz", 3) == 3);
	fd_close(&source[1]); /* a reset, since it has not read everything */
	start('b');
	ttrpc_read_async(client, "grpc.Health", "Read", &request, &reader, NULL);
	ck_assert_int_eq(wait_done(), E_OK);
	ck_assert(n_got == 3 && memcmp(got, "xyz", 3) == 0);
	free(got);
	ttrpc_read_async(client, "grpc.Health", "Read", &request, &reader, NULL);
	ck_assert_int_eq(wait_done(), E_GONE);
	ck_assert(call("Version", 60000, NULL, &err) == 0);
	finish();
	fd_close(&source[0]);
}
END_TEST

/* Bodies of answers to the call on stream 1; some of them have bytes. */
static const struct {
	const char *body;
	size_t len;
	enum err_code code;
	const char *bytes;
} answers[] = {
	{ "\x0a\0\x12\x04\x0a\x02hi", 8, E_OK, "hi" },
	{ "\x12\x04\x0a\x02hi", 6, E_OK, "hi" },                      /* no status */
	{ "\x12\x04\x0a\x02hi\x0a\0", 8, E_OK, "hi" },                /* after it */
	{ "\x0a\x02\x08\0\x12\x04\x0a\x02hi", 10, E_OK, "hi" },       /* code 0, said */
	{ "\x0a\0\x12\x84\x80\0\x0a\x82\0hi", 11, E_PROTOCOL, NULL }, /* shorter than it says */
	{ "\x0a\0\x12\x85\x80\0\x0a\x82\0hi", 11, E_OK, "hi" },       /* long lengths */
	{ "\x0a\0", 2, E_OK, "" },                                    /* no bytes */
	{ "", 0, E_OK, "" },
	{ "\x0a\x04\x08\x05\x12\0", 6, E_NOT_FOUND, NULL },
	{ "\x0a\0\x12\x02\x08\x01", 6, E_PROTOCOL, NULL },   /* a number */
	{ "\x0a\0\x12\x7f\x0a\x02hi", 8, E_PROTOCOL, NULL }, /* longer than the body */
};

START_TEST(bytes_are_found_in_every_form)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;
	uint8_t head[TTRPC_HEADER], body[256];
	struct ttrpc_frame f = { (uint32_t)answers[_i].len, 1, TTRPC_RESPONSE, 0 };

	start('c');
	ttrpc_read_async(client, "grpc.Health", "Read", &request, &reader, NULL);
	(void)read_frame(&(struct ttrpc_frame){ 0 }, body, sizeof(body));
	ttrpc_encode_header(&f, head);
	send_bytes(head, sizeof(head));
	send_bytes(answers[_i].body, answers[_i].len);
	ck_assert_int_eq(wait_done(), answers[_i].code);
	if (answers[_i].bytes) {
		ck_assert_uint_eq(n_got, strlen(answers[_i].bytes));
		ck_assert_mem_eq(got, answers[_i].bytes, n_got);
		free(got);
	}
	finish();
}
END_TEST

/* Request{service "grpc.Health", method "Version", payload CheckRequest{service "x"}}, stream 7. */
static const uint8_t raw_request[] = "\0\0\0\x1b\0\0\0\x07\x01\0"
				     "\x0a\x0bgrpc.Health\x12\x07Version\x1a\x03\x0a\x01x";

START_TEST(the_server_speaks_the_wire_format)
{
	/* Response{status{}, payload VersionCheckResponse{agent_version "x"}} */
	static const uint8_t expect[] = "\x0a\0\x12\x03\x12\x01x";
	struct ttrpc_frame f;
	uint8_t body[256];

	start('s');
	send_bytes(raw_request, sizeof(raw_request) - 1);
	ck_assert_uint_eq(read_frame(&f, body, sizeof(body)), sizeof(expect) - 1);
	ck_assert_uint_eq(f.stream, 7);
	ck_assert_uint_eq(f.type, TTRPC_RESPONSE);
	ck_assert_mem_eq(body, expect, sizeof(expect) - 1);
	for (size_t i = 0; i < sizeof(raw_request) - 1; i++)
		send_bytes(raw_request + i, 1); /* byte by byte is the same */
	(void)read_frame(&f, body, sizeof(body));
	ck_assert_mem_eq(body, expect, sizeof(expect) - 1);
	finish();
}
END_TEST

START_TEST(the_server_survives_bad_frames)
{
	static const struct {
		const char *head;
		const char *body;
		size_t len;
		uint8_t status; /* google.rpc.Code in the answer */
	} cases[] = {
		{ "\0\0\0\x02\0\0\0\x02\x01\0", "\x0a\0", 2, 3 },    /* even stream id */
		{ "\0\0\0\x02\0\0\0\x03\x01\x02", "\x0a\0", 2, 12 }, /* streaming */
		{ "\0\0\0\x02\0\0\0\x05\x01\0", "\xff\xff", 2, 3 },  /* not protobuf */
		{ "\0\0\0\x02\0\0\0\x07\x01\0", "\x0a\0", 2, 12 },   /* no such service */
	};
	struct ttrpc_frame f;
	uint8_t body[512];

	start('s');
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		send_bytes(cases[i].head, TTRPC_HEADER);
		send_bytes(cases[i].body, cases[i].len);
		ck_assert_uint_gt(read_frame(&f, body, sizeof(body)), 4);
		ck_assert_uint_eq(body[0], 0x0a); /* status */
		ck_assert_uint_eq(body[2], 0x08); /* its code */
		ck_assert_uint_eq(body[3], cases[i].status);
	}
	/* Too long: the body is skipped and the call answered; the connection stays usable. */
	send_bytes("\0\x40\0\x01\0\0\0\x09\x01\0", TTRPC_HEADER);
	for (size_t left = TTRPC_MESSAGE_MAX + 1, n; left; left -= n) {
		static const uint8_t zeros[65536];

		n = left < sizeof(zeros) ? left : sizeof(zeros);
		send_bytes(zeros, n);
	}
	(void)read_frame(&f, body, sizeof(body));
	ck_assert_uint_eq(f.stream, 9);
	ck_assert_uint_eq(body[3], 8);
	send_bytes(raw_request, sizeof(raw_request) - 1);
	(void)read_frame(&f, body, sizeof(body));
	ck_assert_uint_eq(f.stream, 7);
	finish();
}
END_TEST

struct hostile {
	const char *bytes;
	size_t len;
	enum err_code code;
};

static const struct hostile hostile_answers[] = {
	{ "\0\0\0\0\0\0\0\x02\x02\0", 10, E_PROTOCOL },           /* a stream that we never open */
	{ "\0\0\0\0\0\0\x01\x01\x02\0", 10, E_PROTOCOL },         /* one that is not open yet */
	{ "\0\x40\0\x01\0\0\0\x01\x02\0", 10, E_PROTOCOL },       /* oversize: not waited for */
	{ "\0\0\0\0\0\0\0\x01\x01\0", 10, E_PROTOCOL },           /* a request */
	{ "\0\0\0\x02\0\0\0\x01\x02\0\xff\xff", 12, E_PROTOCOL }, /* not protobuf */
	{ "", 0, E_GONE },                                        /* hangs up */
};

START_TEST(the_client_survives_a_hostile_server)
{
	const struct hostile *h = &hostile_answers[_i];
	struct err err = ERR_INIT;

	start('c');
	send_bytes(h->bytes, h->len);
	if (!h->len)
		(void)shutdown(peer, SHUT_RDWR);
	ck_assert(call("Version", 60000, NULL, &err) < 0);
	ck_assert_msg(err.code == h->code, "%d: %s", _i, err.msg);
	finish();
	ck_assert_int_eq(closed_with, h->code);
}
END_TEST

/* A frame of 4 bytes, again and again: protobuf-c copies the list in the status each time, or has a
 * large message for each. */
static const struct {
	const char *part;
	size_t len, times;
} costly_answers[] = {
	{ "\x0a\x02\x1a\0", 4, TTRPC_MESSAGE_MAX / 4 },
	{ "\x7a\0", 2, TTRPC_MESSAGE_MAX / 2 },
};

START_TEST(what_an_answer_may_cost_is_bounded)
{
	struct ttrpc_frame f = { .stream = 1, .type = TTRPC_RESPONSE };
	AUTO(buf) struct buf body = BUF_INIT(TTRPC_MESSAGE_MAX);
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;
	uint8_t head[TTRPC_HEADER];

	for (size_t i = 0; i < costly_answers[_i].times; i++)
		buf_add(&body, costly_answers[_i].part, costly_answers[_i].len);
	f.len = (uint32_t)body.len;
	ttrpc_encode_header(&f, head);
	start('c');
	(void)ttrpc_call_async(client, "grpc.Health", "Version", &request,
			       &grpc__version_check_response__descriptor, DEADLINE_NEVER, on_done,
			       NULL);
	send_bytes(head, sizeof(head));
	send_bytes(body.data, body.len);
	ck_assert_int_eq(wait_done(), E_PROTOCOL);
	finish();
}
END_TEST

static void on_stuck(void *arg, const void *reply, const struct err *err)
{
	(void)reply;
	if (err && err->code == E_LIMIT)
		(void)__atomic_add_fetch((unsigned *)arg, 1, __ATOMIC_RELEASE);
}

static void on_unheld(void *arg, const void *reply, const struct err *err)
{
	(void)reply;
	if (err->code == E_LIMIT)
		(void)__atomic_add_fetch((unsigned *)arg, 1, __ATOMIC_RELEASE);
}

/* Calls that wait since the start keep theirs. */
START_TEST(stream_ids_are_used_again)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;
	struct err err = ERR_INIT;

	start('b');
	request.service = (char *)"hello";
	for (int i = 0; i < 2; i++)
		(void)ttrpc_call_async(client, "grpc.Health", "Hold", &request, NULL,
				       DEADLINE_NEVER, on_done, NULL);
	ttrpc_client_set_next_id(client, UINT32_MAX - 2);
	for (int i = 0; i < 5; i++) {
		AUTO(str) char *version = NULL;

		ck_assert_msg(call("Version", 60000, &version, &err) == 0, "%s", err.msg);
		ck_assert_str_eq(version, "hello");
	}
	ck_assert(!is_done);
	finish();
	ck_assert_int_eq(wait_done(), E_GONE);
}
END_TEST

/* Requests that wait for what hangs, such as a file system. */
START_TEST(stuck_requests_leave_room_for_urgent_ones)
{
	enum { MANY = 64 };
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;
	unsigned refused = 0;
	struct err err = ERR_INIT;

	start('b');
	request.service = (char *)"hello";
	(void)pthread_mutex_lock(&stuck_lock);
	for (unsigned i = 0; i < MANY; i++)
		(void)ttrpc_call_async(client, "grpc.Health", "Stick", &request, NULL,
				       DEADLINE_NEVER, on_stuck, &refused);
	while (__atomic_load_n(&n_stuck, __ATOMIC_ACQUIRE) < MANY)
		(void)usleep(1000);
	ck_assert_int_lt(call("Version", 60000, NULL, &err), 0);
	ck_assert_int_eq(err.code, E_LIMIT);
	err_clear(&err);
	for (unsigned i = 0; i < MANY; i++)
		ck_assert_msg(call("Signal", 60000, NULL, &err) == 0, "%s", err.msg);
	(void)pthread_mutex_unlock(&stuck_lock);
	finish();
	ck_assert_uint_eq(refused, 0);
}
END_TEST

/* Each process of a pod has three such calls. */
START_TEST(calls_that_wait_leave_room_for_others)
{
	enum { MANY = 3 * 1500 };
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;
	unsigned refused = 0;
	struct err err = ERR_INIT;

	start('b');
	request.service = (char *)"hello";
	for (unsigned i = 0; i < MANY; i++)
		(void)ttrpc_call_async(client, "grpc.Health", "Hold", &request, NULL,
				       DEADLINE_NEVER, on_unheld, &refused);
	ck_assert_msg(call("Version", 60000, NULL, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(__atomic_load_n(&refused, __ATOMIC_ACQUIRE), 0);
	/* The answered call is counted until the server has forgotten it. */
	while (ttrpc_server_busy(server) != MANY)
		(void)usleep(1000);
	ck_assert_int_eq(ttrpc_call_check_room(held.v[0], 1, &err), 0);
	ck_assert_int_lt(ttrpc_call_check_room(held.v[0], SIZE_MAX / 2, &err), 0);
	ck_assert_int_eq(err.code, E_LIMIT);
	finish();
}
END_TEST

/* Input that nobody takes, of the size that the shim sends: it uses up neither the calls of others
 * nor, beyond a limit, memory. Small pieces are taken in any case. */
START_TEST(blocked_streams_leave_room_for_others)
{
	enum { PIECE = 256 << 10, MANY = 1500, LARGE = 200, LEAST = 16 };
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;
	AUTO(str) char *large = xmalloc(PIECE);
	unsigned refused = 0, before;
	struct err err = ERR_INIT;

	memset(large, 'x', PIECE - 1);
	large[PIECE - 1] = '\0';
	start('b');
	request.service = (char *)"key";
	for (unsigned i = 0; i < MANY; i++)
		(void)ttrpc_call_async(client, "grpc.Health", "Take", &request, NULL,
				       DEADLINE_NEVER, on_unheld, &refused);
	ck_assert_msg(call("Version", 60000, NULL, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(__atomic_load_n(&refused, __ATOMIC_ACQUIRE), 0);
	request.service = large;
	for (unsigned i = 0; i < LARGE; i++) {
		(void)ttrpc_call_async(client, "grpc.Health", "Take", &request, NULL,
				       DEADLINE_NEVER, on_unheld, &refused);
		/* Not more at once than the client queues. */
		ck_assert_msg(call("Version", 60000, NULL, &err) == 0, "%s", err.msg);
	}
	before = __atomic_load_n(&refused, __ATOMIC_ACQUIRE);
	ck_assert_uint_gt(before, 0);
	ck_assert_uint_lt(before, LARGE - LEAST);
	request.service = (char *)"key";
	(void)ttrpc_call_async(client, "grpc.Health", "Take", &request, NULL, DEADLINE_NEVER,
			       on_unheld, &refused);
	ck_assert_msg(call("Version", 60000, NULL, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(__atomic_load_n(&refused, __ATOMIC_ACQUIRE), before);
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ttrpc");
	TCase *tc = tcase_create("wire");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, calls_are_answered);
	tcase_add_test(tc, a_call_without_answer_times_out_and_the_late_one_is_dropped);
	tcase_add_test(tc, async_calls_end_once);
	tcase_add_test(tc, stream_ids_are_used_again);
	tcase_add_test(tc, stuck_requests_leave_room_for_urgent_ones);
	tcase_add_test(tc, calls_that_wait_leave_room_for_others);
	tcase_add_test(tc, blocked_streams_leave_room_for_others);
	tcase_add_test(tc, a_pipe_has_other_readers);
	tcase_add_test(tc, a_reset_after_data_is_no_end);
	tcase_add_loop_test(tc, much_data_arrives_as_it_was, 0, (int)ARRAY_LEN(muches));
	tcase_add_loop_test(tc, bytes_are_found_in_every_form, 0, (int)ARRAY_LEN(answers));
	tcase_add_test(tc, the_server_speaks_the_wire_format);
	tcase_add_test(tc, the_server_survives_bad_frames);
	tcase_add_loop_test(tc, the_client_survives_a_hostile_server, 0,
			    (int)ARRAY_LEN(hostile_answers));
	tcase_add_loop_test(tc, what_an_answer_may_cost_is_bounded, 0,
			    (int)ARRAY_LEN(costly_answers));
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
