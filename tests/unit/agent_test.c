// SPDX-License-Identifier: Apache-2.0
/* The agent over its protocol: containers, processes and streams as the runtime drives them. */

#include "tests/unit/agent_lab.h"
#include "tests/unit/suite.h"

#include "base/buf.h"
#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "tests/unit/sanitized.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void start(void)
{
	lab_start();
	lab_sandbox();
}

START_TEST(health_and_details)
{
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;
	Grpc__GuestDetailsRequest details = GRPC__GUEST_DETAILS_REQUEST__INIT;
	Grpc__HealthCheckResponse *health = NULL;
	Grpc__VersionCheckResponse *version = NULL;
	Grpc__GuestDetailsResponse *reply;
	struct err err = ERR_INIT;

	ck_assert(ttrpc_call(lab_client, "grpc.Health", "Check", &check,
			     &grpc__health_check_response__descriptor, deadline_in(5000), &health,
			     &err) == 0);
	ck_assert_int_eq(health->status, GRPC__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING);
	protobuf_c_message_free_unpacked(&health->base, NULL);
	ck_assert(ttrpc_call(lab_client, "grpc.Health", "Version", &check,
			     &grpc__version_check_response__descriptor, deadline_in(5000), &version,
			     &err) == 0);
	ck_assert_str_eq(version->grpc_version, "0.0.1");
	protobuf_c_message_free_unpacked(&version->base, NULL);
	details.mem_block_size = true;
	reply = lab_must("GetGuestDetails", &details, &grpc__guest_details_response__descriptor);
	ck_assert_uint_ge(reply->agent_details->n_storage_handlers, 11);
	ck_assert(reply->agent_details->supports_seccomp && !reply->agent_details->init_daemon);
	protobuf_c_message_free_unpacked(&reply->base, NULL);
}
END_TEST

START_TEST(a_container_runs_from_create_to_remove)
{
	ck_assert_int_eq(lab_output("one", "echo hello; exit 3", "hello\n"), 3);
	/* The id is free again. */
	ck_assert_int_eq(lab_output("one", "echo again; exit 4", "again\n"), 4);
	ck_assert_int_eq(lab_output("h", "cat /proc/sys/kernel/hostname", "pod-name\n"), 0);
	ck_assert(!path_exists("/run/kata-containers/one"));
}
END_TEST

/* Whoever is PID 1 of the guest: a fork bomb leaves the agent able to stop it. */
START_TEST(containers_leave_tasks_to_the_agent)
{
	AUTO(str) char *v1 = str_fmt("/sys/fs/cgroup/pids/kata-lab-%d-1/pids.max", (int)getpid());
	AUTO(str) char *v2 = str_fmt("/sys/fs/cgroup/kata-lab-%d-1/pids.max", (int)getpid());
	struct err err = ERR_INIT;
	AUTO(str) char *most = NULL;

	lab_run("c", "sleep 1000", false);
	if (path_exists(v1) || path_exists(v2)) {
		most = file_read_line(AT_FDCWD, path_exists(v1) ? v1 : v2, &err);
		ck_assert_msg(most != NULL, "%s", err.msg);
		ck_assert_str_ne(most, "max");
	}
	lab_signal("c", "", 9);
	ck_assert_int_eq(lab_wait("c", ""), 137);
	lab_remove("c");
}
END_TEST

START_TEST(every_wait_returns_the_same_status_even_later)
{
	lab_run("w", "exit 42", false);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(lab_wait("w", ""), 42);
	ck_assert_int_eq(lab_wait("w", "w"), 42); /* upstream's name of the first process */
	lab_remove("w");
}
END_TEST

struct waiter {
	pthread_t thread;
	int code;
};

static void *wait_on_thread(void *arg)
{
	struct waiter *w = arg;

	w->code = lab_wait("k", "");
	return NULL;
}

