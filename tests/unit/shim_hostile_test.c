// SPDX-License-Identifier: Apache-2.0
/* Whatever a guest does, the container manager gets an answer in time, the shim stays small, and in
 * the end nothing is left. */

#include "tests/unit/shim_lab.h"

#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Requests that are no messages, of unknown methods and services get an error; the container runs
 * on. */
START_TEST(malformed_requests_do_not_harm_a_container)
{
	AUTO(buf) struct buf junk = BUF_INIT(64);
	struct answer a;

	shim_start_container("good");
	buf_add(&junk, "\xff\xff\xff\xff\xff", 5);
	a = shim_ask("State", &junk, 0);
	ck_assert_uint_ne(a.code, RPC_OK);
	a = shim_ask("Nonsense", &junk, 0);
	ck_assert_uint_eq(a.code, RPC_UNIMPLEMENTED);
	a = shim_ask_id("Checkpoint", 0);
	ck_assert_uint_eq(a.code, RPC_UNIMPLEMENTED);
	shim_must_fail(a, "checkpoint");
	shim_ask_on(shim_manager, "no.such.Service", "State", &junk, 0);
	ck_assert_uint_eq(shim_answer_on(shim_manager, "State").code, RPC_UNIMPLEMENTED);
	ck_assert_int_eq(wire_send(shim_manager, 2, 77, &junk), 0);
	shim_kill_and_finish();
}
END_TEST

/* --- Create fails --- */

static const struct {
	const char *script, *says;
} bad_creates[] = {
	{ "refuse", "the guest will not have it" },
	{ "oversize", "limit" },
	{ "endless", "limit" },
	{ "wrong-stream", "never opened" },
	{ "even-stream", "never opened" },
	{ "request", "frame of type 1" },
	{ "unknown-type", "frame of type 77" },
	{ "garbage", "ttRPC response" },
	{ "half-frame", "agent" },
	{ "half-header", "agent" },
	{ "close", "agent" },
	{ "die", "VM" },
	{ "no-answer", "in time" },
	{ "no-sockets", "in time" },
	{ "no-qmp", "in time" },
	{ "qmp-half", "in time" },
	{ "qmp-half-closes", "QMP" },
	{ "no-check", "did not answer" },
};

START_TEST(create_fails_in_time)
{
	shim_start(bad_creates[_i].script, SHARE_9P);
	shim_must_fail(shim_create(), bad_creates[_i].says);
	shim_must_fail(shim_ask_id("State", 0), "not found");
	shim_finish();
}
END_TEST

START_TEST(qmp_answers_that_come_twice_are_ignored)
{
	shim_start_container("qmp-twice");
	shim_kill_and_finish();
}
END_TEST

START_TEST(a_virtiofsd_that_ends_fails_create)
{
	shim_start("fs-dies", "virtio_fs_daemon = \"" FAKE_VM "\"");
	shim_must_fail(shim_create(), "virtiofsd ended");
	shim_finish();
}
END_TEST

START_TEST(a_program_that_is_no_virtiofsd_fails_create)
{
	shim_start("good", "virtio_fs_daemon = \"/bin/false\"");
	shim_must_fail(shim_create(), "virtio_fs_daemon = \"/bin/false\"");
	shim_finish();
}
END_TEST

START_TEST(the_end_of_virtiofsd_with_its_vm_is_blamed_on_the_vm)
{
	shim_start("fs-follows", "virtio_fs_daemon = \"" FAKE_VM "\"");
	shim_must_fail(shim_create(), "the VM ended: its VMM exited with 1");
	shim_finish();
}
END_TEST

static void last_vm_has(const char *word)
{
	AUTO(buf) struct buf line = BUF_INIT(1 << 16);
	struct err err = ERR_INIT;

	ck_assert_msg(file_read(AT_FDCWD, VM_LOG ".argv", 1 << 16, &line, &err) == 0, "%s",
		      err.msg);
	ck_assert_msg(strstr(buf_cstr(&line), word) != NULL, "no %s in %s", word, buf_cstr(&line));
}

/* The note in the kernel file says that it stores pages, the running guest does not. It gets 9p;
 * if the configuration demands virtio-fs, Create fails. */
