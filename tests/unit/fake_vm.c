// SPDX-License-Identifier: Apache-2.0
/*
 * Plays QEMU and its guest: takes QEMU's command line, uses the fds in it, and answers as QMP,
 * console and agent. The environment variable FAKE_VM is the name of a script, which says how it
 * misbehaves; "good" does not. "die-at:METHOD:N" and "close-at:METHOD:N" play "pod" until the
 * agent gets its Nth request of that method: then the VM exits, or closes the agent's connection.
 * Requests to the agent are appended to the file FAKE_VM_LOG, each preceded by its length (4
 * bytes, of this machine's order); the command line is written to FAKE_VM_LOG.argv, a line for
 * each argument. With a vhost-vsock device it listens at the path of vsock_lab.h. It also plays
 * virtiofsd.
 */

#include "tests/unit/vsock_lab.h"
#include "tests/unit/wire_lab.h"

#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SLOW_START_MS = 1000 };

struct held {
	uint32_t stream;
	char method[32];
	char process[64]; /* "CONTAINER EXEC" */
};

static const char *script;
static int agent_listener = -1, log_listener = -1;
static int qmp = -1, console = -1, agent = -1, agent_log = -1, record = -1;
static struct held held[16]; /* requests without an answer yet */
static size_t n_held;
static bool running, printed, ended;
static char process[64];      /* of the current request, as in struct held */
static char *input;           /* text of the current request, if it is WriteStdin */
static char departed[16][64]; /* script "pod": processes that have ended */
static size_t n_departed;
static bool vsock; /* agent and log are listeners, not fds */

static struct {
	char **words; /* "die-at" or "close-at", the method, the number; NULL: the script has no end */
	unsigned long left;
} fatal;

static bool plays(const char *name)
{
	return str_eq(script, name);
}

static void read_script(void)
{
	script = getenv("FAKE_VM");
	if (!script)
		script = "good";
	if (!str_starts(script, "die-at:") && !str_starts(script, "close-at:"))
		return;
	fatal.words = strv_split(script, ":");
	if (strv_len(fatal.words) != 3)
		abort();
	fatal.left = strtoul(fatal.words[2], NULL, 10);
	script = "pod";
}

/* True if that was the request at which the script ends. */
static bool is_fatal(const char *method)
{
	if (!fatal.words || !str_eq(method, fatal.words[1]) || --fatal.left > 0)
		return false;
	if (str_eq(fatal.words[0], "die-at"))
		exit(1);
	fd_close(&agent);
	return true;
}

static _Noreturn void stay_silent(void)
{
	for (;;)
		(void)pause();
}

/* --- answers --- */

static void reply_with(uint32_t stream, const struct buf *payload)
{
	AUTO(buf) struct buf body = BUF_INIT(WIRE_MAX);

	if (payload->len)
		wire_bytes(&body, 2, payload->data, payload->len);
	if (wire_send(agent, stream, WIRE_RESPONSE, &body) < 0)
		fd_close(&agent);
}

static void reply_empty(uint32_t stream)
{
	struct buf none = BUF_INIT(0);

	reply_with(stream, &none);
}

static void refuse(uint32_t stream, unsigned code, const char *why)
{
	AUTO(buf) struct buf status = BUF_INIT(4096), body = BUF_INIT(8192);

	wire_number(&status, 1, code);
	wire_text(&status, 2, why);
	wire_bytes(&body, 1, status.data, status.len);
	(void)wire_send(agent, stream, WIRE_RESPONSE, &body);
	buf_release(&body);
}

static void reply_data(uint32_t stream, const void *data, size_t len)
{
	AUTO(buf) struct buf payload = BUF_INIT(WIRE_MAX);

	wire_bytes(&payload, 1, data, len);
	reply_with(stream, &payload);
}

static void reply_field(uint32_t stream, unsigned field, uint64_t number)
{
	AUTO(buf) struct buf payload = BUF_INIT(64);

	wire_number(&payload, field, number);
	reply_with(stream, &payload);
}

static void reply_number(uint32_t stream, uint64_t number)
{
	reply_field(stream, 1, number);
}

