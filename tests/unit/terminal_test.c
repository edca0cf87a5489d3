// SPDX-License-Identifier: Apache-2.0
/*
 * What the agent and programs in containers expect of the kernel's terminals, whether the guest's
 * kernel lets output wait for a reader or not: nothing is lost or reordered, however the reader
 * reads, and whoever waits is woken. Some of it is true of the guest's kernel only, on one processor.
 */

#include "tests/unit/suite.h"

#include "base/deadline.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 60000, LINES = 20000 };

static int master, slave;

static void setup(void)
{
	ck_assert_int_eq(openpty(&master, &slave, NULL, NULL, NULL), 0);
}

static void teardown(void)
{
	fd_close(&master);
	fd_close(&slave);
}

/* One processor, and a kernel that lets output wait: the guest's. */
static bool in_guest(void)
{
	return getenv("KATA_GUEST") != NULL;
}

static void pause_ms(unsigned ms)
{
	struct timespec t = { .tv_sec = 0, .tv_nsec = (long)ms * 1000000 };

	(void)nanosleep(&t, NULL);
}

static bool readable(int fd, uint64_t ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, (int)ms) == 1;
}

/* --- a writer beside the test --- */

struct writer {
	pthread_t thread;
	unsigned lines, pause_every;
	long switches;
};

static void *write_lines(void *arg)
{
	struct writer *w = arg;
	struct rusage before, after;

	ck_assert_int_eq(getrusage(RUSAGE_THREAD, &before), 0);
	for (unsigned i = 0; i < w->lines; i++) {
		char line[16];
		int n = snprintf(line, sizeof(line), "%u\n", i);

		ck_assert_int_eq(write(slave, line, (size_t)n), n);
		if (w->pause_every && i % w->pause_every == 0)
			pause_ms(1 + i % 7);
	}
	ck_assert_int_eq(getrusage(RUSAGE_THREAD, &after), 0);
	w->switches = after.ru_nvcsw + after.ru_nivcsw - before.ru_nvcsw - before.ru_nivcsw;
	fd_close(&slave);
	return NULL;
}

/* --- readers --- */

static ssize_t read_blocking(char *to, size_t size)
{
	return read(master, to, size);
}

static ssize_t read_after_poll(char *to, size_t size)
{
	ck_assert(readable(master, PATIENCE_MS));
	return read(master, to, size);
}

static ssize_t read_after_epoll(char *to, size_t size)
{
	struct epoll_event event = { .events = EPOLLIN };
	AUTO(fd) int set = epoll_create1(EPOLL_CLOEXEC);

	ck_assert_int_eq(epoll_ctl(set, EPOLL_CTL_ADD, master, &event), 0);
	ck_assert_int_eq(epoll_wait(set, &event, 1, PATIENCE_MS), 1);
	return read(master, to, size);
}

/* As the agent does: nobody waits for the terminal meanwhile. */
static ssize_t read_after_a_rest(char *to, size_t size)
{
	pause_ms(8);
	return read_after_epoll(to, size);
}

/* Never waits in the kernel. */
static ssize_t read_again_and_again(char *to, size_t size)
{
	struct deadline deadline = deadline_in(PATIENCE_MS);
	ssize_t n;

	ck_assert_int_eq(fcntl(master, F_SETFL, O_NONBLOCK), 0);
	while ((n = read(master, to, size)) < 0 && errno == EAGAIN) {
		ck_assert(!deadline_passed(deadline));
		pause_ms(1);
	}
	return n;
}

static const struct {
	ssize_t (*read)(char *to, size_t size);
	unsigned pause_every;
} ways[] = {
	{ read_blocking, 0 },         { read_after_poll, 0 },      { read_after_epoll, 0 },
	{ read_after_a_rest, 0 },     { read_again_and_again, 0 }, { read_blocking, 50 },
	{ read_after_poll, 50 },      { read_after_epoll, 50 },    { read_after_a_rest, 50 },
	{ read_again_and_again, 50 },
};

START_TEST(every_line_arrives_in_order)
{
	struct writer w = { .lines = LINES, .pause_every = ways[_i].pause_every };
	char chunk[4096], line[16];
	unsigned seen = 0;
	size_t at = 0;
	ssize_t n;

	ck_assert_int_eq(pthread_create(&w.thread, NULL, write_lines, &w), 0);
	while ((n = ways[_i].read(chunk, sizeof(chunk))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			ck_assert_uint_lt(at, sizeof(line) - 1);
			line[at++] = chunk[i];
			line[at] = '\0';
			if (chunk[i] != '\n')
				continue;
			AUTO(str) char *expected = str_fmt("%u\r\n", seen++);
			ck_assert_str_eq(line, expected);
			at = 0;
		}
	}
	ck_assert_int_eq(errno, EIO);
	ck_assert_int_eq(pthread_join(w.thread, NULL), 0);
	ck_assert_uint_eq(seen, LINES);
	ck_assert_uint_eq(at, 0);
}
END_TEST