START_TEST(a_guest_that_does_not_store_pages_gets_9p_or_fails)
{
	if (_i == 0) {
		shim_start("no-file-pages", "virtio_fs_daemon = \"" FAKE_VM "\"");
		shim_must(shim_create(), "Create");
		last_vm_has("virtio-9p-pci");
		shim_must(shim_ask_id("Delete", 0), "Delete");
	} else {
		shim_start("no-file-pages", "shared_fs = \"virtio-fs\"\n"
					    "virtio_fs_daemon = \"" FAKE_VM "\"");
		shim_must_fail(shim_create(), "does not store what it reads");
	}
	shim_finish();
}
END_TEST

/* --- after Create --- */

START_TEST(a_start_without_an_answer_fails_in_time)
{
	shim_start("no-start", SHARE_9P);
	shim_must(shim_create(), "Create");
	shim_must_fail(shim_ask_id("Start", 500), "in time");
	shim_must(shim_ask_id("Delete", 0), "Delete");
	shim_finish();
}
END_TEST

START_TEST(the_end_of_the_vm_fails_a_start)
{
	shim_start("die-at-start", SHARE_9P);
	shim_must(shim_create(), "Create");
	shim_must_fail(shim_ask_id("Start", 0), "VM");
	ck_assert_uint_eq(shim_wait(), 255);
	shim_await_event("/tasks/exit", 255);
	shim_delete_container();
}
END_TEST

START_TEST(the_end_of_the_connection_ends_the_container)
{
	shim_start_container("close-running");
	ck_assert_uint_eq(shim_wait(), 255);
	shim_await_event("/tasks/exit", 255);
	shim_delete_container();
}
END_TEST

/* The connection stays open: only the checks tell that the guest hangs, or that its VMM is stopped. */
START_TEST(a_guest_that_falls_silent_ends_the_sandbox)
{
	shim_more_config = "[agent.kata]\nhealth_timeout = 2\n";
	shim_start_container(_i == 0 ? "silent-after-start" : "good");
	if (_i == 1)
		ck_assert(kill((pid_t)shim_state(STATE_VMM), SIGSTOP) == 0);
	ck_assert_uint_eq(shim_wait(), 255);
	shim_await_event("/tasks/exit", 255);
	ck_assert_uint_eq(shim_state(STATE_STATUS), STATUS_STOPPED);
	shim_logged("the agent has answered nothing for 2 seconds (health_timeout)");
	shim_delete_container();
}
END_TEST

START_TEST(a_guest_that_answers_checks_runs_on)
{
	shim_more_config = "[agent.kata]\nhealth_timeout = 1\n";
	shim_start_container("good");
	(void)poll(NULL, 0, 2500);
	ck_assert_uint_eq(shim_state(STATE_STATUS), STATUS_RUNNING);
	shim_kill_and_finish();
}
END_TEST

START_TEST(answers_in_another_order_find_their_calls)
{
	shim_start_container("reorder");
	ck_assert_uint_eq(shim_wait(), 5);
	shim_must(shim_ask_id("Delete", 0), "Delete");
	shim_output_is("hello\n");
	shim_finish();
}
END_TEST

static const struct {
	const char *script, *error;
} no_signals[] = { { "no-signal", "in time" }, { "no-threads", "already being worked on" } };

START_TEST(sigkill_ends_a_guest_that_takes_no_signals)
{
	shim_start_container(no_signals[_i].script);
	shim_must_fail(shim_kill(15, 0), no_signals[_i].error);
	shim_must(shim_kill(9, 0), "Kill");
	ck_assert_uint_eq(shim_wait(), 255);
	shim_await_event("/tasks/exit", 255);
	shim_delete_container();
}
END_TEST

/* The agent sends SIGKILL, but the guest's kernel does not end the process. */
START_TEST(a_killed_process_that_stays_is_reported_as_ended)
{
	shim_start_container("no-end");
	shim_must(shim_kill(9, 0), "Kill");
	ck_assert_uint_eq(shim_wait(), 137);
	shim_await_event("/tasks/exit", 137);
	shim_must(shim_ask_id("Delete", 0), "Delete");
	shim_finish();
}
END_TEST

/* The container may be frozen all the same. It is reported as running, and so must run. */
START_TEST(a_pause_without_an_answer_is_undone)
{
	shim_start_container("no-pause");
	shim_must_fail(shim_ask_id("Pause", 500), "in time");
	shim_await_request("ResumeContainer");
	ck_assert_uint_eq(shim_state(STATE_STATUS), STATUS_RUNNING);
	shim_kill_and_finish();
}
END_TEST

