// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/shim_lab.h"
#include "tests/unit/children_lab.h"
#include "tests/unit/kernel_lab.h"
#include "tests/unit/suite.h"

#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"
#include "mount/mount.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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

/* Of the peak resident set of the shim; without sanitizers, of the program as it is shipped. */
enum { RSS_MAX_KIB = SLOW > 1 ? 2 << 20 : 24 << 10 };

/* --- the container manager --- */

static char *shim_address;
int shim_manager = -1; /* the connection for most calls */
pid_t shim_pid;

int shim_connect(void)
{
	struct err err = ERR_INIT;
	int fd = fd_unix_connect(shim_address + strlen("unix://"), &err);

	ck_assert_msg(fd >= 0, "%s", err.msg);
	return fd;
}

void shim_ask_on(int fd, const char *service, const char *method, const struct buf *payload,
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

struct answer shim_answer_on(int fd, const char *method)
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

struct answer shim_ask(const char *method, const struct buf *payload, unsigned timeout_ms)
{
	AUTO(fd) int fd = shim_connect();

	shim_ask_on(fd, TASK, method, payload, timeout_ms);
	return shim_answer_on(fd, method);
}

struct answer shim_ask_id(const char *method, unsigned timeout_ms)
{
	AUTO(buf) struct buf payload = BUF_INIT(64);

	wire_text(&payload, 1, "c");
	return shim_ask(method, &payload, timeout_ms);
}

void shim_add_any(struct buf *payload, unsigned field, const char *json)
{
	AUTO(buf) struct buf any = BUF_INIT(4096);

	wire_text(&any, 1, "types.containerd.io/opencontainers/runtime-spec/1/x");
	wire_text(&any, 2, json);
	wire_bytes(payload, field, any.data, any.len);
}

void shim_must(struct answer a, const char *what)
{
	ck_assert_msg(a.code == RPC_OK, "%s: %u %s", what, a.code, a.text);
	buf_release(&a.payload);
}

void shim_must_fail(struct answer a, const char *text)
{
	ck_assert_msg(a.code != RPC_OK, "succeeded, without: %s", text);
	ck_assert_msg(strstr(a.text, text) != NULL, "'%s' does not say '%s'", a.text, text);
	buf_release(&a.payload);
}

struct answer shim_create_to(const char *output)
{
	AUTO(buf) struct buf payload = BUF_INIT(1024);

	wire_text(&payload, 1, "c");
	wire_text(&payload, 2, BUNDLE);
	wire_text(&payload, 6, output);
	return shim_ask("Create", &payload, 0);
}

struct answer shim_create(void)
{
	return shim_create_to("file://" OUTPUT);
}

struct answer shim_kill(unsigned signo, unsigned timeout_ms)
{
	AUTO(buf) struct buf payload = BUF_INIT(64);

	wire_text(&payload, 1, "c");
	wire_number(&payload, 3, signo);
	return shim_ask("Kill", &payload, timeout_ms);
}

/* The number in one field of an answer, which is released. */
static unsigned number_in(struct answer a, const char *method, unsigned field)
{
	unsigned value;

	ck_assert_msg(a.code == RPC_OK, "%s: %s", method, a.text);
	value = (unsigned)wire_get_number(a.payload.data, a.payload.len, WIRE_PATH(field));
	buf_release(&a.payload);
	return value;
}

unsigned shim_wait(void)
{
	return number_in(shim_ask_id("Wait", 0), "Wait", 1);
}

unsigned shim_state(unsigned field)
{
	return number_in(shim_ask_id("State", 0), "State", field);
}

/* --- events --- */

static struct event {
	char topic[32];
	unsigned status; /* exit status, in an exit event */
} events[64];
static unsigned n_events;
unsigned shim_events_to_lose; /* that many connections end before the answer */
bool shim_events_hang;
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
			while (__atomic_load_n(&shim_events_hang, __ATOMIC_ACQUIRE))
				(void)pause();
			if (shim_events_to_lose) {
				shim_events_to_lose--;
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

const char *shim_event(unsigned number)
{
	const char *topic;

	(void)pthread_mutex_lock(&events_lock);
	topic = number < n_events ? events[number].topic : "";
	(void)pthread_mutex_unlock(&events_lock);
	return topic;
}

void shim_await_event(const char *topic, unsigned status)
{
	struct deadline d = deadline_in(ANSWER_MS);

	while (!has_event(topic, status)) {
		ck_assert_msg(!deadline_passed(d), "no event %s %u", topic, status);
		(void)nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	}
}

/* --- starting and ending the shim --- */

void shim_write(const char *path, const char *text)
{
	struct err err = ERR_INIT;

	ck_assert_msg(file_replace_volatile(AT_FDCWD, path, text, strlen(text), 0600, &err) == 0,
		      "%s", err.msg);
}

const char *shim_netns;

void shim_write_spec(const char *type, const char *process, const char *linux_members)
{
	AUTO(str) char *annotations = NULL, *text = NULL;

	annotations =
		*type ? str_fmt("\"annotations\":{\"io.kubernetes.cri.container-type\":\"%s\","
				"\"io.kubernetes.cri.sandbox-id\":\"c\"},",
				type)
		      : xstrdup("");
	text = str_fmt("{\"ociVersion\":\"1.0.2\",\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\","
		       "\"user\":{\"uid\":0,\"gid\":0}%s},\"root\":{\"path\":\"rootfs\"},%s"
		       "\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"pid\"},"
		       "{\"type\":\"ipc\"},{\"type\":\"network\"%s%s%s}]%s}}",
		       process, annotations, shim_netns ? ",\"path\":\"" : "",
		       shim_netns ? shim_netns : "", shim_netns ? "\"" : "", linux_members);
	shim_write(BUNDLE "/config.json", text);
}

static void private_run(void)
{
	struct err err = ERR_INIT;

	ck_assert(unshare(CLONE_NEWNS | CLONE_NEWNET) == 0);
	ck_assert(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	/* Tests that run at the same time all have a sandbox of the same name. Their /run is
	 * private, but the host's control groups are not: the shim does without. */
	(void)umount2("/sys/fs/cgroup", MNT_DETACH);
	ck_assert(mount_detach_below("/run", &err) == 0);
	ck_assert(mount("tmpfs", "/run", "tmpfs", 0, "mode=0755") == 0);
	ck_assert_msg(path_make(BUNDLE "/rootfs", 0755, &err) == 0, "%s", err.msg);
}

const char *shim_more_config; /* a drop-in, or NULL */
void (*shim_host)(void);

static void write_config(const char *share)
{
	AUTO(str)
	char *text = str_fmt("[hypervisor.qemu]\npath = \"%s\"\nkernel = \"" DIR "/vmlinux\"\n"
			     "initrd = \"/dev/null\"\naccelerator = \"tcg\"\n"
			     "transport = \"serial\"\n%s\n"
			     "[agent.kata]\ndial_timeout = 2\nrequest_timeout = 3\n"
			     "[runtime]\ncreate_container_timeout = 5\n",
			     FAKE_VM, share);
	struct err err = ERR_INIT;

	shim_write(DIR "/configuration.toml", text);
	kernel_lab_write(DIR "/vmlinux", (struct note[]){ NOTE_STORES_PAGES, NOTE_END }, 0);
	ck_assert(path_make(DIR "/config.d", 0700, &err) == 0);
	ck_assert(path_make(DIR "/shared", 0700, &err) == 0);
	shim_write(DIR "/shared/file", "");
	if (shim_more_config)
		shim_write(DIR "/config.d/50-more.toml", shim_more_config);
	shim_write(BUNDLE "/log", "");
	shim_write(BUNDLE "/config.json",
		   "{\"ociVersion\":\"1.0.2\",\"hostname\":\"guest\",\"process\":{\"args\":[\"sh\","
		   "\"-c\",\"true\"],\"env\":[\"A=b\"],\"cwd\":\"/tmp\",\"user\":{\"uid\":1,"
		   "\"gid\":2}},\"root\":{\"path\":\"rootfs\"},\"linux\":{\"namespaces\":["
		   "{\"type\":\"pid\"},{\"type\":\"mount\"}],\"resources\":{\"cpu\":{"
		   "\"quota\":50000,\"period\":100000}}}}");
}

const char *shim_namespace = "ns", *shim_manager_address = DIR "/containerd.sock";
const struct buf *shim_options;

#define SHIM_ARGV(verb)                                                                        \
	ARGV(SHIM, "-namespace", shim_namespace, "-id", "c", "-address", shim_manager_address, \
	     "-debug", verb)

static void run_shim(const char *verb, const struct buf *in, struct buf *out)
{
	struct err err = ERR_INIT;
	struct spawn s = { .argv = SHIM_ARGV(verb), .cwd = BUNDLE };

	ck_assert_msg(spawn_run(&s, in ? in->data : NULL, in ? in->len : 0, out,
				deadline_in(ANSWER_MS), &err) == 0,
		      "%s: %s", verb, err.msg);
}

/* Makes the host and the bundle that the shim finds, and listens to its events. */
static void prepare(const char *script, const char *share)
{
	static int listener;
	struct err err = ERR_INIT;
	pthread_t thread;

	(void)signal(SIGPIPE, SIG_IGN);
	private_run();
	if (shim_host)
		shim_host();
	write_config(share);
	/* Processes that the shim leaves behind become our children, so that they are seen. */
	ck_assert(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	ck_assert(setenv("KATA_CONF_FILE", DIR "/configuration.toml", 1) == 0);
	ck_assert(setenv("TTRPC_ADDRESS", EVENTS, 1) == 0);
	ck_assert(setenv("FAKE_VM", script, 1) == 0);
	ck_assert(setenv("FAKE_VM_LOG", VM_LOG, 1) == 0);
	listener = fd_unix_listen(EVENTS, &err);
	ck_assert_msg(listener >= 0, "%s", err.msg);
	ck_assert(pthread_create(&thread, NULL, take_events, &listener) == 0);
}

void shim_start(const char *script, const char *share)
{
	AUTO(buf) struct buf out = BUF_INIT(4096);
	struct err err = ERR_INIT;
	AUTO(str) char *pid = NULL;

	prepare(script, share);
	run_shim("start", shim_options, &out);
	shim_address = xstrdup(buf_cstr(&out));
	ck_assert_msg(str_starts(shim_address, "unix:///run/containerd/s/"), "%s", shim_address);
	pid = file_read_line(AT_FDCWD, BUNDLE "/shim.pid", &err);
	ck_assert_msg(pid != NULL, "%s", err.msg);
	shim_pid = (pid_t)strtol(pid, NULL, 10);
	shim_manager = shim_connect();
}

int shim_start_into(int fd, const char *script, const char *share)
{
	struct spawn_fd fds[] = { { fd, STDOUT_FILENO } };
	struct spawn s = { .argv = SHIM_ARGV("start"), .cwd = BUNDLE, .fds = fds, .nfds = 1 };
	struct child child = CHILD_NONE;
	struct err err = ERR_INIT;
	AUTO(str) char *address = NULL;
	int code = -1;

	prepare(script, share);
	ck_assert_msg(spawn_start(&s, &child, &err) == 0, "%s", err.msg);
	ck_assert_msg(spawn_wait(&child, deadline_in(ANSWER_MS), &code, &err) == 0, "%s", err.msg);
	address = file_read_line(AT_FDCWD, BUNDLE "/address", &err);
	ck_assert_msg(address != NULL, "%s", err.msg);
	shim_address = xstrdup(address);
	return code;
}

void shim_is_small(void)
{
	AUTO(str) char *path = str_fmt("/proc/%d/status", (int)shim_pid);
	AUTO(buf) struct buf text = BUF_INIT(65536);
	struct err err = ERR_INIT;
	const char *peak;

	ck_assert_msg(file_read(AT_FDCWD, path, 65536, &text, &err) == 0, "%s", err.msg);
	peak = strstr(buf_cstr(&text), "VmHWM:");
	ck_assert_ptr_nonnull(peak);
	ck_assert_int_lt(strtol(peak + 6, NULL, 10), RSS_MAX_KIB);
}

char **shim_threads(void)
{
	AUTO(str) char *path = str_fmt("/proc/%d/task", (int)shim_pid);
	struct dirent **found = NULL;
	char **list = NULL;
	int n = scandir(path, &found, NULL, NULL);

	ck_assert_int_ge(n, 0);
	for (int i = 0; i < n; i++) {
		if (*found[i]->d_name != '.')
			strv_push(&list, found[i]->d_name);
		free(found[i]);
	}
	free(found);
	return list;
}

char *shim_path_of_vm(const char *path)
{
	struct err err = ERR_INIT;
	AUTO(str) char *pid = file_read_line(AT_FDCWD, VM_PID, &err);

	ck_assert_msg(pid != NULL, "%s", err.msg);
	return str_fmt("/proc/%s/root%s", pid, path);
}

void shim_no_process_is_left(bool killed)
{
	struct deadline d = deadline_in(QUIET_MS);

	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG);

		if (pid < 0 && errno == ECHILD)
			return;
		if (pid == shim_pid && !killed)
			ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
				      "the shim ended with %x", (unsigned)status);
		ck_assert_msg(!deadline_passed(d), "processes are left");
		if (pid == 0)
			(void)nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	}
}

void shim_nothing_is_left(void)
{
	static const char *const gone[] = { "/run/vc/sbs/c@ns", "/run/vc/vm/c@ns",
					    "/run/kata-containers/shared/sandboxes/c@ns" };
	AUTO(buf) struct buf mounts = BUF_INIT(1 << 20);
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_LEN(gone); i++)
		ck_assert_msg(!path_exists(gone[i]), "%s is left", gone[i]);
	ck_assert_msg(!path_exists(shim_address + strlen("unix://")), "the socket is left");
	ck_assert(file_read(AT_FDCWD, "/proc/self/mountinfo", 1 << 20, &mounts, &err) == 0);
	ck_assert_msg(!strstr(buf_cstr(&mounts), " /run/kata"), "%s", mounts.data);
}

