// SPDX-License-Identifier: Apache-2.0
/*
 * Execs: how one ends with its container, and terminals. The guest never reports the end of the
 * exec: with the script "pod" only a process that is signalled ends. Whoever waits for the exec gets
 * an exit status from the shim alone.
 */

#include "tests/unit/shim_lab.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXEC  "e"
#define OTHER "d" /* a container of the pod whose sandbox container is "c" */

enum { SIGNALLED = 137, LOST = 255 };

static void ask_on(int fd, const char *method, const char *container, const char *exec)
{
	AUTO(buf) struct buf payload = BUF_INIT(64);

	wire_text(&payload, 1, container);
	wire_text(&payload, 2, exec);
	shim_ask_on(fd, TASK, method, &payload, 0);
}

static struct answer ask(const char *method, const char *container, const char *exec)
{
	AUTO(fd) int fd = shim_connect();

	ask_on(fd, method, container, exec);
	return shim_answer_on(fd, method);
}

static void add_exec(const char *container, bool terminal)
{
	AUTO(buf) struct buf payload = BUF_INIT(1024);

	wire_text(&payload, 1, container);
	wire_text(&payload, 2, EXEC);
	wire_number(&payload, 3, terminal);
	shim_add_any(&payload, 7,
		     "{\"args\":[\"true\"],\"cwd\":\"/\",\"user\":{\"uid\":0,\"gid\":0}}");
	shim_must(shim_ask("Exec", &payload, 0), "Exec");
}

static void start_exec(const char *container)
{
	add_exec(container, false);
	shim_must(ask("Start", container, EXEC), "Start of the exec");
}

static struct answer signal_exec(const char *container, const char *exec, unsigned number)
{
	AUTO(buf) struct buf payload = BUF_INIT(64);

	wire_text(&payload, 1, container);
	wire_text(&payload, 2, exec);
	wire_number(&payload, 3, number);
	return shim_ask("Kill", &payload, 0);
}

static struct answer kill_exec(const char *container, const char *exec)
{
	return signal_exec(container, exec, 9);
}

static struct answer kill_process(const char *container)
{
	return kill_exec(container, "");
}

/* Calls Wait and returns the connection on which the answer will come. The State that follows it on
 * a second connection has been answered, so Wait was received before anything that the test does
 * next. */
static int begin_wait(const char *container, const char *exec)
{
	int fd = shim_connect();

	ask_on(fd, "Wait", container, exec);
	shim_must(ask("State", container, exec), "State");
	return fd;
}

static unsigned waited(int fd)
{
	struct answer a = shim_answer_on(fd, "Wait");
	unsigned status = (unsigned)wire_get_number(a.payload.data, a.payload.len, WIRE_PATH(1));

	ck_assert_msg(a.code == RPC_OK, "Wait: %u %s", a.code, a.text);
	buf_release(&a.payload);
	(void)close(fd);
	return status;
}

/* --- a container that has a VM of its own --- */

START_TEST(an_exec_is_killed_with_its_container)
{
	int wait;

	shim_start_container("pod");
	start_exec("c");
	wait = begin_wait("c", EXEC);
	shim_must(shim_kill(9, 0), "Kill");
	ck_assert_uint_eq(waited(wait), SIGNALLED);
	ck_assert_uint_eq(shim_wait(), SIGNALLED);
	shim_must(shim_ask_id("Delete", 0), "Delete");
	shim_finish();
}
END_TEST

/* --- a container of a pod, whose VM runs on --- */

static void start_pod_of(const char *script)
{
	AUTO(buf) struct buf payload = BUF_INIT(1024);

	shim_start(script, SHARE_9P);
	shim_write_spec("sandbox", "", "");
	shim_must(shim_create(), "Create");
	shim_must(shim_ask_id("Start", 0), "Start");
	shim_write_spec("container", "", "");
	wire_text(&payload, 1, OTHER);
	wire_text(&payload, 2, BUNDLE);
	shim_must(shim_ask("Create", &payload, 0), "Create");
	shim_must(ask("Start", OTHER, ""), "Start");
}

static void start_pod(void)
{
	start_pod_of("pod");
}

static void end_pod(void)
{
	ck_assert_uint_eq(shim_state(STATE_STATUS), STATUS_RUNNING);
	shim_kill_and_finish();
}

