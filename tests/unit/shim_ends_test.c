// SPDX-License-Identifier: Apache-2.0
/* How containers, Create and the shim end: a container that was never started or failed to start, a
 * Create whose caller is gone, a shim without a manager. */

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
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MANAGER DIR "/containerd.sock"

static struct answer resize(void)
{
	AUTO(buf) struct buf payload = BUF_INIT(64);

	wire_text(&payload, 1, "c");
	wire_number(&payload, 3, 80);
	wire_number(&payload, 4, 24);
	return shim_ask("ResizePty", &payload, 0);
}

/* --- the container --- */

/* With an event and an exit status, as a running one. */
START_TEST(a_container_that_was_never_started_is_killed)
{
	shim_start("good", SHARE_9P);
	shim_must(shim_create(), "Create");
	shim_must(shim_kill(9, 0), "Kill");
	ck_assert_uint_eq(shim_wait(), 137);
	shim_await_event("/tasks/exit", 137);
	ck_assert_uint_eq(shim_state(STATE_STATUS), STATUS_STOPPED);
	shim_must_fail(shim_kill(9, 0), "already finished");
	shim_must(shim_ask_id("Delete", 0), "Delete");
	shim_await_event("/tasks/delete", 137);
	shim_finish();
}
END_TEST

/* Addresses that the shim may use. */
static void limit_addresses(rlim_t bytes)
{
	const struct rlimit limit = { bytes, RLIM_INFINITY };

	ck_assert_int_eq(prlimit(shim_pid, RLIMIT_AS, &limit, NULL), 0);
}

static rlim_t used_addresses(void)
{
	AUTO(str) char *path = str_fmt("/proc/%d/statm", (int)shim_pid);
	struct err err = ERR_INIT;
	AUTO(str) char *pages = file_read_line(AT_FDCWD, path, &err);

	ck_assert_msg(pages != NULL, "%s", err.msg);
	return (rlim_t)strtoull(pages, NULL, 10) * (rlim_t)sysconf(_SC_PAGESIZE);
}

static void await_log(const char *text)
{
	struct deadline d = deadline_in(ANSWER_MS);

	for (;;) {
		AUTO(buf) struct buf log = BUF_INIT(1 << 20);
		struct err err = ERR_INIT;

		ck_assert(file_read(AT_FDCWD, BUNDLE "/log", 1 << 20, &log, &err) == 0);
		if (strstr(buf_cstr(&log), text))
			return;
		ck_assert_msg(!deadline_passed(d), "not in the log: %s", text);
		(void)nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	}
}

/* Until the shim has no threads but some of those, and so no stack that will be given back. */
static void await_no_threads_but(char *const *those)
{
	struct deadline d = deadline_in(ANSWER_MS);

	for (;;) {
		AUTO(strv) char **now = shim_threads();
		bool quiet = true;

		strv_each(one, now)
			quiet = quiet && strv_has(those, *one);
		if (quiet)
			return;
		ck_assert_msg(!deadline_passed(d), "the shim has more threads than at first");
		(void)nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	}
}

/* The shim has memory to serve requests, but not for the stack of the thread that stops the VM. */
START_TEST(a_sandbox_that_cannot_be_ended_yet_is_ended_later)
{
	AUTO(strv) char **first = NULL;

	/* libc caches no stack that the thread could use. */
	ck_assert_int_eq(setenv("GLIBC_TUNABLES", "glibc.pthread.stack_cache_size=0", 1), 0);
	shim_start("good", SHARE_9P);
	/* It has answered, so all threads that it always has exist. */
	shim_must_fail(shim_ask_id("State", 0), "not found");
	first = shim_threads();
	shim_must(shim_create(), "Create");
	shim_must(shim_ask_id("Start", 0), "Start");
	shim_await_event("/tasks/start", 0);
	/* The thread that delivered the event is about to end. */
	await_no_threads_but(first);
	limit_addresses(used_addresses() + (2 << 20));
	shim_must(shim_kill(9, 0), "Kill");
	await_log("cannot end the sandbox");
	limit_addresses(RLIM_INFINITY);
	ck_assert_uint_eq(shim_wait(), 137);
	shim_await_event("/tasks/exit", 137);
	shim_must(shim_ask_id("Delete", 0), "Delete");
	shim_finish();
}
END_TEST

