// SPDX-License-Identifier: Apache-2.0
/* Whatever a guest does, the manager gets an answer in time, the shim stays small, and nothing is
 * left in the end. */

#include "tests/unit/shim_lab.h"

#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
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

/* The manager's side may be broken too: it gets an error, the container goes on. */
START_TEST(a_manager_without_manners)
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

/* --- create comes to nothing --- */

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

/* Each command of QMP has two answers. */
START_TEST(answers_come_twice)
{
	shim_start_container("qmp-twice");
	shim_kill_and_finish();
}
END_TEST

START_TEST(virtiofsd_dies)
{
	shim_start("fs-dies", "virtio_fs_daemon = \"" FAKE_VM "\"");
	shim_must_fail(shim_create(), "virtiofsd ended");
	shim_finish();
}
END_TEST

START_TEST(what_is_no_virtiofsd)
{
	shim_start("good", "virtio_fs_daemon = \"/bin/false\"");
	shim_must_fail(shim_create(), "virtio_fs_daemon = \"/bin/false\"");
	shim_finish();
}
END_TEST

/* The daemon ends because the VM has: the VM is to blame. */
START_TEST(the_vm_ends_before_virtiofsd)
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

/* A guest does not say that it keeps what its kernel's note promises: 9p, or a refusal where
 * virtio-fs was asked for by name. */
START_TEST(a_promise_that_the_guest_does_not_keep)
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

/* --- it goes wrong afterwards --- */

START_TEST(start_without_an_answer)
{
	shim_start("no-start", SHARE_9P);
	shim_must(shim_create(), "Create");
	shim_must_fail(shim_ask_id("Start", 500), "in time");
	shim_must(shim_ask_id("Delete", 0), "Delete");
	shim_finish();
}
END_TEST

START_TEST(vm_dies_at_the_start)
{
	shim_start("die-at-start", SHARE_9P);
	shim_must(shim_create(), "Create");
	shim_must_fail(shim_ask_id("Start", 0), "VM");
	ck_assert_uint_eq(shim_wait(), 255);
	shim_await_event("/tasks/exit", 255);
	shim_delete_container();
}
END_TEST

START_TEST(connection_ends_while_it_runs)
{
	shim_start_container("close-running");
	ck_assert_uint_eq(shim_wait(), 255);
	shim_await_event("/tasks/exit", 255);
	shim_delete_container();
}
END_TEST

START_TEST(answers_out_of_order)
{
	shim_start_container("reorder");
	ck_assert_uint_eq(shim_wait(), 5);
	shim_must(shim_ask_id("Delete", 0), "Delete");
	shim_output_is("hello\n");
	shim_finish();
}
END_TEST

/* A guest that does not take a signal does not keep the manager from ending it. */
START_TEST(kill_without_an_answer)
{
	shim_start_container("no-signal");
	shim_must_fail(shim_kill(15, 0), "in time");
	shim_must(shim_kill(9, 0), "Kill");
	ck_assert_uint_eq(shim_wait(), 255);
	shim_await_event("/tasks/exit", 255);
	shim_delete_container();
}
END_TEST

/* The guest takes SIGKILL, but its kernel does not let the process go. */
START_TEST(kill_without_an_end)
{
	shim_start_container("no-end");
	shim_must(shim_kill(9, 0), "Kill");
	ck_assert_uint_eq(shim_wait(), 137);
	shim_await_event("/tasks/exit", 137);
	shim_must(shim_ask_id("Delete", 0), "Delete");
	shim_finish();
}
END_TEST

/* The end is told, the signal's answer is not: Delete comes while Kill still waits. */
START_TEST(delete_while_a_call_waits)
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

START_TEST(agent_without_a_goodbye)
{
	shim_start_container("no-goodbye");
	shim_kill_and_finish();
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

START_TEST(floods_cost_nothing_but_themselves)
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

/* --- the shim is gone --- */

static const char *const orphans[] = { "good", "no-sockets", "no-check", "no-answer" };

/* containerd finds the shim dead and calls `delete`, whatever was under way. */
START_TEST(delete_after_a_killed_shim)
{
	AUTO(buf) struct buf payload = BUF_INIT(1024);

	shim_start(orphans[_i], _i % 2 ? "virtio_fs_daemon = \"" FAKE_VM "\"" : SHARE_9P);
	wire_text(&payload, 1, "c");
	wire_text(&payload, 2, BUNDLE);
	shim_ask_on(shim_manager, TASK, "Create", &payload, 0);
	(void)nanosleep(&(struct timespec){ .tv_nsec = 300000000 * SLOW }, NULL);
	ck_assert(kill(shim_pid, SIGKILL) == 0);
	ck_assert(waitpid(shim_pid, NULL, 0) == shim_pid);
	shim_delete_verb();
	shim_no_process_is_left(true);
	shim_nothing_is_left();
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, a_manager_without_manners);
	tcase_add_loop_test(t, create_fails_in_time, 0, ARRAY_LEN(bad_creates));
	tcase_add_test(t, answers_come_twice);
	tcase_add_test(t, virtiofsd_dies);
	tcase_add_test(t, what_is_no_virtiofsd);
	tcase_add_test(t, the_vm_ends_before_virtiofsd);
	tcase_add_loop_test(t, a_promise_that_the_guest_does_not_keep, 0, 2);
	tcase_add_test(t, start_without_an_answer);
	tcase_add_test(t, vm_dies_at_the_start);
	tcase_add_test(t, connection_ends_while_it_runs);
	tcase_add_test(t, answers_out_of_order);
	tcase_add_test(t, kill_without_an_answer);
	tcase_add_test(t, kill_without_an_end);
	tcase_add_test(t, delete_while_a_call_waits);
	tcase_add_test(t, agent_without_a_goodbye);
	tcase_add_loop_test(t, floods_cost_nothing_but_themselves, 0, ARRAY_LEN(floods));
	tcase_add_loop_test(t, delete_after_a_killed_shim, 0, ARRAY_LEN(orphans));
}

int main(void)
{
	return shim_main("shim, hostile guest", add_tests);
}
