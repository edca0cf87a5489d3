// SPDX-License-Identifier: Apache-2.0
/*
 * The verbs release and keys, as a packager types them. Each runs in a process of its own; the
 * tests check its output and its exit status.
 */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "deploy/verbs/packager.h"
#include "json/json.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { OUTPUT_MAX = 1 << 20 };

static char dir[SCRATCH_DIR];
static struct err err;

static void put(const char *name, const char *text, mode_t mode)
{
	scratch_write(dir, name, text, strlen(text), mode);
}

static void setup(void)
{
	err_clear(&err);
	scratch_make(dir, "packager");
	put("t/bin/shim", "#!shim\n", 0755);
	put("c.yaml",
	    "components:\n  - {name: all, text: all of it, required: true, paths: [bin]}\n"
	    "copies: []\n",
	    0644);
	(void)unsetenv("SOURCE_DATE_EPOCH");
}

static void teardown(void)
{
	scratch_remove(dir);
}

/* In the child: enters dir and a new session, without a terminal or with the terminal tty. */
static _Noreturn void be_verb(const char *line, const char *input, const char *tty)
{
	char **argv = strv_split(line, " ");
	struct err e = ERR_INIT;
	int ends[2], rc, argc = (int)strv_len(argv);

	(void)setsid();
	if (tty && open(tty, O_RDWR | O_CLOEXEC) < 0)
		_exit(99);
	if (fchdir(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 || fd_pipe(ends, &e) < 0 ||
	    fd_write_all(ends[1], input, strlen(input), &e) < 0 || dup2(ends[0], 7) < 0 ||
	    close(ends[1]) < 0 || !freopen("out", "w", stdout))
		_exit(99);
	rc = str_eq(argv[0], "keys") ? verb_keys(argc, argv, &e) : verb_release(argc, argv, &e);
	(void)fflush(stdout);
	if (rc < 0)
		(void)fprintf(stderr, "%s\n", e.msg);
	strv_free(argv);
	_exit(rc < 0 ? err_exit_status(e.code) : 0);
}

/* Runs a verb with this input on fd 7; returns its exit status. */
static int run(const char *line, const char *input)
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		be_verb(line, input, NULL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void good(const char *line, const char *input)
{
	int status = run(line, input);

	ck_assert_msg(status == 0, "%s: %d", line, status);
}

static void refused(const char *line, const char *input, enum err_code code)
{
	int status = run(line, input);

	ck_assert_msg(status == err_exit_status(code), "%s: %d", line, status);
}

static void output(struct buf *to)
{
	AUTO(str) char *path = path_join(dir, "out");

	buf_clear(to);
	ck_assert_int_eq(file_read(AT_FDCWD, path, OUTPUT_MAX, to, &err), 0);
}

static mode_t mode_of(const char *name)
{
	AUTO(str) char *path = path_join(dir, name);
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	return st.st_mode & 07777;
}

#define BUILD "release build --tree t --components c.yaml --version 1.2.3 --serial 7 "

START_TEST(a_release_is_built_signed_and_checked)
{
	AUTO(buf) struct buf text = BUF_INIT(OUTPUT_MAX);

	good("keys generate --passphrase-fd 7 ops", "secret\n");
	good("keys generate --no-passphrase dev", "");
	ck_assert_uint_eq(mode_of("ops.key"), 0600);
	good(BUILD "--out r --created 1700000000 --expires 3650d --json", "");
	output(&text);
	AUTO(json) struct json *j = json_parse(text.data, text.len, "out", &err);
	ck_assert_msg(j != NULL, "%s", err.msg);
	ck_assert_str_eq(json_text(json_get(j, "version")), "1.2.3");
	ck_assert_int_eq(json_int(json_get(j, "serial")), 7);
	good("release check r", "");
	refused("release check --key dev.pub r", "", E_TRUST);
	refused("release sign --key ops.key --passphrase-fd 7 r", "wrong\n", E_PERMISSION);
	refused("release sign --key ops.key r", "", E_USAGE); /* no terminal to ask */
	good("release sign --key ops.key --key dev.key --passphrase-fd 7 r", "secret\n");
	good("release check --key dev.pub --key ops.pub --threshold 2 --allow-expired --json r",
	     "");
	output(&text);
	AUTO(json) struct json *checked = json_parse(text.data, text.len, "out", &err);
	ck_assert_msg(checked != NULL, "%s", err.msg);
	ck_assert_int_eq(json_int(json_get(json_get(checked, "trust"), "threshold")), 2);
}
END_TEST

START_TEST(releases_are_compared)
{
	AUTO(buf) struct buf text = BUF_INIT(OUTPUT_MAX);

	good(BUILD "--out r1 --created 1700000000", "");
	put("t/bin/more", "more\n", 0755);
	good(BUILD "--out r2 --serial 8 --created 2023-11-15T00:00:00Z --old r1", "");
	/* Nodes could not order two releases with the same serial. Without --serial it is the next
	 * higher. */
	refused(BUILD "--out r3 --created 1700000000 --old r1", "", E_USAGE);
	good("release build --tree t --components c.yaml --version 1.2.4 --created 6 --out r3 "
	     "--expires 3650d --old r1 --old r2 --json",
	     "");
	output(&text);
	AUTO(json) struct json *third = json_parse(text.data, text.len, "out", &err);
	ck_assert_msg(third != NULL, "%s", err.msg);
	ck_assert_int_eq(json_int(json_get(third, "serial")), 9);
	good("release diff --json r1 r2", "");
	output(&text);
	AUTO(json) struct json *j = json_parse(text.data, text.len, "out", &err);
	ck_assert_msg(j != NULL, "%s", err.msg);
	ck_assert_uint_eq(json_count(json_get(json_get(j, "files"), "added")), 1);
	good("release diff r1 r2", "");
	output(&text);
	ck_assert_msg(strstr(text.data, "bin/more") != NULL, "%s", text.data);
}
END_TEST

/* The serial of a channel that is issued again, and the version of a root with one change. */
START_TEST(channels_and_roots_go_on_from_the_last)
{
	AUTO(buf) struct buf text = BUF_INIT(OUTPUT_MAX);

	good("keys generate --no-passphrase dev", "");
	good("keys generate --no-passphrase --role channel ops", "");
	good(BUILD "--out r --created 1700000000", "");
	good("release sign --key dev.key r", "");
	good("release channel --json --created 1700100000 --expires 14d r", "");
	output(&text);
	AUTO(json) struct json *c = json_parse(text.data, text.len, "out", &err);
	ck_assert_msg(c != NULL, "%s", err.msg);
	ck_assert_int_eq(json_int(json_get(c, "serial")), 8);
	ck_assert_str_eq(json_text(json_get(c, "name")), "stable");
	ck_assert_str_eq(json_text(json_get(c, "expires")), "2023-11-30T02:00:00Z");
	/* The old signature of the channel has been removed, that of the release has not. */
	refused("release check --key dev.pub --allow-expired r", "", E_TRUST);
	good("release sign --role channel --key ops.channel.key --json r", "");
	output(&text);
	ck_assert_ptr_nonnull(strstr(text.data, "signed_by"));
	refused("release check --key dev.pub --allow-expired r", "", E_TRUST);
	good("release check --key dev.pub --channel-key ops.channel.pub --allow-expired r", "");
	good("keys root --key dev.pub --expires 2030-01-01T00:00:00Z one.json", "");
	good("keys root --after one.json --channel-key ops.channel.pub two.json", "");
	good("keys root --after two.json --key ops.channel.pub --expires 2031-01-01T00:00:00Z "
	     "three.json",
	     "");
	refused("keys root --after two.json --threshold 2 four.json", "", E_INVALID);
	output(&text);
	good("keys sign --key dev.key --json two.json", "");
	output(&text);
	ck_assert_ptr_nonnull(strstr(text.data, "signed_by"));
	ck_assert_uint_eq(mode_of("two.json.minisig"), 0644);
	AUTO(str) char *path = path_join(dir, "three.json");
	buf_clear(&text);
	ck_assert_int_eq(file_read(AT_FDCWD, path, OUTPUT_MAX, &text, &err), 0);
	AUTO(json) struct json *three = json_parse(text.data, text.len, "three", &err);
	ck_assert_msg(three != NULL, "%s", err.msg);
	ck_assert_int_eq(json_int(json_get(three, "version")), 3);
	ck_assert_str_eq(json_text(json_get(three, "expires")), "2031-01-01T00:00:00Z");
	/* One key for both, as one set. */
	ck_assert_uint_eq(json_count(json_get(three, "keys")), 1);
	ck_assert_ptr_null(json_get(three, "roles"));
}
END_TEST

START_TEST(keys_are_shown_and_never_overwritten)
{
	AUTO(buf) struct buf text = BUF_INIT(OUTPUT_MAX);

	good("keys generate --no-passphrase dev", "");
	refused("keys generate --no-passphrase dev", "", E_EXISTS);
	good("keys show --json dev.pub", "");
	output(&text);
	AUTO(json) struct json *j = json_parse(text.data, text.len, "out", &err);
	ck_assert_msg(j != NULL, "%s", err.msg);
	ck_assert_uint_eq(strlen(json_text(json_get(json_at(j, 0), "id"))), 16);
	good("keys show --trust-dir .", "");
	output(&text);
	ck_assert_msg(strstr(text.data, "dev.pub") != NULL, "%s", text.data);
	refused("keys show dev.key", "", E_INVALID);
}
END_TEST

START_TEST(wrong_command_lines_are_refused)
{
	static const struct {
		const char *line;
		enum err_code code;
	} cases[] = {
		{ "release", E_USAGE },
		{ "release bild", E_USAGE },
		{ "release build", E_USAGE },
		{ "release build --nonsense", E_USAGE },
		{ "release build more", E_USAGE },
		{ BUILD "--out r", E_USAGE },
		{ BUILD "--out r --created yesterday", E_USAGE },
		{ BUILD "--out r --created 1 --expires 0d", E_USAGE },
		{ BUILD "--out r --created 1 --expires 4000d", E_USAGE },
		{ BUILD "--serial x --out r --created 1", E_USAGE },
		{ BUILD "--out t --created 1700000000", E_EXISTS },
		{ "release sign nowhere", E_USAGE },
		{ "release sign --key x nowhere", E_NOT_FOUND },
		{ "release check", E_USAGE },
		{ "release check nowhere", E_NOT_FOUND },
		{ "release check --threshold 2 nowhere", E_USAGE },
		{ "release diff one", E_USAGE },
		{ "keys generate", E_USAGE },
		{ "keys generate --passphrase-fd 7 --no-passphrase x", E_USAGE },
		{ "keys generate --passphrase-fd x x", E_USAGE },
		{ "keys generate --passphrase-fd 7 x", E_USAGE }, /* an empty one */
		{ "keys show nowhere", E_NOT_FOUND },
		{ "keys generate --role boss x", E_USAGE },
		{ "keys root r.json", E_USAGE },
		{ "keys root --key nowhere --expires 9d r.json", E_NOT_FOUND },
		{ "keys root --after nowhere r.json", E_NOT_FOUND },
		{ "keys root --expires 0d r.json", E_USAGE },
		{ "keys root --expires 9d c.yaml", E_EXISTS },
		{ "keys sign r.json", E_USAGE },
		{ "keys forget", E_USAGE },
		{ "keys trust", E_USAGE },
		{ "release sign --role boss --key x .", E_USAGE },
		{ "release sign --role channel --key x nowhere", E_NOT_FOUND },
		{ "release channel nowhere", E_NOT_FOUND },
		{ "release channel --serial x .", E_USAGE },
		{ "release channel --expires 0d .", E_USAGE },
	};

	if ((size_t)_i >= ARRAY_LEN(cases))
		return;
	refused(cases[_i].line, "", cases[_i].code);
}
END_TEST

START_TEST(every_verb_has_help)
{
	static const char *const lines[] = { "release --help", "release build --help",
					     "keys --help", "keys generate -h" };
	AUTO(buf) struct buf text = BUF_INIT(OUTPUT_MAX);

	good(lines[_i], "");
	output(&text);
	ck_assert_uint_gt(text.len, 40);
}
END_TEST

/* What is typed at each prompt; NULL: there is none any more. */
static const struct {
	const char *said[3];
	enum err_code code;
} typed[] = {
	{ { "secret\n", "secret\n" }, E_OK },
	{ { "secret\n", "other\n" }, E_USAGE },
	{ { "\003" }, E_CANCELLED }, /* Ctrl-C, without a new line */
	{ { "secret\n", "sec\003" }, E_CANCELLED },
};

/* On a terminal: the prompt appears twice, echo is off meanwhile, and on again afterwards. */
START_TEST(a_pass_phrase_is_asked_without_echo)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), status;
	AUTO(buf) struct buf seen = BUF_INIT(OUTPUT_MAX);
	const char *const *said = typed[_i].said;
	struct termios mode;
	size_t prompts = 0;
	char tty[64];
	pid_t pid;

	ck_assert(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	ck_assert_int_eq(ptsname_r(master, tty, sizeof(tty)), 0);
	AUTO(fd) int held = open(tty, O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(held, 0); /* without it the end of the child is an error here */
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		be_verb("keys generate ops", "", tty);
	while (said[prompts]) {
		char chunk[256];
		ssize_t n = read(master, chunk, sizeof(chunk));

		ck_assert_int_gt(n, 0);
		buf_add(&seen, chunk, (size_t)n);
		if (strstr(seen.data, prompts ? "Repeat it: " : "of the new key: ")) {
			ck_assert_int_eq(tcgetattr(master, &mode), 0);
			/* Echo is switched off after the prompt, which discards earlier input.
			 */
			while (mode.c_lflag & ECHO)
				ck_assert_int_eq(tcgetattr(master, &mode), 0);
			ck_assert_int_eq(
				fd_write_all(master, said[prompts], strlen(said[prompts]), &err),
				0);
			prompts++;
		}
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(WEXITSTATUS(status), typed[_i].code ? err_exit_status(typed[_i].code) : 0);
	ck_assert_ptr_null(strstr(seen.data, "secret"));
	ck_assert_int_eq(tcgetattr(master, &mode), 0);
	ck_assert(mode.c_lflag & ECHO);
	(void)close(master);
	if (_i == 0)
		ck_assert_uint_eq(mode_of("ops.key"), 0600);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("deploy_packager");
	TCase *t = tcase_create("deploy_packager");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_release_is_built_signed_and_checked);
	tcase_add_test(t, releases_are_compared);
	tcase_add_test(t, channels_and_roots_go_on_from_the_last);
	tcase_add_test(t, keys_are_shown_and_never_overwritten);
	tcase_add_loop_test(t, wrong_command_lines_are_refused, 0, 36);
	tcase_add_loop_test(t, every_verb_has_help, 0, 4);
	tcase_add_loop_test(t, a_pass_phrase_is_asked_without_echo, 0, ARRAY_LEN(typed));
	suite_add_tcase(s, t);
	return suite_run(s);
}
