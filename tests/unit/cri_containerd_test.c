// SPDX-License-Identifier: Apache-2.0
/*
 * Registration with a real containerd: a private one below a temporary directory, which a script
 * restarts. The tests install a small release, and ask containerd which handlers it serves.
 */

#include "tests/unit/expect.h"
#include "tests/unit/suite.h"

#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"
#include "cri/client.h"
#include "deploy/cri/cri.h"
#include "deploy/engine/engine.h"
#include "tests/crash/release.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILE_LIMIT = 1 << 20, ANSWER_SECONDS = 60 };

#define BASE "/tmp/cri-test."
static char base[] = BASE "XXXXXX";
static char *dir, *config, *sock, *script, *prefix, *lock;
static struct err err;

static const struct cri_handler handlers[] = { { "kata", NULL },
					       { "kata-qemu", "/opt/kata/etc/qemu.toml" } };

/* --- files and the daemon --- */

static void write_text(const char *path, const char *text, mode_t mode)
{
	OK(file_replace_volatile(AT_FDCWD, path, text, strlen(text), mode, &err));
}

static char *read_text(const char *path)
{
	AUTO(buf) struct buf b = BUF_INIT(FILE_LIMIT);

	if (!path_exists(path))
		return NULL;
	OK(file_read(AT_FDCWD, path, FILE_LIMIT, &b, &err));
	return str_fmt("%s", buf_cstr(&b));
}

static void run_script(void)
{
	AUTO(buf) struct buf out = BUF_INIT(FILE_LIMIT);
	AUTO(str) char *command = str_fmt("exec %s >/dev/null 2>&1", script);
	struct spawn s = { .argv = ARGV("/bin/sh", "-c", command) };

	ck_assert_int_eq(spawn_run(&s, NULL, 0, &out, deadline_in(60000), &err), 0);
}

static bool answers(void)
{
	AUTO(cri_version) struct cri_version v = { .name = NULL };
	struct err ignored = ERR_INIT;

	return cri_client_version(sock, deadline_in(2000), &v, &ignored) == 0;
}

static void wait_for_answer(void)
{
	struct deadline d = deadline_in(1000 * ANSWER_SECONDS);

	while (!answers() && !deadline_passed(d))
		(void)usleep(20000);
	ck_assert(answers());
}

static bool serves(const char *name)
{
	AUTO(strv) char **names = NULL;

	OK(cri_client_handlers(sock, deadline_in(5000), &names, &err));
	return strv_has(names, name);
}

static pid_t daemon_pid(void)
{
	AUTO(str) char *path = path_join(dir, "pid");
	AUTO(str) char *text = read_text(path);

	return text ? (pid_t)strtol(text, NULL, 10) : 0;
}

/* A zombie has ended too. */
#define WAIT_FOR_END \
	"while [ -d /proc/$p ] && ! grep -q '^State:.Z' /proc/$p/status; do sleep 0.02; done"

/* Ends the daemon of a directory, if it runs, and waits for its end. */
static void end_daemon(const char *below)
{
	AUTO(str)
	char *command = str_fmt("p=$(cat %s/pid 2>/dev/null) || exit 0; kill $p "
				"2>/dev/null; " WAIT_FOR_END " 2>/dev/null; true",
				below);
	struct spawn s = { .argv = ARGV("/bin/sh", "-c", command) };
	struct err ignored = ERR_INIT;

	if (spawn_run(&s, NULL, 0, NULL, deadline_in(60000), &ignored) != 0)
		(void)fprintf(stderr, "%s\n", ignored.msg);
}

/* The directories of the command line serve configurations that say none. /opt is a tmpfs for the
 * daemon: it makes a directory there unless it is told otherwise. */
static const char restart_text[] =
	"#!/bin/sh\n"
	"# %1$s: restarts the containerd of this directory\n"
	"p=$(cat %1$s/pid 2>/dev/null)\n"
	"[ -z \"$p\" ] || { kill $p; " WAIT_FOR_END "; }\n"
	"rm -f %1$s/pid\n"
	"echo >>%1$s/restarts\n"
	"%2$s\n"
	"setsid unshare -m sh -c 'mount -t tmpfs none /opt && exec "
	"containerd --config %1$s/config.toml --root %1$s/root --state "
	"%1$s/state --address %1$s/c.sock' >>%1$s/log 2>&1 </dev/null &\n"
	"echo $! >%1$s/pid\n";