/* The `delete` verb, as containerd calls it after a shim is gone: says how the container ended. */
void shim_delete_verb(void)
{
	AUTO(buf) struct buf out = BUF_INIT(4096);

	run_shim("delete", NULL, &out);
	ck_assert_uint_eq(wire_get_number(out.data, out.len, WIRE_PATH(2)), 137);
	ck_assert_uint_gt(wire_get_number(out.data, out.len, WIRE_PATH(3, 1)), 1600000000);
}

void shim_finish(void)
{
	shim_is_small();
	shim_must(shim_ask_id("Shutdown", 0), "Shutdown");
	shim_no_process_is_left(false);
	shim_nothing_is_left();
	shim_delete_verb();
}

void shim_kill_and_finish(void)
{
	shim_must(shim_kill(9, 0), "Kill");
	ck_assert_uint_eq(shim_wait(), 137);
	shim_must(shim_ask_id("Delete", 0), "Delete");
	shim_finish();
}

void shim_delete_container(void)
{
	shim_must(shim_ask_id("Delete", 0), "Delete");
	shim_await_event("/tasks/delete", 255);
	shim_finish();
}

void shim_start_container(const char *script)
{
	shim_start(script, SHARE_9P);
	shim_must(shim_create(), "Create");
	shim_must(shim_ask_id("Start", 0), "Start");
}

