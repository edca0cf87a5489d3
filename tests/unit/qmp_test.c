// SPDX-License-Identifier: Apache-2.0
/* The QMP client against a QEMU that answers late, out of order, in pieces, or not at all. */

#include "tests/unit/qmp_lab.h"
#include "tests/unit/suite.h"

#include "base/fd.h"
#include "base/str.h"
#include "vmm/qemu/qmp.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LONG_MS = 60000 };

/* --- the caller's side, on a thread of its own --- */

struct call {
	const char *command;
	struct json *arguments, *reply;
	uint64_t ms;
	struct err err;
	int result;
	pthread_t thread;
};

static void *call_main(void *arg)
{
	struct call *c = arg;

	c->result = qmp_execute(lab_client, c->command, c->arguments, deadline_in(c->ms), &c->reply,
				&c->err);
	return NULL;
}

static void call(struct call *c, const char *command, struct json *arguments, uint64_t ms)
{
	*c = (struct call){ .command = command, .arguments = arguments, .ms = ms, .err = ERR_INIT };
	ck_assert_int_eq(pthread_create(&c->thread, NULL, call_main, c), 0);
}

static int result(struct call *c)
{
	(void)pthread_join(c->thread, NULL);
	return c->result;
}

START_TEST(a_command_and_its_answer)
{
	struct call c;
	struct json *arguments = json_make_object();

	lab_say("{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n");
	json_put(arguments, "id", json_make_string("disk0"));
	call(&c, "device_del", arguments, LONG_MS);
	AUTO(json) struct json *heard = lab_hear(NULL);
	ck_assert_str_eq(json_get_text(heard, "execute"), "device_del");
	ck_assert_str_eq(json_get_text(json_get(heard, "arguments"), "id"), "disk0");
	lab_answer(heard, "\"return\": {\"a\": 7}");
	ck_assert_int_eq(result(&c), 0);
	ck_assert_int_eq(json_int(json_get(c.reply, "a")), 7);
	json_free(c.reply);
}
END_TEST

START_TEST(answers_come_in_any_order)
{
	struct call a, b;

	call(&a, "first", NULL, LONG_MS);
	AUTO(json) struct json *one = lab_hear(NULL);
	call(&b, "second", NULL, LONG_MS);
	AUTO(json) struct json *two = lab_hear(NULL);
	lab_answer(two, "\"return\": 2");
	ck_assert_int_eq(result(&b), 0);
	lab_answer(one, "\"return\": 1");
	ck_assert_int_eq(result(&a), 0);
	ck_assert_int_eq(json_int(a.reply), 1);
	ck_assert_int_eq(json_int(b.reply), 2);
	json_free(a.reply);
	json_free(b.reply);
}
END_TEST

START_TEST(a_refusal_has_the_words_of_qemu)
{
	struct call c;

	call(&c, "device_add", NULL, LONG_MS);
	AUTO(json) struct json *heard = lab_hear(NULL);
	lab_answer(heard,
		   "\"error\": {\"class\": \"GenericError\", \"desc\": \"Bus 'x' not found\"}");
	ck_assert_int_lt(result(&c), 0);
	ck_assert_int_eq(c.err.code, E_FAILED);
	ck_assert_ptr_nonnull(strstr(c.err.msg, "device_add: Bus 'x' not found"));
}
END_TEST

/* --- events --- */

struct heard {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned n;
	char device[32];
};

static void on_deleted(void *arg, const char *event, const struct json *data)
{
	struct heard *h = arg;

	(void)pthread_mutex_lock(&h->lock);
	ck_assert_str_eq(event, "DEVICE_DELETED");
	(void)!str_print(h->device, sizeof(h->device), "%s", json_get_text(data, "device"));
	h->n++;
	(void)pthread_cond_broadcast(&h->changed);
	(void)pthread_mutex_unlock(&h->lock);
}

static unsigned wait_for(struct heard *h, unsigned n)
{
	struct deadline d = deadline_in(LONG_MS);

	(void)pthread_mutex_lock(&h->lock);
	while (h->n < n && cond_wait_until(&h->changed, &h->lock, d))
		;
	(void)pthread_mutex_unlock(&h->lock);
	return h->n;
}

/* An event that begins before a reply and ends behind it loses neither. */
START_TEST(events_reach_who_asked_for_them)
{
	struct heard h = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct qmp_subscription s = { .event = "DEVICE_DELETED", .fn = on_deleted, .arg = &h };
	struct call c;

	cond_init(&h.changed);
	qmp_subscribe(lab_client, &s);
	lab_say("{\"event\": \"STOP\", \"timestamp\": {}}\r\n{\"event\": \"DEVICE_DELETED\", \"da");
	call(&c, "query-status", NULL, LONG_MS);
	AUTO(json) struct json *heard = lab_hear(NULL);
	lab_say("ta\": {\"device\": \"nic1\"}}\r\n\r\n");
	lab_answer(heard, LAB_OK);
	ck_assert_int_eq(result(&c), 0);
	json_free(c.reply);
	ck_assert_uint_eq(wait_for(&h, 1), 1);
	ck_assert_str_eq(h.device, "nic1");
	qmp_unsubscribe(lab_client, &s);
	lab_say("{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"nic2\"}}\r\n");
	call(&c, "query-status", NULL, LONG_MS);
	AUTO(json) struct json *again = lab_hear(NULL);
	lab_answer(again, LAB_OK);
	ck_assert_int_eq(result(&c), 0);
	json_free(c.reply);
	ck_assert_uint_eq(h.n, 1);
}
END_TEST