/* The manager may delete it at once; Kill fails. */
START_TEST(a_container_that_cannot_be_started_has_ended)
{
	shim_start("bad-start", SHARE_9P);
	shim_must(shim_create(), "Create");
	shim_must_fail(shim_ask_id("Start", 0), "no such file or directory");
	ck_assert_uint_eq(shim_state(STATE_STATUS), STATUS_STOPPED);
	ck_assert_uint_eq(shim_wait(), 255);
	shim_await_event("/tasks/exit", 255);
	shim_must_fail(shim_ask_id("Start", 0), "ended already");
	shim_must_fail(shim_kill(9, 0), "already finished");
	shim_must(shim_ask_id("Delete", 0), "Delete");
	shim_finish();
}
END_TEST

/* When the manager gets the exit status, the VM has ended; it does not wait for Delete. */
START_TEST(the_vm_ends_with_its_workload)
{
	AUTO(str) char *vmm = NULL;

	shim_start_container(_i ? "no-goodbye" : "good");
	vmm = str_fmt("/proc/%u", shim_state(STATE_VMM));
	ck_assert(path_exists(vmm));
	shim_must(shim_kill(9, 0), "Kill");
	ck_assert_uint_eq(shim_wait(), 137);
	ck_assert(!path_exists(vmm));
	ck_assert_uint_eq(shim_state(STATE_STATUS), STATUS_STOPPED);
	shim_must_fail(shim_ask_id("Stats", 0), "ended already");
	shim_must(shim_ask_id("Pids", 0), "Pids");
	shim_must(shim_ask_id("Delete", 0), "Delete");
	shim_output_is("hello\n");
	shim_finish();
}
END_TEST

/* An image file as the root file system, which the guest mounts from a disk. */
static void create_on_disk(void)
{
	AUTO(buf) struct buf payload = BUF_INIT(1024), mount = BUF_INIT(256);
	static const char image[] = DIR "/image";

	shim_write(image, "");
	wire_text(&mount, 1, "ext4");
	wire_text(&mount, 2, image);
	wire_text(&mount, 4, "loop");
	wire_text(&payload, 1, "c");
	wire_text(&payload, 2, BUNDLE);
	wire_bytes(&payload, 3, mount.data, mount.len);
	shim_must(shim_ask("Create", &payload, 0), "Create");
}

/* Writing back to a disk takes longer than an agent without disks is waited for. */
START_TEST(a_guest_with_a_disk_has_time_to_write_back)
{
	shim_start("slow-goodbye", SHARE_9P);
	create_on_disk();
	shim_must(shim_ask_id("Start", 0), "Start");
	shim_must(shim_kill(9, 0), "Kill");
	ck_assert_uint_eq(shim_wait(), 137);
	ck_assert(path_exists(VM_LOG ".written"));
	shim_must(shim_ask_id("Delete", 0), "Delete");
	shim_finish();
}
END_TEST

/* Managers resize every process that they attach to. */
START_TEST(resizing_without_a_terminal_succeeds)
{
	shim_start("good", SHARE_9P);
	shim_must(shim_create(), "Create");
	shim_must(resize(), "ResizePty");
	shim_must(shim_ask_id("Start", 0), "Start");
	shim_must(resize(), "ResizePty");
	shim_must(shim_kill(9, 0), "Kill");
	ck_assert_uint_eq(shim_wait(), 137);
	shim_must(resize(), "ResizePty");
	shim_must(shim_ask_id("Delete", 0), "Delete");
	shim_finish();
}
END_TEST

/* The same id in another namespace is another container. */
START_TEST(delete_in_another_namespace_touches_nothing)
{
	shim_start_container("good");
	shim_namespace = "other";
	shim_delete_verb();
	shim_namespace = "ns";
	ck_assert_uint_eq(shim_state(STATE_STATUS), STATUS_RUNNING);
	ck_assert(path_exists("/run/vc/sbs/c@ns/persist.json"));
	shim_kill_and_finish();
}
END_TEST