START_TEST(a_killed_process_reports_128_and_the_signal_to_all_waiters)
{
	struct waiter w[4];

	lab_run("k", "sleep 100", false);
	for (size_t i = 0; i < ARRAY_LEN(w); i++)
		ck_assert(pthread_create(&w[i].thread, NULL, wait_on_thread, &w[i]) == 0);
	lab_signal("k", "", SIGKILL);
	for (size_t i = 0; i < ARRAY_LEN(w); i++) {
		(void)pthread_join(w[i].thread, NULL);
		ck_assert_int_eq(w[i].code, 128 + SIGKILL);
	}
	lab_remove("k");
	lab_run("t", "sleep 100", false); /* no handler: 1 in its pid namespace ignores SIGTERM */
	lab_signal("t", "t", SIGTERM);
	ck_assert_int_eq(lab_wait("t", ""), 128 + SIGKILL);
	lab_remove("t");
	lab_run("u", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done", false);
	Grpc__ReadStreamRequest r = GRPC__READ_STREAM_REQUEST__INIT;
	Grpc__ReadStreamResponse *reply;
	r.container_id = (char *)"u";
	r.len = 100;
	reply = lab_must("ReadStdout", &r, &grpc__read_stream_response__descriptor);
	protobuf_c_message_free_unpacked(&reply->base, NULL);
	lab_signal("u", "u", SIGTERM);
	ck_assert_int_eq(lab_wait("u", ""), 9);
	lab_remove("u");
}
END_TEST

/* In the pid namespace of another container the kernel does not drop its SIGTERM. */
START_TEST(sigterm_is_sigterm_in_the_namespace_of_another)
{
	Grpc__StartContainerRequest go = GRPC__START_CONTAINER_REQUEST__INIT;
	struct lab_container c;

	lab_run("first", "sleep 100", false);
	lab_container(&c, "joins", "exec sleep 100", false);
	c.request.sandbox_pidns = true;
	(void)lab_must("CreateContainer", &c.request, NULL);
	lab_container_free(&c);
	go.container_id = (char *)"joins";
	(void)lab_must("StartContainer", &go, NULL);
	lab_signal("joins", "joins", SIGTERM);
	ck_assert_int_eq(lab_wait("joins", ""), 128 + SIGTERM);
	lab_remove("joins");
	lab_signal("first", "", SIGKILL);
	(void)lab_wait("first", "");
	lab_remove("first");
}
END_TEST

/* The agent's own score protects it, under systemd; a container must not inherit it. */
START_TEST(the_oom_score_of_the_agent_stays_its_own)
{
	AUTO(str) char *path = str_fmt("/proc/%d/oom_score_adj", (int)lab_agent);
	AUTO(str) char *out = NULL;
	struct err err = ERR_INIT;

	ck_assert_msg(file_write(AT_FDCWD, path, "200", &err) == 0, "%s", err.msg);
	lab_run("o", "cat /proc/self/oom_score_adj; sleep 100", false);
	lab_exec("o", "e", "cat /proc/self/oom_score_adj", false);
	out = lab_read("ReadStdout", "o", "e");
	ck_assert_str_eq(out, "0\n");
	ck_assert_int_eq(lab_wait("o", "e"), 0);
	lab_signal("o", "", SIGKILL);
	(void)lab_wait("o", "");
	lab_remove("o");
	ck_assert_int_eq(lab_output("p", "cat /proc/self/oom_score_adj", "0\n"), 0);
}
END_TEST

START_TEST(streams_carry_everything)
{
	enum { SIZE = 3 << 20 };
	char *big = xmalloc(SIZE);
	AUTO(str) char *out = NULL;
	AUTO(str) char *errors = NULL;

	lab_run("s", "echo oops >&2; exec cat", false);
	for (size_t i = 0; i < SIZE; i++)
		big[i] = (char)('a' + i % 26);
	/* More than a pipe holds needs a reader at the same time. */
	lab_write("s", "", big, 1000);
	lab_close_stdin("s", "");
	out = lab_read("ReadStdout", "s", "");
	errors = lab_read("ReadStderr", "s", "");
	ck_assert_uint_eq(strlen(out), 1000);
	ck_assert_str_eq(errors, "oops\n");
	ck_assert_int_eq(lab_wait("s", ""), 0);
	lab_remove("s");
	free(big);
}
END_TEST

START_TEST(output_written_before_the_end_is_not_lost)
{
	lab_run("l", "dd if=/dev/zero bs=1024 count=60 2>/dev/null", false);
	ck_assert_int_eq(lab_wait("l", ""), 0);
	(void)nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
	Grpc__ReadStreamRequest r = GRPC__READ_STREAM_REQUEST__INIT;
	size_t total = 0;
	struct err err = ERR_INIT;
	r.container_id = (char *)"l";
	r.len = 1000;
	for (;;) {
		Grpc__ReadStreamResponse *reply = NULL;

		if (lab_call("ReadStdout", &r, &grpc__read_stream_response__descriptor, &reply,
			     &err) < 0)
			break;
		total += reply->data.len;
		protobuf_c_message_free_unpacked(&reply->base, NULL);
	}
	ck_assert_uint_eq(total, 60 * 1024);
	lab_remove("l");
}
END_TEST

START_TEST(a_background_writer_does_not_delay_the_exit)
{
	struct timespec before, after;

	(void)clock_gettime(CLOCK_MONOTONIC, &before);
	lab_run("b", "sleep 100", false);
	lab_exec("b", "e1", "(sleep 50; echo late) & exit 5", false);
	ck_assert_int_eq(lab_wait("b", "e1"), 5);
	(void)clock_gettime(CLOCK_MONOTONIC, &after);
	ck_assert_int_lt(after.tv_sec - before.tv_sec, 30);
	lab_remove("b"); /* kills what runs */
}
END_TEST

START_TEST(an_exec_is_a_process_of_the_container)
{
	Grpc__ExecProcessRequest again = GRPC__EXEC_PROCESS_REQUEST__INIT;
	AUTO(str) char *out = NULL;
	AUTO(str) char *errors = NULL;

	lab_run("x", "sleep 100", false);
	lab_exec("x", "e1", "echo $E; read l; echo got $l; echo e >&2; exit 6", false);
	again.container_id = (char *)"x";
	again.exec_id = (char *)"e1";
	lab_must_fail("ExecProcess", &again, E_INVALID); /* no process */
	again.exec_id = (char *)"x";
	lab_must_fail("ExecProcess", &again, E_EXISTS); /* names the first process */
	lab_write("x", "e1", "line\n", 5);
	out = lab_read("ReadStdout", "x", "e1");
	errors = lab_read("ReadStderr", "x", "e1");
	ck_assert_str_eq(out, "1\ngot line\n");
	ck_assert_str_eq(errors, "e\n");
	ck_assert_int_eq(lab_wait("x", "e1"), 6);
	/* Done, waited for, read to the end: the name is free. */
	lab_exec("x", "e1", "exit 0", false);
	ck_assert_int_eq(lab_wait("x", "e1"), 0);
	lab_signal("x", "", SIGKILL);
	ck_assert_int_eq(lab_wait("x", ""), 137);
	lab_remove("x");
}
END_TEST

/* The background process holds the pipes open and has written, so no end of the output comes. */
START_TEST(an_exec_is_removed_before_its_output_ends)
{
	Grpc__RemoveExecRequest remove = GRPC__REMOVE_EXEC_REQUEST__INIT;
	AUTO(str) char *out = NULL;

	lab_run("r", "sleep 100", false);
	remove.container_id = (char *)"r";
	remove.exec_id = (char *)"e1";
	lab_must_fail("RemoveExec", &remove, E_NOT_FOUND);
	lab_exec("r", "e1", "read x", false);
	lab_must_fail("RemoveExec", &remove, E_STATE); /* it runs */
	lab_close_stdin("r", "e1");
	ck_assert_int_eq(lab_wait("r", "e1"), 1);
	(void)lab_must("RemoveExec", &remove, NULL);
	lab_exec("r", "e1",
		 "trap '' PIPE; (while echo more; do sleep 0.05; done; echo >/gone) & exit 5",
		 false);
	ck_assert_int_eq(lab_wait("r", "e1"), 5);
	(void)lab_must("RemoveExec", &remove, NULL);
	lab_exec("r", "e1", "until test -e /gone; do sleep 0.05; done; echo new", false);
	out = lab_read("ReadStdout", "r", "e1");
	ck_assert_str_eq(out, "new\n");
	ck_assert_int_eq(lab_wait("r", "e1"), 0);
	remove.exec_id = (char *)"r";
	lab_must_fail("RemoveExec", &remove, E_STATE); /* the first process */
	lab_remove("r");
}
END_TEST

START_TEST(a_terminal_has_one_stream_and_a_size)
{
	Grpc__TtyWinResizeRequest size = GRPC__TTY_WIN_RESIZE_REQUEST__INIT;
	AUTO(str) char *out = NULL;

	lab_run("tty", "read x; stty size; echo $x", true);
	size.container_id = (char *)"tty";
	size.row = 40;
	size.column = 100;
	(void)lab_must("TtyWinResize", &size, NULL);
	lab_write("tty", "", "abc\n", 4);
	out = lab_read("ReadStdout", "tty", "");
	ck_assert_str_eq(out, "abc\r\n40 100\r\nabc\r\n");
	ck_assert_int_eq(lab_wait("tty", ""), 0);
	lab_remove("tty");
}
END_TEST

/* How often the container of the next test has written its byte. */
static off_t ticks(void)
{
	AUTO(str) char *path = str_fmt("%s/ticks", lab_rootfs());
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : 0;
}

static void await_ticks_after(off_t n)
{
	struct deadline d = deadline_in(20000);

	while (ticks() <= n) {
		ck_assert_msg(!deadline_passed(d), "the container does not run");
		(void)poll(NULL, 0, 10);
	}
}

START_TEST(a_paused_container_stands_still)
{
	Grpc__PauseContainerRequest pause = GRPC__PAUSE_CONTAINER_REQUEST__INIT;
	Grpc__ResumeContainerRequest resume = GRPC__RESUME_CONTAINER_REQUEST__INIT;
	Grpc__StatsContainerRequest stats = GRPC__STATS_CONTAINER_REQUEST__INIT;
	Grpc__StatsContainerResponse *reply;

	off_t paused;

	lab_run("p", "while :; do echo >>/ticks; sleep 0.01; done", false);
	pause.container_id = resume.container_id = stats.container_id = (char *)"p";
	reply = lab_must("StatsContainer", &stats, &grpc__stats_container_response__descriptor);
	ck_assert_ptr_nonnull(reply->cgroup_stats);
	ck_assert_uint_ge(reply->n_network_stats, 1); /* lo */
	ck_assert_str_eq(reply->network_stats[0]->name, "lo");
	protobuf_c_message_free_unpacked(&reply->base, NULL);
	await_ticks_after(0);
	(void)lab_must("PauseContainer", &pause, NULL);
	paused = ticks();
	(void)poll(NULL, 0, 200);
	ck_assert_int_eq(ticks(), paused);
	(void)lab_must("ResumeContainer", &resume, NULL);
	await_ticks_after(paused);
	lab_signal("p", "", SIGKILL);
	ck_assert_int_eq(lab_wait("p", ""), 137);
	lab_remove("p");
}
END_TEST

/* Reads so many lines of a container that runs on; the caller frees them. */
static char *read_lines(const char *id, unsigned n)
{
	Grpc__ReadStreamRequest r = GRPC__READ_STREAM_REQUEST__INIT;
	AUTO(buf) struct buf text = BUF_INIT(4096);

	r.container_id = (char *)id;
	r.len = 1; /* no byte of a further line */
	while (n) {
		Grpc__ReadStreamResponse *reply = lab_must("ReadStdout", &r,
							   &grpc__read_stream_response__descriptor);

		n -= *reply->data.data == '\n';
		buf_add(&text, reply->data.data, reply->data.len);
		protobuf_c_message_free_unpacked(&reply->base, NULL);
	}
	return buf_steal(&text);
}

START_TEST(containers_share_ipc_uts_and_pid_on_request)
{
	struct lab_container c;
	Grpc__StartContainerRequest go = GRPC__START_CONTAINER_REQUEST__INIT;
	AUTO(str) char *first = NULL;
	AUTO(str) char *second = NULL;
	AUTO(str) char *third = NULL;

	lab_run("first", "for n in ipc uts pid; do readlink /proc/self/ns/$n; done; sleep 100",
		false);
	first = read_lines("first", 3);
	lab_container(&c, "second", "for n in ipc uts pid; do readlink /proc/self/ns/$n; done",
		      false);
	c.request.sandbox_pidns = true;
	(void)lab_must("CreateContainer", &c.request, NULL);
	lab_container_free(&c);
	go.container_id = (char *)"second";
	(void)lab_must("StartContainer", &go, NULL);
	second = lab_read("ReadStdout", "second", "");
	ck_assert_int_eq(lab_wait("second", ""), 0);
	ck_assert_str_eq(second, first);
	lab_run("third", "for n in ipc uts pid; do readlink /proc/self/ns/$n; done", false);
	third = lab_read("ReadStdout", "third", "");
	ck_assert_str_ne(third, first); /* a pid namespace of its own */
	ck_assert_int_eq(strncmp(third, first, strcspn(first, "p")), 0); /* but the same ipc */
	ck_assert_int_eq(lab_wait("third", ""), 0);
	lab_remove("third");
	lab_remove("second");
	lab_remove("first");
}
END_TEST

/* --- out of memory --- */

static void *ask_for_event(void *arg)
{
	Grpc__GetOOMEventRequest r = GRPC__GET_OOMEVENT_REQUEST__INIT;
	Grpc__OOMEvent **event = arg;

	*event = lab_must("GetOOMEvent", &r, &grpc__oomevent__descriptor);
	return NULL;
}

/* As many processes as times are killed; the first one lives on. */
static void run_out_of_memory(const char *id, unsigned times)
{
	AUTO(str)
	char *script = str_fmt("read go; for i in $(seq %u); do dd if=/dev/zero "
			       "of=/dev/null bs=128M count=1; done; exit 3",
			       times);
	Grpc__UpdateContainerRequest r = GRPC__UPDATE_CONTAINER_REQUEST__INIT;
	static const char json[] = "{\"memory\":{\"limit\":16777216}}";
	struct err err = ERR_INIT;
	AUTO(oci_resources)
	struct oci_resources *limits = oci_resources_parse(json, strlen(json), "limits", &err);

	lab_run(id, script, false);
	r.container_id = (char *)id;
	r.resources = oci_resources_to_message(limits);
	(void)lab_must("UpdateContainer", &r, NULL);
	protobuf_c_message_free_unpacked(&r.resources->base, NULL);
	lab_write(id, "", "\n", 1);
	ck_assert_int_eq(lab_wait(id, ""), 3);
}

START_TEST(an_out_of_memory_event_reaches_early_and_late_callers)
{
	Grpc__OOMEvent *event = NULL;
	pthread_t thread;

	ck_assert(pthread_create(&thread, NULL, ask_for_event, &event) == 0);
	run_out_of_memory("early", 1);
	ck_assert(pthread_join(thread, NULL) == 0);
	ck_assert_str_eq(event->container_id, "early");
	protobuf_c_message_free_unpacked(&event->base, NULL);
	run_out_of_memory("late", 1);
	/* With cgroup v1 a kill may have more than one event. */
	for (bool late = false; !late;) {
		(void)ask_for_event(&event);
		late = str_eq(event->container_id, "late");
		ck_assert(late || str_eq(event->container_id, "early"));
		protobuf_c_message_free_unpacked(&event->base, NULL);
	}
	lab_remove("early");
	lab_remove("late");
}
END_TEST

static void expect_event(const char *id)
{
	Grpc__OOMEvent *event = NULL;

	(void)ask_for_event(&event);
	ck_assert_str_eq(event->container_id, id);
	protobuf_c_message_free_unpacked(&event->base, NULL);
}

/* However many of one container's processes are killed, another one's event does not wait. */
START_TEST(an_out_of_memory_event_is_kept_once)
{
	run_out_of_memory("many", 5);
	run_out_of_memory("other", 1);
	expect_event("many");
	expect_event("other");
	lab_remove("many");
	lab_remove("other");
}
END_TEST

/* --- what a removal meets --- */

START_TEST(a_removal_that_failed_is_tried_again)
{
	Grpc__RemoveContainerRequest r = GRPC__REMOVE_CONTAINER_REQUEST__INIT;
	static const char busy[] = "/run/kata-containers/busy/mounted";

	lab_run("busy", "exit 0", false);
	ck_assert_int_eq(lab_wait("busy", ""), 0);
	ck_assert(mkdir(busy, 0700) == 0 && mount("tmpfs", busy, "tmpfs", 0, NULL) == 0);
	r.container_id = (char *)"busy";
	lab_must_fail("RemoveContainer", &r, E_STATE);
	lab_must_fail("RemoveContainer", &r, E_STATE);
	ck_assert(umount(busy) == 0);
	(void)lab_must("RemoveContainer", &r, NULL);
	lab_must_fail("RemoveContainer", &r, E_NOT_FOUND);
	ck_assert_int_eq(lab_output("busy", "echo again", "again\n"), 0);
}
END_TEST

static void *start_slowly(void *arg)
{
	Grpc__StartContainerRequest r = GRPC__START_CONTAINER_REQUEST__INIT;

	r.container_id = arg;
	(void)lab_must("StartContainer", &r, NULL);
	return NULL;
}

/* Of the hook that runs, or 0. */
static pid_t hook_pid(void)
{
	AUTO(buf) struct buf text = BUF_INIT(100);
	struct err ignored = ERR_INIT;

	return file_read(AT_FDCWD, "/run/hook", 100, &text, &ignored) < 0
		       ? 0
		       : (pid_t)strtol(buf_cstr(&text), NULL, 10);
}

static void await_hook(void)
{
	while (hook_pid() <= 0)
		(void)poll(NULL, 0, 10);
}

static void let_hook_end(void)
{
	struct err err = ERR_INIT;

	ck_assert(file_replace_volatile(AT_FDCWD, "/run/hook-may-end", "", 0, 0600, &err) == 0);
}

enum stage { DURING_CREATE, DURING_START };

/* Creates the container "slow", with a hook that runs until let_hook_end() and then the text of
 * a script. */
static int create_with_hook(enum stage stage, const char *then, struct err *err)
{
	AUTO(str)
	char *script = str_fmt("echo $$ >/run/hook; until [ -e /run/hook-may-end ]; do "
			       "sleep 0.05; done; %s",
			       then);
	char *args[] = { (char *)"sh", (char *)"-c", script };
	Grpc__Hooks hooks = GRPC__HOOKS__INIT, *none;
	Grpc__Hook hook = GRPC__HOOK__INIT, *list[] = { &hook };
	struct lab_container c;
	int result;

	lab_container(&c, "slow", "sleep 1000", false);
	hook.path = (char *)"/bin/sh";
	hook.args = args;
	hook.n_args = ARRAY_LEN(args);
	hook.timeout = 50;
	hooks.prestart = hooks.poststart = list;
	hooks.n_prestart = stage == DURING_CREATE;
	hooks.n_poststart = stage == DURING_START;
	none = c.request.oci->hooks;
	c.request.oci->hooks = &hooks;
	result = lab_call("CreateContainer", &c.request, NULL, NULL, err);
	c.request.oci->hooks = none;
	lab_container_free(&c);
	return result;
}

/* A start whose hook takes its time uses the container: its removal gives up in time. */
START_TEST(a_removal_has_a_deadline)
{
	Grpc__RemoveContainerRequest r = GRPC__REMOVE_CONTAINER_REQUEST__INIT;
	struct err err = ERR_INIT;
	pthread_t thread;

	ck_assert_msg(create_with_hook(DURING_START, "true", &err) == 0, "%s", err.msg);
	ck_assert(pthread_create(&thread, NULL, start_slowly, (char *)"slow") == 0);
	await_hook();
	r.container_id = (char *)"slow";
	r.timeout = 1;
	lab_must_fail("RemoveContainer", &r, E_TIMEOUT);
	ck_assert_int_eq(kill(hook_pid(), 0), 0); /* it did not wait for the hook */
	let_hook_end();
	ck_assert(pthread_join(thread, NULL) == 0);
	r.timeout = 0;
	(void)lab_must("RemoveContainer", &r, NULL);
}
END_TEST

/* The hook runs on for a moment, in which the removal begins to wait. */
static const struct {
	const char *then;
	enum err_code removal;
} slow_creates[] = { { "sleep 0.3", E_OK }, { "sleep 0.3; exit 1", E_NOT_FOUND } };

static void *create_slowly(void *arg)
{
	int i = *(int *)arg;
	struct err err = ERR_INIT;

	ck_assert_int_eq(create_with_hook(DURING_CREATE, slow_creates[i].then, &err),
			 slow_creates[i].removal == E_OK ? 0 : -1);
	return NULL;
}

/* The runtime may give up a Create, and remove the container, before the agent has ended it. */
START_TEST(a_removal_waits_for_the_create)
{
	Grpc__RemoveContainerRequest r = GRPC__REMOVE_CONTAINER_REQUEST__INIT;
	struct err err = ERR_INIT;
	pthread_t thread;

	ck_assert(pthread_create(&thread, NULL, create_slowly, &_i) == 0);
	await_hook();
	r.container_id = (char *)"slow";
	r.timeout = 1;
	lab_must_fail("RemoveContainer", &r, E_TIMEOUT);
	let_hook_end();
	r.timeout = 0;
	(void)!lab_call("RemoveContainer", &r, NULL, NULL, &err);
	ck_assert_int_eq(err.code, slow_creates[_i].removal);
	ck_assert(pthread_join(thread, NULL) == 0);
	ck_assert_int_eq(lab_output("slow", "echo again", "again\n"), 0);
}
END_TEST

/* lab_stop() calls DestroySandbox and fails if something is left. */
START_TEST(destroy_sandbox_ends_running_containers)
{
	lab_run("r1", "sleep 100", false);
	lab_run("r2", "sleep 100 & sleep 100", false);
	lab_exec("r2", "e", "sleep 100", false);
}
END_TEST

START_TEST(connections_come_and_go)
{
	for (int i = 0; i < 20; i++) {
		AUTO(fd) int fd = -1;
		struct err err = ERR_INIT;

		fd = fd_unix_connect(LAB_SOCKET, &err);
		ck_assert_int_ge(fd, 0);
		if (i % 2)
			ck_assert(fd_write_all(fd, "\0\0\0\xff\0\0", 6, &err) == 0);
	}
	ck_assert_int_eq(lab_output("after", "echo ok", "ok\n"), 0);
}
END_TEST

START_TEST(the_agent_stays_small)
{
	AUTO(str) char *path = str_fmt("/proc/%d/status", (int)lab_agent);
	AUTO(buf) struct buf text = BUF_INIT(64 * 1024);
	struct err err = ERR_INIT;
	const char *rss;

	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(lab_output("small", "echo ok", "ok\n"), 0);
	lab_run("idle", "sleep 100", false);
	ck_assert(file_read(AT_FDCWD, path, 64 * 1024, &text, &err) == 0);
	rss = strstr(buf_cstr(&text), "VmRSS:");
	ck_assert_ptr_nonnull(rss);
	ck_assert_msg(SANITIZED || strtoul(rss + 6, NULL, 10) <= 3072, "%.40s", rss);
	lab_remove("idle");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("agent");
	TCase *tc = tcase_create("protocol");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, start, lab_stop);
	tcase_add_test(tc, health_and_details);
	tcase_add_test(tc, a_container_runs_from_create_to_remove);
	tcase_add_test(tc, containers_leave_tasks_to_the_agent);
	tcase_add_test(tc, every_wait_returns_the_same_status_even_later);
	tcase_add_test(tc, a_killed_process_reports_128_and_the_signal_to_all_waiters);
	tcase_add_test(tc, sigterm_is_sigterm_in_the_namespace_of_another);
	tcase_add_test(tc, the_oom_score_of_the_agent_stays_its_own);
	tcase_add_test(tc, streams_carry_everything);
	tcase_add_test(tc, output_written_before_the_end_is_not_lost);
	tcase_add_test(tc, a_background_writer_does_not_delay_the_exit);
	tcase_add_test(tc, an_exec_is_a_process_of_the_container);
	tcase_add_test(tc, an_exec_is_removed_before_its_output_ends);
	tcase_add_test(tc, a_terminal_has_one_stream_and_a_size);
	tcase_add_test(tc, a_paused_container_stands_still);
	tcase_add_test(tc, containers_share_ipc_uts_and_pid_on_request);
	tcase_add_test(tc, an_out_of_memory_event_reaches_early_and_late_callers);
	tcase_add_test(tc, an_out_of_memory_event_is_kept_once);
	tcase_add_test(tc, a_removal_that_failed_is_tried_again);
	tcase_add_test(tc, a_removal_has_a_deadline);
	tcase_add_loop_test(tc, a_removal_waits_for_the_create, 0, ARRAY_LEN(slow_creates));
	tcase_add_test(tc, destroy_sandbox_ends_running_containers);
	tcase_add_test(tc, connections_come_and_go);
	tcase_add_test(tc, the_agent_stays_small);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
