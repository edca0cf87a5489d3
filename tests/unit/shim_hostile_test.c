// SPDX-License-Identifier: Apache-2.0
/*
 * The real shim between a container manager and a guest that are both hand-made: messages written
 * byte by byte on its task socket, fake_vm in QEMU's place. Whatever the guest does, the manager
 * gets an answer in time, the shim stays small, and nothing is left in the end.
 *
 * Each test has a mount and a network namespace of its own with an empty /run. Needs root.
 */

#include "tests/unit/wire_lab.h"

#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"
#include "mount/mount.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DIR    "/run/t"
#define BUNDLE DIR "/bundle"
#define EVENTS DIR "/events.sock"
#define OUTPUT DIR "/output"
#define VM_LOG DIR "/requests"
#define TASK   "containerd.task.v2.Task"

/* The bound holds for the program as it is shipped; sanitizers have their own overhead. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SLOW = 5, RSS_MAX_KIB = 2 << 20 };
#else
enum { SLOW = 1, RSS_MAX_KIB = 24 << 10 };
#endif

enum { ANSWER_MS = 15000 * SLOW, QUIET_MS = 20000 * SLOW };

enum code { RPC_OK = 0, RPC_UNKNOWN = 2, RPC_NOT_FOUND = 5, RPC_UNIMPLEMENTED = 12 };

/* ------------------------------------------------------------------------------- a manager's parts
 */

struct answer {
	unsigned code;
	char text[512];
	struct buf payload;
};

static char *address;
static int manager = -1; /* the connection that most calls take */
static pid_t shim;

static int connect_shim(void)
{
	struct err err = ERR_INIT;
	int fd = fd_unix_connect(address + strlen("unix://"), &err);

	ck_assert_msg(fd >= 0, "%s", err.msg);
	return fd;
}

static void ask_on(int fd, const char *service, const char *method, const struct buf *payload,
		   unsigned timeout_ms)
{
	AUTO(buf) struct buf body = BUF_INIT(WIRE_MAX);

	wire_text(&body, 1, service);
	wire_text(&body, 2, method);
	wire_bytes(&body, 3, payload->data, payload->len);
	if (timeout_ms)
		wire_number(&body, 4, (uint64_t)timeout_ms * 1000000);
	ck_assert_int_eq(wire_send(fd, 1, WIRE_REQUEST, &body), 0);
}

static struct answer answer_on(int fd, const char *method)
{
	struct answer a = { .payload = BUF_INIT(WIRE_MAX) };
	AUTO(buf) struct buf body = BUF_INIT(WIRE_MAX);
	AUTO(str) char *text = NULL;
	struct wire_frame frame;
	struct wire_value v;

	ck_assert_msg(wire_receive(fd, ANSWER_MS, &frame, &body) == 0, "%s: no answer", method);
	ck_assert_uint_eq(frame.type, WIRE_RESPONSE);
	ck_assert_uint_eq(frame.stream, 1);
	a.code = (unsigned)wire_get_number(body.data, body.len, WIRE_PATH(1, 1));
	text = wire_get_text(body.data, body.len, WIRE_PATH(1, 2));
	(void)snprintf(a.text, sizeof(a.text), "%s", text);
	if (body.len && wire_find(body.data, body.len, 2, 0, &v))
		buf_add(&a.payload, v.data, v.len);
	return a;
}

/* One call on a connection of its own. */
static struct answer ask(const char *method, const struct buf *payload, unsigned timeout_ms)
{
	AUTO(fd) int fd = connect_shim();

	ask_on(fd, TASK, method, payload, timeout_ms);
	return answer_on(fd, method);
}

/* {1: id} is what most requests are. */
static struct answer ask_id(const char *method, unsigned timeout_ms)
{
	AUTO(buf) struct buf payload = BUF_INIT(64);

	wire_text(&payload, 1, "c");
	return ask(method, &payload, timeout_ms);
}

static void must(struct answer a, const char *what)
{
	ck_assert_msg(a.code == RPC_OK, "%s: %u %s", what, a.code, a.text);
	buf_release(&a.payload);
}

static void must_fail(struct answer a, const char *text)
{
	ck_assert_msg(a.code != RPC_OK, "succeeded, without: %s", text);
	ck_assert_msg(strstr(a.text, text) != NULL, "'%s' does not say '%s'", a.text, text);
	buf_release(&a.payload);
}

static struct answer create_to(const char *output)
{
	AUTO(buf) struct buf payload = BUF_INIT(1024);