/* Answers the held requests of that method (NULL: all), the newest first. */
static void release_held(const char *method, void (*answer)(uint32_t stream, const char *method))
{
	for (size_t i = n_held; i-- > 0;) {
		struct held h = held[i];

		if (method && !str_eq(h.method, method))
			continue;
		memmove(&held[i], &held[i + 1], (--n_held - i) * sizeof(held[0]));
		answer(h.stream, h.method);
	}
}

static void hold(uint32_t stream, const char *method)
{
	if (n_held == ARRAY_LEN(held))
		abort();
	held[n_held].stream = stream;
	(void)snprintf(held[n_held].process, sizeof(held[0].process), "%s", process);
	(void)snprintf(held[n_held++].method, sizeof(held[0].method), "%s", method);
}

static void answer_end(uint32_t stream, const char *method)
{
	if (str_eq(method, "WaitProcess"))
		reply_number(stream, 137);
	else
		refuse(stream, 2, "read meet eof");
}

static void send_junk(size_t len)
{
	static uint8_t junk[65536];
	struct err gone = ERR_INIT;

	memset(junk, 'x', sizeof(junk));
	while (len) {
		size_t n = len < sizeof(junk) ? len : sizeof(junk);

		if (fd_write_all(agent, junk, n, &gone) < 0) {
			fd_close(&agent);
			return;
		}
		len -= n;
	}
}

/* --- misbehaviour --- */

/* Misbehaves on CreateContainer. False if the script has no such misbehaviour. */
static bool spoil(uint32_t stream)
{
	struct buf junk = { .data = (char *)"\xff\xff\xff\xff\xff", .len = 5, .max = 5 };

	if (plays("refuse")) {
		refuse(stream, 13, "the guest will not have it");
	} else if (plays("oversize")) {
		(void)wire_send_header(agent, (struct wire_frame){ 5 << 20, stream, 2, 0 });
		send_junk(5 << 20);
	} else if (plays("endless")) {
		(void)wire_send_header(agent, (struct wire_frame){ ~0U, stream, 2, 0 });
		send_junk((size_t)4 << 30);
	} else if (plays("wrong-stream")) {
		reply_empty(stream + 1000);
	} else if (plays("even-stream")) {
		reply_empty(stream + 1);
	} else if (plays("request")) {
		(void)wire_send(agent, 2, WIRE_REQUEST, &junk);
	} else if (plays("unknown-type")) {
		(void)wire_send(agent, stream, 77, &junk);
	} else if (plays("garbage")) {
		(void)wire_send(agent, stream, WIRE_RESPONSE, &junk);
	} else if (plays("half-frame")) {
		(void)wire_send_header(agent, (struct wire_frame){ 1000, stream, 2, 0 });
		send_junk(10);
		fd_close(&agent);
	} else if (plays("half-header")) {
		struct err gone = ERR_INIT;

		(void)!fd_write_all(agent, "\0\0\0", 3, &gone);
		fd_close(&agent);
	} else if (plays("close")) {
		fd_close(&agent);
	} else if (plays("die")) {
		exit(1);
	} else if (plays("no-answer")) {
		return true;
	} else {
		return false;
	}
	return true;
}

static void flood(int fd)
{
	static char text[65536];
	struct err gone = ERR_INIT;

	/* Endless lines and empty ones, 256 MiB in all. */
	memset(text, 'A', sizeof(text));
	memset(text, '\n', sizeof(text) / 16);
	for (unsigned i = 0; i < 4096; i++) {
		if (fd_write_all(fd, text, sizeof(text), &gone) < 0)
			break;
	}
}

/* --- agent --- */

static void read_stream(uint32_t stream, const char *method)
{
	static char much[3 << 20];

	if (plays("flood-output")) {
		reply_data(stream, much, sizeof(much)); /* more than was asked for */
	} else if (plays("empty-output")) {
		reply_data(stream, "", 0);
	} else if (plays("late-output")) {
		hold(stream, method);
	} else if (str_eq(method, "ReadStdout") && !printed) {
		printed = true;
		reply_data(stream, "hello\n", 6);
	} else if (ended) {
		answer_end(stream, method);
	} else {
		hold(stream, method);
	}
}

static void reverse_all(uint32_t stream, const char *method)
{
	if (str_eq(method, "ReadStdout") && !printed) {
		printed = true;
		reply_data(stream, "hello\n", 6);
	} else if (str_eq(method, "GetOOMEvent")) {
		hold(stream, method);
	} else if (str_eq(method, "WaitProcess")) {
		reply_number(stream, 5);
	} else {
		refuse(stream, 2, "read meet eof");
	}
}

