// SPDX-License-Identifier: Apache-2.0
/*
 * Registration with a docker that is a stand-in: it answers /_ping and /info, and its runtimes are
 * those of daemon.json as it was when it was last told to read it. Everything else is real: the
 * engine, the signal, the socket. With a real docker: tests/engines/docker-node.sh.
 */

#include "tests/unit/expect.h"
#include "tests/unit/scratch.h"
#include "tests/unit/server.h"
#include "tests/unit/suite.h"

#include "base/buf.h"
#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "deploy/cri/backend.h"
#include "tests/crash/release.h"
#include "json/json.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[SCRATCH_DIR];
static char *config, *sock, *prefix, *lock;
static pid_t server;
static struct err err;

static const struct cri_handler handlers[] = { { "kata", NULL } };

/* --- the stand-in --- */

static volatile sig_atomic_t told;

static void on_hangup(int signal)
{
	(void)signal;
	told = 1;
}

/* Reads daemon.json; as docker, it ignores a file with an error. */
static const char *docker_version = "28.1.0";
static char *runtimes(const char *before, bool deaf)
{
	AUTO(buf) struct buf text = BUF_INIT(4096);
	struct err ignored = ERR_INIT;

	if (deaf || file_read(AT_FDCWD, config, 4096, &text, &ignored) < 0)
		return xstrdup(deaf ? before : "{}");
	AUTO(json) struct json *j = json_parse(buf_cstr(&text), text.len, "d", &ignored);
	const struct json *r = j ? json_get(j, "runtimes") : NULL;

	return r ? json_format(r, false) : xstrdup("{}");
}

static void answer(int fd, const char *known)
{
	char asked[4096] = "";
	AUTO(str) char *body = NULL;
	AUTO(str) char *all = NULL;
	struct err ignored = ERR_INIT;
	ssize_t n = read(fd, asked, sizeof(asked) - 1);

	if (n <= 0)
		return;
	body = strstr(asked, "/info") ? str_fmt("{\"ServerVersion\": \"%s\", \"Runtimes\": %s}",
						docker_version, known)
				      : xstrdup("OK");
	all = str_fmt("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
		      strlen(body), body);
	if (fd_write_all(fd, all, strlen(all), &ignored) < 0)
		return;
}

/* Docker's API server. The process that listens is the one that SIGHUP is sent to. */
_Noreturn static void serve(bool deaf)
{
	int listener = fd_unix_listen(sock, &err);
	struct sigaction hangup = { .sa_handler = on_hangup };
	char *known = runtimes("{}", false);

	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigaction(SIGHUP, &hangup, NULL);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (told) {
			char *now = runtimes(known, deaf);

			told = 0;
			free(known);
			known = now;
		}
		if (fd >= 0) {
			answer(fd, known);
			(void)close(fd);
		}
	}
}

static void start(bool deaf)
{
	struct deadline d = deadline_in(20000);
	struct err ignored = ERR_INIT;

	server = fork();
	ck_assert_int_ge(server, 0);
	if (server == 0)
		serve(deaf);
	while (backend_docker.answers(sock, d, &ignored) < 0 && !deadline_passed(d)) {
		(void)usleep(5000);
		err_clear(&ignored);
	}
}

static void set_up(void)
{
	scratch_make(dir, "cri-docker");
	config = path_join(dir, "daemon.json");
	sock = path_join(dir, "d.sock");
	prefix = path_join(dir, "kata");
	lock = path_join(dir, "lock");
	log_set_level(LOG_FATAL);
	err_clear(&err);
	server = -1;
}

static void tear_down(void)
{
	server_kill(&server);
	scratch_remove(dir);
	free(config);
	free(sock);
	free(prefix);
	free(lock);
}

/* --- the engine --- */

static struct cri_options options(void)
{
	return (struct cri_options){ .root = "",
				     .prefix = "/opt/kata",
				     .handlers = handlers,
				     .nhandlers = 1,
				     .name = "docker",
				     .config = config,
				     .socket = sock,
				     .restart_seconds = 2 };
}

static int open_for_change(struct deploy **d)
{
	struct deploy_options o = {
		.prefix = prefix, .lock = lock, .now = 1, .kinds = cri_step_kinds
	};

	return deploy_open(&o, DEPLOY_CHANGE, d, &err);
}

enum late { IN_TIME, LATE, LATE_AND_DEAF };