/* The agent reports the end, but does not answer SignalProcess. */
START_TEST(a_delete_succeeds_while_a_kill_waits)
{
	AUTO(buf) struct buf payload = BUF_INIT(64);
	struct answer a;

	shim_start_container("exit-no-signal");
	wire_text(&payload, 1, "c");
	wire_number(&payload, 3, 9);
	shim_ask_on(shim_manager, TASK, "Kill", &payload, 0);
	ck_assert_uint_eq(shim_wait(), 137);
	shim_must(shim_ask_id("Delete", 0), "Delete");
	a = shim_answer_on(shim_manager, "Kill");
	buf_release(&a.payload);
	shim_finish();
}
END_TEST

START_TEST(an_agent_that_ignores_destroy_sandbox_stops_no_delete)
{
	shim_start_container("no-goodbye");
	shim_kill_and_finish();
}
END_TEST

/* --- the end of the VM, or of the connection, at any request --- */

#define OTHER      "d" /* a container of the pod "c" */
#define NETNS      "/run/netns/pod"
#define SHARE_NONE "shared_fs = \"none\""

/* The calls of a pod's life, and those of its container. */
static const struct call {
	const char *method, *id, *exec;
} life[] = {
	{ "Create", "c", "" },   { "Start", "c", "" },    { "Create", OTHER, "" },
	{ "Start", OTHER, "" },  { "Exec", OTHER, "e" },  { "Start", OTHER, "e" },
	{ "Update", OTHER, "" }, { "Pause", OTHER, "" },  { "Resume", OTHER, "" },
	{ "Kill", OTHER, "" },   { "Delete", OTHER, "" }, { "Kill", "c", "" },
	{ "Delete", "c", "" },
};

/* At the nth request of that method the guest ends; the call of life[] that fails then, with the
 * reason or another text, or NULL: none needs that answer. */
static const struct {
	const char *request, *fails, *says;
} ends[] = {
	{ "CreateSandbox:1", "Create c", NULL },
	{ "UpdateInterface:1", "Create c", NULL },
	{ "UpdateRoutes:1", "Create c", NULL },
	{ "AddARPNeighbors:1", "Create c", NULL },
	{ "CopyFile:1", "Create c", NULL },
	{ "CreateContainer:1", "Create c", NULL },
	{ "StartContainer:1", "Start c", NULL },
	{ "CopyFile:2", "Create d", NULL },
	{ "OnlineCPUMem:1", "Create d", NULL },
	{ "CreateContainer:2", "Create d", NULL },
	{ "StartContainer:2", "Start d", NULL },
	{ "ExecProcess:1", "Start d", NULL },
	{ "UpdateContainer:1", "Update d", NULL },
	{ "PauseContainer:1", "Pause d", NULL },
	{ "ResumeContainer:1", "Resume d", NULL },
	{ "SignalProcess:1", "Kill d", NULL },
	{ "RemoveContainer:1", "Kill c", "already finished" },
	{ "SignalProcess:2", "Kill c", NULL },
	{ "DestroySandbox:1", NULL, NULL },
};

static void run_ip(const char *words)
{
	AUTO(strv) char **argv = strv_split(words, " ");
	struct spawn s = { .argv = argv };
	struct err err = ERR_INIT;

	ck_assert_msg(spawn_run(&s, NULL, 0, NULL, deadline_in(ANSWER_MS), &err) == 0, "%s: %s",
		      words, err.msg);
}

/* The network namespace of a pod, as a network plugin leaves it. */
static void make_network(void)
{
	run_ip("ip netns add pod");
	run_ip("ip link add veth0 type veth peer name eth0 netns pod");
	run_ip("ip -n pod address add 10.1.2.3/24 dev eth0");
	run_ip("ip -n pod link set eth0 up");
	run_ip("ip -n pod route add default via 10.1.2.1");
	run_ip("ip -n pod neighbour add 10.1.2.1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent");
}

static struct answer ask(const struct call *c)
{
	static const char limits[] = ",\"resources\":{\"cpu\":{\"quota\":50000,\"period\":100000}}";
	AUTO(buf) struct buf payload = BUF_INIT(8192);

