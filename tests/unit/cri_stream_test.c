// SPDX-License-Identifier: Apache-2.0
/* cri/stream.h with a streaming server that sends what the test wants. */

#include "tests/unit/suite.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "cri/stream.h"

#include <arpa/inet.h>
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTED "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"

static int listener = -1;
static char url[64];
static pthread_t thread;
static const void *says; /* what the server answers to the request */
static size_t n_says;
static struct buf heard;
static struct err err;

/* Answers one request, then keeps what the client sends until it closes the connection. */
static void *serve(void *arg)
{
	AUTO(fd) int fd = accept(listener, NULL, NULL);
	struct err why = ERR_INIT;
	char piece[4096];
	ssize_t n;

	(void)arg;
	while (!strstr(buf_cstr(&heard), "\r\n\r\n")) {
		n = read(fd, piece, sizeof(piece));
		ck_assert_int_gt(n, 0);
		buf_add(&heard, piece, (size_t)n);
	}
	ck_assert(fd_write_all(fd, says, n_says, &why) == 0 && shutdown(fd, SHUT_WR) == 0);
	while ((n = read(fd, piece, sizeof(piece))) > 0)
		buf_add(&heard, piece, (size_t)n);
	return NULL;
}

static void begin(const void *data, size_t len)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof(a);

	err_clear(&err);
	says = data;
	n_says = len;
	heard = (struct buf)BUF_INIT(1 << 20);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert(bind(listener, (void *)&a, size) == 0 && listen(listener, 1) == 0);
	ck_assert(getsockname(listener, (void *)&a, &size) == 0);
	(void)str_print(url, sizeof(url), "http://127.0.0.1:%u/portforward/token",
			ntohs(a.sin_port));
	ck_assert(pthread_create(&thread, NULL, serve, NULL) == 0);
}

static void end(void)
{
	ck_assert(pthread_join(thread, NULL) == 0);
	fd_close(&listener);
	buf_release(&heard);
}

static struct deadline soon(void)
{
	return deadline_in(60000);
}

/* Messages of both channels, a ping between the parts of a message, and lengths of all sizes. */
START_TEST(messages_are_taken_apart)
{
	static const char frames[] = ACCEPTED "\x82\x03\x00\x90\x1f" /* the port */
					      "\x02\x04\x00"
					      "abc"
					      "\x89\x02hi"
					      "\x80\x02"
					      "de"
					      "\x82\x7e\x00\x04\x01"
					      "err"
					      "\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x02\x00"
					      "f"
					      "\x88\x02\x03\xe8";
	static const struct {
		unsigned channel;
		const char *bytes;
		size_t len;
	} wanted[] = { { 0, "\x90\x1f", 2 },
		       { 0, "abc", 3 },
		       { 0, "de", 2 },
		       { 1, "err", 3 },
		       { 0, "f", 1 } };
	struct cri_stream *s;
	unsigned channel;
	char got[16];

	begin(frames, sizeof(frames) - 1);
	ck_assert_msg(cri_stream_open(url, soon(), &s, &err) == 0, "%s", err.msg);
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		ssize_t n = cri_stream_read(s, &channel, got, sizeof(got), soon(), &err);

		ck_assert_msg(n == (ssize_t)wanted[i].len, "%zu: %zd %s", i, n, err.msg);
		ck_assert_uint_eq(channel, wanted[i].channel);
		ck_assert_mem_eq(got, wanted[i].bytes, wanted[i].len);
	}
	ck_assert_int_eq(cri_stream_read(s, &channel, got, sizeof(got), soon(), &err), 0);
	cri_stream_free(s);
	end();
}
END_TEST