/* late: docker is started between the plan and the change. */
static int install_with(enum late late)
{
	struct cri_options o = options();
	AUTO(cri) struct cri *c = NULL;
	AUTO(cri_change) struct cri_change change = CRI_CHANGE_INIT;
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(layout) struct layout l = LAYOUT_INIT;
	AUTO(str) char *extra = NULL;
	const struct json *record;

	if (open_for_change(&d) < 0 || cri_find(&o, &c, &err) < 0 ||
	    cri_register(c, NULL, &change, &record, &err) < 0)
		return -1;
	if (change.restart) /* docker runs */
		ck_assert_msg(change.reload && strstr(change.reason, "on SIGHUP"), "%s",
			      change.reason);
	if (late)
		start(late == LATE_AND_DEAF);
	extra = json_format(record, false);
	change.change.extra = extra;
	AUTO(fd) int fd = deploy_stage(d, "1", &err);
	release_make("1", &l, &err);
	if (fd < 0 || release_unpack("1", fd, &err) < 0)
		return -1;
	return deploy_lay_down(d, &l, "1", &change.change, &err);
}

static int install(void)
{
	return install_with(IN_TIME);
}

static int uninstall(void)
{
	struct cri_options o = options();
	AUTO(cri_change) struct cri_change change = CRI_CHANGE_INIT;
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(json) struct json *record = NULL;
	const char *extra;

	if (open_for_change(&d) < 0)
		return -1;
	extra = deploy_installed(d)->extra;
	ck_assert_ptr_nonnull(extra);
	record = json_parse(extra, strlen(extra), "extra", &err);
	if (!record || cri_unregister(&o, record, &change, &err) < 0)
		return -1;
	return deploy_uninstall(d, &change.change, &err);
}

static bool serves(const char *name)
{
	AUTO(strv) char **names = NULL;

	OK(backend_docker.served(sock, deadline_in(20000), &names, &err));
	return strv_has(names, name);
}

static void assert_config(const char *text)
{
	AUTO(buf) struct buf now = BUF_INIT(4096);

	if (!text) {
		ck_assert(!path_exists(config));
		return;
	}
	OK(file_read(AT_FDCWD, config, 4096, &now, &err));
	ck_assert_str_eq(buf_cstr(&now), text);
}

static const char *const texts[] = { "{\n  \"debug\": true\n}\n", NULL, "", " \n\n" };

START_TEST(a_registration_is_read_and_undone)
{
	const char *text = texts[_i];

	if (text)
		OK(file_replace_volatile(AT_FDCWD, config, text, strlen(text), 0644, &err));
	start(false);
	ck_assert(!serves("kata"));
	OK(install());
	ck_assert(serves("kata"));
	OK(uninstall());
	ck_assert(!serves("kata"));
	assert_config(text);
}
END_TEST

/* An old docker does not know the member: the file is restored and read again. */
START_TEST(a_runtime_that_docker_does_not_take_is_undone)
{
	OK(file_replace_volatile(AT_FDCWD, config, texts[0], strlen(texts[0]), 0644, &err));
	start(true);
	err_clear(&err);
	ck_assert_int_lt(install(), 0);
	ck_assert_msg(err.code == E_STATE && strstr(err.msg, "'kata'"), "%s", err.msg);
	assert_config(texts[0]);
	ck_assert(!path_exists(prefix) && !serves("kata"));
}
END_TEST

/* Somebody restarts docker, or it has just been started, when it is to read its files again. */
START_TEST(a_docker_that_is_being_restarted_gets_the_signal)
{
	AUTO(json) struct json *record = json_make_object();
	struct json *none = json_make_array();

	json_put(record, "name", json_make_string("docker"));
	json_put(record, "how", json_make_string("hangup"));
	json_put(record, "socket", json_make_string(sock));
	json_put(record, "command", none);
	json_put(record, "seconds", json_make_int(_i ? 1 : 20));
	if (_i == 0)
		server = fork();
	if (server == 0) {
		(void)usleep(300000);
		serve(false);
	}
	ck_assert_str_eq(cri_step_kinds[1]->kind, "cri-restart");
	if (_i == 0)
		OK(cri_step_kinds[1]->apply(NULL, record, &err));
	else
		FAILS(cri_step_kinds[1]->apply(NULL, record, &err), E_TIMEOUT);
}
END_TEST

