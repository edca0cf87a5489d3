// SPDX-License-Identifier: Apache-2.0
/* Standard streams of the agent: terminals, and containers that do odd things to their own. */

#include "tests/unit/agent_lab.h"
#include "tests/unit/suite.h"

#include "base/deadline.h"
#include "base/file.h"
#include "base/mem.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void start(void)
{
	lab_start();
	lab_sandbox();
}

static void is_alive(void)
{
	ck_assert_int_eq(lab_output("alive", "echo yes", "yes\n"), 0);
}

/* --- a reader beside the test --- */

struct follower {
	const char *id, *exec;
	pthread_t thread;
	uint32_t piece;
	size_t bytes, answers;
};

static void *follow(void *arg)
{
	struct follower *f = arg;
	Grpc__ReadStreamRequest r = GRPC__READ_STREAM_REQUEST__INIT;
	struct err err = ERR_INIT;
	Grpc__ReadStreamResponse *reply = NULL;

	r.container_id = (char *)f->id;
	r.exec_id = (char *)f->exec;
	r.len = f->piece;
	while (lab_call("ReadStdout", &r, &grpc__read_stream_response__descriptor, &reply, &err) ==
	       0) {
		f->bytes += reply->data.len;
		(void)__atomic_add_fetch(&f->answers, 1, __ATOMIC_RELAXED);
		protobuf_c_message_free_unpacked(&reply->base, NULL);
	}
	ck_assert_msg(strstr(err.msg, "read meet eof") != NULL, "%s", err.msg);
	return NULL;
}

static void follow_begin(struct follower *f, const char *id, const char *exec)
{
	*f = (struct follower){ .id = id, .exec = exec, .piece = 1 << 20 };
	ck_assert(pthread_create(&f->thread, NULL, follow, f) == 0);
}

static void follow_end(struct follower *f)
{
	ck_assert(pthread_join(f->thread, NULL) == 0);
}

/* --- terminals --- */

static char *many_lines(size_t bytes)
{
	char *text = xmalloc(bytes);

	for (size_t i = 0; i < bytes; i++)
		text[i] = i % 16 == 15 ? '\n' : 'x';
	return text;
}

struct writing {
	pthread_t thread;
	char *data;
	size_t len;
	int result;
};

static void *write_much(void *arg)
{
	struct writing *w = arg;
	Grpc__WriteStreamRequest r = GRPC__WRITE_STREAM_REQUEST__INIT;
	struct err err = ERR_INIT;

	r.container_id = (char *)"deaf";
	r.data.data = (uint8_t *)w->data;
	r.data.len = w->len;
	w->result = lab_call("WriteStdin", &r, NULL, NULL, &err);
	return NULL;
}

START_TEST(terminal_input_that_nobody_reads_waits)
{
	struct writing w = { .len = 70 << 10 };
	struct follower f;

	w.data = many_lines(w.len);
	lab_run("deaf", "sleep 1000", true);
	follow_begin(&f, "deaf", "");
	ck_assert(pthread_create(&w.thread, NULL, write_much, &w) == 0);
	is_alive();
	lab_signal("deaf", "", SIGKILL);
	ck_assert_int_eq(lab_wait("deaf", ""), 128 + SIGKILL);
	ck_assert(pthread_join(w.thread, NULL) == 0);
	ck_assert_int_eq(w.result, 0); /* thrown away with its reader */
	follow_end(&f);
	lab_remove("deaf");
	is_alive();
	free(w.data);
}
END_TEST