/* Holds both ReadStd requests, WaitProcess and GetOOMEvent, and answers them in reverse order. */
static void reorder(uint32_t stream, const char *method)
{
	hold(stream, method);
	if (n_held == 4 && !printed)
		release_held(NULL, reverse_all);
	else if (printed && !str_eq(method, "GetOOMEvent"))
		release_held(method, reverse_all);
}

static void started(uint32_t stream)
{
	if (plays("no-start"))
		return;
	if (plays("die-at-start"))
		exit(1);
	if (plays("bad-start")) {
		refuse(stream, 2, "exec /no/such: no such file or directory");
		return;
	}
	if (plays("slow-start"))
		(void)poll(NULL, 0, SLOW_START_MS);
	reply_empty(stream);
	running = true;
	if (plays("flood-console"))
		flood(console);
	if (plays("flood-log"))
		flood(agent_log);
	if (plays("close-running"))
		fd_close(&agent);
}

/* --- script "pod": a signal ends one process --- */

static bool is_gone(void)
{
	for (size_t i = 0; i < n_departed; i++) {
		if (str_eq(departed[i], process))
			return true;
	}
	return false;
}

static void answer_if_gone(uint32_t stream, const char *method)
{
	if (is_gone())
		answer_end(stream, method);
	else
		hold(stream, method);
}

static void end_in_pod(void)
{
	if (n_departed == ARRAY_LEN(departed))
		abort();
	(void)snprintf(departed[n_departed++], sizeof(departed[0]), "%s", process);
	for (size_t i = n_held; i-- > 0;) {
		struct held h = held[i];

		if (!str_eq(h.process, process))
			continue;
		memmove(&held[i], &held[i + 1], (--n_held - i) * sizeof(held[0]));
		answer_end(h.stream, h.method);
	}
}

/* --- script "oom": the same, and the signal stands for the kernel that is out of memory --- */

static char starved[64]; /* the container that was not reported yet; "": none */

static void report_starved(uint32_t stream)
{
	AUTO(buf) struct buf payload = BUF_INIT(128);

	wire_text(&payload, 1, starved);
	reply_with(stream, &payload);
	starved[0] = '\0';
}

/* The container of the current request is out of memory. */
static void starve(void)
{
	(void)snprintf(starved, sizeof(starved), "%.*s", (int)strcspn(process, " "), process);
	for (size_t i = n_held; i-- > 0;) {
		struct held h = held[i];

		if (!str_eq(h.method, "GetOOMEvent"))
			continue;
		memmove(&held[i], &held[i + 1], (--n_held - i) * sizeof(held[0]));
		report_starved(h.stream);
		return;
	}
}

/* False: the request is served as by the other scripts. */
static bool serve_pod(uint32_t stream, const char *method)
{
	if (str_eq(method, "SignalProcess")) {
		reply_empty(stream);
		if (plays("oom"))
			starve();
		end_in_pod();
	} else if (plays("oom") && *starved && str_eq(method, "GetOOMEvent")) {
		report_starved(stream);
	} else if (str_eq(method, "WaitProcess") || str_starts(method, "ReadStd")) {
		answer_if_gone(stream, method);
	} else {
		return false;
	}
	return true;
}

/* --- script "late-exec": "pod", where an exec is started only when a signal is sent --- */

static void answer_late(uint32_t stream, const char *method)
{
	(void)method;
	reply_empty(stream);
}

static bool serve_late_exec(uint32_t stream, const char *method)
{
	if (str_eq(method, "ExecProcess")) {
		hold(stream, method);
		return true;
	}
	if (str_eq(method, "SignalProcess"))
		release_held("ExecProcess", answer_late);
	return serve_pod(stream, method);
}

/* --- script "lingering": a signal ends one process, whose output others hold open --- */

static bool serve_lingering(uint32_t stream, const char *method)
{
	if (!str_eq(method, "SignalProcess"))
		return false;
	reply_empty(stream);
	for (size_t i = n_held; i-- > 0;) {
		struct held h = held[i];

		if (!str_eq(h.process, process) || !str_eq(h.method, "WaitProcess"))
			continue;
		memmove(&held[i], &held[i + 1], (--n_held - i) * sizeof(held[0]));
		answer_end(h.stream, h.method);
	}
	return true;
}