	wire_text(&payload, 1, "c");
	wire_text(&payload, 2, BUNDLE);
	wire_text(&payload, 6, output);
	return ask("Create", &payload, 0);
}

static struct answer create(void)
{
	return create_to("file://" OUTPUT);
}

static struct answer kill_it(unsigned signo, unsigned timeout_ms)
{
	AUTO(buf) struct buf payload = BUF_INIT(64);

	wire_text(&payload, 1, "c");
	wire_number(&payload, 3, signo);
	return ask("Kill", &payload, timeout_ms);
}

/* Waits for the end of the container: its exit status. */
static unsigned wait_for_end(void)
{
	struct answer a = ask_id("Wait", 0);
	unsigned status;

	ck_assert_msg(a.code == RPC_OK, "%s", a.text);
	status = (unsigned)wire_get_number(a.payload.data, a.payload.len, WIRE_PATH(1));
	buf_release(&a.payload);
	return status;
}

/* ------------------------------------------------------------------------------------------ events
 */

struct event {
	char topic[32];
	unsigned status; /* of an exit */
};

static struct event events[64];
static unsigned n_events;
static unsigned events_to_lose; /* that many connections end before the answer */
static pthread_mutex_t events_lock = PTHREAD_MUTEX_INITIALIZER;

static void note_event(const struct buf *body)
{
	/* Request.payload, ForwardRequest.envelope, Envelope.topic and .event, Any.value */
	AUTO(str) char *topic = wire_get_text(body->data, body->len, WIRE_PATH(3, 1, 3));
	struct event e = { 0 };

	(void)snprintf(e.topic, sizeof(e.topic), "%s", topic);
	e.status = (unsigned)wire_get_number(body->data, body->len,
					     str_eq(topic, "/tasks/delete")
						     ? WIRE_PATH(3, 1, 4, 2, 3)
						     : WIRE_PATH(3, 1, 4, 2, 4));
	(void)pthread_mutex_lock(&events_lock);
	if (n_events < ARRAY_LEN(events))
		events[n_events++] = e;
	(void)pthread_mutex_unlock(&events_lock);
}

static void *take_events(void *arg)
{
	int listener = *(int *)arg;

	for (;;) {
		AUTO(fd) int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		AUTO(buf) struct buf body = BUF_INIT(WIRE_MAX), none = BUF_INIT(16);
		struct wire_frame frame;

		while (fd >= 0 && wire_receive(fd, QUIET_MS, &frame, &body) == 0) {
			if (events_to_lose) {
				events_to_lose--;
				break;
			}
			note_event(&body);
			if (wire_send(fd, frame.stream, WIRE_RESPONSE, &none) < 0)
				break;
		}
	}
	return NULL;
}

static bool has_event(const char *topic, unsigned status)
{
	bool found = false;

	(void)pthread_mutex_lock(&events_lock);
	for (unsigned i = 0; i < n_events; i++)
		found |= str_eq(events[i].topic, topic) && events[i].status == status;
	(void)pthread_mutex_unlock(&events_lock);
	return found;
}

static void await_event(const char *topic, unsigned status)
{
	struct deadline d = deadline_in(ANSWER_MS);

	while (!has_event(topic, status)) {
		ck_assert_msg(!deadline_passed(d), "no event %s %u", topic, status);
		(void)nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	}
}

/* ------------------------------------------------------------------------------------ set-up, end
 */

static void write_file(const char *path, const char *text)
{
	struct err err = ERR_INIT;

	ck_assert_msg(file_replace_volatile(AT_FDCWD, path, text, strlen(text), 0600, &err) == 0,
		      "%s", err.msg);
}