START_TEST(a_terminal_is_read_and_written_at_once)
{
	struct writing w = { .len = 48 << 10 };
	struct follower f;

	w.data = many_lines(w.len);
	lab_run("deaf", "stty -echo; echo ready; head -n 3072", true);
	follow_begin(&f, "deaf", "");
	ck_assert(pthread_create(&w.thread, NULL, write_much, &w) == 0);
	ck_assert_int_eq(lab_wait("deaf", ""), 0);
	follow_end(&f);
	ck_assert(pthread_join(w.thread, NULL) == 0);
	ck_assert_int_eq(w.result, 0);
	/* Of what came before -echo there is an echo as well. */
	ck_assert_uint_ge(f.bytes, strlen("ready\r\n") + 3072 * strlen("xxxxxxxxxxxxxxx\r\n"));
	lab_remove("deaf");
	free(w.data);
}
END_TEST

/* A child that does not mind the hang-up keeps the terminal open, silently. */
START_TEST(output_of_a_terminal_ends_with_its_process)
{
	struct follower f;

	lab_run("keep", "sleep 1000", false);
	for (int i = 0; i < 10; i++) {
		lab_exec("keep", "e", "trap '' HUP; (sleep 1000; echo late) & echo first", true);
		follow_begin(&f, "keep", "e");
		ck_assert_int_eq(lab_wait("keep", "e"), 0);
		follow_end(&f);
		ck_assert_uint_eq(f.bytes, strlen("first\r\n"));
	}
	lab_remove("keep");
	is_alive();
}
END_TEST

START_TEST(many_lines_come_in_few_pieces)
{
	enum { LINES = 20000, BYTES = LINES * (4 + 2) };
	struct follower f;

	lab_run("lines",
		"stty raw; read go; i=0; while [ $i -lt 20000 ]; do echo abcde; i=$((i+1)); done",
		true);
	follow_begin(&f, "lines", "");
	lab_write("lines", "", "\n", 1);
	ck_assert_int_eq(lab_wait("lines", ""), 0);
	follow_end(&f);
	ck_assert_uint_ge(f.bytes, BYTES);
	ck_assert_msg(f.answers < LINES / 8, "%zu answers", f.answers);
	lab_remove("lines");
}
END_TEST

/* A program that is asked something on its terminal, again and again. */
START_TEST(an_answer_on_a_terminal_is_not_delayed)
{
	uint64_t least = UINT64_MAX;
	struct follower f;

	lab_run("talk", "stty raw; exec cat >/dev/null", true);
	follow_begin(&f, "talk", "");
	for (int i = 0; i < 60; i++) {
		size_t answers = __atomic_load_n(&f.answers, __ATOMIC_RELAXED);
		uint64_t begin = clock_us();

		lab_write("talk", "", "x", 1); /* echoed */
		while (__atomic_load_n(&f.answers, __ATOMIC_RELAXED) == answers)
			(void)usleep(200);
		if (i >= 10 && clock_us() - begin < least)
			least = clock_us() - begin;
	}
	/* Output that continues is delayed up to 32 ms. */
	ck_assert_uint_lt(least, 16000);
	lab_signal("talk", "", SIGKILL);
	(void)lab_wait("talk", "");
	follow_end(&f);
	lab_remove("talk");
}
END_TEST

/* --- pipes --- */

/* What it takes from its own output is missing, and that is all. */
START_TEST(a_container_may_read_its_own_output)
{
	struct follower f;

	lab_run("self",
		"cat </proc/self/fd/1 >/dev/null & cat </proc/self/fd/1 >/dev/null & "
		"dd if=/dev/zero bs=256k count=4000 2>/dev/null; kill %1 %2",
		false);
	follow_begin(&f, "self", "");
	ck_assert_int_eq(lab_wait("self", ""), 0);
	follow_end(&f);
	ck_assert_uint_le(f.bytes, 1000 << 20);
	lab_remove("self");
	is_alive();
}
END_TEST