/* --- script "no-room": the agent has no room for more requests that wait --- */

/* Takes the input, which is appended to the file FAKE_VM_LOG.input. */
static void take_input(uint32_t stream)
{
	AUTO(str) char *path = str_fmt("%s.input", getenv("FAKE_VM_LOG"));
	AUTO(fd) int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	struct err err = ERR_INIT;

	if (fd_write_all(fd, input, strlen(input), &err) < 0)
		exit(2);
	reply_number(stream, strlen(input));
}

/* Refuses the first requests of each method, and all that are long. False: the request is served as
 * by the other scripts. */
static bool serve_without_room(uint32_t stream, const char *method)
{
	static const char *const waiting[] = { "WaitProcess", "ReadStdout", "ReadStderr",
					       "WriteStdin" };
	static unsigned refused[ARRAY_LEN(waiting)];
	bool is_input = str_eq(method, "WriteStdin");

	for (size_t i = 0; i < ARRAY_LEN(waiting); i++) {
		if (!str_eq(method, waiting[i]))
			continue;
		if (refused[i] < 3 || (is_input && strlen(input) > 1000)) {
			refused[i]++;
			refuse(stream, 8, "too many requests are unanswered");
			return true;
		}
	}
	if (is_input)
		take_input(stream);
	return is_input;
}

/* --- script "late-output": the agent gets no processor time when it has the last output, and descendants
 * of the process hold its streams open --- */

static void answer_hello(uint32_t stream, const char *method)
{
	(void)method;
	reply_data(stream, "hello\n", 6);
}

static void end_late(void)
{
	(void)poll(NULL, 0, 500);
	release_held("ReadStdout", answer_hello);
}

static void end_process(void)
{
	ended = true;
	release_held("WaitProcess", answer_end);
	if (plays("late-output")) {
		end_late();
		return;
	}
	release_held("ReadStdout", answer_end);
	release_held("ReadStderr", answer_end);
}

/* The file into which virtiofsd writes its pid; the caller frees the path. */
static char *virtiofsd_note(void)
{
	return str_fmt("%s.virtiofsd", getenv("FAKE_VM_LOG"));
}

/* Waits until virtiofsd runs, as a VM that has it as a device does; returns its pid, heap. */
static char *await_virtiofsd(void)
{
	AUTO(str) char *path = virtiofsd_note();

	for (;;) {
		struct err not_yet = ERR_INIT;
		char *pid = file_read_line(AT_FDCWD, path, &not_yet);

		if (pid)
			return pid;
		(void)poll(NULL, 0, 1);
	}
}

/* Ends virtiofsd, which exits with 0, and waits for that, before the VM ends. */
static void end_virtiofsd(void)
{
	AUTO(str) char *pid = await_virtiofsd();
	struct pollfd end = { .events = POLLIN };

	end.fd = (int)syscall(SYS_pidfd_open, (pid_t)strtol(pid, NULL, 10), 0);
	(void)syscall(SYS_pidfd_send_signal, end.fd, SIGTERM, NULL, 0);
	(void)poll(&end, 1, -1);
}

/* Takes 3 seconds, then FAKE_VM_LOG.written exists. A QMP command meanwhile, which is "quit", comes
 * too early: the data are lost. */
static void write_back(void)
{
	AUTO(str) char *path = str_fmt("%s.written", getenv("FAKE_VM_LOG"));
	struct pollfd too_early = { qmp, POLLIN, 0 };
	struct err err = ERR_INIT;

	if (poll(&too_early, 1, 3000) != 0 ||
	    file_replace_volatile(AT_FDCWD, path, "", 0, 0600, &err) < 0)
		exit(1);
}