/* A node in a container of ours, as kind makes them, has a /run/vc of its own. */
START_TEST(delete_on_another_node_touches_nothing)
{
	int status;
	pid_t node;

	shim_start_container("good");
	node = fork();
	if (node == 0) {
		ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
		ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
		ck_assert_int_eq(mount("vc", "/run/vc", "tmpfs", 0, NULL), 0);
		ck_assert_int_eq(mount("s", "/run/containerd/s", "tmpfs", 0, NULL), 0);
		shim_delete_verb();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(node, &status, 0), node);
	ck_assert_int_eq(status, 0);
	ck_assert_uint_eq(shim_state(STATE_STATUS), STATUS_RUNNING);
	shim_kill_and_finish();
}
END_TEST

/* --- input --- */

/* A workload that was given no input reads the end of it. */
START_TEST(a_workload_without_input_reads_its_end)
{
	AUTO(buf) struct buf log = BUF_INIT(1 << 20);
	struct err err = ERR_INIT;

	shim_start_container("good");
	shim_await_request("CloseStdin");
	ck_assert(file_read(AT_FDCWD, VM_LOG, 1 << 20, &log, &err) == 0);
	(void)shim_recorded(&log, "grpc.AgentService", "CloseStdin");
	shim_kill_and_finish();
}
END_TEST

enum { MUCH = 2 << 20 };

/* Starts the container with a FIFO as its input; returns the writing end. */
static int start_with_input(const char *script)
{
	AUTO(buf) struct buf payload = BUF_INIT(1024);
	int in;

	shim_start(script, SHARE_9P);
	ck_assert_int_eq(mkfifo(DIR "/in", 0600), 0);
	wire_text(&payload, 1, "c");
	wire_text(&payload, 2, BUNDLE);
	wire_text(&payload, 5, DIR "/in");
	wire_text(&payload, 6, "file://" OUTPUT);
	shim_must(shim_ask("Create", &payload, 0), "Create");
	in = open(DIR "/in", O_WRONLY | O_CLOEXEC);
	ck_assert_int_ge(in, 0);
	shim_must(shim_ask_id("Start", 0), "Start");
	return in;
}

/* The writer must not be killed by SIGPIPE. */
START_TEST(input_for_a_closed_stdin_is_discarded)
{
	struct err err = ERR_INIT;
	AUTO(mem) char *much = xcalloc(1, MUCH);
	AUTO(fd) int in = start_with_input("no-input");

	ck_assert_msg(fd_write_all(in, much, MUCH, &err) == 0, "%s", err.msg);
	shim_must(shim_kill(9, 0), "Kill");
	ck_assert_uint_eq(shim_wait(), 137);
	ck_assert_msg(fd_write_all(in, much, MUCH, &err) == 0, "%s", err.msg);
	shim_must(shim_ask_id("Delete", 0), "Delete");
	shim_finish();
}
END_TEST

static const char *const lies_about_input[] = { "takes-nothing", "takes-too-much" };

/* The shim does not repeat the request, and the writer learns that its data are lost. */
START_TEST(an_agent_that_lies_about_input_loses_it)
{
	AUTO(fd) int in = start_with_input(lies_about_input[_i]);

	ck_assert_ptr_ne(signal(SIGPIPE, SIG_IGN), SIG_ERR);
	ck_assert_int_eq(write(in, "hello", 5), 5);
	shim_await_request("CloseStdin");
	ck_assert_int_lt(write(in, "hello", 5), 0);
	ck_assert_int_eq(errno, EPIPE);
	shim_logged("standard input is closed");
	ck_assert_uint_eq(shim_state(STATE_STATUS), STATUS_RUNNING);
	shim_kill_and_finish();
}
END_TEST

/* The agent has no room for requests that wait, and then none for long ones. What is refused is
 * asked for again: the end of the process is its own, and neither output nor input is lost. */