/* The size of a terminal is a message; the end is a frame of its own. */
START_TEST(a_size_and_the_end_are_sent)
{
	static const char wanted[] = "\x82\x9a\0\0\0\0\x04{\"Width\":120,\"Height\":48}"
				     "\x88\x80\0\0\0\0";
	struct cri_stream *s;
	const char *at;

	begin(ACCEPTED, strlen(ACCEPTED));
	ck_assert_msg(cri_stream_open(url, soon(), &s, &err) == 0, "%s", err.msg);
	ck_assert(cri_stream_resize(s, 120, 48, &err) == 0 && cri_stream_close(s, &err) == 0);
	cri_stream_free(s);
	ck_assert(pthread_join(thread, NULL) == 0);
	at = strstr(buf_cstr(&heard), "\r\n\r\n") + 4;
	ck_assert_uint_eq(heard.len - (size_t)(at - heard.data), sizeof(wanted) - 1);
	ck_assert_mem_eq(at, wanted, sizeof(wanted) - 1);
	fd_close(&listener);
	buf_release(&heard);
}
END_TEST

static const struct {
	const char *text;
	enum err_code code; /* of the error */
	int status;
	const char *says; /* the error's text, in part */
} results[] = {
	{ "{\"metadata\":{},\"status\":\"Success\"}", E_OK, 0, NULL },
	{ "{\"status\":\"Failure\",\"reason\":\"NonZeroExitCode\",\"message\":\"ended\","
	  "\"details\":{\"causes\":[{\"reason\":\"Other\",\"message\":\"9\"},"
	  "{\"reason\":\"ExitCode\",\"message\":\"42\"}]}}",
	  E_OK, 42, NULL },
	{ "{\"status\":\"Failure\",\"message\":\"no such container\"}", E_FAILED, 0,
	  "no such container" },
	{ "{\"status\":\"Failure\",\"details\":{\"causes\":[1]}}", E_FAILED, 0,
	  "without a reason" },
	{ "{\"status\":\"Failure\",\"details\":3}", E_FAILED, 0, "without a reason" },
	{ "{\"status\":\"Failure\",\"details\":{\"causes\":"
	  "[{\"reason\":\"ExitCode\",\"message\":\"300\"}]}}",
	  E_INVALID, 0, "exit code" },
	{ "{}", E_PROTOCOL, 0, "no status" },
	{ "[]", E_PROTOCOL, 0, "no status" },
	{ "{", E_INVALID, 0, "result" },
};

START_TEST(a_result_has_the_exit_code)
{
	int code = -1, rc;

	err_clear(&err);
	rc = cri_stream_result(results[_i].text, strlen(results[_i].text), &code, &err);
	ck_assert_msg(err.code == results[_i].code, "%s", err.msg);
	ck_assert_int_eq(rc, err.code == E_OK ? 0 : -1);
	if (rc == 0)
		ck_assert_int_eq(code, results[_i].status);
	else
		ck_assert_ptr_nonnull(strstr(err.msg, results[_i].says));
}
END_TEST

/* A frame is its head with a mask of 0, the channel and the bytes. */
START_TEST(what_is_written_is_framed)
{
	static const struct {
		size_t len;
		const char *head;
		size_t n;
	} frames[] = {
		{ 3, "\x82\x84\0\0\0\0\0", 7 },
		{ 124, "\x82\xfd\0\0\0\0\0", 7 },
		{ 125, "\x82\xfe\x00\x7e\0\0\0\0\0", 9 },
		{ 65534, "\x82\xfe\xff\xff\0\0\0\0\0", 9 },
		{ 65535, "\x82\xff\0\0\0\0\0\x01\0\0\0\0\0\0\0", 15 },
	};
	AUTO(mem) char *data = xcalloc(1, 65535);
	struct cri_stream *s;
	const char *at;

	begin(ACCEPTED, strlen(ACCEPTED));
	ck_assert_msg(cri_stream_open(url, soon(), &s, &err) == 0, "%s", err.msg);
	memset(data, 'x', 65535);
	for (size_t i = 0; i < ARRAY_LEN(frames); i++)
		ck_assert(cri_stream_write(s, 0, data, frames[i].len, &err) == 0);
	cri_stream_free(s);
	ck_assert(pthread_join(thread, NULL) == 0);
	at = strstr(buf_cstr(&heard), "\r\n\r\n") + 4;
	ck_assert_ptr_nonnull(strstr(heard.data, "GET /portforward/token HTTP/1.1\r\n"));
	ck_assert_ptr_nonnull(strstr(heard.data, "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n"));
	for (size_t i = 0; i < ARRAY_LEN(frames); i++) {
		ck_assert_msg(memcmp(at, frames[i].head, frames[i].n) == 0, "%zu", i);
		ck_assert(memcmp(at + frames[i].n, data, frames[i].len) == 0);
		at += frames[i].n + frames[i].len;
	}
	ck_assert_ptr_eq(at, heard.data + heard.len);
	fd_close(&listener);
	buf_release(&heard);
}
END_TEST

