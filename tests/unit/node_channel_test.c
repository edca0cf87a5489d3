// SPDX-License-Identifier: Apache-2.0
/* The socket between node and report, with a hostile peer. */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "base/deadline.h"
#include "base/fd.h"
#include "base/str.h"
#include "deploy/node/channel.h"
#include "loop/loop.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000 };
#define TURN "{\"v\":1,\"type\":\"turn\",\"id\":\"a\"}"

static struct loop *loop;
static struct channel *channel;
static unsigned heard, stop_after;
static struct err gone;
static bool frees; /* free the channel when a message is received */

static void on_heard(void *arg, const struct message *m)
{
	(void)arg;
	ck_assert_int_eq(m->kind, MESSAGE_TURN);
	heard++;
	if (frees) {
		channel_free(channel);
		channel = NULL;
	}
	if (heard == stop_after)
		loop_stop(loop);
}

static void on_gone(void *arg, const struct err *why)
{
	(void)arg;
	gone = *why;
	loop_stop(loop);
}

static void too_late(void *arg)
{
	(void)arg;
	ck_abort_msg("nothing has happened");
}

/* Runs the loop; the peer has written already. */
static void run(int fd, unsigned stop)
{
	struct watch *timer;

	heard = 0;
	stop_after = stop;
	err_clear(&gone);
	loop = loop_new(&(struct err)ERR_INIT);
	timer = loop_timer(loop, PATIENCE_MS, false, too_late, NULL);
	channel = channel_new(loop, fd, MESSAGE_FROM_REPORT, on_heard, on_gone, NULL);
	loop_run(loop);
	channel_free(channel);
	watch_remove(timer);
	loop_free(loop);
}

static const struct {
	const char *text;
	unsigned heard;
	enum err_code code; /* with which it ends */
} cases[] = {
	{ "", 0, E_GONE },
	{ TURN, 0, E_GONE },
	{ TURN "\n", 1, E_GONE },
	{ TURN "\n" TURN "\n" TURN, 2, E_GONE },
	{ "\n", 0, E_PROTOCOL },
	{ TURN "\n\n" TURN "\n", 1, E_PROTOCOL },
	{ TURN "\n{\"v\":1,\"type\":\"state\",\"phase\":\"ready\"}\n", 1, E_PROTOCOL },
	{ "{\"v\":1,\"type\":\"install\",\"id\":\"a\",\"release\":\"http://x\"}\n", 0, E_PROTOCOL },
};

START_TEST(messages_are_received_until_one_is_wrong)
{
	struct err err = ERR_INIT;
	int ends[2];

	ck_assert_int_eq(fd_socketpair(SOCK_STREAM, ends, &err), 0);
	ck_assert_int_eq(fd_write_all(ends[1], cases[_i].text, strlen(cases[_i].text), &err), 0);
	fd_close(&ends[1]);
	run(ends[0], 0);
	ck_assert_uint_eq(heard, cases[_i].heard);
	ck_assert_msg(gone.code == cases[_i].code, "%s", gone.msg);
}
END_TEST

START_TEST(a_line_without_end_closes_the_channel)
{
	static char text[MESSAGE_MAX];
	struct err err = ERR_INIT;
	int ends[2];

	memset(text, 'x', sizeof(text));
	ck_assert_int_eq(fd_socketpair(SOCK_STREAM, ends, &err), 0);
	ck_assert_int_eq(fd_write_all(ends[1], text, sizeof(text), &err), 0);
	run(ends[0], 0);
	ck_assert_int_eq(gone.code, E_PROTOCOL);
	fd_close(&ends[1]);
}
END_TEST

START_TEST(a_flood_closes_the_channel)
{
	struct err err = ERR_INIT;
	int ends[2];

	ck_assert_int_eq(fd_socketpair(SOCK_STREAM, ends, &err), 0);
	for (int i = 0; i < 2 * CHANNEL_RATE; i++)
		ck_assert_int_eq(fd_write_all(ends[1], TURN "\n", strlen(TURN) + 1, &err), 0);
	run(ends[0], 0);
	ck_assert_int_eq(gone.code, E_LIMIT);
	ck_assert_uint_eq(heard, CHANNEL_RATE);
	fd_close(&ends[1]);
}
END_TEST