START_TEST(requests_for_which_there_is_no_room_are_repeated)
{
	AUTO(buf) struct buf taken = BUF_INIT(1 << 16);
	AUTO(buf) struct buf close = BUF_INIT(64);
	struct err err = ERR_INIT;
	AUTO(str) char *text = xmalloc(3001);
	int in = start_with_input("no-room");

	memset(text, 'x', 3000);
	memcpy(text + 2997, "end", 4);
	ck_assert_msg(fd_write_all(in, text, 3000, &err) == 0, "%s", err.msg);
	fd_close(&in);
	wire_text(&close, 1, "c");
	wire_number(&close, 3, true);
	shim_must(shim_ask("CloseIO", &close, 0), "CloseIO");
	shim_await_request("CloseStdin");
	ck_assert_msg(file_read(AT_FDCWD, VM_LOG ".input", 1 << 16, &taken, &err) == 0, "%s",
		      err.msg);
	ck_assert_str_eq(buf_cstr(&taken), text);
	ck_assert_uint_eq(shim_state(STATE_STATUS), STATUS_RUNNING);
	shim_kill_and_finish();
	shim_output_is("hello\n");
}
END_TEST

/* The VM ends with its process, but not before it was asked whether there is more output. */
START_TEST(what_a_process_wrote_at_last_is_delivered)
{
	shim_start_container("late-output");
	shim_kill_and_finish();
	shim_output_is("hello\n");
}
END_TEST

/* --- a Create that does not fit a pod --- */

static struct answer create_other(const char *bundle)
{
	AUTO(buf) struct buf payload = BUF_INIT(1024);

	wire_text(&payload, 1, "other");
	wire_text(&payload, 2, bundle);
	return shim_ask("Create", &payload, 0);
}

START_TEST(a_failed_create_leaves_the_pod_alone)
{
	static const char text[] =
		"{\"ociVersion\":\"1.0.2\",\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\","
		"\"user\":{\"uid\":0,\"gid\":0}},\"root\":{\"path\":\"rootfs\"},"
		"\"annotations\":{\"io.kubernetes.cri.container-type\":\"sandbox\"},"
		"\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"pid\"},{\"type\":"
		"\"ipc\"},{\"type\":"
		"\"network\"}]}}";

	shim_start("good", SHARE_9P);
	shim_write(BUNDLE "/config.json", text);
	shim_must(shim_create(), "Create");
	shim_must_fail(create_other(DIR "/no-bundle"), "no such file");
	shim_must_fail(create_other(BUNDLE), "do not fit");
	shim_must(shim_ask_id("Start", 0), "Start");
	ck_assert_uint_eq(shim_state(STATE_STATUS), STATUS_RUNNING);
	shim_kill_and_finish();
}
END_TEST

/* --- a Create that nobody waits for --- */

static const struct {
	const char *script, *until; /* what the agent was asked last */
} creates[] = { { "no-answer", "CreateContainer" }, { "no-check", "Check" } };

static int begin_create(int i)
{
	AUTO(buf) struct buf payload = BUF_INIT(1024);
	int fd;

	shim_start(creates[i].script, SHARE_9P);
	fd = shim_connect();
	wire_text(&payload, 1, "c");
	wire_text(&payload, 2, BUNDLE);
	shim_ask_on(fd, TASK, "Create", &payload, 0);
	shim_await_request(creates[i].until);
	return fd;
}

static void await_no_sandbox(void)
{
	struct deadline d = deadline_in(ANSWER_MS);

	while (path_exists("/run/vc/sbs/c@ns")) {
		ck_assert_msg(!deadline_passed(d), "Create is not undone");
		(void)nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	}
}

START_TEST(a_create_whose_caller_is_gone_is_undone)
{
	int fd = begin_create(_i);

	(void)close(fd);
	await_no_sandbox();
	shim_must_fail(shim_ask_id("State", 0), "not found");
	shim_finish();
}
END_TEST

START_TEST(shutdown_ends_a_create)
{
	AUTO(fd) int fd = begin_create(_i);
	struct answer a;

	shim_must(shim_ask_id("Shutdown", 0), "Shutdown");
	a = shim_answer_on(fd, "Create");
	shim_must_fail(a, "");
	shim_no_process_is_left(false);
	shim_nothing_is_left();
}
END_TEST

