// SPDX-License-Identifier: Apache-2.0
/* Records of direct-assigned volumes, and the sandbox's own socket with hostile requests. */

#include "tests/unit/suite.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "cli/volume.h"
#include "device/volume.h"
#include "loop/loop.h"
#include "manage/manage.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

/* --- records --- */

static const struct {
	const char *path, *name;
} names[] = {
	{ "/a", "L2E=" },
	{ "/ab", "L2Fi" },
	{ "/", "Lw==" },
	{ "/\xff\xfe~~", "L__-fn4=" },
};

START_TEST(names_are_base64_for_urls)
{
	AUTO(str) char *name = volume_name(names[_i].path);

	ck_assert_str_eq(name, names[_i].name);
}
END_TEST

#define DEVICE "\"device\": \"/dev/x\", \"fstype\": \"ext4\""
static const struct {
	const char *json;
	enum err_code code;
} records[] = {
	{ "{\"volume-type\": \"block\", " DEVICE "}", E_OK },
	{ "{\"volume-type\": \"directvol\", " DEVICE ", \"options\": [\"ro\"], \"metadata\": {}}",
	  E_OK },
	{ "{\"volume-type\": \"block\", " DEVICE ", \"metadata\": {\"fsGroup\": \"7\", "
	  "\"fsGroupChangePolicy\": \"OnRootMismatch\"}}",
	  E_OK },
	{ "{\"volume-type\": \"nvme\", " DEVICE "}", E_UNSUPPORTED },
	{ "{" DEVICE "}", E_UNSUPPORTED },
	{ "{\"volume-type\": \"block\", \"fstype\": \"ext4\"}", E_INVALID },
	{ "{\"volume-type\": \"block\", \"device\": \"x\", \"fstype\": \"ext4\"}", E_INVALID },
	{ "{\"volume-type\": \"block\", \"device\": \"/x\"}", E_INVALID },
	{ "{\"volume-type\": \"block\", " DEVICE ", \"options\": \"ro\"}", E_INVALID },
	{ "{\"volume-type\": \"block\", " DEVICE ", \"metadata\": {\"fsGroup\": \"-1\"}}",
	  E_INVALID },
	{ "{\"volume-type\": \"block\", " DEVICE ", \"metadata\": {\"fsGroup\": \"4294967296\"}}",
	  E_INVALID },
	{ "{\"volume-type\": \"block\", " DEVICE
	  ", \"metadata\": {\"fsGroupChangePolicy\": \"Never\"}}",
	  E_INVALID },
	{ "[]", E_INVALID },
};

START_TEST(a_record_is_checked)
{
	AUTO(volume) struct volume v = VOLUME_NONE;
	struct err err = ERR_INIT;

	(void)!volume_parse(records[_i].json, &v, &err);
	ck_assert_msg(err.code == records[_i].code, "%s: %s", records[_i].json, err.msg);
}
END_TEST