/* containerd 2.3 asks for them then, and Kubernetes shows whether memory ran out. */
START_TEST(statistics_are_there_until_a_container_in_a_pod_is_deleted)
{
	struct answer a;

	start_pod();
	shim_must(kill_process(OTHER), "Kill");
	a = ask("Wait", OTHER, "");
	buf_release(&a.payload);
	shim_must(ask("Stats", OTHER, ""), "Stats");
	shim_must(ask("Delete", OTHER, ""), "Delete");
	shim_must_fail(ask("Stats", OTHER, ""), "not found");
	end_pod();
}
END_TEST

/* Two containers of a pod run out of memory, one just after the other. The manager takes the reason
 * of an end from what it has heard when it hears of the end. */
START_TEST(out_of_memory_is_reported_before_the_end)
{
	static const char *const order[] = { "/tasks/oom", "/tasks/exit", "/tasks/oom",
					     "/tasks/exit" };
	size_t next = 0;

	start_pod_of("oom");
	shim_must(kill_process(OTHER), "Kill");
	shim_await_event("/tasks/exit", SIGNALLED);
	shim_must(kill_process("c"), "Kill");
	ck_assert_uint_eq(shim_wait(), SIGNALLED);
	shim_must(ask("Delete", OTHER, ""), "Delete");
	shim_must(shim_ask_id("Delete", 0), "Delete");
	shim_await_event("/tasks/delete", SIGNALLED);
	for (unsigned i = 0; *shim_event(i); i++) {
		if (next < ARRAY_LEN(order) && str_eq(shim_event(i), order[next]))
			next++;
	}
	ck_assert_uint_eq(next, ARRAY_LEN(order));
	shim_finish();
}
END_TEST

/* A starting containerd asks for the processes of all its containers: it must not wait for a guest
 * that does not answer, nor take the container for a lost one. */
START_TEST(processes_of_a_silent_guest_are_counted_in_time)
{
	AUTO(buf) struct buf payload = BUF_INIT(1024), of_other = BUF_INIT(64);
	struct deadline soon;
	struct answer a;

	shim_more_config = "[agent.kata]\nrequest_timeout = 60\n";
	shim_start("silent-after-start", SHARE_9P);
	shim_write_spec("sandbox", "", "");
	shim_must(shim_create(), "Create");
	shim_write_spec("container", "", "");
	wire_text(&payload, 1, OTHER);
	wire_text(&payload, 2, BUNDLE);
	shim_must(shim_ask("Create", &payload, 0), "Create");
	shim_must(shim_ask_id("Start", 0), "Start");
	wire_text(&of_other, 1, OTHER);
	soon = deadline_in(30000);
	a = shim_ask("Pids", &of_other, 0);
	ck_assert_msg(a.code == RPC_OK, "%s", a.text);
	ck_assert(a.payload.len > 0 && !deadline_passed(soon));
	buf_release(&a.payload);
	ck_assert(kill((pid_t)shim_state(STATE_VMM), SIGKILL) == 0);
	ck_assert_uint_eq(shim_wait(), 255);
	shim_must(ask("Delete", OTHER, ""), "Delete");
	shim_delete_container();
}
END_TEST

START_TEST(an_exec_is_killed_with_its_container_in_a_pod)
{
	int container, exec;

	start_pod();
	start_exec(OTHER);
	container = begin_wait(OTHER, "");
	exec = begin_wait(OTHER, EXEC);
	shim_must(kill_process(OTHER), "Kill");
	ck_assert_uint_eq(waited(container), SIGNALLED);
	shim_must(ask("Delete", OTHER, ""), "Delete");
	ck_assert_uint_eq(waited(exec), SIGNALLED);
	end_pod();
}
END_TEST

/* Delete of the exec arrives while its container ends and is deleted: it succeeds once the exec has
 * ended, and is refused while the exec runs or after it was deleted with the container. */
START_TEST(an_exec_is_deleted_while_its_container_ends)
{
	AUTO(fd) int of_exec = -1, of_container = -1;
	struct answer a;
	int exec;

	start_pod();
	start_exec(OTHER);
	exec = begin_wait(OTHER, EXEC);
	of_exec = shim_connect();
	of_container = shim_connect();
	shim_must(kill_process(OTHER), "Kill");
	a = ask("Wait", OTHER, "");
	buf_release(&a.payload);
	if (_i % 2)
		ask_on(of_exec, "Delete", OTHER, EXEC);
	ask_on(of_container, "Delete", OTHER, "");
	if (_i % 2 == 0)
		ask_on(of_exec, "Delete", OTHER, EXEC);
	shim_must(shim_answer_on(of_container, "Delete"), "Delete");
	a = shim_answer_on(of_exec, "Delete");
	if (a.code != RPC_OK)
		shim_must_fail(a, strstr(a.text, "not found") ? "not found" : "running");
	else
		buf_release(&a.payload);
	ck_assert_uint_eq(waited(exec), SIGNALLED);
	end_pod();
}
END_TEST