static void serve(uint32_t stream, const char *method)
{
	if (is_fatal(method))
		return;
	if (plays("silent-after-start") && running)
		return;
	if ((plays("pod") || plays("oom")) && serve_pod(stream, method))
		return;
	if (plays("late-exec") && serve_late_exec(stream, method))
		return;
	if (plays("lingering") && serve_lingering(stream, method))
		return;
	if (plays("no-room") && serve_without_room(stream, method))
		return;
	if (str_eq(method, "Check")) {
		if (plays("fs-follows")) {
			end_virtiofsd();
			_exit(1); /* a sanitizer would take longer than the shim waits */
		}
		if (!plays("no-check") && !plays("fs-dies"))
			reply_number(stream, 1);
	} else if (str_eq(method, "CreateContainer")) {
		if (!spoil(stream))
			reply_empty(stream);
	} else if (str_eq(method, "GetGuestDetails") && !plays("no-file-pages")) {
		reply_field(stream, 10001, true);
	} else if (str_eq(method, "StartContainer") ||
		   (plays("slow-start") && str_eq(method, "ExecProcess"))) {
		started(stream);
	} else if (str_eq(method, "SignalProcess")) {
		if (plays("no-signal"))
			return;
		if (plays("no-threads")) {
			refuse(stream, 8, "80 requests are already being worked on");
			return;
		}
		if (plays("exit-no-signal")) {
			end_process();
			return;
		}
		reply_empty(stream);
		if (!plays("no-end"))
			end_process();
	} else if (plays("no-pause") && str_eq(method, "PauseContainer")) {
		return;
	} else if (plays("no-input") && str_eq(method, "WriteStdin")) {
		refuse(stream, 2, "broken pipe");
	} else if (plays("takes-too-much") && str_eq(method, "WriteStdin")) {
		reply_number(stream, UINT32_MAX); /* "takes-nothing": like all others, 0 */
	} else if (plays("no-terminal") && str_eq(method, "TtyWinResize")) {
		refuse(stream, 5, "there is no process");
	} else if (plays("flood-oom") && str_eq(method, "GetOOMEvent")) {
		reply_empty(stream);
	} else if (plays("reorder") && running && !str_eq(method, "DestroySandbox")) {
		reorder(stream, method);
	} else if (str_starts(method, "ReadStd")) {
		read_stream(stream, method);
	} else if (ended && str_eq(method, "WaitProcess")) {
		answer_end(stream, method);
	} else if (str_eq(method, "WaitProcess") || str_eq(method, "GetOOMEvent")) {
		hold(stream, method);
	} else if (plays("no-goodbye") && str_eq(method, "DestroySandbox")) {
		return;
	} else if (plays("slow-goodbye") && str_eq(method, "DestroySandbox")) {
		write_back();
		reply_empty(stream);
	} else {
		reply_empty(stream);
	}
}

/* container_id and exec_id are the first fields of all requests about a process. */
static void note_process(const struct buf *body)
{
	AUTO(str) char *container = wire_get_text(body->data, body->len, WIRE_PATH(3, 1));
	AUTO(str) char *exec = wire_get_text(body->data, body->len, WIRE_PATH(3, 2));

	free(input);
	input = wire_get_text(body->data, body->len, WIRE_PATH(3, 3));
	/* The first process has the container's name, or none. */
	(void)snprintf(process, sizeof(process), "%.30s %.30s", container,
		       *exec ? exec : container);
}

static void on_agent(void)
{
	AUTO(buf) struct buf body = BUF_INIT(WIRE_MAX);
	struct err ignored = ERR_INIT;
	struct wire_frame frame;
	static char *method; /* reachable even if the VM ends while it serves */
	uint32_t len;

	if (wire_receive(agent, 10000, &frame, &body) < 0 || frame.type != WIRE_REQUEST) {
		fd_close(&agent);
		return;
	}
	len = (uint32_t)body.len;
	if (record >= 0 && (fd_write_all(record, &len, sizeof(len), &ignored) < 0 ||
			    fd_write_all(record, body.data, body.len, &ignored) < 0))
		exit(2);
	free(method);
	method = wire_get_text(body.data, body.len, WIRE_PATH(2));
	if (!str_eq(method, "FollowClock")) /* it comes at any time */
		note_process(&body);
	serve(frame.stream, method);
}

/* --- QMP --- */

/* Fds that came with commands. QEMU closes the tap of a card with the card. */
static int passed[64];
static size_t n_passed;

static void close_passed(void)
{
	while (n_passed > 0)
		(void)close(passed[--n_passed]);
}

