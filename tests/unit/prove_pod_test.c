// SPDX-License-Identifier: Apache-2.0
/* The proof with a pod (deploy/prove/pod.c), with a CRI server that is restarted meanwhile. */

#include "tests/unit/scratch.h"
#include "tests/unit/server.h"
#include "tests/unit/suite.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "deploy/prove/prove-internal.h"

#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READ_MAX = 1 << 16, PREFACE = 24, HEAD = 9 };
enum { DATA, HEADERS, SETTINGS = 4 };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };

static char dir[SCRATCH_DIR];
static char *path;
static pid_t server;
static struct err err;

/* --- a server --- */

enum way { CUT, GONE, STARTING, REFUSED, LEFT, LEFT_STARTING };

static const char ready[] = "\x0a\x24\x0a\x10\x0a\x0cRuntimeReady\x10\x01"
			    "\x0a\x10\x0a\x0cNetworkReady\x10\x01";

static void frame(struct buf *to, int type, int flags, int stream, const struct buf *payload)
{
	const char head[HEAD] = { 0,
				  (char)(payload->len >> 8),
				  (char)payload->len,
				  (char)type,
				  (char)flags,
				  0,
				  0,
				  0,
				  (char)stream };

	buf_add(to, head, HEAD);
	buf_add(to, payload->data, payload->len);
}

static void field(struct buf *to, const char *name, const char *value)
{
	buf_chr(to, 0);
	buf_chr(to, (char)strlen(name));
	buf_str(to, name);
	buf_chr(to, (char)strlen(value));
	buf_str(to, value);
}

/* Returns the payload of the request, once all of it has come. */
static bool hear(int fd, struct buf *request)
{
	AUTO(buf) struct buf got = BUF_INIT(READ_MAX);
	size_t at = PREFACE;

	for (;;) {
		char *room = buf_room(&got, 4096);
		ssize_t n = room ? read(fd, room, 4096) : -1;

		if (n <= 0)
			return false;
		got.len += (size_t)n;
		while (got.len >= at + HEAD) {
			const unsigned char *f = (const unsigned char *)got.data + at;
			size_t len = (size_t)f[1] << 8 | f[2];

			if (got.len < at + HEAD + len)
				break;
			at += HEAD + len;
			if (f[3] == DATA)
				buf_add(request, f + HEAD, len);
			if (f[3] == DATA && f[4] & END_STREAM)
				return true;
		}
	}
}

static void answer(int fd, const void *message, size_t len, const char *failure)
{
	AUTO(buf) struct buf all = BUF_INIT(READ_MAX), part = BUF_INIT(READ_MAX);
	const char head[5] = { 0, 0, 0, 0, (char)len };
	struct err ignored = ERR_INIT;

	frame(&all, SETTINGS, 0, 0, &part);
	frame(&all, SETTINGS, ACK, 0, &part);
	buf_chr(&part, '\x88'); /* :status 200 */
	field(&part, "content-type", "application/grpc");
	frame(&all, HEADERS, END_HEADERS, 1, &part);
	buf_clear(&part);
	if (!failure) {
		buf_add(&part, head, sizeof(head));
		buf_add(&part, message, len);
		frame(&all, DATA, 0, 1, &part);
		buf_clear(&part);
	}
	field(&part, "grpc-status", failure ? "2" : "0");
	if (failure)
		field(&part, "grpc-message", failure);
	frame(&all, HEADERS, END_HEADERS | END_STREAM, 1, &part);
	(void)!fd_write_all(fd, all.data, all.len, &ignored);
}

/* The manager is away, or fails, at the first pod; it refuses every other one. */
static void run_sandbox(int fd, enum way way, unsigned n)
{
	if (n == 1 && way == CUT) {
		(void)shutdown(fd, SHUT_RDWR);
		return;
	}
	answer(fd, NULL, 0,
	       n == 1 && way == STARTING  ? "server is not initialized yet"
	       : n == 1 && way == REFUSED ? "the first"
					  : "the second");
}

/* One pod is left: it is p1, and gone once it is stopped. */
static const char left[] = "\x0a\x04\x0a\x02p1";