/* Calls Delete on a connection, and returns when the container is already unknown to others. */
static int begin_delete(void)
{
	AUTO(buf) struct buf payload = BUF_INIT(64);
	int fd = shim_connect();
	struct answer a;

	wire_text(&payload, 1, "c");
	shim_ask_on(fd, TASK, "Delete", &payload, 0);
	do {
		a = shim_ask_id("State", 0);
		buf_release(&a.payload);
	} while (a.code == RPC_OK);
	ck_assert_uint_eq(a.code, RPC_NOT_FOUND);
	return fd;
}

/* While a Delete waits, the container is already unknown to others, and another client shuts the
 * shim down. The Delete is answered, and nothing is left. */
START_TEST(shutdown_waits_for_a_delete)
{
	AUTO(buf) struct buf signal = BUF_INIT(64);
	AUTO(fd) int fd = -1;
	struct answer a;

	shim_start_container("exit-no-signal");
	wire_text(&signal, 1, "c");
	wire_number(&signal, 3, 9);
	shim_ask_on(shim_manager, TASK, "Kill", &signal, 0); /* holds Delete up: it has no answer */
	ck_assert_uint_eq(shim_wait(), 137);
	fd = begin_delete();
	shim_must(shim_ask_id("Shutdown", 0), "Shutdown");
	shim_must(shim_answer_on(fd, "Delete"), "Delete");
	a = shim_answer_on(shim_manager, "Kill");
	buf_release(&a.payload);
	shim_no_process_is_left(false);
	shim_nothing_is_left();
}
END_TEST

/* The first ends the shim while others have only begun. A sanitizer notices if they use what is gone. */
START_TEST(more_shutdowns_than_one_do_no_harm)
{
	AUTO(buf) struct buf body = BUF_INIT(256);
	AUTO(fd) int fd = -1;

	/* What flows hold that still run at the end is no leak. */
	(void)setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
	shim_start("good", SHARE_9P);
	fd = shim_connect();
	wire_text(&body, 1, TASK);
	wire_text(&body, 2, "Shutdown");
	for (unsigned stream = 1; stream < 80; stream += 2) {
		if (wire_send(fd, stream, WIRE_REQUEST, &body) < 0)
			break; /* it has ended */
	}
	shim_no_process_is_left(false);
	shim_nothing_is_left();
}
END_TEST

#define GO "/run/hook-may-end"

/* containerd takes "not found" as the end of the container. */
START_TEST(a_second_delete_waits_for_the_first)
{
	AUTO(buf) struct buf payload = BUF_INIT(64);
	AUTO(fd) int first = -1, second = -1;
	struct err err = ERR_INIT;

	shim_start("good", SHARE_9P);
	shim_write_spec("", "",
			"},\"hooks\":{\"poststop\":[{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\","
			"\"until [ -e " GO " ]; do sleep 0.05; done\"],\"timeout\":1000}]");
	shim_must(shim_create(), "Create");
	shim_must(shim_kill(9, 0), "Kill");
	ck_assert_uint_eq(shim_wait(), 137);
	first = begin_delete();
	shim_must_fail(shim_ask_id("Delete", 100), "still being deleted");
	second = shim_connect();
	wire_text(&payload, 1, "c");
	shim_ask_on(second, TASK, "Delete", &payload, 0);
	ck_assert_int_eq(poll(&(struct pollfd){ .fd = second, .events = POLLIN }, 1, 100), 0);
	ck_assert(file_replace_volatile(AT_FDCWD, GO, "", 0, 0600, &err) == 0);
	shim_must(shim_answer_on(first, "Delete"), "Delete");
	shim_must_fail(shim_answer_on(second, "Delete"), "not found");
	shim_finish();
}
END_TEST

/* --- the shim --- */

static int manager = -1;

static void manager_comes(void)
{
	struct err err = ERR_INIT;

	(void)unlink(MANAGER);
	manager = fd_unix_listen(MANAGER, &err);
	ck_assert_msg(manager >= 0, "%s", err.msg);
}

/* A shim that is alone for longer than this ends: on a busy machine too, a test connects to it
 * sooner. */
enum { ALONE_MS = 1500 * SLOW };

static void end_soon_when_alone(void)
{
	AUTO(str) char *ms = str_fmt("%d", ALONE_MS);

	ck_assert(setenv("KATA_SHIM_ALONE_MS", ms, 1) == 0);
}