static const struct {
	const char *says;
	size_t len;
	enum err_code code;
} bad[] = {
#define SAYS(text) (text), sizeof(text) - 1
	{ SAYS("HTTP/1.1 404 Not Found\r\n\r\nno such token"), E_FAILED },
	{ SAYS("HTTP/1.1 101 Sw"), E_FAILED },
	{ SAYS(""), E_FAILED },
	{ SAYS(ACCEPTED), E_GONE },
	{ SAYS(ACCEPTED "\x82\x05\x00"
			"ab"),
	  E_GONE },
	{ SAYS(ACCEPTED "\x82\x82\0\0\0\0ab"), E_PROTOCOL },
};

START_TEST(a_bad_server_is_an_error)
{
	struct cri_stream *s = NULL;
	unsigned channel;
	char got[16];
	int rc;

	begin(bad[_i].says, bad[_i].len);
	rc = cri_stream_open(url, soon(), &s, &err);
	while (rc >= 0 && err.code == E_OK) {
		rc = (int)cri_stream_read(s, &channel, got, sizeof(got), soon(), &err);
		ck_assert_int_ne(rc, 0);
	}
	ck_assert_msg(err.code == bad[_i].code, "%s", err.msg);
	cri_stream_free(s);
	end();
}
END_TEST

/* A server that does not accept: the kernel drops connections beyond its queue. */
START_TEST(a_connection_has_a_deadline)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int full = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fds[8];
	socklen_t size = sizeof(a);
	struct cri_stream *s;

	err_clear(&err);
	ck_assert(bind(full, (void *)&a, size) == 0 && listen(full, 0) == 0);
	ck_assert(getsockname(full, (void *)&a, &size) == 0);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)!connect(fds[i], (void *)&a, size);
	}
	(void)str_print(url, sizeof(url), "http://127.0.0.1:%u/x", ntohs(a.sin_port));
	ck_assert_int_eq(cri_stream_open(url, deadline_in(300), &s, &err), -1);
	ck_assert_msg(err.code == E_TIMEOUT, "%s", err.msg);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		(void)close(fds[i]);
	(void)close(full);
}
END_TEST

START_TEST(only_urls_of_streams_are_opened)
{
	static const char *const urls[] = { "https://127.0.0.1:1/x", "http://127.0.0.1/x",
					    "http://127.0.0.1:1", "/x", "" };
	struct cri_stream *s;

	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		err_clear(&err);
		ck_assert_int_eq(cri_stream_open(urls[i], soon(), &s, &err), -1);
		ck_assert(err.code == E_UNSUPPORTED || err.code == E_INVALID);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cri_stream");
	TCase *tc = tcase_create("client");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_connection_has_a_deadline);
	tcase_add_test(tc, messages_are_taken_apart);
	tcase_add_test(tc, what_is_written_is_framed);
	tcase_add_test(tc, a_size_and_the_end_are_sent);
	tcase_add_loop_test(tc, a_result_has_the_exit_code, 0, (int)ARRAY_LEN(results));
	tcase_add_loop_test(tc, a_bad_server_is_an_error, 0, (int)ARRAY_LEN(bad));
	tcase_add_test(tc, only_urls_of_streams_are_opened);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