START_TEST(a_channel_may_be_freed_by_its_handler)
{
	struct err err = ERR_INIT;
	int ends[2];

	ck_assert_int_eq(fd_socketpair(SOCK_STREAM, ends, &err), 0);
	ck_assert_int_eq(fd_write_all(ends[1], TURN "\n" TURN "\n", 2 * strlen(TURN) + 2, &err), 0);
	frees = true;
	run(ends[0], 1);
	frees = false;
	ck_assert_uint_eq(heard, 1);
	fd_close(&ends[1]);
}
END_TEST

static void fill(void *arg)
{
	struct message m = { .kind = MESSAGE_STATE };

	(void)arg;
	memset(m.state.message, '"', sizeof(m.state.message) - 1);
	for (int i = 0; i < 4096; i++)
		channel_say(channel, &m);
}

/* Sending to it neither blocks nor uses more and more memory. */
START_TEST(a_peer_that_does_not_read_loses_the_channel)
{
	struct err err = ERR_INIT;
	struct watch *timer, *late;
	int ends[2];

	ck_assert_int_eq(fd_socketpair(SOCK_STREAM, ends, &err), 0);
	err_clear(&gone);
	loop = loop_new(&(struct err)ERR_INIT);
	late = loop_timer(loop, PATIENCE_MS, false, too_late, NULL);
	timer = loop_timer(loop, 1, false, fill, NULL);
	channel = channel_new(loop, ends[0], MESSAGE_FROM_REPORT, on_heard, on_gone, NULL);
	loop_run(loop);
	ck_assert_int_eq(gone.code, E_LIMIT);
	channel_free(channel);
	watch_remove(timer);
	watch_remove(late);
	loop_free(loop);
	fd_close(&ends[1]);
}
END_TEST

START_TEST(the_socket_has_mode_0666_and_replaces_an_old_one)
{
	char dir[SCRATCH_DIR];
	struct err err = ERR_INIT;
	struct stat st;

	scratch_make(dir, "channel");
	AUTO(str) char *path = str_fmt("%s/s", dir);
	AUTO(fd) int first = channel_listen(path, &err);
	ck_assert_int_ge(first, 0);
	AUTO(fd) int second = channel_listen(path, &err);
	ck_assert_int_ge(second, 0);
	ck_assert(stat(path, &st) == 0 && (st.st_mode & 0777) == 0666);
	AUTO(fd) int fd = fd_unix_connect(path, &err);
	ck_assert_int_ge(fd, 0);
	ck_assert(unlink(path) == 0 && rmdir(dir) == 0);
	ck_assert_int_lt(channel_listen(path, &err), 0);
}
END_TEST

static char *raced, *target;
static atomic_bool racing;

/* A hostile report: it may write in the directory. */
static void *race(void *arg)
{
	while (atomic_load(&racing)) {
		(void)!unlink(raced);
		(void)!symlink(target, raced);
	}
	return arg;
}

/* A link in the place of the socket must not make us chmod another file. */
START_TEST(a_link_in_its_place_is_not_followed)
{
	char dir[SCRATCH_DIR];
	struct err err = ERR_INIT;
	struct stat st = { 0 };
	pthread_t thread;

	scratch_make(dir, "channel");
	raced = str_fmt("%s/s", dir);
	target = str_fmt("%s/of-the-host", dir);
	AUTO(fd) int file = open(target, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	ck_assert_int_ge(file, 0);
	atomic_store(&racing, true);
	ck_assert_int_eq(pthread_create(&thread, NULL, race, NULL), 0);
	for (int i = 0; i < 500 && (st.st_mode & 077) == 0; i++) {
		int fd = channel_listen(raced, &err); /* may fail; the file must stay as it is */

		fd_close(&fd);
		err_clear(&err);
		ck_assert_int_eq(fstat(file, &st), 0);
	}
	atomic_store(&racing, false);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	(void)!unlink(raced);
	ck_assert(unlink(target) == 0 && rmdir(dir) == 0);
	free(raced);
	free(target);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("node_channel");
	TCase *tc = tcase_create("channel");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, messages_are_received_until_one_is_wrong, 0, ARRAY_LEN(cases));
	tcase_add_test(tc, a_line_without_end_closes_the_channel);
	tcase_add_test(tc, a_flood_closes_the_channel);
	tcase_add_test(tc, a_channel_may_be_freed_by_its_handler);
	tcase_add_test(tc, a_peer_that_does_not_read_loses_the_channel);
	tcase_add_test(tc, the_socket_has_mode_0666_and_replaces_an_old_one);
	tcase_add_test(tc, a_link_in_its_place_is_not_followed);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