/* --- what goes wrong --- */

START_TEST(a_late_answer_is_dropped)
{
	struct call c;

	call(&c, "slow", NULL, 50);
	AUTO(json) struct json *late = lab_hear(NULL);
	ck_assert_int_lt(result(&c), 0);
	ck_assert_int_eq(c.err.code, E_TIMEOUT);
	lab_answer(late, "\"return\": \"late\"");
	lab_answer(late, "\"return\": \"twice\"");
	call(&c, "next", NULL, LONG_MS);
	AUTO(json) struct json *heard = lab_hear(NULL);
	lab_answer(heard, "\"return\": \"mine\"");
	ck_assert_int_eq(result(&c), 0);
	ck_assert_str_eq(json_text(c.reply), "mine");
	json_free(c.reply);
}
END_TEST

START_TEST(the_end_of_qemu_ends_every_command)
{
	struct call a, b;
	struct err err = ERR_INIT;

	call(&a, "one", NULL, LONG_MS);
	json_free(lab_hear(NULL));
	call(&b, "two", NULL, LONG_MS);
	json_free(lab_hear(NULL));
	fd_close(&lab_qemu);
	ck_assert_int_lt(result(&a), 0);
	ck_assert_int_lt(result(&b), 0);
	ck_assert_int_eq(a.err.code, E_GONE);
	ck_assert_int_eq(b.err.code, E_GONE);
	ck_assert_int_lt(qmp_execute(lab_client, "three", NULL, deadline_in(LONG_MS), NULL, &err),
			 0);
	ck_assert_int_eq(err.code, E_GONE);
}
END_TEST

static const char *const wrong[] = { "nonsense\r\n", "[1]\r\n", "{\"return\": {}\r\n" };

START_TEST(what_is_not_qmp_breaks_the_connection)
{
	struct call c;

	call(&c, "one", NULL, LONG_MS);
	json_free(lab_hear(NULL));
	lab_say(wrong[_i]);
	ck_assert_int_lt(result(&c), 0);
	ck_assert(c.err.code == E_PROTOCOL || c.err.code == E_INVALID);
}
END_TEST

START_TEST(a_line_without_an_end_is_refused)
{
	static char piece[65536];
	struct err err = ERR_INIT;
	struct call c;

	memset(piece, 'x', sizeof(piece));
	call(&c, "one", NULL, LONG_MS);
	json_free(lab_hear(NULL));
	for (size_t sent = 0; sent <= QMP_LINE_MAX; sent += sizeof(piece)) {
		if (fd_write_all(lab_qemu, piece, sizeof(piece), &err) < 0)
			break;
	}
	ck_assert_int_lt(result(&c), 0);
	ck_assert_int_eq(c.err.code, E_PROTOCOL);
}
END_TEST

/* --- fds --- */

static void *give(void *arg)
{
	struct call *c = arg;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	c->result = qmp_give_fd(lab_client, fd, "tap0", deadline_in(LONG_MS), &c->err);
	fd_close(&fd);
	return NULL;
}

START_TEST(an_fd_comes_with_its_command)
{
	struct call c = { .err = ERR_INIT };
	struct err err = ERR_INIT;
	struct stat there, here;
	int fds[FD_PASS_MAX];
	size_t nfds = 0;
	char first;

	ck_assert_int_eq(pthread_create(&c.thread, NULL, give, &c), 0);
	ck_assert_int_eq(fd_recv(lab_qemu, &first, 1, fds, &nfds, &err), 1);
	ck_assert_int_eq(nfds, 1);
	ck_assert_int_eq(fstat(fds[0], &there), 0);
	ck_assert_int_eq(stat("/dev/null", &here), 0);
	ck_assert(there.st_rdev == here.st_rdev);
	fd_close(&fds[0]);
	/* The rest of the line, whose first byte was read. */
	char rest[4096] = "{";
	ssize_t n = read(lab_qemu, rest + 1, sizeof(rest) - 2);
	ck_assert_int_gt(n, 0);
	AUTO(json) struct json *heard = json_parse(rest, (size_t)n + 1, "command", &err);
	ck_assert_msg(heard != NULL, "%s", err.msg);
	ck_assert_str_eq(json_get_text(heard, "execute"), "getfd");
	ck_assert_str_eq(json_get_text(json_get(heard, "arguments"), "fdname"), "tap0");
	lab_answer(heard, LAB_OK);
	ck_assert_int_eq(result(&c), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("qmp");
	TCase *tc = tcase_create("client");

	tcase_add_checked_fixture(tc, lab_start, lab_stop);
	tcase_add_test(tc, a_command_and_its_answer);
	tcase_add_test(tc, answers_come_in_any_order);
	tcase_add_test(tc, a_refusal_has_the_words_of_qemu);
	tcase_add_test(tc, events_reach_who_asked_for_them);
	tcase_add_test(tc, a_late_answer_is_dropped);
	tcase_add_test(tc, the_end_of_qemu_ends_every_command);
	tcase_add_loop_test(tc, what_is_not_qmp_breaks_the_connection, 0,
			    (int)(sizeof(wrong) / sizeof(*wrong)));
	tcase_add_test(tc, a_line_without_an_end_is_refused);
	tcase_add_test(tc, an_fd_comes_with_its_command);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