static void private_run(void)
{
	struct err err = ERR_INIT;

	ck_assert(unshare(CLONE_NEWNS | CLONE_NEWNET) == 0);
	ck_assert(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	ck_assert(mount_detach_below("/run", &err) == 0);
	ck_assert(mount("tmpfs", "/run", "tmpfs", 0, "mode=0755") == 0);
	ck_assert_msg(path_make(BUNDLE "/rootfs", 0755, &err) == 0, "%s", err.msg);
}

static const char *more_config; /* a drop-in, or NULL */

static void write_config(const char *share)
{
	AUTO(str)
	char *text = str_fmt("[hypervisor.qemu]\npath = \"%s\"\nkernel = \"/dev/null\"\n"
			     "initrd = \"/dev/null\"\naccelerator = \"tcg\"\n%s\n"
			     "[agent.kata]\ndial_timeout = 2\nrequest_timeout = 3\n"
			     "[runtime]\ncreate_container_timeout = 5\n",
			     FAKE_VM, share);
	struct err err = ERR_INIT;

	write_file(DIR "/configuration.toml", text);
	ck_assert(path_make(DIR "/config.d", 0700, &err) == 0);
	ck_assert(path_make(DIR "/shared", 0700, &err) == 0);
	write_file(DIR "/shared/file", "");
	if (more_config)
		write_file(DIR "/config.d/50-more.toml", more_config);
	write_file(BUNDLE "/log", "");
	write_file(BUNDLE "/config.json",
		   "{\"ociVersion\":\"1.0.2\",\"hostname\":\"guest\",\"process\":{\"args\":[\"sh\","
		   "\"-c\",\"true\"],\"env\":[\"A=b\"],\"cwd\":\"/tmp\",\"user\":{\"uid\":1,"
		   "\"gid\":2}},\"root\":{\"path\":\"rootfs\"},\"linux\":{\"namespaces\":["
		   "{\"type\":\"pid\"},{\"type\":\"mount\"}]}}");
}

static void run_shim(const char *verb, struct buf *out)
{
	struct err err = ERR_INIT;
	struct spawn s = { .argv = ARGV(SHIM, "-namespace", "ns", "-id", "c", "-address",
					DIR "/containerd.sock", "-debug", verb),
			   .cwd = BUNDLE };

	ck_assert_msg(spawn_run(&s, NULL, 0, out, deadline_in(ANSWER_MS), &err) == 0, "%s: %s",
		      verb, err.msg);
}

static void start_shim(const char *script, const char *share)
{
	static int listener;
	AUTO(buf) struct buf out = BUF_INIT(4096);
	struct err err = ERR_INIT;
	AUTO(str) char *pid = NULL;
	pthread_t thread;

	(void)signal(SIGPIPE, SIG_IGN);
	private_run();
	write_config(share);
	/* What the shim leaves behind becomes ours, and is seen. */
	ck_assert(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	ck_assert(setenv("KATA_CONF_FILE", DIR "/configuration.toml", 1) == 0);
	ck_assert(setenv("TTRPC_ADDRESS", EVENTS, 1) == 0);
	ck_assert(setenv("FAKE_VM", script, 1) == 0);
	ck_assert(setenv("FAKE_VM_LOG", VM_LOG, 1) == 0);
	listener = fd_unix_listen(EVENTS, &err);
	ck_assert_msg(listener >= 0, "%s", err.msg);
	ck_assert(pthread_create(&thread, NULL, take_events, &listener) == 0);
	run_shim("start", &out);
	address = xstrdup(buf_cstr(&out));
	ck_assert_msg(str_starts(address, "unix:///run/containerd/s/"), "%s", address);
	pid = file_read_line(AT_FDCWD, BUNDLE "/shim.pid", &err);
	ck_assert_msg(pid != NULL, "%s", err.msg);
	shim = (pid_t)strtol(pid, NULL, 10);
	manager = connect_shim();
}

static void shim_is_small(void)
{
	AUTO(str) char *path = str_fmt("/proc/%d/status", (int)shim);
	AUTO(buf) struct buf text = BUF_INIT(65536);
	struct err err = ERR_INIT;
	const char *peak;

	ck_assert_msg(file_read(AT_FDCWD, path, 65536, &text, &err) == 0, "%s", err.msg);
	peak = strstr(buf_cstr(&text), "VmHWM:");
	ck_assert_ptr_nonnull(peak);
	ck_assert_int_lt(strtol(peak + 6, NULL, 10), RSS_MAX_KIB);
}

/* Everything that ran is waited for; the shim itself ended as it should. */
static void no_process_is_left(bool killed)
{
	struct deadline d = deadline_in(QUIET_MS);

	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG);

		if (pid < 0 && errno == ECHILD)
			return;
		if (pid == shim && !killed)
			ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
				      "the shim ended with %x", (unsigned)status);
		ck_assert_msg(!deadline_passed(d), "processes are left");
		if (pid == 0)
			(void)nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	}
}

static void nothing_is_left(void)
{
	static const char *const gone[] = { "/run/vc/sbs/c", "/run/vc/vm/c",
					    "/run/kata-containers/shared/sandboxes/c" };
	AUTO(buf) struct buf mounts = BUF_INIT(1 << 20);
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_LEN(gone); i++)
		ck_assert_msg(!path_exists(gone[i]), "%s is left", gone[i]);
	ck_assert_msg(!path_exists(address + strlen("unix://")), "the socket is left");
	ck_assert(file_read(AT_FDCWD, "/proc/self/mountinfo", 1 << 20, &mounts, &err) == 0);
	ck_assert_msg(!strstr(buf_cstr(&mounts), "/run/kata"), "%s", mounts.data);
}