size_t shim_times_logged(const char *text)
{
	AUTO(buf) struct buf log = BUF_INIT(1 << 20);
	struct err err = ERR_INIT;
	size_t n = 0;

	ck_assert_msg(file_read(AT_FDCWD, BUNDLE "/log", 1 << 20, &log, &err) == 0, "%s", err.msg);
	for (const char *at = buf_cstr(&log); (at = strstr(at, text)); at++)
		n++;
	return n;
}

void shim_logged(const char *text)
{
	ck_assert_msg(shim_times_logged(text) > 0, "the log does not say '%s'", text);
}

void shim_output_is(const char *expect)
{
	AUTO(buf) struct buf text = BUF_INIT(4096);
	struct err err = ERR_INIT;

	ck_assert_msg(file_read(AT_FDCWD, OUTPUT, 4096, &text, &err) == 0, "%s", err.msg);
	ck_assert_str_eq(buf_cstr(&text), expect);
}

void shim_await_request(const char *method)
{
	struct deadline d = deadline_in(ANSWER_MS);

	for (;;) {
		AUTO(buf) struct buf log = BUF_INIT(1 << 20);
		struct err none_yet = ERR_INIT;

		if (file_read(AT_FDCWD, VM_LOG, 1 << 20, &log, &none_yet) == 0 &&
		    memmem(log.data, log.len, method, strlen(method)))
			return;
		ck_assert_msg(!deadline_passed(d), "the agent was not asked %s", method);
		(void)nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	}
}

struct wire_value shim_recorded(const struct buf *log, const char *service, const char *method)
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

int shim_main(const char *name, void (*add)(TCase *t))
{
	Suite *s = suite_create(name);
	TCase *t = tcase_create("shim");
	int status;

	if (geteuid() != 0) {
		(void)puts("skipped: needs root");
		return EXIT_SUCCESS;
	}
	tcase_set_timeout(t, 60.0 * SLOW);
	add(t);
	suite_add_tcase(s, t);
	children_adopt();
	status = suite_run(s);
	children_end();
	return status;
}