	wire_text(&payload, 1, c->id);
	if (str_eq(c->method, "Create")) {
		bool pod = !str_eq(c->id, OTHER);

		shim_write_spec(pod ? "sandbox" : "container", "", pod ? "" : limits);
		wire_text(&payload, 2, BUNDLE);
	} else if (str_eq(c->method, "Update")) {
		shim_add_any(&payload, 2, "{\"memory\":{\"limit\":50000000}}");
	} else {
		wire_text(&payload, 2, c->exec);
		if (str_eq(c->method, "Exec"))
			shim_add_any(&payload, 7, "{\"args\":[\"sh\"],\"cwd\":\"/\"}");
		if (str_eq(c->method, "Kill"))
			wire_number(&payload, 3, SIGKILL);
	}
	return shim_ask(c->method, &payload, 0);
}

/* Returns the number of calls that were answered well; *failed is the answer to the next one. */
static size_t live(struct answer *failed)
{
	for (size_t i = 0; i < ARRAY_LEN(life); i++) {
		*failed = ask(&life[i]);
		buf_release(&failed->payload);
		if (failed->code != RPC_OK)
			return i;
		if (str_eq(life[i].method, "Kill")) {
			AUTO(buf) struct buf payload = BUF_INIT(64);

			wire_text(&payload, 1, life[i].id);
			shim_must(shim_ask("Wait", &payload, 0), "Wait");
		}
	}
	return ARRAY_LEN(life);
}

/* True if the call is among the first n of life[]. */
static bool was_made(const char *method, const char *id, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (str_eq(life[i].method, method) && str_eq(life[i].id, id))
			return true;
	}
	return false;
}

static void remove_both(size_t made)
{
	static const struct call removals[] = { { "Delete", OTHER, "" }, { "Delete", "c", "" } };

	for (size_t i = 0; i < ARRAY_LEN(removals); i++) {
		if (was_made("Create", removals[i].id, made) &&
		    !was_made("Delete", removals[i].id, made))
			shim_must(ask(&removals[i]), removals[i].id);
	}
}

/* On a busy machine the end of a VM may be noticed later than that of its connection. */
static bool gives_reason(const char *text, const char *other, bool closes)
{
	if (other)
		return strstr(text, other) != NULL;
	return strstr(text, "the agent's connection ended") ||
	       (!closes && strstr(text, "the VM ended: its VMM exited with 1"));
}

/* A call that is in progress fails with the reason, the pod ends, and nothing is left. */
START_TEST(a_guest_that_ends_at_any_request_ends_its_pod)
{
	bool closes = _i % 2;
	const char *request = ends[_i / 2].request, *fails = ends[_i / 2].fails;
	AUTO(str) char *script = str_fmt("%s-at:%s", closes ? "close" : "die", request);
	AUTO(str) char *call = NULL;
	struct answer failed;
	size_t made;

	shim_netns = NETNS;
	shim_host = make_network;
	shim_start(script, str_starts(request, "CopyFile") ? SHARE_NONE : SHARE_9P);
	made = live(&failed);
	if (made < ARRAY_LEN(life)) {
		call = str_fmt("%s %s", life[made].method, life[made].id);
		ck_assert_msg(fails && str_eq(call, fails), "%s: %s", call, failed.text);
		ck_assert_msg(gives_reason(failed.text, ends[_i / 2].says, closes), "%s",
			      failed.text);
		if (was_made("Create", "c", made))
			ck_assert_uint_eq(shim_wait(), 255);
	} else {
		ck_assert_msg(!fails, "no call failed");
	}
	remove_both(made);
	shim_finish();
}
END_TEST

/* --- floods --- */

static const char *const floods[] = { "flood-console", "flood-log", "flood-output",
				      "empty-output",  "flood-oom", "console-end" };

/* Processor time of the shim so far, in clock ticks. */
static unsigned long busy(void)
{
	AUTO(str) char *path = str_fmt("/proc/%d/stat", (int)shim_pid);
	struct err err = ERR_INIT;
	AUTO(str) char *line = file_read_line(AT_FDCWD, path, &err);
	unsigned long user = 0, kernel = 0;

	ck_assert_msg(line != NULL, "%s", err.msg);
	ck_assert_int_eq(sscanf(strrchr(line, ')'), /* NOLINT: the kernel's own format */
				") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
				&kernel),
			 2);
	return user + kernel;
}