/* The `delete` verb, as containerd calls it after a shim is gone: says how the container ended. */
static void delete_verb(void)
{
	AUTO(buf) struct buf out = BUF_INIT(4096);

	run_shim("delete", &out);
	ck_assert_uint_eq(wire_get_number(out.data, out.len, WIRE_PATH(2)), 137);
	ck_assert_uint_gt(wire_get_number(out.data, out.len, WIRE_PATH(3, 1)), 1600000000);
}

/* The container is gone: the shim ends when it is told to, and has left nothing. */
static void finish(void)
{
	shim_is_small();
	must(ask_id("Shutdown", 0), "Shutdown");
	no_process_is_left(false);
	nothing_is_left();
	delete_verb();
}

static void delete_container(void)
{
	must(ask_id("Delete", 0), "Delete");
	await_event("/tasks/delete", 255);
	finish();
}

static void start_container(const char *script)
{
	start_shim(script, "shared_fs = \"virtio-9p\"");
	must(create(), "Create");
	must(ask_id("Start", 0), "Start");
}

/* ------------------------------------------------------------------------------ the good manners
 */

/* The nth recorded request of a method: its payload, or fails. */
static struct wire_value recorded(const struct buf *log, const char *service, const char *method)
{
	struct wire_value v;
	uint32_t len;

	for (size_t at = 0; at + 4 <= log->len; at += 4 + len) {
		const char *body = log->data + at + 4;

		memcpy(&len, log->data + at, 4);
		AUTO(str) char *name = wire_get_text(body, len, WIRE_PATH(2));
		AUTO(str) char *of = wire_get_text(body, len, WIRE_PATH(1));
		if (!str_eq(name, method))
			continue;
		ck_assert_str_eq(of, service);
		if (!wire_find(body, len, 3, 0, &v))
			v = (struct wire_value){ .data = (const uint8_t *)"" };
		return v;
	}
	ck_abort_msg("the agent was not asked %s", method);
}

static void holds_text(struct wire_value v, const unsigned *path, const char *expect)
{
	AUTO(str) char *text = wire_get_text(v.data, v.len, path);

	ck_assert_str_eq(text, expect);
}

static void check_requests(void)
{
	AUTO(buf) struct buf log = BUF_INIT(1 << 20);
	struct err err = ERR_INIT;
	struct wire_value v, arg;

	ck_assert_msg(file_read(AT_FDCWD, VM_LOG, 1 << 20, &log, &err) == 0, "%s", err.msg);
	(void)recorded(&log, "grpc.Health", "Check");
	v = recorded(&log, "grpc.AgentService", "CreateSandbox");
	holds_text(v, WIRE_PATH(1), "guest"); /* hostname */
	holds_text(v, WIRE_PATH(5), "c");     /* sandbox_id */
	holds_text(v, WIRE_PATH(3, 1), "9p"); /* storages: driver, source, fstype, mount_point */
	holds_text(v, WIRE_PATH(3, 3), "kataShared");
	holds_text(v, WIRE_PATH(3, 4), "9p");
	holds_text(v, WIRE_PATH(3, 6), "/run/kata-containers/shared/containers/");
	v = recorded(&log, "grpc.AgentService", "CreateContainer");
	holds_text(v, WIRE_PATH(1), "c"); /* container_id, exec_id */
	holds_text(v, WIRE_PATH(2), "c");
	holds_text(v, WIRE_PATH(6, 1), "1.0.2"); /* OCI: Version */
	holds_text(v, WIRE_PATH(6, 2, 4), "sh"); /* Process: Args, Env, Cwd, User */
	holds_text(v, WIRE_PATH(6, 2, 5), "A=b");
	holds_text(v, WIRE_PATH(6, 2, 6), "/tmp");
	ck_assert_uint_eq(wire_get_number(v.data, v.len, WIRE_PATH(6, 2, 3, 1)), 1);
	ck_assert_uint_eq(wire_get_number(v.data, v.len, WIRE_PATH(6, 2, 3, 2)), 2);
	holds_text(v, WIRE_PATH(6, 3, 1), "/run/kata-containers/shared/containers/c/rootfs");
	ck_assert(wire_find(v.data, v.len, 6, 0, &arg));
	ck_assert(wire_find(arg.data, arg.len, 2, 0, &arg));
	ck_assert(wire_find(arg.data, arg.len, 4, 2, &arg)); /* the third of Args */
	ck_assert(arg.len == 4 && memcmp(arg.data, "true", 4) == 0);
	v = recorded(&log, "grpc.AgentService", "StartContainer");
	holds_text(v, WIRE_PATH(1), "c");
	v = recorded(&log, "grpc.AgentService", "WaitProcess");
	holds_text(v, WIRE_PATH(1), "c");
	v = recorded(&log, "grpc.AgentService", "ReadStdout");
	holds_text(v, WIRE_PATH(1), "c");
	ck_assert_uint_gt(wire_get_number(v.data, v.len, WIRE_PATH(3)), 0);
	v = recorded(&log, "grpc.AgentService", "SignalProcess");
	holds_text(v, WIRE_PATH(1), "c");
	holds_text(v, WIRE_PATH(2), "c");
	ck_assert_uint_eq(wire_get_number(v.data, v.len, WIRE_PATH(3)), 9);
	(void)recorded(&log, "grpc.AgentService", "DestroySandbox");
}