/* Reads from QMP, and keeps the fds that come with it. */
static ssize_t receive(char *to, size_t size)
{
	struct err gone = ERR_INIT;
	size_t n;
	ssize_t len;

	if (n_passed + FD_PASS_MAX > ARRAY_LEN(passed))
		abort();
	len = fd_recv(qmp, to, size, &passed[n_passed], &n, &gone);
	n_passed += n;
	return len;
}

/* The VM has room for one more processor. */
static const char *result_of(const char *command)
{
	if (strstr(command, "\"query-hotpluggable-cpus\""))
		return "[{\"type\":\"cpu\",\"vcpus-count\":1,\"props\":{\"core-id\":1}}]";
	return "{}";
}

/* The guest releases a device at once. */
static void after_qmp(const char *command)
{
	static const char unplug[] = "\"device_del\"", arguments[] = "\"arguments\":{\"id\":\"";
	const char *id = strstr(command, unplug) ? strstr(command, arguments) : NULL;
	const char *end = id ? strchr(id + strlen(arguments), '"') : NULL;
	struct err gone = ERR_INIT;
	AUTO(str) char *event = NULL;

	if (strstr(command, "\"netdev_del\""))
		close_passed();
	if (!end)
		return;
	id += strlen(arguments);
	event = str_fmt("{\"event\":\"DEVICE_DELETED\",\"data\":{\"device\":\"%.*s\"},"
			"\"timestamp\":{\"seconds\":1,\"microseconds\":1}}\r\n",
			(int)(end - id), id);
	(void)!fd_write_all(qmp, event, strlen(event), &gone);
}

static void on_command(const char *line)
{
	static const char half[] = "{\"event\":\"RESUME\",\"timest";
	const char *id = strstr(line, "\"id\":\""), *end = id ? strchr(id + 6, '"') : NULL;
	struct err gone = ERR_INIT;
	AUTO(str) char *answer = NULL;

	if (!end || plays("no-qmp"))
		return;
	if (plays("qmp-half") || plays("qmp-half-closes")) {
		(void)!fd_write_all(qmp, half, strlen(half), &gone);
		if (plays("qmp-half-closes"))
			fd_close(&qmp);
		return;
	}
	answer = str_fmt("{\"return\":%s,\"id\":\"%.*s\"}\r\n", result_of(line),
			 (int)(end - id - 6), id + 6);
	for (int i = 0; i < (plays("qmp-twice") ? 2 : 1); i++)
		(void)!fd_write_all(qmp, answer, strlen(answer), &gone);
	after_qmp(line);
	if (strstr(line, "\"quit\""))
		exit(0);
}

/* A line may come in parts, and several at once. */
static void on_qmp(void)
{
	static char lines[8192];
	static size_t len;
	ssize_t n = receive(lines + len, sizeof(lines) - len);
	char *end;

	if (n <= 0) {
		fd_close(&qmp);
		return;
	}
	len += (size_t)n;
	while (qmp >= 0 && (end = memchr(lines, '\n', len))) {
		*end++ = '\0';
		on_command(lines);
		len -= (size_t)(end - lines);
		memmove(lines, end, len);
	}
}

static void greet(void)
{
	static const char hello[] =
		"{\"QMP\":{\"version\":{\"qemu\":{\"major\":7,\"minor\":2,\"micro\":0},"
		"\"package\":\"\"},\"capabilities\":[\"oob\"]}}\r\n";
	struct err gone = ERR_INIT;

	(void)!fd_write_all(qmp, hello, strlen(hello), &gone);
}

/* --- main --- */

static void end_well(int signal_number)
{
	(void)signal_number;
	_exit(0);
}

/* Plays virtiofsd if the option is one of it: prints a help text, or does nothing. */
static void play_virtiofsd(const char *option)
{
	if (str_eq(option, "--help")) {
		(void)puts("  --shared-dir <DIR>\n  --cache <MODE>  auto, never");
		exit(0);
	}
	if (!str_starts(option, "--fd"))
		return;
	if (plays("fs-dies"))
		exit(1);
	if (plays("fs-follows")) {
		AUTO(str) char *path = virtiofsd_note(), *pid = str_fmt("%d", (int)getpid());
		struct err err = ERR_INIT;

		(void)signal(SIGTERM, end_well);
		if (file_replace_volatile(AT_FDCWD, path, pid, strlen(pid), 0600, &err) < 0)
			exit(2);
	}
	stay_silent();
}