START_TEST(a_writer_is_not_interrupted_for_each_line)
{
	struct writer w = { .lines = 4000 };
	char chunk[4096];

	if (!in_guest()) {
		printf("skipped: how often a writer is interrupted is the guest's kernel's\n");
		return;
	}
	ck_assert_int_eq(pthread_create(&w.thread, NULL, write_lines, &w), 0);
	while (read_after_a_rest(chunk, sizeof(chunk)) > 0)
		;
	ck_assert_int_eq(pthread_join(w.thread, NULL), 0);
	ck_assert_int_lt(w.switches, w.lines / 8);
}
END_TEST

/* --- who waits, and who does not --- */

START_TEST(each_answer_wakes_who_waits)
{
	char byte;

	for (unsigned i = 0; i < 2000; i++) {
		byte = (char)('a' + i % 26);
		ck_assert_int_eq(write(master, &byte, 1), 1); /* echoed */
		ck_assert(readable(master, PATIENCE_MS));
		ck_assert_int_eq(read(master, &byte, 1), 1);
		ck_assert_int_eq(byte, 'a' + (int)(i % 26));
	}
}
END_TEST

START_TEST(output_is_counted_though_nobody_reads)
{
	struct deadline deadline = deadline_in(PATIENCE_MS);
	int n = 0;

	ck_assert_int_eq(write(slave, "hello", 5), 5);
	while (n < 5) {
		ck_assert(!deadline_passed(deadline));
		ck_assert_int_eq(ioctl(master, FIONREAD, &n), 0);
		pause_ms(1);
	}
	ck_assert_int_eq(n, 5);
}
END_TEST

START_TEST(output_is_signalled)
{
	struct timespec patience = { .tv_sec = PATIENCE_MS / 1000 };
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGIO);
	ck_assert_int_eq(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	ck_assert_int_eq(fcntl(master, F_SETOWN, getpid()), 0);
	ck_assert_int_eq(fcntl(master, F_SETFL, O_ASYNC), 0);
	ck_assert_int_eq(write(slave, "x", 1), 1);
	ck_assert_int_eq(sigtimedwait(&set, NULL, &patience), SIGIO);
}
END_TEST

/* --- ends --- */

START_TEST(what_was_written_before_the_end_is_read)
{
	char chunk[64];

	ck_assert_int_eq(write(slave, "last words", 10), 10);
	fd_close(&slave);
	if (_i)
		pause_ms(20);
	ck_assert_int_eq(read(master, chunk, sizeof(chunk)), 10);
	ck_assert_int_eq(read(master, chunk, sizeof(chunk)), -1);
	ck_assert_int_eq(errno, EIO);
}
END_TEST

START_TEST(a_terminal_may_go_with_its_output)
{
	for (unsigned i = 0; i < 200; i++) {
		ck_assert_int_eq(write(slave, "unread", 6), 6);
		fd_close(i % 2 ? &master : &slave);
		teardown();
		setup();
	}
}
END_TEST

/* An interrupt drops output that waits in the terminal, and output that waits for its reader does
 * not: it was written. */
START_TEST(an_interrupt_leaves_earlier_output)
{
	char chunk[64];
	size_t n = 0;

	if (!in_guest()) {
		printf("skipped: where another processor delivers output, an interrupt can be "
		       "first\n");
		return;
	}
	ck_assert_int_eq(write(slave, "before", 6), 6);
	ck_assert_int_eq(write(master, "\x03", 1), 1);
	while (n < 8) {
		ck_assert(readable(master, PATIENCE_MS));
		ssize_t got = read(master, chunk + n, sizeof(chunk) - n);
		ck_assert_int_gt(got, 0);
		n += (size_t)got;
	}
	ck_assert_int_eq(memcmp(chunk, "before^C", 8), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("terminal");
	TCase *tc = tcase_create("terminal");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 240);
	tcase_add_loop_test(tc, every_line_arrives_in_order, 0, ARRAY_LEN(ways));
	tcase_add_test(tc, a_writer_is_not_interrupted_for_each_line);
	tcase_add_test(tc, each_answer_wakes_who_waits);
	tcase_add_test(tc, output_is_counted_though_nobody_reads);
	tcase_add_test(tc, output_is_signalled);
	tcase_add_loop_test(tc, what_was_written_before_the_end_is_read, 0, 2);
	tcase_add_test(tc, a_terminal_may_go_with_its_output);
	tcase_add_test(tc, an_interrupt_leaves_earlier_output);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