/* before: more lines of the script. */
static void write_script(const char *before)
{
	AUTO(str) char *text = NULL;

	/* The text is a constant above. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	text = str_fmt(restart_text, dir, before);
#pragma GCC diagnostic pop
	write_text(script, text, 0755);
}

static size_t restarts(void)
{
	AUTO(str) char *path = path_join(dir, "restarts");
	AUTO(str) char *text = read_text(path);

	return text ? strlen(text) : 0;
}

static void set_up(void)
{
	static int n;

	dir = str_fmt("%s/%d-%d", base, (int)getpid(), n++);
	ck_assert_int_eq(mkdir(dir, 0755), 0);
	config = path_join(dir, "config.toml");
	sock = path_join(dir, "c.sock");
	script = path_join(dir, "restart");
	prefix = path_join(dir, "kata");
	lock = path_join(dir, "lock");
	log_set_level(LOG_FATAL);
	err_clear(&err);
	write_script("");
}

static void tear_down(void)
{
	end_daemon(dir);
	free(dir);
	free(config);
	free(sock);
	free(script);
	free(prefix);
	free(lock);
}

/* --- configurations --- */

/* Settings that keep the CRI plugin out of the host's directories. */
static char *usual(const char *more)
{
	return str_fmt("# The administrator's own.\n"
		       "version = 2 # keep\n"
		       "\n"
		       "[plugins]\n"
		       "  [plugins.\"io.containerd.grpc.v1.cri\"]\n"
		       "    restrict_oom_score_adj = true\n"
		       "    [plugins.\"io.containerd.grpc.v1.cri\".cni]\n"
		       "      bin_dir = \"/usr/lib/cni\"\n"
		       "      conf_dir = \"%s/cni\"\n"
		       "  [plugins.\"io.containerd.internal.v1.opt\"]\n"
		       "    path = \"%s/opt\"\n%s",
		       dir, dir, more);
}

static char *default_config(void)
{
	struct spawn s = { .argv = ARGV("containerd", "config", "default") };
	AUTO(buf) struct buf out = BUF_INIT(FILE_LIMIT);

	ck_assert_int_eq(spawn_run(&s, NULL, 0, &out, deadline_in(60000), &err), 0);
	return buf_steal(&out);
}

/* --- registration --- */

static struct cri_options options(void)
{
	return (struct cri_options){ .root = "",
				     .prefix = "/opt/kata",
				     .handlers = handlers,
				     .nhandlers = ARRAY_LEN(handlers),
				     .name = "containerd",
				     .config = config,
				     .socket = sock,
				     .restart_with = script,
				     .restart_seconds = 20 };
}

static int open_for_change(struct deploy **d)
{
	struct deploy_options o = {
		.prefix = prefix, .lock = lock, .now = 1, .kinds = cri_step_kinds
	};

	return deploy_open(&o, DEPLOY_CHANGE, d, &err);
}

static struct json *recorded(const struct deploy *d)
{
	const char *extra = deploy_installed(d)->extra;

	return extra ? json_parse(extra, strlen(extra), "extra", &err) : NULL;
}

static int lay_down(struct deploy *d, const struct deploy_change *c)
{
	AUTO(layout) struct layout l = LAYOUT_INIT;
	AUTO(fd) int fd = deploy_stage(d, "1", &err);

	release_make("1", &l, &err);
	if (fd < 0 || release_unpack("1", fd, &err) < 0)
		return -1;
	return deploy_lay_down(d, &l, "1", c, &err);
}

static int install_with(const struct cri_options *o, const struct deploy_step *more, bool *restart)
{
	AUTO(cri) struct cri *c = NULL;
	AUTO(cri_change) struct cri_change change = CRI_CHANGE_INIT;
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(str) char *extra = NULL;
	const struct json *record;
	struct deploy_step steps[8];

	if (open_for_change(&d) < 0)
		return -1;
	AUTO(json) struct json *before = recorded(d);
	if (cri_find(o, &c, &err) < 0 || cri_register(c, before, &change, &record, &err) < 0)
		return -1;
	if (restart)
		*restart = change.restart;
	extra = json_format(record, false);
	change.change.extra = extra;
	if (more) {
		memcpy(steps, change.change.steps, change.change.nsteps * sizeof(*steps));
		steps[change.change.nsteps++] = *more;
		change.change.steps = steps;
	}
	return lay_down(d, &change.change);
}

static int install(void)
{
	struct cri_options o = options();

	return install_with(&o, NULL, NULL);
}

static int uninstall(void)
{
	struct cri_options o = options();
	AUTO(cri_change) struct cri_change change = CRI_CHANGE_INIT;
	AUTO(deploy) struct deploy *d = NULL;

	if (open_for_change(&d) < 0)
		return -1;
	AUTO(json) struct json *before = recorded(d);
	ck_assert_ptr_nonnull(before);
	if (cri_unregister(&o, before, &change, &err) < 0)
		return -1;
	return deploy_uninstall(d, &change.change, &err);
}

static void start(const char *text)
{
	if (text)
		write_text(config, text, 0640);
	run_script();
	wait_for_answer();
}

static void assert_config(const char *text)
{
	AUTO(str) char *now = read_text(config);

	ck_assert(str_eq(now, text));
}

static void round_trip(const char *text)
{
	struct stat st;

	start(text);
	ck_assert(!serves("kata"));
	OK(install());
	ck_assert(serves("kata") && serves("kata-qemu") && serves("runc"));
	ck_assert_uint_eq(restarts(), 2);
	ck_assert(!text || (stat(config, &st) == 0 && (st.st_mode & 07777) == 0640));
	/* A second install has nothing to do. */
	OK(install());
	ck_assert_uint_eq(restarts(), 2);
	OK(uninstall());
	ck_assert(!serves("kata") && serves("runc"));
	ck_assert_uint_eq(restarts(), 3);
	assert_config(text);
	ck_assert(!path_exists(prefix));
}

START_TEST(usual_configuration)
{
	AUTO(str) char *text = usual("");

	round_trip(text);
}
END_TEST

START_TEST(no_newline_at_the_end)
{
	AUTO(str) char *text = usual("# the end");

	round_trip(text);
}
END_TEST

START_TEST(crlf)
{
	AUTO(str) char *text = usual("\r\n[debug]\r\nlevel = \"info\"\r\n");

	round_trip(text);
}
END_TEST

/* As `containerd config default` prints it: with a table of runtimes. */
START_TEST(default_configuration)
{
	AUTO(str) char *text = default_config();

	round_trip(text);
}
END_TEST

START_TEST(empty_configuration)
{
	round_trip("");
}
END_TEST

START_TEST(only_comments)
{
	round_trip("# nothing yet\n");
}
END_TEST

/* Without `version = 2` it is the first schema, with short names of plugins. */
START_TEST(first_schema)
{
	round_trip("oom_score = 0\n[plugins.cri]\nrestrict_oom_score_adj = true\n");
}
END_TEST

START_TEST(imports)
{
	AUTO(str) char *conf_d = path_join(dir, "conf.d");
	AUTO(str) char *first = path_join(conf_d, "10-first.toml");
	AUTO(str) char *last = path_join(conf_d, "20-cri.toml");
	static const char section[] = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\n"
				      "restrict_oom_score_adj = true\n";
	AUTO(str) char *root = str_fmt("version = 2\nimports = [\"%s/*.toml\"] # ours\n", conf_d);

	ck_assert_int_eq(mkdir(conf_d, 0755), 0);
	write_text(first, "version = 2\n[debug]\nlevel = \"info\"\n", 0644);
	write_text(last, section, 0644);
	start(root);
	OK(install());
	ck_assert(serves("kata") && serves("runc"));
	assert_config(root);
	OK(uninstall());
	ck_assert(!serves("kata"));
	AUTO(str) char *now = read_text(last);
	ck_assert_str_eq(now, section);
}
END_TEST

/* Before 1.7 a relative pattern is not relative to the directory of the file; we have to treat
 * it as this containerd does. */
START_TEST(relative_pattern)
{
	AUTO(str) char *conf_d = path_join(dir, "conf.d");
	AUTO(str) char *one = path_join(conf_d, "10-one.toml");
	AUTO(str) char *text = usual("");
	AUTO(str) char *root = str_fmt("imports = [\"conf.d/*.toml\"]\n%s", text);

	ck_assert_int_eq(mkdir(conf_d, 0755), 0);
	write_text(one, "version = 2\n[debug]\nlevel = \"info\"\n", 0644);
	round_trip(root);
}
END_TEST

START_TEST(edited_by_the_administrator)
{
	AUTO(str) char *text = usual("");
	AUTO(str) char *without = NULL, *with = NULL, *edited = NULL;
	static const char more[] = "\n# added later\n[debug]\nlevel = \"info\"\n";

	start(text);
	OK(install());
	with = read_text(config);
	/* In front of ours, and after it. */
	edited = str_fmt("oom_score = 0\n%s%s", with, more);
	write_text(config, edited, 0644);
	run_script();
	wait_for_answer();
	ck_assert(serves("kata"));
	OK(install());
	OK(uninstall());
	without = str_fmt("oom_score = 0\n%s%s", text, more);
	assert_config(without);
	ck_assert(!serves("kata"));
}
END_TEST

START_TEST(broken_configuration)
{
	static const char text[] = "version = 2\n[plugins\n";

	write_text(config, text, 0644);
	FAILS(install(), E_CONFIG);
	assert_config(text);
	ck_assert(!path_exists(prefix));
}
END_TEST

/* Valid TOML that containerd refuses. */
START_TEST(refused_configuration)
{
	static const char text[] = "version = 2\nrequired_plugins = 7\n";
	AUTO(str) char *good = usual("");

	start(good);
	write_text(config, text, 0644);
	FAILS(install(), E_CONFIG);
	assert_config(text);
	ck_assert_uint_eq(restarts(), 1);
}
END_TEST

/* Without runc in its table of runtimes, the CRI plugin does not start. */
START_TEST(runs_but_does_not_answer)
{
	AUTO(str)
	char *text = usual("[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes."
			   "crun]\nruntime_type = \"io.containerd.runc.v2\"\n");
	struct deadline d = deadline_in(1000 * ANSWER_SECONDS);

	write_text(config, text, 0644);
	run_script();
	while (!path_exists(sock) && !deadline_passed(d))
		(void)usleep(20000);
	ck_assert_int_lt(install(), 0);
	/* The reason may be lost: see grpc.h. */
	ck_assert_msg(err.code == E_UNSUPPORTED || err.code == E_PROTOCOL, "%s", err.msg);
	ck_assert_ptr_nonnull(strstr(err.msg, "does not answer"));
	assert_config(text);
	ck_assert_uint_eq(restarts(), 1);
}
END_TEST

/* --- a manager that somebody else has just restarted --- */

/* Refuses the first call of a connection, as the CRI service of a containerd does until it has found
 * its pods again: the HTTP/2 frames SETTINGS, its acknowledgement, HEADERS with gRPC's status. */
static const char refuses[] = "\0\0\0\4\0\0\0\0\0"
			      "\0\0\0\4\1\0\0\0\0"
			      "\0\0\x37\1\5\0\0\0\1"
			      "\x88"
			      "\x0f\x10\x10"
			      "application/grpc"
			      "\0\x0b"
			      "grpc-status"
			      "\1"
			      "2"
			      "\0\x0c"
			      "grpc-message"
			      "\5"
			      "early";

static void refuse(int fd)
{
	char request[4096];

	(void)!read(fd, request, sizeof(request));
	(void)send(fd, refuses, sizeof(refuses) - 1, MSG_NOSIGNAL);
	(void)shutdown(fd, SHUT_WR);
	while (read(fd, request, sizeof(request)) > 0)
		;
}

/* In a child: refuses calls, or closes connections, for ms; then the socket is containerd's. */
static int serve_early(int listener, bool refuses_calls, int ms)
{
	AUTO(str) char *away = str_fmt("%s.away", sock);
	struct deadline d = deadline_in((uint64_t)ms);

	while (!deadline_passed(d)) {
		struct pollfd ready = { listener, POLLIN, 0 };
		int fd;

		if (listener < 0) {
			(void)poll(NULL, 0, ms);
			continue;
		}
		if (poll(&ready, 1, deadline_left(d)) <= 0)
			continue;
		fd = accept(listener, NULL, NULL);
		if (fd >= 0 && refuses_calls)
			refuse(fd);
		fd_close(&fd);
	}
	return rename(away, sock);
}

enum early { NO_SOCKET, NOBODY_LISTENS, CLOSES, REFUSES, EARLY_KINDS };

/* As after a restart by another installation or by an upgrade of its package. */
START_TEST(a_manager_that_is_starting_gets_time)
{
	AUTO(str) char *away = str_fmt("%s.away", sock), *text = usual("");
	AUTO(fd) int listener = -1;
	pid_t pid;

	start(text);
	ck_assert_int_eq(rename(sock, away), 0);
	if (_i != NO_SOCKET) {
		listener = fd_unix_listen(sock, &err);
		ck_assert_int_ge(listener, 0);
	}
	if (_i == NOBODY_LISTENS)
		fd_close(&listener);
	pid = fork();
	if (pid == 0)
		_exit(serve_early(listener, _i == REFUSES, 1000) == 0 ? 0 : 1);
	fd_close(&listener);
	OK(install());
	ck_assert(serves("kata"));
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

START_TEST(somebody_elses_handler)
{
	AUTO(str)
	char *text = usual("[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes."
			   "runc]\nruntime_type = \"io.containerd.runc.v2\"\n"
			   "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes."
			   "kata]\nruntime_type = \"io.containerd.other.v2\"\n");

	start(text);
	FAILS(install(), E_EXISTS);
	assert_config(text);
}
END_TEST

/* An administrator has added handlers that lead to our shim. */
START_TEST(handlers_by_hand)
{
	AUTO(str)
	char *text = usual("[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\n"
			   "runtime_type = \"io.containerd.runc.v2\"\n"
			   "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.kata]\n"
			   "runtime_type = \"/opt/kata/bin/containerd-shim-kata-v2\"\n"
			   "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.kata-qemu]\n"
			   "runtime_type = \"io.containerd.kata.v2\"\n"
			   "runtime_path = \"/opt/kata/bin/containerd-shim-kata-v2\"\n"
			   "options = { ConfigPath = \"/opt/kata/etc/qemu.toml\" }\n");

	start(text);
	OK(install());
	ck_assert_uint_eq(restarts(), 1);
	assert_config(text);
	OK(uninstall());
	ck_assert_uint_eq(restarts(), 1);
	assert_config(text);
}
END_TEST

/* containerd fails with our configuration: the old file is restored, and it starts. */
START_TEST(a_restart_after_which_containerd_stays_away_is_undone)
{
	AUTO(str) char *text = usual("");
	AUTO(str) char *refuse = str_fmt("grep -q kata %s && exit 0", config);
	struct cri_options o = options();

	start(text);
	write_script(refuse);
	o.restart_seconds = 2;
	FAILS(install_with(&o, NULL, NULL), E_TIMEOUT);
	assert_config(text);
	ck_assert(answers() && !serves("kata"));
	ck_assert_uint_eq(restarts(), 3);
	ck_assert(!path_exists(prefix));
}
END_TEST

START_TEST(a_restart_command_that_fails_is_undone)
{
	AUTO(str) char *text = usual("");
	AUTO(str) char *refuse = str_fmt("grep -q kata %s && { echo no way >&2; exit 7; }", config);

	start(text);
	write_script(refuse);
	FAILS(install(), E_FAILED);
	ck_assert_ptr_nonnull(strstr(err.msg, "exit code 7: no way"));
	assert_config(text);
	ck_assert(answers());
}
END_TEST

START_TEST(a_restart_command_that_does_nothing_is_undone)
{
	AUTO(str) char *text = usual("");
	struct cri_options o = options();
	pid_t pid;

	start(text);
	pid = daemon_pid();
	o.restart_with = "/bin/true";
	o.restart_seconds = 1;
	FAILS(install_with(&o, NULL, NULL), E_TIMEOUT);
	ck_assert_ptr_nonnull(strstr(err.msg, "was not replaced"));
	assert_config(text);
	ck_assert_int_eq(daemon_pid(), pid);
}
END_TEST

START_TEST(a_containerd_that_does_not_run_is_not_restarted)
{
	AUTO(str) char *text = usual("");
	bool restart = true;
	struct cri_options o = options();

	write_text(config, text, 0640);
	OK(install_with(&o, NULL, &restart));
	ck_assert(!restart && restarts() == 0);
	start(NULL);
	ck_assert(serves("kata"));
	end_daemon(dir);
	OK(uninstall());
	assert_config(text);
}
END_TEST

/* Somebody installed while containerd did not run, and it has not read the file since. */
START_TEST(a_configuration_not_read_yet_needs_a_restart)
{
	AUTO(str) char *text = usual(""), *with = NULL;
	bool restart = false;
	struct cri_options o = options();

	write_text(config, text, 0640);
	OK(install());
	with = read_text(config);
	write_text(config, text, 0640);
	start(NULL);
	write_text(config, with, 0640);
	ck_assert(!serves("kata"));
	OK(install_with(&o, NULL, &restart));
	ck_assert(restart && serves("kata"));
}
END_TEST

static int die(const struct deploy_step *step, const struct json *record, struct err *e)
{
	(void)step;
	(void)record;
	(void)e;
	(void)kill(getpid(), SIGKILL);
	return 0;
}

static int no_undo(void *context, const struct json *record, struct err *e)
{
	(void)context;
	(void)record;
	(void)e;
	return 0;
}

/* Another process restores the old file and restarts containerd again. */
START_TEST(an_install_killed_after_the_restart_is_undone)
{
	static const struct deploy_step_ops ops = { "die", NULL, die, no_undo, NULL };
	static const struct deploy_step step = { .ops = &ops, .name = "die" };
	const struct deploy_step_ops *kinds[8] = { &ops };
	struct deploy_options o = { .prefix = prefix, .lock = lock, .now = 1, .kinds = kinds };
	AUTO(str) char *text = usual("");
	int status;
	pid_t pid;

	for (size_t i = 0; cri_step_kinds[i]; i++)
		kinds[i + 1] = cri_step_kinds[i];
	start(text);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		struct cri_options c = options();

		(void)install_with(&c, &step, NULL);
		_exit(1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	ck_assert(serves("kata"));
	OK(deploy_recover(&o, NULL, NULL, &err));
	assert_config(text);
	ck_assert(!serves("kata") && serves("runc"));
	ck_assert_uint_eq(restarts(), 3);
	ck_assert(!path_exists(prefix));
}
END_TEST

static void remove_all(void)
{
	DIR *d = opendir(base);
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		AUTO(str) char *below = path_join(base, e->d_name);

		if (*e->d_name != '.')
			end_daemon(below);
	}
	if (d)
		(void)closedir(d);
	err_clear(&err);
	if (path_remove_tree(base, &err) < 0)
		(void)fprintf(stderr, "%s\n", err.msg);
}

int main(void)
{
	Suite *s = suite_create("cri_containerd");
	TCase *tc = tcase_create("containerd");
	struct spawn probe = { .argv = ARGV("containerd", "--version") };
	int status;

	if (geteuid() != 0 || spawn_run(&probe, NULL, 0, NULL, deadline_in(10000), &err) != 0) {
		(void)printf("skipped: needs root and containerd\n");
		return 0;
	}
	if (!mkdtemp(base))
		return 1;
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, usual_configuration);
	tcase_add_test(tc, no_newline_at_the_end);
	tcase_add_test(tc, crlf);
	tcase_add_test(tc, default_configuration);
	tcase_add_test(tc, empty_configuration);
	tcase_add_test(tc, only_comments);
	tcase_add_test(tc, first_schema);
	tcase_add_test(tc, imports);
	tcase_add_test(tc, relative_pattern);
	tcase_add_test(tc, edited_by_the_administrator);
	tcase_add_test(tc, broken_configuration);
	tcase_add_test(tc, refused_configuration);
	tcase_add_test(tc, runs_but_does_not_answer);
	tcase_add_loop_test(tc, a_manager_that_is_starting_gets_time, 0, EARLY_KINDS);
	tcase_add_test(tc, somebody_elses_handler);
	tcase_add_test(tc, handlers_by_hand);
	tcase_add_test(tc, a_restart_after_which_containerd_stays_away_is_undone);
	tcase_add_test(tc, a_restart_command_that_fails_is_undone);
	tcase_add_test(tc, a_restart_command_that_does_nothing_is_undone);
	tcase_add_test(tc, a_containerd_that_does_not_run_is_not_restarted);
	tcase_add_test(tc, a_configuration_not_read_yet_needs_a_restart);
	tcase_add_test(tc, an_install_killed_after_the_restart_is_undone);
	suite_add_tcase(s, tc);
	status = suite_run(s);
	/* Ends what a failed test left running. */
	remove_all();
	return status;
}
