// SPDX-License-Identifier: Apache-2.0
/* Connections of the agent to ports of localhost, which is the test's too. */

#include "tests/unit/suite.h"

#include "agent_lab.h"

#include "base/fd.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct err err;

/* The lab's network is new. */
static void loopback_up(void)
{
	struct ifreq lo = { .ifr_flags = IFF_UP };
	AUTO(fd) int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)str_print(lo.ifr_name, sizeof(lo.ifr_name), "lo");
	ck_assert_int_eq(ioctl(any, SIOCSIFFLAGS, &lo), 0);
}

static void setup(void)
{
	err_clear(&err);
	lab_start();
	loopback_up();
	lab_sandbox();
}

/* --- a program that listens --- */

static int listen_on(int family, int backlog, uint32_t *port)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in *v4 = (void *)&a;
	socklen_t len = family == AF_INET ? sizeof(*v4) : sizeof(a);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (family == AF_INET)
		*v4 = (struct sockaddr_in){ .sin_family = AF_INET,
					    .sin_addr = { htonl(INADDR_LOOPBACK) } };
	ck_assert(fd >= 0 && bind(fd, (void *)&a, len) == 0 && listen(fd, backlog) == 0);
	ck_assert(getsockname(fd, (void *)&a, &len) == 0);
	*port = ntohs(family == AF_INET ? v4->sin_port : a.sin6_port);
	return fd;
}

/* --- requests --- */

static int connect_port(const char *id, uint32_t port)
{
	Grpc__ConnectPortRequest r = GRPC__CONNECT_PORT_REQUEST__INIT;

	err_clear(&err);
	r.connection_id = (char *)id;
	r.port = port;
	return lab_call("ConnectPort", &r, NULL, NULL, &err);
}

static void disconnect_port(const char *id)
{
	Grpc__DisconnectPortRequest r = GRPC__DISCONNECT_PORT_REQUEST__INIT;

	r.connection_id = (char *)id;
	lab_must("DisconnectPort", &r, NULL);
}

/* The code of the error of a read. */
static enum err_code read_error(const char *method, const char *id)
{
	Grpc__ReadStreamRequest r = GRPC__READ_STREAM_REQUEST__INIT;
	Grpc__ReadStreamResponse *reply = NULL;

	err_clear(&err);
	r.container_id = (char *)"";
	r.exec_id = (char *)id;
	r.len = 10;
	ck_assert_int_eq(
		lab_call(method, &r, &grpc__read_stream_response__descriptor, &reply, &err), -1);
	return err.code;
}

/* --- tests --- */

static const int families[] = { AF_INET, AF_INET6 };

START_TEST(each_direction_carries_bytes_and_ends_alone)
{
	uint32_t port;
	AUTO(fd) int listener = listen_on(families[_i], 8, &port);
	AUTO(str) char *all = NULL;
	char text[5];

	ck_assert_msg(connect_port("c1", port) == 0, "%s", err.msg);
	AUTO(fd) int fd = accept(listener, NULL, NULL);
	lab_write("", "c1", "hello", 5);
	ck_assert_int_eq(fd_read_full(fd, text, 5, &err), 5);
	ck_assert_mem_eq(text, "hello", 5);
	lab_close_stdin("", "c1");
	ck_assert_int_eq(read(fd, text, 1), 0); /* one way has ended, not the other */
	ck_assert(fd_write_all(fd, "and more", 8, &err) == 0 && shutdown(fd, SHUT_WR) == 0);
	all = lab_read("ReadStdout", "", "c1");
	ck_assert_str_eq(all, "and more");
	disconnect_port("c1");
	disconnect_port("c1");
	ck_assert_int_eq(read_error("ReadStdout", "c1"), E_NOT_FOUND);
}
END_TEST

START_TEST(the_server_may_end_its_direction_first)
{
	uint32_t port;
	AUTO(fd) int listener = listen_on(AF_INET, 8, &port);
	AUTO(str) char *all = NULL;
	char text[4];

	ck_assert_msg(connect_port("c1", port) == 0, "%s", err.msg);
	AUTO(fd) int fd = accept(listener, NULL, NULL);
	ck_assert(shutdown(fd, SHUT_WR) == 0);
	all = lab_read("ReadStdout", "", "c1");
	ck_assert_str_eq(all, "");
	lab_write("", "c1", "late", 4);
	ck_assert_int_eq(fd_read_full(fd, text, 4, &err), 4);
	lab_close_stdin("", "c1");
	ck_assert_int_eq(read(fd, text, 1), 0);
	ck_assert_int_eq(read_error("ReadStderr", "c1"), E_FAILED); /* its end */
}
END_TEST

struct writer {
	pthread_t thread;
	const uint8_t *data;
	size_t len;
};

static void *write_all(void *arg)
{
	struct writer *w = arg;

	for (size_t done = 0; done < w->len; done += 1 << 16)
		lab_write("", "c1", (const char *)w->data + done, 1 << 16);
	lab_close_stdin("", "c1");
	return NULL;
}

