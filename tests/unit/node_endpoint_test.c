// SPDX-License-Identifier: Apache-2.0
/* node's socket with peers that do not behave as report does. */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "base/deadline.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "deploy/node/endpoint.h"
#include "loop/loop.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000, CROWD = 60 };
#define TURN(id) "{\"v\":1,\"type\":\"turn\",\"id\":\"" id "\"}\n"

static char dir[SCRATCH_DIR], *path;
static struct loop *loop;
static struct endpoint *endpoint;
static struct watch *late;
static unsigned came, heard, stop_after;
static char last[MESSAGE_NAME];
static struct err err;

static void too_late(void *arg)
{
	(void)arg;
	ck_abort_msg("nothing has happened");
}

static void on_came(void *arg)
{
	struct message m = { .kind = MESSAGE_STATE };

	(void)arg;
	came++;
	ck_assert(endpoint_has_peer(endpoint));
	endpoint_say(endpoint, &m);
}

static void on_heard(void *arg, const struct message *m)
{
	(void)arg;
	heard++;
	message_text(last, sizeof(last), m->id);
	if (heard == stop_after)
		loop_stop(loop);
}

static void setup(void)
{
	err_clear(&err);
	scratch_make(dir, "node-endpoint");
	path = str_fmt("%s/s", dir);
	came = heard = stop_after = 0;
	loop = loop_new(&(struct err)ERR_INIT);
	late = loop_timer(loop, PATIENCE_MS, false, too_late, NULL);
	endpoint = endpoint_open(loop, path, on_came, on_heard, NULL, &err);
	ck_assert_msg(endpoint != NULL, "%s", err.msg);
}

static void teardown(void)
{
	endpoint_close(endpoint);
	watch_remove(late);
	loop_free(loop);
	scratch_remove(dir);
	free(path);
}

static int visit(const char *text)
{
	int fd = fd_unix_connect(path, &err);

	ck_assert_msg(fd >= 0, "%s", err.msg);
	ck_assert_int_eq(fd_write_all(fd, text, strlen(text), &err), 0);
	return fd;
}

static void stop(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

/* Runs the loop, in which then() is called after so many ms. */
static void run(unsigned ms, void (*then)(void *arg))
{
	struct watch *timer = loop_timer(loop, ms, false, then, NULL);

	loop_run(loop);
	watch_remove(timer);
}

static void knock(void *arg)
{
	(void)arg;
	for (int i = 0; i < CROWD; i++) {
		int fd = visit(TURN("a"));

		fd_close(&fd);
	}
}

/* Each connection gets the whole state and may send CHANNEL_RATE messages. */
START_TEST(reconnections_are_limited)
{
	uint64_t began = clock_ms();
	struct watch *timer = loop_timer(loop, 50, true, knock, NULL);

	run(2 * MESSAGE_RETRY_MS + MESSAGE_RETRY_MS / 2, stop);
	watch_remove(timer);
	ck_assert_uint_ge(came, 2);
	ck_assert_uint_le(came, (clock_ms() - began) / MESSAGE_RETRY_MS + 1);
	ck_assert_uint_le(heard, came);
}
END_TEST

static int crowd[CROWD];

static void come_all(void *arg)
{
	(void)arg;
	ck_assert_str_eq(last, "first");
	for (int i = 0; i < CROWD; i++)
		crowd[i] = visit(i == CROWD - 1 ? TURN("newest") : TURN("older"));
}

START_TEST(the_newest_connection_replaces_the_others)
{
	int old = visit(TURN("first"));

	stop_after = 2;
	run(100, come_all);
	ck_assert_str_eq(last, "newest");
	ck_assert_uint_eq(came, 2);
	fd_close(&old);
	for (int i = 0; i < CROWD; i++)
		fd_close(&crowd[i]);
}
END_TEST

static const char *const rubbish[] = {
	"\n",
	"rubbish\n",
	"{\"v\":2,\"type\":\"turn\",\"id\":\"a\"}\n",
	"{\"v\":1,\"type\":\"end-turn\",\"id\":\"a\",\"good\":true}\n",
	"{\"v\":1,\"type\":\"uninstall\",\"id\":\"a\",\"prefix\":\"/\"}\n",
	"{\"v\":1,\"type\":\"turn\"", /* and disconnects */
};

static int good;

static void come_good(void *arg)
{
	(void)arg;
	ck_assert(!endpoint_has_peer(endpoint));
	ck_assert_uint_eq(heard, 0);
	good = visit(TURN("good"));
}

START_TEST(a_peer_that_breaks_the_rules_can_be_replaced)
{
	int bad = visit(rubbish[_i]);

	if (!strchr(rubbish[_i], '\n'))
		fd_close(&bad);
	stop_after = 1;
	run(300, come_good);
	ck_assert_str_eq(last, "good");
	fd_close(&good);
	fd_close(&bad);
}
END_TEST

START_TEST(messages_without_a_peer_are_dropped)
{
	struct message m = { .kind = MESSAGE_STATE };

	ck_assert(!endpoint_has_peer(endpoint) && !endpoint_has_peer(NULL));
	endpoint_say(endpoint, &m);
	endpoint_say(NULL, &m);
	endpoint_close(NULL);
}
END_TEST

START_TEST(a_link_at_the_path_of_the_socket_is_replaced_a_directory_is_not)
{
	AUTO(str) char *other = str_fmt("%s/other", dir), *in = str_fmt("%s/in", path);
	struct stat st;

	endpoint_close(endpoint);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(symlink(other, path), 0);
	endpoint = endpoint_open(loop, path, on_came, on_heard, NULL, &err);
	ck_assert_msg(endpoint != NULL, "%s", err.msg);
	ck_assert(lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && lstat(other, &st) < 0);
	endpoint_close(endpoint);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert(mkdir(path, 0755) == 0 && mkdir(in, 0755) == 0);
	endpoint = endpoint_open(loop, path, on_came, on_heard, NULL, &err);
	ck_assert_ptr_null(endpoint);
	ck_assert_ptr_nonnull(strstr(err.msg, path));
	ck_assert_int_eq(stat(in, &st), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("node_endpoint");
	TCase *tc = tcase_create("endpoint");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, reconnections_are_limited);
	tcase_add_test(tc, the_newest_connection_replaces_the_others);
	tcase_add_loop_test(tc, a_peer_that_breaks_the_rules_can_be_replaced, 0,
			    ARRAY_LEN(rubbish));
	tcase_add_test(tc, messages_without_a_peer_are_dropped);
	tcase_add_test(tc, a_link_at_the_path_of_the_socket_is_replaced_a_directory_is_not);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
