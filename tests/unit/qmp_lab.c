// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/qmp_lab.h"

#include "base/fd.h"
#include "base/str.h"
#include "loop/loop.h"

#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct qmp *lab_client;
int lab_qemu;
static struct loop *loop;
static pthread_t loop_thread;

static void *run_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

void lab_start(void)
{
	struct err err = ERR_INIT;
	int ends[2];

	(void)signal(SIGPIPE, SIG_IGN); /* the client may hang up first */
	loop = loop_new(&(struct err)ERR_INIT);
	ck_assert_int_eq(pthread_create(&loop_thread, NULL, run_loop, loop), 0);
	ck_assert_int_eq(fd_socketpair(SOCK_STREAM, ends, &err), 0);
	lab_qemu = ends[1];
	lab_client = qmp_new(loop, ends[0]);
}

void lab_stop(void)
{
	qmp_free(lab_client);
	fd_close(&lab_qemu);
	loop_stop(loop);
	(void)pthread_join(loop_thread, NULL);
	loop_free(loop);
}

void lab_say(const char *text)
{
	struct err err = ERR_INIT;

	ck_assert_int_eq(fd_write_all(lab_qemu, text, strlen(text), &err), 0);
}

struct json *lab_hear(const char *name)
{
	char text[4096];
	struct err err = ERR_INIT;
	size_t n = 0;
	struct json *j;

	do {
		ck_assert_int_lt(n, sizeof(text));
		ck_assert_int_eq(read(lab_qemu, text + n, 1), 1);
	} while (text[n++] != '\n');
	j = json_parse(text, n, "command", &err);
	ck_assert_msg(j != NULL, "%s", err.msg);
	if (name)
		ck_assert_str_eq(json_get_text(j, "execute"), name);
	return j;
}

void lab_answer(const struct json *command, const char *rest)
{
	AUTO(str)
	char *text = str_fmt("{%s, \"id\": \"%s\"}\r\n", rest, json_get_text(command, "id"));

	lab_say(text);
}