/* The requests of a clean-up; the first one finds a manager that is just starting. */
static void list_pods(int fd, enum way way, unsigned n)
{
	if (way == LEFT_STARTING && n == 1)
		answer(fd, NULL, 0, "server is not initialized yet");
	else
		answer(fd, left, way < LEFT ? 0 : sizeof(left) - 1, NULL);
}

static void serve(int listener, enum way way)
{
	unsigned runs = way == GONE, lists = 0;

	(void)signal(SIGPIPE, SIG_IGN);
	for (;;) {
		AUTO(buf) struct buf request = BUF_INIT(READ_MAX);
		AUTO(fd) int fd = accept(listener, NULL, NULL);
		char end;

		if (fd < 0 || !hear(fd, &request))
			continue;
		if (memmem(request.data, request.len, "/run/kata-deploy/", 17))
			run_sandbox(fd, way, ++runs);
		else if (memmem(request.data, request.len, "kata-deploy.proof", 17))
			list_pods(fd, way, ++lists);
		else if (request.len == 5 + 2) /* Status, verbose */
			answer(fd, ready, sizeof(ready) - 1, NULL);
		else
			answer(fd, NULL, 0, NULL);
		if (request.len == 5 + 4 && memcmp(request.data + 5, "\x0a\x02p1", 4) == 0)
			scratch_write(dir, "stopped", "", 0, 0644);
		while (read(fd, &end, 1) > 0)
			;
	}
}

static void begin(enum way way)
{
	int listener = fd_unix_listen(path, &err);

	ck_assert_int_ge(listener, 0);
	server = fork();
	ck_assert_int_ge(server, 0);
	if (server == 0)
		serve(listener, way);
	(void)close(listener);
}

static void set_up(void)
{
	scratch_make(dir, "prove");
	path = path_join(dir, "s");
	err_clear(&err);
	server = -1;
}

static void tear_down(void)
{
	server_kill(&server);
	free(path);
	scratch_remove(dir);
}

static struct client client_of(const char *program)
{
	return (struct client){ .manager = "containerd",
				.program = program,
				.socket = path,
				.option = "--address",
				.scheme = "",
				.has_pods = true };
}

static struct proof proof_with(const struct client *client, char *id)
{
	static char handler[] = "kata";

	return (struct proof){ .client = client,
			       .socket = path,
			       .prefix = dir,
			       .handler = handler,
			       .id = id,
			       .pods = 2 };
}

/* --- tests --- */

/* A restart of the manager says nothing about the runtime. */
START_TEST(a_pod_is_tried_again_after_a_restart)
{
	static const char *const wanted[] = { [CUT] = "the second",
					      [GONE] = "the second",
					      [STARTING] = "the second",
					      [REFUSED] = "the first" };
	/* Takes the socket away for a while. */
	AUTO(str)
	char *script = str_fmt("#!/bin/sh\n[ \"$6\" = import ] || exit 0\nmv %s %s.away\n"
			       "{ sleep 0.2; mv %s.away %s; } >/dev/null 2>&1 </dev/null &\n",
			       path, path, path, path);
	AUTO(str) char *program = path_join(dir, "ctr"), *id = str_fmt("proof-%d", (int)getpid());
	const struct client client = client_of(program);
	const struct proof p = proof_with(&client, id);
	struct prove_report report = { .kernel = "" };
	int rc;

	if (geteuid() != 0)
		return;
	scratch_write(dir, "ctr", _i == GONE ? script : "#!/bin/sh\n",
		      _i == GONE ? strlen(script) : 10, 0755);
	begin((enum way)_i);
	rc = pod_prove(&p, deadline_in(60000), &report, &err);
	ck_assert_msg(rc == -1, "%d: %s", rc, report.why);
	ck_assert_msg(err.code == E_FAILED, "%s", err.msg);
	ck_assert_msg(strstr(err.msg, wanted[_i]) != NULL, "%s", err.msg);
	pod_clean(&p);
}
END_TEST