/* --- an exec whose descendants hold its output open --- */

static size_t count_requests(const char *method)
{
	AUTO(buf) struct buf log = BUF_INIT(1 << 20);
	struct err err = ERR_INIT;
	size_t n = 0;

	ck_assert_int_eq(file_read(AT_FDCWD, VM_LOG, log.max, &log, &err), 0);
	for (size_t i = 0; i + strlen(method) <= log.len; i++)
		n += memcmp(log.data + i, method, strlen(method)) == 0;
	return n;
}

/* Whether the agent is asked to remove an exec that containerd deletes. */
static void delete_exec(const char *guest, unsigned removals)
{
	shim_start_container(guest);
	start_exec("c");
	shim_must(kill_exec("c", EXEC), "Kill");
	shim_must(ask("Wait", "c", EXEC), "Wait");
	shim_must(ask("Delete", "c", EXEC), "Delete");
	ck_assert_uint_eq(count_requests("RemoveExec"), removals);
	shim_kill_and_finish();
}

START_TEST(an_exec_that_leaves_its_output_open_is_removed)
{
	delete_exec("lingering", 1);
}
END_TEST

/* Then the agent has forgotten the exec already. */
START_TEST(an_exec_whose_output_has_ended_is_not_removed)
{
	delete_exec("pod", 0);
}
END_TEST

/* --- an exec whose start is not answered in time --- */

/* The guest may start it later, and nobody would know of it. */
START_TEST(an_exec_whose_start_timed_out_is_killed)
{
	AUTO(buf) struct buf start = BUF_INIT(64), log = BUF_INIT(1 << 20);
	AUTO(str) char *exec = NULL;
	struct err err = ERR_INIT;
	struct wire_value v;

	shim_start_container("late-exec");
	add_exec("c", false);
	wire_text(&start, 1, "c");
	wire_text(&start, 2, EXEC);
	shim_must_fail(shim_ask("Start", &start, 500), "ExecProcess");
	ck_assert_int_eq(file_read(AT_FDCWD, VM_LOG, log.max, &log, &err), 0);
	v = shim_recorded(&log, "grpc.AgentService", "SignalProcess");
	exec = wire_get_text(v.data, v.len, WIRE_PATH(2));
	ck_assert_str_eq(exec, EXEC);
	ck_assert_uint_eq(wire_get_number(v.data, v.len, WIRE_PATH(3)), SIGKILL);
	shim_must(ask("Delete", "c", EXEC), "Delete");
	ck_assert_uint_eq(count_requests("RemoveExec"), 1);
	shim_kill_and_finish();
}
END_TEST

/* --- an exec that is started while the VM ends --- */

/* The shim's threads but those, stopped. */
static char **stop_threads_but(char *const *those)
{
	AUTO(strv) char **all = shim_threads();
	char **stopped = NULL;

	strv_each(one, all) {
		pid_t thread = (pid_t)strtol(*one, NULL, 10);

		if (strv_has(those, *one) || ptrace(PTRACE_SEIZE, thread, NULL, NULL) < 0)
			continue;
		ck_assert_int_eq(ptrace(PTRACE_INTERRUPT, thread, NULL, NULL), 0);
		ck_assert_int_eq(waitpid(thread, NULL, __WALL), thread);
		strv_push(&stopped, *one);
	}
	return stopped;
}

static void let_threads_go(char *const *stopped)
{
	strv_each(one, stopped)
		ck_assert_int_eq(ptrace(PTRACE_DETACH, strtol(*one, NULL, 10), NULL, NULL), 0);
}

/* The answer to the signal shows that the one to ExecProcess, which comes before it, has arrived.
 * Start goes on only after the end of the VM was reported. */