static void stay_for_longer_than_alone(void)
{
	const int ms = ALONE_MS + ALONE_MS / 4;

	(void)nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000L }, NULL);
}

static void start_with_manager(void)
{
	end_soon_when_alone();
	shim_host = manager_comes;
	shim_start("good", SHARE_9P);
}

START_TEST(a_shim_without_a_manager_ends)
{
	start_with_manager();
	if (_i) { /* not as long as it has a container */
		shim_must(shim_create(), "Create");
		fd_close(&manager);
		stay_for_longer_than_alone();
		manager_comes();
		shim_must(shim_kill(9, 0), "Kill");
		ck_assert_uint_eq(shim_wait(), 137);
		shim_must(shim_ask_id("Delete", 0), "Delete");
	}
	fd_close(&manager);
	shim_no_process_is_left(false);
	shim_nothing_is_left();
}
END_TEST

/* Killed between start and Create, and started again: the next one has no record of the shim. */
START_TEST(a_shim_that_its_manager_does_not_know_ends)
{
	start_with_manager();
	fd_close(&shim_manager);
	shim_no_process_is_left(false);
	shim_nothing_is_left();
	fd_close(&manager);
}
END_TEST

/* CRI-O passes no address, and abandons the shim if it fails before Create. */
START_TEST(a_shim_that_nobody_uses_ends)
{
	shim_manager_address = "";
	end_soon_when_alone();
	shim_start("good", SHARE_9P);
	shim_no_process_is_left(false);
	shim_nothing_is_left();
}
END_TEST

/* The shim has longer than its time alone, and still answers; it ends without its manager. */
static void stays_until_the_manager_is_gone(void)
{
	stay_for_longer_than_alone();
	shim_must_fail(shim_ask_id("State", 0), "not found");
	fd_close(&manager);
	shim_no_process_is_left(false);
	shim_nothing_is_left();
}

START_TEST(a_shim_with_a_manager_stays)
{
	start_with_manager();
	stays_until_the_manager_is_gone();
}
END_TEST

enum { QUEUE = 8 };
static int waiting[QUEUE]; /* connections that the manager does not accept */