START_TEST(input_for_a_closed_stdin_is_discarded)
{
	char *data = many_lines(1 << 20);

	lab_run("c", "sleep 1000", false);
	lab_exec("c", "e", "exec <&-; echo closed; sleep 1000", false);
	struct follower f;
	follow_begin(&f, "c", "e");
	for (int i = 0; i < 3; i++)
		lab_write("c", "e", data, 1 << 20);
	lab_close_stdin("c", "e");
	while (!__atomic_load_n(&f.answers, __ATOMIC_RELAXED))
		(void)poll(NULL, 0, 10);
	lab_signal("c", "e", SIGKILL);
	ck_assert_int_eq(lab_wait("c", "e"), 128 + SIGKILL);
	follow_end(&f);
	ck_assert_uint_eq(f.bytes, strlen("closed\n"));
	lab_remove("c");
	free(data);
}
END_TEST

/* The input ends after what was accepted, not before. */
START_TEST(closing_stdin_waits_for_a_write_in_progress)
{
	AUTO(str) char *go = str_fmt("%s/go", lab_rootfs());
	struct writing w = { .len = 1 << 20 };
	struct follower f;
	struct err err = ERR_INIT;

	w.data = many_lines(w.len);
	lab_run("deaf", "read first; echo $first; until [ -e /go ]; do sleep 0.05; done; exec cat",
		false);
	follow_begin(&f, "deaf", "");
	ck_assert(pthread_create(&w.thread, NULL, write_much, &w) == 0);
	while (!__atomic_load_n(&f.answers, __ATOMIC_RELAXED))
		(void)poll(NULL, 0, 10);
	lab_close_stdin("deaf", "");
	ck_assert(file_replace_volatile(AT_FDCWD, go, "", 0, 0600, &err) == 0);
	ck_assert_int_eq(lab_wait("deaf", ""), 0);
	follow_end(&f);
	ck_assert(pthread_join(w.thread, NULL) == 0);
	ck_assert_int_eq(w.result, 0);
	ck_assert_uint_eq(f.bytes, w.len);
	lab_remove("deaf");
	free(w.data);
}
END_TEST

/* --- processes --- */

static void *signal_always(void *arg)
{
	bool *stop = arg;

	while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) {
		Grpc__SignalProcessRequest r = GRPC__SIGNAL_PROCESS_REQUEST__INIT;
		struct err err = ERR_INIT;

		r.container_id = (char *)"s";
		r.exec_id = (char *)"e";
		r.signal = SIGCONT;
		(void)!lab_call("SignalProcess", &r, NULL, NULL, &err);
	}
	return NULL;
}

/* For ThreadSanitizer: nobody uses the pidfd while it is closed. */
START_TEST(signals_while_processes_end)
{
	bool stop = false;
	pthread_t thread;

	lab_run("s", "sleep 1000", false);
	ck_assert(pthread_create(&thread, NULL, signal_always, &stop) == 0);
	for (int i = 0; i < 20; i++) {
		struct follower f;

		lab_exec("s", "e", "exit 7", false);
		follow_begin(&f, "s", "e");
		ck_assert_int_eq(lab_wait("s", "e"), 7);
		follow_end(&f);
		free(lab_read("ReadStderr", "s", "e"));
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	ck_assert(pthread_join(thread, NULL) == 0);
	lab_remove("s");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("agent, streams");
	TCase *tc = tcase_create("streams");

	tcase_set_timeout(tc, 240);
	tcase_add_checked_fixture(tc, start, lab_stop);
	tcase_add_test(tc, terminal_input_that_nobody_reads_waits);
	tcase_add_test(tc, a_terminal_is_read_and_written_at_once);
	tcase_add_test(tc, output_of_a_terminal_ends_with_its_process);
	tcase_add_test(tc, many_lines_come_in_few_pieces);
	tcase_add_test(tc, an_answer_on_a_terminal_is_not_delayed);
	tcase_add_test(tc, a_container_may_read_its_own_output);
	tcase_add_test(tc, input_for_a_closed_stdin_is_discarded);
	tcase_add_test(tc, closing_stdin_waits_for_a_write_in_progress);
	tcase_add_test(tc, signals_while_processes_end);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