/* Mounts an empty /run in a mount namespace of this process. */
static void private_run(void)
{
	ck_assert(unshare(CLONE_NEWNS) == 0);
	ck_assert(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	ck_assert(mount("tmpfs", "/run", "tmpfs", 0, "mode=0755") == 0);
}

START_TEST(a_volume_and_its_users)
{
	AUTO(volume) struct volume v = VOLUME_NONE;
	AUTO(strv) char **users = NULL;
	struct err err = ERR_INIT;

	private_run();
	ck_assert_int_eq(volume_find("/vol", &v, &err), 0);
	ck_assert_int_lt(volume_add("vol", records[0].json, &err), 0);
	ck_assert_int_eq(err.code, E_INVALID);
	err_clear(&err);
	ck_assert_int_eq(volume_add("/vol//", records[2].json, &err), 0);
	ck_assert_int_eq(volume_find("/vol", &v, &err), 1);
	ck_assert_str_eq(v.device, "/dev/x");
	ck_assert(v.has_group && v.on_mismatch_only);
	ck_assert_uint_eq(v.group, 7);
	ck_assert_int_lt(volume_users("/vol", &users, &err), 0);
	ck_assert_int_eq(err.code, E_NOT_FOUND);
	err_clear(&err);
	ck_assert_int_eq(volume_mark("/vol", "pod", "/run/vc/sbs/pod@ns", &err), 0);
	ck_assert_int_eq(volume_mark("/vol", "pod", "/run/vc/sbs/pod@ns", &err), 0);
	ck_assert_int_eq(volume_users("/vol", &users, &err), 0);
	ck_assert_uint_eq(strv_len(users), 1);
	ck_assert_str_eq(users[0], "/run/vc/sbs/pod@ns");
	ck_assert_int_lt(volume_remove("/vol", &err), 0);
	ck_assert_int_eq(err.code, E_STATE);
	err_clear(&err);
	volume_unmark("/vol", "pod");
	ck_assert_int_eq(volume_remove("/vol", &err), 0);
	ck_assert_int_lt(volume_remove("/vol", &err), 0);
	ck_assert_int_eq(err.code, E_NOT_FOUND);
}
END_TEST

/* --- requests --- */

static const struct {
	const char *text;
	int result;
	const char *method, *path, *query, *body;
} requests[] = {
	{ "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", 1, "GET", "/a", "", "" },
	{ "GET /a?b=c%20d HTTP/1.0\r\n\r\n", 1, "GET", "/a", "b=c%20d", "" },
	{ "POST /a HTTP/1.1\r\ncontent-length:  2 \r\n\r\n{}", 1, "POST", "/a", "", "{}" },
	{ "POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\n{}", 0, NULL, NULL, NULL, NULL },
	{ "GET /a HTTP/1.1\r\n", 0, NULL, NULL, NULL, NULL },
	{ "", 0, NULL, NULL, NULL, NULL },
	{ "GET a HTTP/1.1\r\n\r\n", -1, NULL, NULL, NULL, NULL },
	{ "GET /a SPDY\r\n\r\n", -1, NULL, NULL, NULL, NULL },
	{ "\r\n\r\n", -1, NULL, NULL, NULL, NULL },
	{ "POST /a HTTP/1.1\r\nContent-Length: -1\r\n\r\n", -1, NULL, NULL, NULL, NULL },
	{ "POST /a HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", -1, NULL, NULL, NULL, NULL },
	{ "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", -1, NULL, NULL, NULL, NULL },
};

START_TEST(http_requests_are_parsed_or_refused)
{
	AUTO(str) char *text = xstrdup(requests[_i].text);
	struct manage_request r = { NULL, NULL, NULL, NULL };
	struct err err = ERR_INIT;

	ck_assert_int_eq(manage_parse(text, strlen(text), &r, &err), requests[_i].result);
	if (requests[_i].result <= 0)
		return;
	ck_assert_str_eq(r.method, requests[_i].method);
	ck_assert_str_eq(r.path, requests[_i].path);
	ck_assert_str_eq(r.query, requests[_i].query);
	ck_assert_str_eq(r.body, requests[_i].body);
}
END_TEST

static const struct {
	const char *query, *value; /* NULL: an error */
} queries[] = {
	{ "path=/a", "/a" },    { "x=y&path=%2Fa%2fb+c", "/a/b c" },
	{ "path=", "" },        { "pathx=/a", NULL },
	{ "", NULL },           { "path=%", NULL },
	{ "path=%0", NULL },    { "path=%zz", NULL },
	{ "path=a%00b", NULL },
};

START_TEST(queries_are_decoded)
{
	AUTO(str) char *query = xstrdup(queries[_i].query);
	const struct manage_request r = { "GET", "/", "", query };
	struct err err = ERR_INIT;
	AUTO(str) char *value = manage_query(&r, "path", &err);

	if (queries[_i].value)
		ck_assert_str_eq(value, queries[_i].value);
	else
		ck_assert_int_eq(err.code, E_INVALID);
}
END_TEST

/* --- the socket --- */

static int on_echo(void *arg, const struct manage_request *r, struct buf *answer, struct err *err)
{
	if (str_eq(r->body, "bad"))
		return err_set(err, E_STATE, "%s", (const char *)arg);
	buf_fmt(answer, "%s", r->body);
	return 0;
}

static void *run_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

START_TEST(the_socket_answers_requests)
{
	static const struct manage_route routes[] = { { "POST", "/echo", on_echo },
						      { NULL, NULL, NULL } };
	AUTO(buf) struct buf answer = BUF_INIT(1 << 20);
	AUTO(mem) char *junk = xcalloc(1, 70000);
	struct loop *loop = loop_new(&(struct err)ERR_INIT);
	struct err err = ERR_INIT;
	struct manage *m;
	pthread_t thread;
	char text[512] = "";

	private_run();
	(void)signal(SIGPIPE, SIG_IGN);
	ck_assert(pthread_create(&thread, NULL, run_loop, loop) == 0);
	m = manage_new(loop, "/run/s", routes, (void *)"in its words", &err);
	ck_assert_msg(m != NULL, "%s", err.msg);
	ck_assert_int_eq(
		manage_ask("/run/s", "POST", "/echo", "text", deadline_in(60000), &answer, &err),
		0);
	ck_assert_str_eq(buf_cstr(&answer), "text");
	ck_assert_int_lt(
		manage_ask("/run/s", "POST", "/echo", "bad", deadline_in(60000), &answer, &err), 0);
	ck_assert_str_eq(err.msg, "in its words");
	err_clear(&err);
	ck_assert_int_lt(
		manage_ask("/run/s", "GET", "/no", NULL, deadline_in(60000), &answer, &err), 0);
	ck_assert_int_eq(err.code, E_NOT_FOUND);
	err_clear(&err);
	ck_assert_int_lt(
		manage_ask("/run/s", "GET", "/echo", NULL, deadline_in(60000), &answer, &err), 0);
	err_clear(&err);
	/* A client that hangs up in the middle, and one that never ends, harm no other. */
	AUTO(fd) int half = fd_unix_connect("/run/s", &err);
	ck_assert_int_eq(fd_write_all(half, "GET /", 5, &err), 0);
	fd_close(&half);
	AUTO(fd) int endless = fd_unix_connect("/run/s", &err);
	memset(junk, 'x', 70000);
	(void)!fd_write_all(endless, junk, 70000, &err);
	err_clear(&err);
	(void)!read(endless, text, sizeof(text) - 1);
	ck_assert_int_eq(
		manage_ask("/run/s", "POST", "/echo", "more", deadline_in(60000), &answer, &err),
		0);
	ck_assert_str_eq(buf_cstr(&answer), "textmore");
	manage_free(m);
	ck_assert_int_lt(
		manage_ask("/run/s", "POST", "/echo", "x", deadline_in(60000), &answer, &err), 0);
	loop_stop(loop);
	(void)pthread_join(thread, NULL);
	loop_free(loop);
}
END_TEST

/* --- kata-runtime direct-volume --- */

/* Marks a volume as used by a sandbox, which leaves a socket, as a shim that was killed. */
static void leave_user(const char *key)
{
	AUTO(str) char *state_dir = str_fmt("/run/%s", key);
	AUTO(str) char *socket = path_join(state_dir, MANAGE_SOCKET);
	struct err err = ERR_INIT;
	AUTO(fd) int fd = -1;

	ck_assert_int_eq(path_make(state_dir, 0700, &err), 0);
	ck_assert_int_eq(volume_mark("/vol", key, state_dir, &err), 0);
	fd = fd_unix_listen(socket, &err);
	ck_assert_msg(fd >= 0, "%s", err.msg);
}

static int on_stats(void *arg, const struct manage_request *r, struct buf *answer, struct err *err)
{
	(void)r, (void)err;
	(*(unsigned *)arg)++;
	buf_str(answer, "{}");
	return 0;
}

/* Whatever the order in which the directory lists the marks. */
START_TEST(a_sandbox_that_died_hides_no_other)
{
	static const struct manage_route routes[] = { { "GET", "/direct-volume/stats", on_stats },
						      { NULL, NULL, NULL } };
	static const char live[] = "/run/b@ns/" MANAGE_SOCKET;
	char *argv[] = { (char *)"direct-volume", (char *)"stats", (char *)"--volume-path",
			 (char *)"/vol", NULL };
	struct loop *loop = loop_new(&(struct err)ERR_INIT);
	struct err err = ERR_INIT;
	unsigned asked = 0;
	struct manage *m;
	pthread_t thread;

	private_run();
	ck_assert(pthread_create(&thread, NULL, run_loop, loop) == 0);
	ck_assert_int_eq(volume_add("/vol", records[0].json, &err), 0);
	leave_user("a@ns"), leave_user("b@ns"), leave_user("c@ns");
	ck_assert_int_lt(volume_verb(4, argv, &err), 0);
	ck_assert_int_eq(err.sys, ECONNREFUSED);
	err_clear(&err);
	ck_assert(unlink(live) == 0);
	m = manage_new(loop, live, routes, &asked, &err);
	ck_assert_msg(m != NULL, "%s", err.msg);
	ck_assert_msg(volume_verb(4, argv, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(asked, 1);
	manage_free(m);
	loop_stop(loop);
	(void)pthread_join(thread, NULL);
	loop_free(loop);
}
END_TEST

/* A message follows the name of the program. */
START_TEST(messages_name_the_verb)
{
	char *argv[] = { (char *)"direct-volume", (char *)"add", (char *)"/vol", NULL };
	struct err err = ERR_INIT;

	ck_assert_int_lt(volume_verb(3, argv, &err), 0);
	ck_assert_int_eq(err.code, E_USAGE);
	ck_assert_msg(str_starts(err.msg, "direct-volume add takes no operand"), "%s", err.msg);
	err_clear(&err);
	ck_assert_int_lt(volume_verb(1, argv, &err), 0);
	ck_assert_msg(str_starts(err.msg, "expected a verb after 'kata-runtime direct-volume'"),
		      "%s", err.msg);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("volume");
	TCase *tc = tcase_create("volume");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, names_are_base64_for_urls, 0, (int)ARRAY_LEN(names));
	tcase_add_loop_test(tc, a_record_is_checked, 0, (int)ARRAY_LEN(records));
	tcase_add_loop_test(tc, http_requests_are_parsed_or_refused, 0, (int)ARRAY_LEN(requests));
	tcase_add_loop_test(tc, queries_are_decoded, 0, (int)ARRAY_LEN(queries));
	tcase_add_test(tc, messages_name_the_verb);
	if (geteuid() == 0) {
		tcase_add_test(tc, a_volume_and_its_users);
		tcase_add_test(tc, the_socket_answers_requests);
		tcase_add_test(tc, a_sandbox_that_died_hides_no_other);
	} else {
		(void)puts("skipped: a /run of its own needs root");
	}
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