/* It did not run when the change was planned, and may have read its old file since. */
START_TEST(a_docker_that_is_started_meanwhile_reads_its_file)
{
	OK(file_replace_volatile(AT_FDCWD, config, texts[0], strlen(texts[0]), 0644, &err));
	if (_i == 0) {
		OK(install_with(LATE));
		ck_assert(serves("kata"));
		return;
	}
	err_clear(&err);
	ck_assert_int_lt(install_with(LATE_AND_DEAF), 0);
	ck_assert_msg(err.code == E_STATE && strstr(err.msg, "'kata'"), "%s", err.msg);
	assert_config(texts[0]);
}
END_TEST

/* Before version 23 docker lists such runtimes, but cannot run them. */
START_TEST(a_docker_that_is_too_old_is_refused)
{
	OK(file_replace_volatile(AT_FDCWD, config, texts[0], strlen(texts[0]), 0644, &err));
	docker_version = "20.10.24+dfsg1";
	start(false);
	err_clear(&err);
	ck_assert_int_lt(install(), 0);
	ck_assert_msg(err.code == E_UNSUPPORTED && strstr(err.msg, "20.10.24"), "%s", err.msg);
	assert_config(texts[0]);
	ck_assert(!path_exists(prefix) && !serves("kata"));
}
END_TEST

/* One that is being started does not tell its version: its program does. */
START_TEST(a_docker_that_does_not_answer_yet_is_too_old)
{
	static const struct {
		const char *version; /* of the program; NULL: not known */
		enum err_code code;
	} cases[] = { { "20.10.24", E_UNSUPPORTED }, { "28.1.0", E_OK }, { NULL, E_OK } };
	struct cri_options o = options();
	struct cri c = { .back = &backend_docker,
			 .o = &o,
			 .root = (char[]){ "" },
			 .config = config,
			 .socket = sock,
			 .version = (char *)cases[_i].version,
			 .running = true };
	AUTO(edits) struct edits e = EDITS_INIT("");

	if (cases[_i].code)
		FAILS(backend_docker.edit(&c, &e, &err), cases[_i].code);
	else
		OK(backend_docker.edit(&c, &e, &err));
}
END_TEST

/* The prefix was removed by hand: the runtime is found in the file and removed. */
START_TEST(a_runtime_without_a_record_is_found_in_the_file)
{
	struct cri_options o = options();
	AUTO(cri_change) struct cri_change change = CRI_CHANGE_INIT;
	AUTO(deploy) struct deploy *d = NULL;

	OK(file_replace_volatile(AT_FDCWD, config, texts[0], strlen(texts[0]), 0644, &err));
	start(false);
	OK(install());
	ck_assert(serves("kata"));
	OK(path_remove_tree(prefix, &err));
	OK(open_for_change(&d));
	o.nhandlers = 0;
	/* It may be started only after it was looked for. */
	if (_i) {
		server_kill(&server);
		ck_assert_int_eq(unlink(sock), 0);
	}
	OK(cri_drop_left(&o, &change, &err));
	ck_assert(_i ? !change.restart : change.restart && change.reload);
	ck_assert_uint_eq(change.change.nfiles, 1);
	if (_i)
		start(false);
	OK(deploy_uninstall(d, &change.change, &err));
	ck_assert(!serves("kata"));
	assert_config("{\n  \"debug\": true,\n  \"runtimes\": {}\n}\n");
	deploy_close(STEAL(d, NULL));
	ck_assert(!path_exists(prefix));
}
END_TEST

static const struct {
	const char *words, *config, *socket;
} lines[] = {
	{ "dockerd", NULL, NULL },
	{ "dockerd -H fd:// --containerd=/run/containerd/containerd.sock", NULL, NULL },
	{ "dockerd --config-file /srv/d.json -H tcp://0.0.0.0:2375 -H unix:///srv/d.sock",
	  "/srv/d.json", "/srv/d.sock" },
	{ "dockerd --config-file=/srv/d.json --host=unix:///a --host unix:///b", "/srv/d.json",
	  "/a" },
	{ "dockerd -Hunix:///a", NULL, "/a" },
	{ "dockerd -H=unix:///a", NULL, "/a" },
	{ "dockerd -H", NULL, NULL },
	{ "dockerd --config-file", NULL, NULL },
	{ "dockerd --config-file relative.json", NULL, NULL },
	{ "dockerd --config-file=/var/snap/docker/2963/config/daemon.json",
	  "/var/snap/docker/current/config/daemon.json", NULL },
};

START_TEST(paths_come_from_the_command_line_of_dockerd)
{
	AUTO(strv) char **argv = strv_split(lines[_i].words, " ");
	const struct process p = { .argv = argv };
	AUTO(str) char *its_config = backend_docker.config_of(&p);
	AUTO(str) char *its_socket = backend_docker.socket_of(&p);

	ck_assert_msg(str_eq(its_config, lines[_i].config), "%s", its_config);
	ck_assert_msg(str_eq(its_socket, lines[_i].socket), "%s", its_socket);
}
END_TEST