START_TEST(floods_cost_the_shim_neither_memory_nor_time)
{
	unsigned status;

	shim_start_container(floods[_i]);
	(void)nanosleep(&(struct timespec){ .tv_nsec = 500000000 }, NULL);
	if (str_eq(floods[_i], "console-end")) {
		unsigned long before = busy();

		(void)nanosleep(&(struct timespec){ .tv_nsec = 500000000 }, NULL);
		ck_assert_uint_lt(busy() - before, 20);
	}
	shim_is_small();
	shim_must(shim_ask_id("State", 0), "State");
	(void)shim_kill(9, 0); /* a guest that was ended for its flood does not answer any more */
	status = shim_wait();
	ck_assert_msg(status == 137 || status == 255, "%u", status);
	shim_must(shim_ask_id("Delete", 0), "Delete");
	shim_finish();
}
END_TEST

/* --- a killed shim --- */

/* What the guest does, and the last request that it gets; NULL: it only starts. */
static const struct {
	const char *script, *until;
} orphans[] = { { "good", "CreateContainer" },
		{ "no-sockets", NULL },
		{ "no-check", "Check" },
		{ "no-answer", "CreateContainer" } };

static void await_vm(void)
{
	struct deadline d = deadline_in(ANSWER_MS);

	while (!path_exists(VM_LOG ".argv")) {
		ck_assert_msg(!deadline_passed(d), "no VM is started");
		(void)poll(NULL, 0, 5);
	}
}

/* containerd finds that the shim has ended and calls `delete`, whatever was going on. */
START_TEST(delete_cleans_up_after_a_killed_shim)
{
	AUTO(buf) struct buf payload = BUF_INIT(1024);

	shim_start(orphans[_i].script, _i % 2 ? "virtio_fs_daemon = \"" FAKE_VM "\"" : SHARE_9P);
	wire_text(&payload, 1, "c");
	wire_text(&payload, 2, BUNDLE);
	shim_ask_on(shim_manager, TASK, "Create", &payload, 0);
	if (orphans[_i].until)
		shim_await_request(orphans[_i].until);
	else
		await_vm();
	ck_assert(kill(shim_pid, SIGKILL) == 0);
	ck_assert(waitpid(shim_pid, NULL, 0) == shim_pid);
	shim_delete_verb();
	shim_no_process_is_left(true);
	shim_nothing_is_left();
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, malformed_requests_do_not_harm_a_container);
	tcase_add_loop_test(t, create_fails_in_time, 0, ARRAY_LEN(bad_creates));
	tcase_add_test(t, qmp_answers_that_come_twice_are_ignored);
	tcase_add_test(t, a_virtiofsd_that_ends_fails_create);
	tcase_add_test(t, a_program_that_is_no_virtiofsd_fails_create);
	tcase_add_test(t, the_end_of_virtiofsd_with_its_vm_is_blamed_on_the_vm);
	tcase_add_loop_test(t, a_guest_that_does_not_store_pages_gets_9p_or_fails, 0, 2);
	tcase_add_test(t, a_start_without_an_answer_fails_in_time);
	tcase_add_test(t, the_end_of_the_vm_fails_a_start);
	tcase_add_test(t, the_end_of_the_connection_ends_the_container);
	tcase_add_loop_test(t, a_guest_that_falls_silent_ends_the_sandbox, 0, 2);
	tcase_add_test(t, a_guest_that_answers_checks_runs_on);
	tcase_add_test(t, answers_in_another_order_find_their_calls);
	tcase_add_loop_test(t, sigkill_ends_a_guest_that_takes_no_signals, 0,
			    (int)ARRAY_LEN(no_signals));
	tcase_add_test(t, a_killed_process_that_stays_is_reported_as_ended);
	tcase_add_test(t, a_pause_without_an_answer_is_undone);
	tcase_add_test(t, a_delete_succeeds_while_a_kill_waits);
	tcase_add_test(t, an_agent_that_ignores_destroy_sandbox_stops_no_delete);
	tcase_add_loop_test(t, a_guest_that_ends_at_any_request_ends_its_pod, 0,
			    2 * ARRAY_LEN(ends));
	tcase_add_loop_test(t, floods_cost_the_shim_neither_memory_nor_time, 0, ARRAY_LEN(floods));
	tcase_add_loop_test(t, delete_cleans_up_after_a_killed_shim, 0, ARRAY_LEN(orphans));
}

int main(void)
{
	return shim_main("shim, hostile guest", add_tests);
}