static void output_is(const char *expect)
{
	AUTO(buf) struct buf text = BUF_INIT(4096);
	struct err err = ERR_INIT;

	ck_assert_msg(file_read(AT_FDCWD, OUTPUT, 4096, &text, &err) == 0, "%s", err.msg);
	ck_assert_str_eq(buf_cstr(&text), expect);
}

START_TEST(a_whole_conversation)
{
	struct answer a;

	start_container("good");
	await_event("/tasks/create", 0);
	await_event("/tasks/start", 0);
	a = ask_id("State", 0);
	ck_assert_uint_eq(a.code, RPC_OK);
	ck_assert_uint_eq(wire_get_number(a.payload.data, a.payload.len, WIRE_PATH(4)), 2);
	buf_release(&a.payload);
	must(kill_it(9, 0), "Kill");
	ck_assert_uint_eq(wait_for_end(), 137);
	await_event("/tasks/exit", 137);
	a = ask_id("Delete", 0);
	ck_assert_msg(a.code == RPC_OK, "%s", a.text);
	ck_assert_uint_eq(wire_get_number(a.payload.data, a.payload.len, WIRE_PATH(2)), 137);
	buf_release(&a.payload);
	output_is("hello\n");
	check_requests();
	finish();
}
END_TEST

/* ------------------------------------------------------------------------------- what is
 * configured
 */

/* The command line of the VMM, with spaces between the words. */
static void command_line(struct buf *out)
{
	struct answer a = ask_id("State", 0);
	struct err err = ERR_INIT;
	AUTO(str) char *path = NULL;

	ck_assert_uint_eq(a.code, RPC_OK);
	path = str_fmt("/proc/%u/cmdline",
		       (unsigned)wire_get_number(a.payload.data, a.payload.len, WIRE_PATH(3)));
	buf_release(&a.payload);
	ck_assert_msg(file_read(AT_FDCWD, path, 1 << 16, out, &err) == 0, "%s", err.msg);
	for (size_t i = 0; i < out->len; i++)
		out->data[i] = out->data[i] ? out->data[i] : ' ';
}

static const char configured[] =
	"[hypervisor.qemu]\nmachine_accelerators = \"hmat=on\"\ncpu_features = \"-pmu\"\n"
	"seccompsandbox = \"on,spawn=deny\"\nfirmware = \"/bin/sh\"\ndefault_vcpus = 3\n"
	"default_maxvcpus = 7\ndefault_memory = 300\nkernel_params = \"one=1 two\"\n"
	"enable_debug = true\nuse_legacy_serial = true\nenable_mem_prealloc = true\n"
	"enable_hugepages = true\npcie_root_port = 2\nentropy_source = \"/dev/random\"\n"
	"msize_9p = 8192\nguest_hook_path = \"/hooks\"\n"
	"[agent.kata]\nkernel_modules = [\"first\", \"second a=b c=d\"]\nenable_debug = true\n"
	"[runtime]\nsandbox_bind_mounts = [\"" DIR "/shared\", \"" DIR "/shared/file:rw\"]\n";

static void check_command_line(void)
{
	static const char *const words[] = {
		" -machine q35,accel=tcg,",
		",hmat=on ",
		" -cpu max,-erms,-pmu ",
		" -smp 3 ",
		" -m 300M ",
		"size=300M,",
		"prealloc=on,hugetlb=on",
		"isa-serial",
		"filename=/dev/random",
		"pcie-root-port,id=rp0",
		"id=rp1",
		" -bios /bin/sh ",
		" -sandbox on,spawn=deny ",
		" -append debug ",
		"console=ttyS0",
		" agent.log=debug one=1 two ",
	};
	AUTO(buf) struct buf line = BUF_INIT(1 << 16);

	command_line(&line);
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		ck_assert_msg(strstr(buf_cstr(&line), words[i]) != NULL, "no '%s' in %s", words[i],
			      buf_cstr(&line));
}