/* A script in the place of dockerd --validate --config-file FILE. */
static const struct {
	const char *script;
	enum err_code code;
	const char *says;
} checks[] = {
	{ "exit 0", E_OK, NULL },
	{ "grep -q debug $3", E_OK, NULL },
	{ "echo 'unknown flag: --validate' >&2; exit 125", E_OK, "no --validate" },
	{ "grep -q runtimes $3 && { echo 'unable to configure' >&2; exit 1; }; exit 0", E_CONFIG,
	  "would not accept the new" },
	{ "echo 'unable to configure' >&2; exit 1", E_CONFIG, "does not accept the current" },
};

START_TEST(dockerd_checks_the_configuration)
{
	AUTO(str) char *binary = path_join(dir, "dockerd");
	AUTO(str) char *script = str_fmt("#!/bin/sh\n%s\n", checks[_i].script);
	AUTO(str) char *why = NULL;
	bool have[] = { false };
	struct cri_options o = options();
	struct cri c = { .back = &backend_docker,
			 .o = &o,
			 .root = (char[]){ "" },
			 .config = config,
			 .binary = binary,
			 .have = have };
	AUTO(edits) struct edits e = EDITS_INIT("");

	OK(file_replace_volatile(AT_FDCWD, binary, script, strlen(script), 0755, &err));
	OK(file_replace_volatile(AT_FDCWD, config, texts[0], strlen(texts[0]), 0644, &err));
	OK(backend_docker.edit(&c, &e, &err));
	err_clear(&err);
	ck_assert_int_eq(backend_docker.check(&c, &e, config, &why, &err),
			 checks[_i].code ? -1 : 0);
	ck_assert_msg(err.code == checks[_i].code, "%s", err.msg);
	if (checks[_i].says)
		ck_assert_msg(strstr(err.code ? err.msg : why, checks[_i].says) != NULL, "%s",
			      err.msg);
	assert_config(texts[0]);
}
END_TEST

/* Plays the endpoint of CRI-O that lists its runtimes. */
static const char crio_says[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
				"[crio]\n[crio.runtime.runtimes.runc]\nruntime_path = \"\"\n"
				"[crio.runtime.runtimes.kata]\nruntime_type = \"vm\"\n";

START_TEST(crio_reports_its_runtimes)
{
	int listener = fd_unix_listen(sock, &err);
	AUTO(strv) char **names = NULL;

	ck_assert_int_ge(listener, 0);
	server = fork();
	ck_assert_int_ge(server, 0);
	if (server == 0) {
		char asked[4096];
		int fd = accept(listener, NULL, NULL);
		struct err ignored = ERR_INIT;

		if (fd < 0 || read(fd, asked, sizeof(asked)) <= 0 ||
		    !strstr(asked, "GET /config ") ||
		    fd_write_all(fd, crio_says, strlen(crio_says), &ignored) < 0)
			_exit(1);
		_exit(0);
	}
	(void)close(listener);
	OK(backend_crio.served(sock, deadline_in(20000), &names, &err));
	ck_assert(strv_len(names) == 2 && strv_has(names, "kata"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cri_docker");
	TCase *tc = tcase_create("docker");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, a_registration_is_read_and_undone, 0, ARRAY_LEN(texts));
	tcase_add_test(tc, a_runtime_that_docker_does_not_take_is_undone);
	tcase_add_loop_test(tc, a_runtime_without_a_record_is_found_in_the_file, 0, 2);
	tcase_add_loop_test(tc, paths_come_from_the_command_line_of_dockerd, 0, ARRAY_LEN(lines));
	tcase_add_loop_test(tc, dockerd_checks_the_configuration, 0, ARRAY_LEN(checks));
	tcase_add_loop_test(tc, a_docker_that_is_being_restarted_gets_the_signal, 0, 2);
	tcase_add_loop_test(tc, a_docker_that_is_started_meanwhile_reads_its_file, 0, 2);
	tcase_add_test(tc, a_docker_that_is_too_old_is_refused);
	tcase_add_loop_test(tc, a_docker_that_does_not_answer_yet_is_too_old, 0, 3);
	tcase_add_test(tc, crio_reports_its_runtimes);
	suite_add_tcase(s, tc);
	return suite_run(s);
}