/* More than any buffer holds, to somebody that reads late and sends it back. */
START_TEST(much_data_waits_for_a_late_reader)
{
	enum { LEN = 8 << 20 };
	uint32_t port;
	AUTO(fd) int listener = listen_on(AF_INET, 8, &port);
	AUTO(mem) uint8_t *sent = xmalloc(LEN), *got = xmalloc(LEN);
	struct writer w = { .data = sent, .len = LEN };

	for (size_t i = 0; i < LEN; i++)
		sent[i] = (uint8_t)(i * 2654435761U >> 24);
	ck_assert_msg(connect_port("c1", port) == 0, "%s", err.msg);
	AUTO(fd) int fd = accept(listener, NULL, NULL);
	ck_assert(pthread_create(&w.thread, NULL, write_all, &w) == 0);
	ck_assert_int_eq(lab_output("beside", "echo yes", "yes\n"), 0);
	ck_assert_int_eq(fd_read_full(fd, got, LEN, &err), LEN);
	ck_assert(memcmp(sent, got, LEN) == 0);
	ck_assert(pthread_join(w.thread, NULL) == 0);
	ck_assert_int_eq(read(fd, got, 1), 0);
}
END_TEST

START_TEST(a_reset_is_reported_as_an_error)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	uint32_t port;
	AUTO(fd) int listener = listen_on(AF_INET, 8, &port);
	int fd;

	ck_assert_msg(connect_port("c1", port) == 0, "%s", err.msg);
	fd = accept(listener, NULL, NULL);
	ck_assert(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) == 0);
	fd_close(&fd);
	ck_assert_int_eq(read_error("ReadStdout", "c1"), E_GONE);
	lab_write("", "c1", "nobody", 6); /* thrown away, as a process's input is */
}
END_TEST

START_TEST(a_connection_that_cannot_be_made_is_refused)
{
	uint32_t port;
	int listener = listen_on(AF_INET, 8, &port);

	ck_assert_int_eq(connect_port("", 0), 0); /* it is served */
	ck_assert_int_eq(connect_port("c1", 65536), -1);
	ck_assert_int_eq(err.code, E_INVALID);
	ck_assert_int_eq(connect_port("", port), -1);
	ck_assert_int_eq(err.code, E_INVALID);
	ck_assert_int_eq(connect_port("c1", port), 0);
	ck_assert_int_eq(connect_port("c1", port), -1);
	ck_assert_int_eq(err.code, E_EXISTS);
	fd_close(&listener);
	ck_assert_int_eq(connect_port("c2", port), -1);
	ck_assert_msg(strstr(err.msg, "of localhost") && strstr(err.msg, "refused"), "%s", err.msg);
	ck_assert_int_eq(read_error("ReadStdout", "c2"), E_NOT_FOUND);
	ck_assert_int_eq(read_error("ReadStdout", "c3"), E_NOT_FOUND);
}
END_TEST

struct attempt {
	pthread_t thread;
	const char *id;
	uint32_t port;
	enum err_code code;
};

static void *attempt(void *arg)
{
	struct attempt *a = arg;
	Grpc__ConnectPortRequest r = GRPC__CONNECT_PORT_REQUEST__INIT;
	struct err why = ERR_INIT;

	r.connection_id = (char *)a->id;
	r.port = a->port;
	(void)!lab_call("ConnectPort", &r, NULL, NULL, &why);
	a->code = why.code;
	return NULL;
}

/* Servers that do not accept: their queue is full, and one more waits. */
START_TEST(a_waiting_connect_delays_no_other_call)
{
	uint32_t port;
	AUTO(fd) int listener = listen_on(AF_INET, 0, &port);
	struct attempt waits[8];
	char ids[8][8];
	int late = 0;

	ck_assert_int_ge(listener, 0);
	for (int i = 0; i < 8; i++) {
		(void)str_print(ids[i], sizeof(ids[i]), "w%d", i);
		waits[i] = (struct attempt){ .id = ids[i], .port = port };
		ck_assert(pthread_create(&waits[i].thread, NULL, attempt, &waits[i]) == 0);
	}
	ck_assert_int_eq(lab_output("beside", "echo yes", "yes\n"), 0);
	for (int i = 0; i < 8; i++)
		disconnect_port(ids[i]);
	for (int i = 0; i < 8; i++) {
		ck_assert(pthread_join(waits[i].thread, NULL) == 0);
		ck_assert(waits[i].code == E_OK || waits[i].code == E_CANCELLED ||
			  waits[i].code == E_TIMEOUT);
		late += waits[i].code != E_OK;
	}
	ck_assert_int_gt(late, 0);
}
END_TEST

START_TEST(connections_are_limited)
{
	enum { LIMIT = 256 };
	uint32_t port;
	AUTO(fd) int listener = listen_on(AF_INET, LIMIT + 1, &port);
	char id[8];

	ck_assert_int_ge(listener, 0);
	for (int i = 0; i < LIMIT; i++) {
		(void)str_print(id, sizeof(id), "c%d", i);
		ck_assert_msg(connect_port(id, port) == 0, "%d: %s", i, err.msg);
	}
	ck_assert_int_eq(connect_port("more", port), -1);
	ck_assert_int_eq(err.code, E_LIMIT);
	disconnect_port("c7");
	ck_assert_int_eq(connect_port("more", port), 0);
	ck_assert_int_eq(lab_output("beside", "echo yes", "yes\n"), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("agent_connection");
	TCase *tc = tcase_create("ports");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, lab_stop);
	tcase_add_loop_test(tc, each_direction_carries_bytes_and_ends_alone, 0,
			    (int)ARRAY_LEN(families));
	tcase_add_test(tc, the_server_may_end_its_direction_first);
	tcase_add_test(tc, much_data_waits_for_a_late_reader);
	tcase_add_test(tc, a_reset_is_reported_as_an_error);
	tcase_add_test(tc, a_connection_that_cannot_be_made_is_refused);
	tcase_add_test(tc, a_waiting_connect_delays_no_other_call);
	tcase_add_test(tc, connections_are_limited);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