static void check_sandbox_request(void)
{
	AUTO(buf) struct buf log = BUF_INIT(1 << 20);
	struct wire_value v, second;
	struct err err = ERR_INIT;

	ck_assert_msg(file_read(AT_FDCWD, VM_LOG, 1 << 20, &log, &err) == 0, "%s", err.msg);
	v = recorded(&log, "grpc.AgentService", "CreateSandbox");
	holds_text(v, WIRE_PATH(6), "/hooks");
	holds_text(v, WIRE_PATH(7, 1), "first");
	ck_assert(wire_find(v.data, v.len, 7, 1, &second));
	holds_text(second, WIRE_PATH(1), "second");
	holds_text(second, WIRE_PATH(2), "a=b");
	holds_text(v, WIRE_PATH(3, 5), "trans=virtio,version=9p2000.L,cache=mmap,nodev,msize=8192");
}

START_TEST(the_configuration_reaches_the_vm)
{
	static const char shared[] =
		"/run/kata-containers/shared/sandboxes/c/shared/sandbox-mounts";
	AUTO(str) char *dir = path_join(shared, "shared/new"), *file = path_join(shared, "file");

	more_config = configured;
	start_container("good");
	check_command_line();
	check_sandbox_request();
	/* A directory read-only, a file of it writable. */
	ck_assert(open(dir, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0 && errno == EROFS);
	ck_assert(access(file, W_OK) == 0);
	must(kill_it(9, 0), "Kill");
	ck_assert_uint_eq(wait_for_end(), 137);
	must(ask_id("Delete", 0), "Delete");
	finish();
}
END_TEST

static const struct {
	const char *entry, *says;
} bad_mounts[] = {
	{ "relative", "'relative' is not an absolute path" },
	{ "/", "'/' is not an absolute path" },
	{ "/no/such", "/no/such" },
	{ DIR "/shared\", \"/tmp/../" DIR "/shared/:rw", "two named 'shared'" },
};

START_TEST(what_cannot_be_shared_fails_create)
{
	AUTO(str)
	char *text = str_fmt("[runtime]\nsandbox_bind_mounts = [\"%s\"]", bad_mounts[_i].entry);

	more_config = text;
	start_shim("good", "shared_fs = \"virtio-9p\"");
	must_fail(create(), bad_mounts[_i].says);
	finish();
}
END_TEST

/* ------------------------------------------------------------------------------ events, streams
 */

/* A manager that is away for a while, or restarts, gets every event, once each and in their order.
 */
START_TEST(events_are_sent_again)
{
	static const char *const topics[] = { "/tasks/create", "/tasks/start", "/tasks/exit",
					      "/tasks/delete" };

	events_to_lose = 3;
	start_container("good");
	must(kill_it(9, 0), "Kill");
	ck_assert_uint_eq(wait_for_end(), 137);
	must(ask_id("Delete", 0), "Delete");
	await_event("/tasks/delete", 137);
	ck_assert_uint_eq(events_to_lose, 0);
	ck_assert_uint_eq(n_events, ARRAY_LEN(topics));
	for (size_t i = 0; i < ARRAY_LEN(topics); i++)
		ck_assert_str_eq(events[i].topic, topics[i]);
	finish();
}
END_TEST

START_TEST(output_goes_into_a_fifo)
{
	struct pollfd ready = { .events = POLLIN };
	char text[16] = "";
	ssize_t n;

	start_shim("good", "shared_fs = \"virtio-9p\"");
	ck_assert_int_eq(mkfifo(DIR "/out", 0600), 0);
	AUTO(fd) int fd = open(DIR "/out", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	must(create_to("fifo://" DIR "/out"), "Create");
	must(ask_id("Start", 0), "Start");
	ready.fd = fd;
	ck_assert_int_eq(poll(&ready, 1, ANSWER_MS), 1);
	n = read(fd, text, sizeof(text) - 1);
	ck_assert_int_eq(n, 6);
	ck_assert_str_eq(text, "hello\n");
	must(kill_it(9, 0), "Kill");
	ck_assert_uint_eq(wait_for_end(), 137);
	must(ask_id("Delete", 0), "Delete");
	finish();
}
END_TEST

static const struct {
	const char *uri, *says;
} bad_outputs[] = {
	{ "tcp://127.0.0.1:1", "schemes are fifo://, file:// and binary://" },
	{ "fifo://" DIR "/missing", "open " DIR "/missing" },
	{ "file://" BUNDLE "/config.json/x", "config.json" },
	{ "binary:///no/such/logger?a=b", "/no/such/logger" },
	{ "binary:///bin/false",
	  "" }, /* it is ready by closing its end; that it ended is its affair */
};

START_TEST(output_that_cannot_be_opened_fails_create)
{
	start_shim("good", "shared_fs = \"virtio-9p\"");
	if (*bad_outputs[_i].says) {
		must_fail(create_to(bad_outputs[_i].uri), bad_outputs[_i].says);
	} else {
		must(create_to(bad_outputs[_i].uri), "Create");
		must(ask_id("Delete", 0), "Delete");
	}
	finish();
}
END_TEST

/* The manager's side may be broken too: it gets an error, the container goes on. */
START_TEST(a_manager_without_manners)
{
	AUTO(buf) struct buf junk = BUF_INIT(64);
	struct answer a;

	start_container("good");
	buf_add(&junk, "\xff\xff\xff\xff\xff", 5);
	a = ask("State", &junk, 0);
	ck_assert_uint_ne(a.code, RPC_OK);
	a = ask("Nonsense", &junk, 0);
	ck_assert_uint_eq(a.code, RPC_UNIMPLEMENTED);
	a = ask_id("Checkpoint", 0);
	ck_assert_uint_eq(a.code, RPC_UNIMPLEMENTED);
	must_fail(a, "checkpoint");
	ask_on(manager, "no.such.Service", "State", &junk, 0);
	ck_assert_uint_eq(answer_on(manager, "State").code, RPC_UNIMPLEMENTED);
	ck_assert_int_eq(wire_send(manager, 2, 77, &junk), 0);
	must(kill_it(9, 0), "Kill");
	ck_assert_uint_eq(wait_for_end(), 137);
	must(ask_id("Delete", 0), "Delete");
	finish();
}
END_TEST

/* ----------------------------------------------------------------------------- create comes to
 * nothing
 */

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
	{ "no-sockets", "did not open" },
	{ "no-qmp", "in time" },
	{ "no-check", "did not answer" },
};

START_TEST(create_fails_in_time)
{
	start_shim(bad_creates[_i].script, "shared_fs = \"virtio-9p\"");
	must_fail(create(), bad_creates[_i].says);
	must_fail(ask_id("State", 0), "not found");
	finish();
}
END_TEST

START_TEST(virtiofsd_dies)
{
	start_shim("no-check", "virtio_fs_daemon = \"/bin/false\"");
	must_fail(create(), "virtiofsd");
	finish();
}
END_TEST

/* ------------------------------------------------------------------------- it goes wrong
 * afterwards
 */

START_TEST(start_without_an_answer)
{
	start_shim("no-start", "shared_fs = \"virtio-9p\"");
	must(create(), "Create");
	must_fail(ask_id("Start", 500), "in time");
	must(ask_id("Delete", 0), "Delete");
	finish();
}
END_TEST

START_TEST(vm_dies_at_the_start)
{
	start_shim("die-at-start", "shared_fs = \"virtio-9p\"");
	must(create(), "Create");
	must_fail(ask_id("Start", 0), "VM");
	ck_assert_uint_eq(wait_for_end(), 255);
	await_event("/tasks/exit", 255);
	delete_container();
}
END_TEST

START_TEST(connection_ends_while_it_runs)
{
	start_container("close-running");
	ck_assert_uint_eq(wait_for_end(), 255);
	await_event("/tasks/exit", 255);
	delete_container();
}
END_TEST

START_TEST(answers_out_of_order)
{
	start_container("reorder");
	ck_assert_uint_eq(wait_for_end(), 5);
	must(ask_id("Delete", 0), "Delete");
	output_is("hello\n");
	finish();
}
END_TEST

/* A guest that does not take a signal does not keep the manager from ending it. */
START_TEST(kill_without_an_answer)
{
	start_container("no-signal");
	must_fail(kill_it(15, 0), "in time");
	must(kill_it(9, 0), "Kill");
	ck_assert_uint_eq(wait_for_end(), 255);
	await_event("/tasks/exit", 255);
	delete_container();
}
END_TEST

/* The end is told, the signal's answer is not: Delete comes while Kill still waits. */
START_TEST(delete_while_a_call_waits)
{
	AUTO(buf) struct buf payload = BUF_INIT(64);
	struct answer a;

	start_container("exit-no-signal");
	wire_text(&payload, 1, "c");
	wire_number(&payload, 3, 9);
	ask_on(manager, TASK, "Kill", &payload, 0);
	ck_assert_uint_eq(wait_for_end(), 137);
	must(ask_id("Delete", 0), "Delete");
	a = answer_on(manager, "Kill");
	buf_release(&a.payload);
	finish();
}
END_TEST

START_TEST(agent_without_a_goodbye)
{
	start_container("no-goodbye");
	must(kill_it(9, 0), "Kill");
	ck_assert_uint_eq(wait_for_end(), 137);
	must(ask_id("Delete", 0), "Delete");
	finish();
}
END_TEST

/* ------------------------------------------------------------------------------------------ floods
 */

static const char *const floods[] = { "flood-console", "flood-output", "empty-output", "flood-oom",
				      "console-end" };

/* Processor time of the shim so far, in clock ticks. */
static unsigned long busy(void)
{
	AUTO(str) char *path = str_fmt("/proc/%d/stat", (int)shim);
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

	start_container(floods[_i]);
	(void)nanosleep(&(struct timespec){ .tv_nsec = 500000000 }, NULL);
	if (str_eq(floods[_i], "console-end")) {
		unsigned long before = busy();

		(void)nanosleep(&(struct timespec){ .tv_nsec = 500000000 }, NULL);
		ck_assert_uint_lt(busy() - before, 20);
	}
	shim_is_small();
	must(ask_id("State", 0), "State");
	(void)kill_it(9, 0); /* a guest that was ended for its flood does not answer any more */
	status = wait_for_end();
	ck_assert_msg(status == 137 || status == 255, "%u", status);
	must(ask_id("Delete", 0), "Delete");
	finish();
}
END_TEST

/* --------------------------------------------------------------------------------- the shim is
 * gone
 */

static const char *const orphans[] = { "good", "no-sockets", "no-check", "no-answer" };

/* containerd finds the shim dead and calls `delete`, whatever was under way. */
START_TEST(delete_after_a_killed_shim)
{
	AUTO(buf) struct buf payload = BUF_INIT(1024);

	start_shim(orphans[_i],
		   _i % 2 ? "virtio_fs_daemon = \"" FAKE_VM "\"" : "shared_fs = \"virtio-9p\"");
	wire_text(&payload, 1, "c");
	wire_text(&payload, 2, BUNDLE);
	ask_on(manager, TASK, "Create", &payload, 0);
	(void)nanosleep(&(struct timespec){ .tv_nsec = 300000000 * SLOW }, NULL);
	ck_assert(kill(shim, SIGKILL) == 0);
	ck_assert(waitpid(shim, NULL, 0) == shim);
	delete_verb();
	no_process_is_left(true);
	nothing_is_left();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("shim, hostile guest");
	TCase *t = tcase_create("shim");
	SRunner *r = srunner_create(s);
	int failed;

	if (geteuid() != 0) {
		(void)puts("skipped shim_hostile_test: needs root");
		return EXIT_SUCCESS;
	}
	tcase_set_timeout(t, 60.0 * SLOW);
	tcase_add_test(t, a_whole_conversation);
	tcase_add_test(t, the_configuration_reaches_the_vm);
	tcase_add_loop_test(t, what_cannot_be_shared_fails_create, 0, ARRAY_LEN(bad_mounts));
	tcase_add_test(t, events_are_sent_again);
	tcase_add_test(t, output_goes_into_a_fifo);
	tcase_add_loop_test(t, output_that_cannot_be_opened_fails_create, 0,
			    ARRAY_LEN(bad_outputs));
	tcase_add_test(t, a_manager_without_manners);
	tcase_add_loop_test(t, create_fails_in_time, 0, ARRAY_LEN(bad_creates));
	tcase_add_test(t, virtiofsd_dies);
	tcase_add_test(t, start_without_an_answer);
	tcase_add_test(t, vm_dies_at_the_start);
	tcase_add_test(t, connection_ends_while_it_runs);
	tcase_add_test(t, answers_out_of_order);
	tcase_add_test(t, kill_without_an_answer);
	tcase_add_test(t, delete_while_a_call_waits);
	tcase_add_test(t, agent_without_a_goodbye);
	tcase_add_loop_test(t, floods_cost_nothing_but_themselves, 0, ARRAY_LEN(floods));
	tcase_add_loop_test(t, delete_after_a_killed_shim, 0, ARRAY_LEN(orphans));
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