START_TEST(an_exec_that_is_started_while_the_vm_dies_has_ended)
{
	AUTO(strv) char **before = NULL, **stopped = NULL;
	AUTO(fd) int start = -1;
	int wait;

	shim_start_container("late-exec");
	add_exec("c", false);
	before = shim_threads();
	start = shim_connect();
	ask_on(start, "Start", "c", EXEC);
	shim_await_request("ExecProcess");
	stopped = stop_threads_but(before);
	ck_assert_uint_ge(strv_len(stopped), 1);
	wait = begin_wait("c", EXEC);
	shim_must(signal_exec("c", EXEC, SIGUSR1), "Kill");
	ck_assert_int_eq(kill((pid_t)shim_state(STATE_VMM), SIGKILL), 0);
	ck_assert_uint_eq(shim_wait(), LOST);
	let_threads_go(stopped);
	shim_must(shim_answer_on(start, "Start"), "Start of the exec");
	ck_assert_uint_eq(waited(wait), LOST);
	shim_delete_container();
}
END_TEST

/* --- a terminal that is resized while its process is being started --- */

static void resize(const char *exec, unsigned rows, unsigned columns)
{
	AUTO(buf) struct buf payload = BUF_INIT(64);

	wire_text(&payload, 1, "c");
	wire_text(&payload, 2, exec);
	wire_number(&payload, 3, columns);
	wire_number(&payload, 4, rows);
	shim_must(shim_ask("ResizePty", &payload, 0), "ResizePty");
}

static void check_size(unsigned rows, unsigned columns)
{
	AUTO(buf) struct buf log = BUF_INIT(1 << 20);
	struct err err = ERR_INIT;
	struct wire_value v;

	shim_await_request("TtyWinResize");
	ck_assert_int_eq(file_read(AT_FDCWD, VM_LOG, log.max, &log, &err), 0);
	v = shim_recorded(&log, "grpc.AgentService", "TtyWinResize");
	ck_assert_uint_eq(wire_get_number(v.data, v.len, WIRE_PATH(3)), rows);
	ck_assert_uint_eq(wire_get_number(v.data, v.len, WIRE_PATH(4)), columns);
}

static void create_with_terminal(void)
{
	AUTO(buf) struct buf payload = BUF_INIT(1024);

	wire_text(&payload, 1, "c");
	wire_text(&payload, 2, BUNDLE);
	wire_number(&payload, 4, 1);
	shim_must(shim_ask("Create", &payload, 0), "Create");
}

START_TEST(the_first_terminal_is_resized_during_its_start)
{
	AUTO(fd) int start = -1;

	shim_start("slow-start", SHARE_9P);
	create_with_terminal();
	start = shim_connect();
	ask_on(start, "Start", "c", "");
	shim_await_request("StartContainer");
	resize("", 50, 132);
	check_size(50, 132);
	shim_must(shim_answer_on(start, "Start"), "Start");
	shim_kill_and_finish();
}
END_TEST

/* The process has ended in the guest, which the shim does not know yet. */
START_TEST(a_terminal_that_has_gone_needs_no_size)
{
	shim_start("no-terminal", SHARE_9P);
	create_with_terminal();
	shim_must(ask("Start", "c", ""), "Start");
	resize("", 50, 132);
	shim_await_request("TtyWinResize");
	shim_kill_and_finish();
}
END_TEST

START_TEST(the_terminal_of_an_exec_is_resized_during_its_start)
{
	AUTO(fd) int start = -1;

	shim_start_container("slow-start");
	add_exec("c", true);
	start = shim_connect();
	ask_on(start, "Start", "c", EXEC);
	shim_await_request("ExecProcess");
	resize(EXEC, 50, 132);
	check_size(50, 132);
	shim_must(shim_answer_on(start, "Start"), "Start of the exec");
	shim_kill_and_finish();
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, an_exec_that_leaves_its_output_open_is_removed);
	tcase_add_test(t, an_exec_whose_output_has_ended_is_not_removed);
	tcase_add_test(t, an_exec_whose_start_timed_out_is_killed);
	tcase_add_test(t, an_exec_that_is_started_while_the_vm_dies_has_ended);
	tcase_add_test(t, the_first_terminal_is_resized_during_its_start);
	tcase_add_test(t, a_terminal_that_has_gone_needs_no_size);
	tcase_add_test(t, the_terminal_of_an_exec_is_resized_during_its_start);
	tcase_add_test(t, an_exec_is_killed_with_its_container);
	tcase_add_test(t, statistics_are_there_until_a_container_in_a_pod_is_deleted);
	tcase_add_test(t, out_of_memory_is_reported_before_the_end);
	tcase_add_test(t, processes_of_a_silent_guest_are_counted_in_time);
	tcase_add_test(t, an_exec_is_killed_with_its_container_in_a_pod);
	tcase_add_loop_test(t, an_exec_is_deleted_while_its_container_ends, 0, 4);
}

int main(void)
{
	return shim_main("shim, execs", add_tests);
}
