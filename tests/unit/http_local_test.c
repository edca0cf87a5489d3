// SPDX-License-Identifier: Apache-2.0
/*
 * http/local.h and http/grpc.h with servers that misbehave. cri_containerd_test uses them with a
 * real one.
 */

#include "tests/unit/scratch.h"
#include "tests/unit/server.h"
#include "tests/unit/suite.h"

#include "base/fd.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"
#include "http/grpc-internal.h"
#include "http/grpc.h"
#include "http/local.h"

#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[SCRATCH_DIR];
static char *path;
static pid_t server;
static struct err err;

static void set_up(void)
{
	scratch_make(dir, "http-local");
	path = path_join(dir, "s");
	err_clear(&err);
	server = -1;
}

static void tear_down(void)
{
	server_kill(&server);
	free(path);
	scratch_remove(dir);
}

/* Starts a server that answers every request with text and closes the connection; or sends text
 * without end. */
static void serve(const char *text, size_t len, bool endless)
{
	int listener = fd_unix_listen(path, &err);

	ck_assert_int_ge(listener, 0);
	server = fork();
	ck_assert_int_ge(server, 0);
	if (server == 0) {
		char asked[4096];
		int fd = accept(listener, NULL, NULL);

		(void)signal(SIGPIPE, SIG_IGN);
		if (fd >= 0 && read(fd, asked, sizeof(asked)) > 0) {
			while (write(fd, text, len) == (ssize_t)len && endless && len)
				;
			if (endless)
				(void)pause();
		}
		_exit(0);
	}
	(void)close(listener);
}

static int get(size_t limit, unsigned ms, struct buf *body)
{
	*body = (struct buf)BUF_INIT(limit);
	return http_local_get(path, "/info", deadline_in(ms), body, &err);
}

#define HEAD "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"

START_TEST(an_answer)
{
	AUTO(buf) struct buf body;

	serve(HEAD "hello", strlen(HEAD "hello"), false);
	ck_assert_msg(get(100, 20000, &body) == 0, "%s", err.msg);
	ck_assert_str_eq(buf_cstr(&body), "hello");
}
END_TEST

static const struct {
	const char *text;
	bool endless;
	enum err_code code;
} bad[] = {
	{ "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", false, E_FAILED },
	{ "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", false,
	  E_FAILED },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhalf", false, E_GONE },
	{ "", false, E_GONE },
	{ "\xFF\xFE rubbish\r\n\r\n", false, E_PROTOCOL },
	{ HEAD, true, E_LIMIT },
	{ "", true, E_TIMEOUT },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", false, E_GONE },
};

START_TEST(bad_answers)
{
	AUTO(buf) struct buf body;

	/* More bytes than the caller allows, without Content-Length. */
	if (bad[_i].code == E_LIMIT) {
		static const char flood[] = "HTTP/1.1 200 OK\r\n\r\n0123456789012345678901234567";

		serve(flood, strlen(flood), true);
	} else {
		serve(bad[_i].text, strlen(bad[_i].text), bad[_i].endless);
	}
	ck_assert_int_eq(get(16, bad[_i].code == E_TIMEOUT ? 300 : 20000, &body), -1);
	ck_assert_msg(err.code == bad[_i].code, "%d: %s", err.code, err.msg);
}
END_TEST

START_TEST(nobody_there)
{
	AUTO(buf) struct buf body;
	int listener;

	ck_assert_int_eq(get(16, 20000, &body), -1);
	ck_assert_int_eq(err.code, E_NOT_FOUND);
	err_clear(&err);
	listener = fd_unix_listen(path, &err);
	ck_assert_int_ge(listener, 0);
	(void)close(listener);
	ck_assert_int_eq(get(16, 20000, &body), -1);
	ck_assert_msg(err.code == E_GONE, "%s", err.msg);
	err_clear(&err);
	free(path);
	path = str_fmt("/tmp/%0120d", 1);
	ck_assert_int_eq(get(16, 20000, &body), -1);
	ck_assert_int_eq(err.code, E_LIMIT);
}
END_TEST

/* Unix sockets are never reached through a proxy. */
START_TEST(no_proxy)
{
	AUTO(buf) struct buf body;

	ck_assert_int_eq(setenv("http_proxy", "http://127.0.0.1:1/", 1), 0);
	ck_assert_int_eq(setenv("ALL_PROXY", "http://127.0.0.1:1/", 1), 0);
	serve(HEAD "hello", strlen(HEAD "hello"), false);
	ck_assert_msg(get(100, 20000, &body) == 0, "%s", err.msg);
}
END_TEST

static const struct {
	const char *text;
	enum err_code code;
} not_grpc[] = {
	{ "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", E_PROTOCOL },
	{ "", E_GONE },
	{ "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", E_PROTOCOL },
};

START_TEST(grpc_from_others)
{
	AUTO(buf) struct buf answer = BUF_INIT(100);

	serve(not_grpc[_i].text, strlen(not_grpc[_i].text), false);
	ck_assert_int_eq(grpc_call(path, "/a/b", "", 0, deadline_in(20000), &answer, &err), -1);
	/* Either the end of the connection or the invalid answer may be seen first. */
	ck_assert_msg(err.code == not_grpc[_i].code || err.code == E_GONE, "%s", err.msg);
}
END_TEST

