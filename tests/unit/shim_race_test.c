// SPDX-License-Identifier: Apache-2.0
/*
 * Every pair of calls at the same time, in every state of a process: both are answered, the shim
 * survives, and nothing is left. A call that can succeed only once succeeds at most once. Run with
 * sanitizers, this tests locking and ownership.
 */

#include "tests/unit/shim_lab.h"

#include "base/mem.h"
#include "base/str.h"

#include <string.h>
#include <unistd.h>

#define EXEC "e"

/* --- the verbs --- */

static const char process[] = "{\"args\":[\"true\"],\"cwd\":\"/\",\"user\":{\"uid\":0,\"gid\":0}}";
static const char resources[] = "{\"memory\":{\"limit\":1048576}}";

static void add_create(struct buf *b)
{
	wire_text(b, 2, BUNDLE);
}

static void add_exec(struct buf *b)
{
	shim_add_any(b, 7, process);
}

static void add_signal(struct buf *b)
{
	wire_number(b, 3, 9);
}

static void add_resources(struct buf *b)
{
	shim_add_any(b, 2, resources);
}

static void add_stdin(struct buf *b)
{
	wire_number(b, 3, 1);
}

static void add_size(struct buf *b)
{
	wire_number(b, 3, 80);
	wire_number(b, 4, 24);
}

static const struct verb {
	const char *method;
	bool of_process; /* of an exec, where there is one */
	bool once;       /* of two, one succeeds at most */
	void (*add)(struct buf *payload);
} verbs[] = {
	{ "Create", false, true, add_create },  { "Start", true, true, NULL },
	{ "Exec", true, true, add_exec },       { "Kill", true, false, add_signal },
	{ "Delete", true, true, NULL },         { "Update", false, false, add_resources },
	{ "Pause", false, true, NULL },         { "Resume", false, true, NULL },
	{ "Wait", true, false, NULL },          { "CloseIO", true, false, add_stdin },
	{ "ResizePty", true, false, add_size }, { "State", true, false, NULL },
};

enum { VERBS = ARRAY_LEN(verbs), PAIRS = VERBS * (VERBS + 1) / 2 };

static void describe(const struct verb *v, bool exec, struct buf *payload)
{
	wire_text(payload, 1, "c");
	if (v->of_process && (exec || str_eq(v->method, "Exec")))
		wire_text(payload, 2, EXEC);
	if (v->add)
		v->add(payload);
}

static struct answer call(const char *method, bool exec)
{
	for (size_t i = 0; i < VERBS; i++) {
		AUTO(buf) struct buf payload = BUF_INIT(1024);

		if (!str_eq(verbs[i].method, method))
			continue;
		describe(&verbs[i], exec, &payload);
		return shim_ask(method, &payload, 0);
	}
	ck_abort_msg("no verb %s", method);
}

/* --- the states --- */

enum state { CREATED, RUNNING, EXEC_CREATED, EXEC_RUNNING, STOPPED, STATES };

static void bring_into(enum state state)
{
	shim_start("good", SHARE_9P);
	shim_must(shim_create(), "Create");
	if (state == CREATED)
		return;
	shim_must(call("Start", false), "Start");
	if (state == EXEC_CREATED || state == EXEC_RUNNING)
		shim_must(call("Exec", true), "Exec");
	if (state == EXEC_RUNNING)
		shim_must(call("Start", true), "Start of the exec");
	if (state == STOPPED) {
		shim_must(shim_kill(9, 0), "Kill");
		ck_assert_uint_eq(shim_wait(), 137);
	}
}

/* Ends and deletes the container, whatever state the two calls have left it in. */
static void end_container(void)
{
	struct answer a = call("Kill", false);

	buf_release(&a.payload);
	a = shim_ask_id("Wait", 0);
	if (a.code == RPC_OK) {
		buf_release(&a.payload);
		shim_must(call("Delete", false), "Delete");
	} else {
		shim_must_fail(a, "not found");
	}
}

/* --- the race --- */

static const struct verb *pair(int i, const struct verb **second)
{
	size_t a = 0;

	while (i >= (int)(VERBS - a))
		i -= (int)(VERBS - a++);
	*second = &verbs[a + (size_t)i];
	return &verbs[a];
}

START_TEST(two_calls_at_the_same_time)
{
	enum state state = (enum state)(_i / PAIRS);
	bool exec = state == EXEC_CREATED || state == EXEC_RUNNING, ended = false;
	const struct verb *v[2];
	struct answer a[2];
	int fd[2];

	v[0] = pair(_i % PAIRS, &v[1]);
	bring_into(state);
	for (int k = 0; k < 2; k++)
		fd[k] = shim_connect();
	for (int k = 0; k < 2; k++) {
		AUTO(buf) struct buf payload = BUF_INIT(1024);

		describe(v[k], exec, &payload);
		shim_ask_on(fd[k], TASK, v[k]->method, &payload, 0);
	}
	/* Wait is answered last, since only the end of the container answers it. */
	for (int k = 0; k < 2; k++) {
		if (!str_eq(v[k]->method, "Wait"))
			a[k] = shim_answer_on(fd[k], v[k]->method);
	}
	for (int k = 0; k < 2; k++) {
		if (!str_eq(v[k]->method, "Wait"))
			continue;
		if (!ended)
			end_container();
		ended = true;
		a[k] = shim_answer_on(fd[k], "Wait");
	}
	if (v[0] == v[1] && v[0]->once)
		ck_assert_msg(a[0].code != RPC_OK || a[1].code != RPC_OK, "%s succeeded twice",
			      v[0]->method);
	if (v[0] == v[1] && str_eq(v[0]->method, "Delete") &&
	    (state == EXEC_CREATED || state == STOPPED || state == CREATED)) {
		ck_assert_msg(a[0].code == RPC_OK || a[1].code == RPC_OK, "%s, %s", a[0].text,
			      a[1].text);
		ck_assert_uint_eq(a[0].code + a[1].code, RPC_NOT_FOUND);
	}
	for (int k = 0; k < 2; k++) {
		buf_release(&a[k].payload);
		(void)close(fd[k]);
	}
	if (!ended)
		end_container();
	shim_finish();
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_loop_test(t, two_calls_at_the_same_time, 0, STATES * PAIRS);
}

int main(void)
{
	return shim_main("shim, races", add_tests);
}
