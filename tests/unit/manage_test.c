// SPDX-License-Identifier: Apache-2.0
/* Clients of the sandbox's socket that neither end nor go on: they keep nobody waiting for long. */

#include "tests/unit/suite.h"

#include "base/deadline.h"
#include "base/fd.h"
#include "base/str.h"
#include "loop/loop.h"
#include "manage/manage.h"

#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* More than a socket takes while nobody reads, less than an answer may have. */
enum { ANSWER_LEN = 900 * 1024, LONG_MS = 60000 };

static struct loop *loop;
static pthread_t thread;
static struct manage *served;
static char dir[] = "/tmp/kata-manage-XXXXXX";
static char *path;

static int on_long(void *arg, const struct manage_request *r, struct buf *answer, struct err *err)
{
	char *room = buf_room(answer, ANSWER_LEN);

	(void)arg;
	(void)r;
	(void)err;
	ck_assert(room != NULL);
	memset(room, 'x', ANSWER_LEN);
	answer->len += ANSWER_LEN;
	return 0;
}

static void *run_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

static void begin(void)
{
	static const struct manage_route routes[] = { { "GET", "/long", on_long },
						      { NULL, NULL, NULL } };
	struct err err = ERR_INIT;

	(void)signal(SIGPIPE, SIG_IGN);
	ck_assert(mkdtemp(dir) != NULL);
	path = str_fmt("%s/s", dir);
	loop = loop_new(&err);
	ck_assert(pthread_create(&thread, NULL, run_loop, loop) == 0);
	served = manage_new(loop, path, routes, NULL, &err);
	ck_assert_msg(served != NULL, "%s", err.msg);
}

static void end(void)
{
	manage_free(served); /* waits for the connections */
	loop_stop(loop);
	(void)pthread_join(thread, NULL);
	loop_free(loop);
	(void)unlink(path);
	(void)rmdir(dir);
	free(path);
}

static int client(const char *says)
{
	struct err err = ERR_INIT;
	int fd = fd_unix_connect(path, &err);

	ck_assert_msg(fd >= 0, "%s", err.msg);
	ck_assert_int_eq(fd_write_all(fd, says, strlen(says), &err), 0);
	return fd;
}

START_TEST(one_that_does_not_read_its_answer_holds_up_nobody)
{
	AUTO(buf) struct buf answer = BUF_INIT(1 << 20);
	struct err err = ERR_INIT;
	int deaf;

	begin();
	deaf = client("GET /long HTTP/1.1\r\n\r\n");
	ck_assert_int_eq(
		manage_ask(path, "GET", "/long", NULL, deadline_in(LONG_MS), &answer, &err), 0);
	ck_assert_uint_eq(answer.len, ANSWER_LEN);
	end();
	(void)close(deaf);
}
END_TEST

START_TEST(one_that_sends_a_byte_now_and_then_is_refused)
{
	struct deadline most = deadline_in(LONG_MS);
	struct pollfd slow;

	begin();
	slow = (struct pollfd){ .fd = client("GET /"), .events = POLLIN };
	while (poll(&slow, 1, 500) == 0 && write(slow.fd, "a", 1) == 1)
		ck_assert_msg(!deadline_passed(most), "it still has a connection");
	(void)close(slow.fd);
	end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("manage");
	TCase *tc = tcase_create("manage");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, one_that_does_not_read_its_answer_holds_up_nobody);
	tcase_add_test(tc, one_that_sends_a_byte_now_and_then_is_refused);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