/* So is the image, which the client loads before the first pod. */
START_TEST(an_image_is_loaded_again_after_a_restart)
{
	static const char *const says[] = {
		"rpc error: code = Unavailable desc = error reading from server: EOF",
		"failed to dial: connect: connection refused",
		"archive: unexpected EOF",
	};
	AUTO(str) char *program = path_join(dir, "ctr"), *once = path_join(dir, "once");
	AUTO(str)
	char *script = str_fmt("#!/bin/sh\n[ \"$6\" = import ] && [ ! -e %s ] || exit 0\n"
			       ">%s\necho 'ctr: %s' >&2\nexit 1\n",
			       once, once, says[_i]);
	AUTO(str) char *id = str_fmt("proof-%d", (int)getpid());
	const struct client client = client_of(program);
	const struct proof p = proof_with(&client, id);
	struct prove_report report = { .kernel = "" };

	if (geteuid() != 0)
		return;
	scratch_write(dir, "ctr", script, strlen(script), 0755);
	begin(REFUSED);
	ck_assert_int_eq(pod_prove(&p, deadline_in(60000), &report, &err), -1);
	ck_assert_msg(strstr(err.msg, _i < 2 ? "the first" : "unexpected EOF"), "%s", err.msg);
	pod_clean(&p);
}
END_TEST

/* The manager that is to remove what is left is just starting, or its socket comes in a moment. */
START_TEST(what_is_left_is_removed_after_a_restart)
{
	AUTO(json) struct json *record = json_make_object();
	AUTO(str) char *stopped = path_join(dir, "stopped");
	AUTO(str) char *search = str_fmt("%s:%s", dir, getenv("PATH"));

	json_put(record, "manager", json_make_string("containerd"));
	json_put(record, "socket", json_make_string(path));
	json_put(record, "prefix", json_make_string(dir));
	json_put(record, "id", json_make_string("proof-0"));
	scratch_write(dir, "ctr", "#!/bin/sh\n", 10, 0755);
	ck_assert_int_eq(setenv("PATH", search, 1), 0);
	if (_i) {
		server = fork();
		ck_assert_int_ge(server, 0);
	} else {
		begin(LEFT_STARTING);
	}
	if (server == 0) {
		(void)usleep(300000);
		serve(fd_unix_listen(path, &err), LEFT);
	}
	ck_assert_int_eq(prove_clean_step.undo(NULL, record, &err), 0);
	ck_assert(path_exists(stopped));
}
END_TEST

/* The clients of k3s, RKE2 and MicroK8s need more of their node than a container has. */
START_TEST(a_container_uses_the_ctr_beside_a_containerd)
{
	static const struct {
		const char *exe;
		uid_t uid;
		bool found;
	} cases[] = {
		{ "k3s", 0, true },
		{ "containerd", 0, true },
		{ "containerd", 1000, false },
		{ "dockerd", 0, false },
		{ "without/containerd", 0, false },
	};
	AUTO(str) char *ctr = path_join(dir, "ctr");
	const struct client client = { .manager = "k3s", .program = "k3s ctr", .has_pods = true };
	struct proof p = { .client = &client, .socket = path, .ctr = ctr };
	AUTO(str) char *wanted = str_fmt("--address %s version\n", path);
	AUTO(buf) struct buf out = BUF_INIT(READ_MAX);

	scratch_write(dir, "ctr", "#!/bin/sh\necho \"$@\"\n", 20, 0755);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(str) char *exe = path_join(dir, cases[i].exe);
		struct processes all = PROCESSES_INIT;

		vec_push(&all.rows, ((struct process){ .exe = exe, .uid = cases[i].uid }));
		AUTO(str) char *found = prove_find_ctr(&all);
		ck_assert_msg(str_eq(found, cases[i].found ? ctr : NULL), "%s", cases[i].exe);
		vec_release(&all.rows);
	}
	ck_assert_int_eq(prove_call(&p, "version", &out, deadline_in(60000), &err), 0);
	ck_assert_str_eq(buf_cstr(&out), wanted);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("prove_pod");
	TCase *tc = tcase_create("prove_pod");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, a_pod_is_tried_again_after_a_restart, CUT, REFUSED + 1);
	tcase_add_loop_test(tc, an_image_is_loaded_again_after_a_restart, 0, 3);
	tcase_add_loop_test(tc, what_is_left_is_removed_after_a_restart, 0, 2);
	tcase_add_test(tc, a_container_uses_the_ctr_beside_a_containerd);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