/* A manager that accepts nothing: its queue has room for one connection, and holds it. */
static void busy_manager_comes(void)
{
	struct sockaddr_un address = { AF_UNIX, MANAGER };
	int n = 0;

	manager_comes();
	ck_assert_int_eq(listen(manager, 0), 0);
	do {
		ck_assert_int_lt(n, QUEUE);
		waiting[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		ck_assert_int_ge(waiting[n], 0);
	} while (connect(waiting[n++], (struct sockaddr *)&address, sizeof(address)) == 0);
	ck_assert_int_eq(errno, EAGAIN);
}

/* A connection to the manager would wait, and with it every request. */
START_TEST(a_busy_manager_delays_no_request)
{
	end_soon_when_alone();
	shim_host = busy_manager_comes;
	shim_start("good", SHARE_9P);
	stays_until_the_manager_is_gone();
}
END_TEST

static long score(pid_t pid)
{
	AUTO(str) char *path = str_fmt("/proc/%d/oom_score_adj", (int)pid);
	struct err err = ERR_INIT;
	AUTO(str) char *text = file_read_line(AT_FDCWD, path, &err);

	ck_assert_msg(text != NULL, "%s", err.msg);
	return strtol(text, NULL, 10);
}

/* By the kernel, when memory runs out. */
START_TEST(a_shim_is_killed_before_its_manager)
{
	long ours = score(getpid());

	shim_start("good", SHARE_9P);
	ck_assert_int_eq(score(shim_pid), ours < 1000 ? ours + 1 : 1000);
	shim_finish();
}
END_TEST

START_TEST(a_signal_ends_a_shim_that_has_nothing)
{
	shim_start("good", SHARE_9P);
	shim_must_fail(shim_ask_id("State", 0),
		       "not found"); /* it serves requests, so it handles signals too */
	ck_assert(kill(shim_pid, SIGTERM) == 0);
	shim_no_process_is_left(false);
	shim_nothing_is_left();
}
END_TEST

START_TEST(a_signal_does_not_end_a_shim_with_a_container)
{
	shim_start_container("good");
	ck_assert(kill(shim_pid, SIGTERM) == 0);
	ck_assert_uint_eq(shim_state(STATE_STATUS), STATUS_RUNNING);
	shim_kill_and_finish();
}
END_TEST

/* containerd would never find it. */
START_TEST(a_shim_whose_address_cannot_be_printed_ends)
{
	AUTO(fd) int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(full, 0);
	ck_assert_int_gt(shim_start_into(full, "good", SHARE_9P), 0);
	shim_no_process_is_left(true);
	shim_nothing_is_left();
}
END_TEST

/* Its queue is full, as that of a shim that is stopped becomes; only a socket at which nobody
 * listens is replaced. */
START_TEST(a_socket_that_is_served_is_not_taken_away)
{
	struct spawn s = { .argv = ARGV(SHIM, "-namespace", "ns", "-id", "other", "-socket",
					DIR "/busy.sock"),
			   .cwd = BUNDLE };
	struct err err = ERR_INIT;
	AUTO(fd) int listener = -1, waits = -1;

	shim_start("good", SHARE_9P);
	listener = fd_unix_listen(DIR "/busy.sock", &err);
	ck_assert(listener >= 0 && listen(listener, 0) == 0);
	waits = fd_unix_connect(DIR "/busy.sock", &err);
	ck_assert_int_ge(waits, 0);
	ck_assert_int_eq(spawn_run(&s, NULL, 0, NULL, deadline_in(QUIET_MS), &err),
			 err_exit_status(E_EXISTS));
	ck_assert(path_exists(DIR "/busy.sock"));
	shim_finish();
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, a_socket_that_is_served_is_not_taken_away);
	tcase_add_test(t, a_container_that_was_never_started_is_killed);
	tcase_add_test(t, a_sandbox_that_cannot_be_ended_yet_is_ended_later);
	tcase_add_test(t, a_container_that_cannot_be_started_has_ended);
	tcase_add_loop_test(t, the_vm_ends_with_its_workload, 0, 2);
	tcase_add_test(t, a_guest_with_a_disk_has_time_to_write_back);
	tcase_add_test(t, a_failed_create_leaves_the_pod_alone);
	tcase_add_test(t, resizing_without_a_terminal_succeeds);
	tcase_add_test(t, delete_in_another_namespace_touches_nothing);
	tcase_add_test(t, delete_on_another_node_touches_nothing);
	tcase_add_test(t, a_workload_without_input_reads_its_end);
	tcase_add_test(t, input_for_a_closed_stdin_is_discarded);
	tcase_add_loop_test(t, an_agent_that_lies_about_input_loses_it, 0,
			    (int)ARRAY_LEN(lies_about_input));
	tcase_add_test(t, requests_for_which_there_is_no_room_are_repeated);
	tcase_add_test(t, what_a_process_wrote_at_last_is_delivered);
	tcase_add_loop_test(t, a_create_whose_caller_is_gone_is_undone, 0, ARRAY_LEN(creates));
	tcase_add_loop_test(t, shutdown_ends_a_create, 0, ARRAY_LEN(creates));
	tcase_add_test(t, shutdown_waits_for_a_delete);
	tcase_add_loop_test(t, more_shutdowns_than_one_do_no_harm, 0, 5);
	tcase_add_test(t, a_second_delete_waits_for_the_first);
	tcase_add_loop_test(t, a_shim_without_a_manager_ends, 0, 2);
	tcase_add_test(t, a_shim_that_its_manager_does_not_know_ends);
	tcase_add_test(t, a_shim_that_nobody_uses_ends);
	tcase_add_test(t, a_shim_with_a_manager_stays);
	tcase_add_test(t, a_busy_manager_delays_no_request);
	tcase_add_test(t, a_shim_is_killed_before_its_manager);
	tcase_add_test(t, a_shim_whose_address_cannot_be_printed_ends);
	tcase_add_test(t, a_signal_ends_a_shim_that_has_nothing);
	tcase_add_test(t, a_signal_does_not_end_a_shim_with_a_container);
}

int main(void)
{
	return shim_main("shim, ends", add_tests);
}
