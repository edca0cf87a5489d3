// SPDX-License-Identifier: Apache-2.0
/* An agent that answers nothing is noticed; one that is slow, or whose host is, is not ended. */

#include "tests/unit/suite.h"
#include "tests/unit/wire_lab.h"

#include "base/deadline.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "sandbox/health.h"

#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

/* SLOW_MS leaves more than a second for a busy machine. */
enum { TIMEOUT_MS = 3000, SLOW_MS = TIMEOUT_MS * 6 / 10, LONG_MS = 60000 };

static struct loop *loop;
static struct ttrpc_client *client;
static struct health health = HEALTH_INIT;
static pthread_t agent;
static int agent_fd;
static int delay_ms; /* before each answer; -1: there is none */
static atomic_uint checks;
static uint64_t silent_at; /* when on_silent() was called, or 0 */

/* --- the agent --- */

static void *play(void *arg)
{
	AUTO(buf) struct buf body = BUF_INIT(WIRE_MAX), none = BUF_INIT(16);
	struct wire_frame frame;

	(void)arg;
	while (wire_receive(agent_fd, LONG_MS, &frame, &body) == 0) {
		atomic_fetch_add(&checks, 1);
		if (delay_ms < 0)
			continue;
		(void)poll(NULL, 0, delay_ms);
		if (wire_send(agent_fd, frame.stream, WIRE_RESPONSE, &none) < 0)
			break;
	}
	return NULL;
}

static void on_close(void *arg, const struct err *why)
{
	(void)arg;
	(void)why;
}

static void stop(void *arg)
{
	loop_stop(arg);
}

static void on_silent(void *arg)
{
	silent_at = clock_ms();
	stop(arg);
}

static void begin(int delay)
{
	int pair[2];

	(void)signal(SIGPIPE, SIG_IGN);
	ck_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	delay_ms = delay;
	agent_fd = pair[1];
	ck_assert(pthread_create(&agent, NULL, play, NULL) == 0);
	loop = loop_new(&(struct err)ERR_INIT);
	client = ttrpc_client_new(loop, pair[0], on_close, NULL);
	health_start(&health, loop, client, TIMEOUT_MS, on_silent, loop);
}

static void end(void)
{
	health_stop(&health);
	ttrpc_client_free(client);
	ck_assert(pthread_join(agent, NULL) == 0);
	(void)close(agent_fd);
	loop_free(loop);
}

/* Runs the loop until on_silent() was called, at most that long. */
static void run_for(uint64_t ms)
{
	struct watch *timer = loop_timer(loop, ms, false, stop, loop);

	loop_run(loop);
	watch_remove(timer);
}

/* --- the tests --- */

START_TEST(an_agent_that_does_not_answer_is_noticed)
{
	uint64_t from = clock_ms();

	begin(-1);
	run_for(LONG_MS);
	ck_assert_uint_ne(silent_at, 0);
	ck_assert_uint_ge(silent_at - from, TIMEOUT_MS);
	ck_assert_uint_eq(atomic_load(&checks), 1); /* a full pipe would block later requests */
	end();
}
END_TEST

static const int delays[] = { 0, SLOW_MS };

/* The fourth check says that three were answered. */
static void end_when_answered(void *arg)
{
	if (atomic_load(&checks) > 3)
		loop_stop(arg);
}

START_TEST(an_agent_that_answers_late_is_let_alone)
{
	struct watch *timer;

	begin(delays[_i]);
	timer = loop_timer(loop, 10, true, end_when_answered, loop);
	run_for(LONG_MS);
	ck_assert_uint_eq(silent_at, 0);
	ck_assert_uint_gt(atomic_load(&checks), 3);
	watch_remove(timer);
	end();
}
END_TEST

static bool over; /* the excuse, or the trouble of the host */

static void end_excuse(void *arg)
{
	(void)arg;
	ck_assert_uint_eq(silent_at, 0);
	over = true;
	health_excuse(&health, false);
}

START_TEST(an_excuse_counts_as_long_as_it_lasts)
{
	struct watch *timer;

	begin(-1);
	health_excuse(&health, true);
	health_excuse(&health, true);
	health_excuse(&health, false);
	timer = loop_timer(loop, TIMEOUT_MS * 2, false, end_excuse, NULL);
	run_for(LONG_MS);
	ck_assert(over && silent_at != 0);
	watch_remove(timer);
	end();
}
END_TEST

/* As on a host that has no time for the loop, for a while. */
static void dawdle(void *arg)
{
	struct watch **timer = arg;
	static int times;

	(void)poll(NULL, 0, TIMEOUT_MS / 6);
	if (++times < 12)
		return;
	ck_assert_uint_eq(silent_at, 0);
	over = true;
	timer_set(*timer, 0, false);
}

START_TEST(a_host_without_time_is_no_fault_of_the_agent)
{
	struct watch *timer;

	begin(-1);
	timer = loop_timer(loop, 1, true, dawdle, &timer);
	run_for(LONG_MS);
	ck_assert(over && silent_at != 0);
	watch_remove(timer);
	end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("health");
	TCase *tc = tcase_create("health");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, an_agent_that_does_not_answer_is_noticed);
	tcase_add_loop_test(tc, an_agent_that_answers_late_is_let_alone, 0,
			    (int)(sizeof(delays) / sizeof(delays[0])));
	tcase_add_test(tc, an_excuse_counts_as_long_as_it_lasts);
	tcase_add_test(tc, a_host_without_time_is_no_fault_of_the_agent);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
