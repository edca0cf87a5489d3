// SPDX-License-Identifier: Apache-2.0
/* The guest's clock: what the runtime tells the agent, and how the agent follows. */

#include "tests/unit/suite.h"
#include "tests/unit/wire_lab.h"

#include "agent/clock.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/loop.h"
#include "sandbox/clock.h"

#include <check.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { UNIMPLEMENTED = 12, LONG_MS = 60000, LOOK_MS = 5 };

#define MS 1000000LL

/* --- the runtime --- */

static struct loop *loop;
static int agent_fd;
static bool refuses;

static void *play(void *arg)
{
	AUTO(buf)
	struct buf body = BUF_INIT(WIRE_MAX), answer = BUF_INIT(64), status = BUF_INIT(64);
	AUTO(str) char *method = NULL;
	struct wire_frame frame;
	uint64_t now = (uint64_t)time(NULL), said;

	(void)arg;
	ck_assert_int_eq(wire_receive(agent_fd, LONG_MS, &frame, &body), 0);
	method = wire_get_text(body.data, body.len, WIRE_PATH(2));
	ck_assert_str_eq(method, "FollowClock");
	said = wire_get_number(body.data, body.len, WIRE_PATH(3, 1));
	ck_assert(said >= now - 1 && said <= now + 5);
	if (refuses) {
		wire_number(&status, 1, UNIMPLEMENTED);
		wire_bytes(&answer, 1, status.data, status.len);
	}
	ck_assert_int_eq(wire_send(agent_fd, frame.stream, WIRE_RESPONSE, &answer), 0);
	return NULL;
}

static void on_close(void *arg, const struct err *why)
{
	(void)arg;
	(void)why;
}

static void stop_when_answered(void *arg)
{
	const struct guest_clock *clock = arg;

	if (!clock->sent)
		loop_stop(loop);
}

START_TEST(the_agent_is_told_the_time_unless_it_refuses)
{
	struct guest_clock clock = GUEST_CLOCK_INIT;
	struct ttrpc_client *client;
	struct watch *timer;
	pthread_t agent;
	int pair[2];

	refuses = _i;
	ck_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	agent_fd = pair[1];
	ck_assert(pthread_create(&agent, NULL, play, NULL) == 0);
	loop = loop_new(&(struct err)ERR_INIT);
	client = ttrpc_client_new(loop, pair[0], on_close, NULL);
	guest_clock_start(&clock, loop, client);
	timer = loop_timer(loop, LOOK_MS, true, stop_when_answered, &clock);
	loop_run(loop);
	ck_assert((clock.timer == NULL) == refuses);
	watch_remove(timer);
	guest_clock_stop(&clock);
	ttrpc_client_free(client);
	ck_assert(pthread_join(agent, NULL) == 0);
	(void)close(agent_fd);
	loop_free(loop);
}
END_TEST

/* --- the agent --- */

struct message {
	int64_t ahead, change;
	bool step;
};

static void follow(const struct message *messages, size_t n)
{
	struct clock_filter filter = { .begun = false };
	bool step;

	for (size_t i = 0; i < n; i++) {
		int64_t change = clock_filter_take(&filter, messages[i].ahead, &step);

		ck_assert_msg(change == messages[i].change, "message %zu: %lld", i,
			      (long long)change);
		ck_assert(!change || step == messages[i].step);
	}
}

/* Whole seconds, of which the kernel knows at boot. */
START_TEST(the_first_message_sets_a_clock_that_is_behind)
{
	const struct message messages[] = {
		{ 900 * MS, 900 * MS, true }, { MS, 0, false }, { -MS, 0, false },
		{ -3 * MS, 0, false },        { MS, 0, false },
	};

	follow(messages, ARRAY_LEN(messages));
}
END_TEST

START_TEST(late_messages_do_not_count)
{
	const struct message messages[] = {
		{ -400 * MS, 0, false },  { -20 * MS, 0, false },
		{ -7000 * MS, 0, false }, { -90 * MS, -20 * MS, false }, /* of all four */
		{ 10 * MS, 0, false },    { 30 * MS, 0, false },
		{ -900 * MS, 0, false },  { 20 * MS, 30 * MS, false },
	};

	follow(messages, ARRAY_LEN(messages));
}
END_TEST

/* The host's clock was set, or the host was suspended. */
START_TEST(a_large_difference_is_a_step)
{
	const struct message messages[] = {
		{ MS, 0, false },
		{ 3600000 * MS, 3600000 * MS, true },
		{ -3600000 * MS, 0, false },
		{ -3600001 * MS, 0, false },
		{ -3600000 * MS, 0, false },
		{ -3600002 * MS, -3600000 * MS, true },
	};

	follow(messages, ARRAY_LEN(messages));
}
END_TEST

START_TEST(only_a_guest_follows)
{
	const struct timespec now = { .tv_sec = time(NULL) };
	struct err err = ERR_INIT;

	ck_assert_int_eq(clock_follow(&now, &err), -1);
	ck_assert_int_eq(err.code, E_UNSUPPORTED);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("clock");
	TCase *tc = tcase_create("clock");

	tcase_add_loop_test(tc, the_agent_is_told_the_time_unless_it_refuses, 0, 2);
	tcase_add_test(tc, the_first_message_sets_a_clock_that_is_behind);
	tcase_add_test(tc, late_messages_do_not_count);
	tcase_add_test(tc, a_large_difference_is_a_step);
	tcase_add_test(tc, only_a_guest_follows);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