static int listen_at(const char *name)
{
	struct err err = ERR_INIT;
	int fd;

	(void)unlink(name); /* of an earlier VM */
	fd = fd_unix_listen(name, &err);

	if (fd < 0) {
		(void)fprintf(stderr, "%s\n", err.msg);
		exit(1);
	}
	return fd;
}

/* "socket,id=NAME,fd=N". */
static void take_connection(const char *spec)
{
	const struct {
		const char *begins;
		int *fd;
	} known[] = { { "socket,id=qmp,fd=", &qmp },
		      { "socket,id=agent,fd=", &agent },
		      { "socket,id=console,fd=", &console },
		      { "socket,id=log,fd=", &agent_log } };

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (str_starts(spec, known[i].begins))
			*known[i].fd = (int)strtol(spec + strlen(known[i].begins), NULL, 10);
	}
}

static void read_command_line(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i++) {
		if (str_eq(argv[i], "-chardev"))
			take_connection(argv[i + 1]);
		else if (str_eq(argv[i], "-device") && str_starts(argv[i + 1], "vhost-vsock-"))
			vsock = true;
	}
}

static void write_command_line(const char *log, char **argv)
{
	AUTO(str) char *path = str_fmt("%s.argv", log);
	AUTO(fd) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	for (; *argv; argv++)
		(void)dprintf(fd, "%s\n", *argv);
}

/* Into LOG.pid. */
static void write_pid(const char *log)
{
	AUTO(str) char *path = str_fmt("%s.pid", log), *pid = str_fmt("%d", (int)getpid());
	struct err err = ERR_INIT;

	if (file_replace_volatile(AT_FDCWD, path, pid, strlen(pid), 0600, &err) < 0)
		exit(1);
}

static void accept_one(int listener, int *fd)
{
	*fd = accept(listener, NULL, NULL);
}

/* The guest has booted: its vsock ports accept connections. */
static void listen_on_vsock(void)
{
	agent_listener = listen_at(VSOCK_SOCKET "-1024");
	log_listener = listen_at(VSOCK_SOCKET "-1025");
}

static void boot_on_vsock(void)
{
	struct deadline booted = deadline_in(100);

	if (fcntl(3, F_GETFD) < 0) {
		(void)fprintf(stderr, "there is no vhostfd\n");
		exit(1);
	}
	while (!deadline_passed(booted)) {
		struct pollfd wait = { qmp, POLLIN, 0 };

		if (poll(&wait, 1, deadline_left(booted)) > 0)
			on_qmp();
	}
	if (plays("die-early"))
		exit(1);
	if (!plays("no-vsock"))
		listen_on_vsock();
}

/* Accepts the only connection of this listener. */
static void accept_new(struct pollfd *listener, int *fd)
{
	if (!listener->revents)
		return;
	accept_one(listener->fd, fd);
	(void)close(listener->fd);
	if (listener->fd == agent_listener)
		agent_listener = -1;
	else
		log_listener = -1;
}

static _Noreturn void play(void)
{
	while (qmp >= 0) {
		struct pollfd wait[] = { { qmp, POLLIN, 0 },
					 { agent, POLLIN, 0 },
					 { vsock ? agent_listener : -1, POLLIN, 0 },
					 { vsock ? log_listener : -1, POLLIN, 0 } };

		if (poll(wait, 4, -1) < 0)
			continue;
		if (wait[0].revents)
			on_qmp();
		if (agent >= 0 && wait[1].revents)
			on_agent();
		accept_new(&wait[2], &agent);
		accept_new(&wait[3], &agent_log);
	}
	stay_silent(); /* until it is killed */
}

int main(int argc, char **argv)
{
	const char *log = getenv("FAKE_VM_LOG");

	read_script();
	(void)signal(SIGPIPE, SIG_IGN);
	play_virtiofsd(argc > 1 ? argv[1] : "");
	if (log) {
		record = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		write_command_line(log, argv);
		write_pid(log);
	}
	if (plays("no-sockets"))
		stay_silent();
	if (plays("fs-follows"))
		free(await_virtiofsd());
	read_command_line(argc, argv);
	greet();
	if (vsock)
		boot_on_vsock();
	if (plays("console-end"))
		fd_close(&console);
	play();
}