/* --- answers, without a server --- */

static const struct {
	const char *lines;
	const char *body;
	size_t len;
	enum err_code code;
	const char *says;
} answers[] = {
	{ "HTTP/2 200\r\nContent-Type: application/grpc\r\ngrpc-status: 0\r\n", "\0\0\0\0\2ab", 7,
	  E_OK, NULL },
	{ "HTTP/2 200\r\ncontent-type: application/grpc\r\nGRPC-Status: 5\r\n"
	  "grpc-message: no%20such%0Apod %25\r\n",
	  "", 0, E_NOT_FOUND, "m: no such pod %" },
	{ "HTTP/2 200\r\ncontent-type: application/grpc\r\ngrpc-status: 12\r\n", "", 0,
	  E_UNSUPPORTED, "m: failed without a reason" },
	{ "HTTP/2 200\r\ncontent-type: application/grpc\r\n", "\0\0\0\0\0", 5, E_PROTOCOL, NULL },
	{ "HTTP/2 200\r\ncontent-type: application/grpc\r\ngrpc-status: x\r\n", "\0\0\0\0\0", 5,
	  E_PROTOCOL, NULL },
	{ "HTTP/2 200\r\ncontent-type: text/html\r\ngrpc-status: 0\r\n", "\0\0\0\0\0", 5,
	  E_PROTOCOL, NULL },
	{ "HTTP/2 503\r\ncontent-type: application/grpc\r\ngrpc-status: 0\r\n", "\0\0\0\0\0", 5,
	  E_PROTOCOL, NULL },
	{ "HTTP/2 200\r\ncontent-type: application/grpc\r\ngrpc-status: 0\r\n", "\1\0\0\0\0", 5,
	  E_PROTOCOL, NULL },
	{ "HTTP/2 200\r\ncontent-type: application/grpc\r\ngrpc-status: 0\r\n", "\0\0\0\0\1", 5,
	  E_PROTOCOL, NULL },
	{ "HTTP/2 200\r\ncontent-type: application/grpc\r\ngrpc-status: 0\r\n", "\0\0\0", 3,
	  E_PROTOCOL, NULL },
};

static const struct {
	const char *body;
	size_t len;
	int rc; /* 1: a message of 2 bytes */
} pieces[] = {
	{ "", 0, 0 },
	{ "\0\0\0\0", 4, 0 },
	{ "\0\0\0\0\2", 5, 0 },
	{ "\0\0\0\0\2a", 6, 0 },
	{ "\0\0\0\0\2ab", 7, 1 },
	{ "\0\0\0\0\2ab\0\0", 9, 1 },
	{ "\1\0\0\0\2ab", 7, -1 },
};

/* A message of a stream is taken once all of it has arrived. */
START_TEST(grpc_messages_of_a_stream)
{
	AUTO(buf) struct buf body = BUF_INIT(100);
	size_t len = 0;

	buf_add(&body, pieces[_i].body, pieces[_i].len);
	ck_assert_int_eq(grpc_answer_next(&body, "m", &len, &err), pieces[_i].rc);
	ck_assert_int_eq(err.code, pieces[_i].rc < 0 ? E_PROTOCOL : E_OK);
	if (pieces[_i].rc > 0)
		ck_assert_uint_eq(len, 2);
}
END_TEST

START_TEST(grpc_answers)
{
	struct grpc_answer a = GRPC_ANSWER_INIT;
	AUTO(buf) struct buf body = BUF_INIT(100);
	const char *message, *line = answers[_i].lines;
	size_t len;

	while (*line) {
		const char *end = strchr(line, '\n') + 1;

		grpc_answer_line(&a, line, (size_t)(end - line));
		line = end;
	}
	buf_add(&body, answers[_i].body, answers[_i].len);
	if (answers[_i].code == E_OK) {
		ck_assert_int_eq(grpc_answer_end(&a, "m", &body, &message, &len, &err), 0);
		ck_assert(len == 2 && memcmp(message, "ab", 2) == 0);
		return;
	}
	ck_assert_int_eq(grpc_answer_end(&a, "m", &body, &message, &len, &err), -1);
	ck_assert_msg(err.code == answers[_i].code, "%s", err.msg);
	if (answers[_i].says)
		ck_assert_str_eq(err.msg, answers[_i].says);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("http_local");
	TCase *tc = tcase_create("local");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, an_answer);
	tcase_add_loop_test(tc, bad_answers, 0, ARRAY_LEN(bad));
	tcase_add_test(tc, nobody_there);
	tcase_add_test(tc, no_proxy);
	tcase_add_loop_test(tc, grpc_from_others, 0, ARRAY_LEN(not_grpc));
	tcase_add_loop_test(tc, grpc_messages_of_a_stream, 0, (int)ARRAY_LEN(pieces));
	tcase_add_loop_test(tc, grpc_answers, 0, ARRAY_LEN(answers));
	suite_add_tcase(s, tc);
	return suite_run(s);
}
