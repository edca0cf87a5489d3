// SPDX-License-Identifier: Apache-2.0
/* libs/base: errors, buffers, strings, paths beneath a root, atomic files, spawn, options. */

#include "base/buf.h"
#include "base/deadline.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/parallel.h"
#include "base/path.h"
#include "base/process.h"
#include "base/scope.h"
#include "base/spawn.h"
#include "base/str.h"
#include "base/title.h"
#include "base/utc.h"
#include "base/vec.h"
#include "tests/unit/sanitized.h"
#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/ioprio.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static char dir[SCRATCH_DIR];

static void setup(void)
{
	scratch_make(dir, "base");
}

static void teardown(void)
{
	scratch_remove(dir);
	ck_assert(!path_exists(dir));
}

START_TEST(error_wraps_and_hints)
{
	struct err err = ERR_INIT;

	errno = ENOENT;
	ck_assert_int_eq(err_sys(&err, "open %s", "/x"), -1);
	err_wrap(&err, "sandbox %s", "a");
	err_hint(&err, "make it first");
	ck_assert_str_eq(err.msg, "sandbox a: open /x: no such file or directory; make it first");
	ck_assert_int_eq(err.code, E_NOT_FOUND);
	ck_assert_int_eq(err.sys, ENOENT);
	ck_assert_int_eq(err_from_rpc_status(err_rpc_status(err.code)), E_NOT_FOUND);
}
END_TEST

START_TEST(error_of_another_process_is_harmless)
{
	static const int codes[] = { E_TRUST, -1, E_OK, 12345 };

	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		struct err err = ERR_INIT;

		ck_assert_int_eq(err_take(&err, codes[i], EIO, ERR_HERE, "a\x1b[31m\n\x7f%s"), -1);
		ck_assert_int_eq(err.code, i == 0 ? E_TRUST : E_FAILED);
		ck_assert_int_eq(err.sys, EIO);
		ck_assert_str_eq(err.msg, "a?[31m??%s");
	}
}
END_TEST

START_TEST(error_set_twice_aborts)
{
	struct err err = ERR_INIT;

	err_set(&err, E_FAILED, "one");
	err_set(&err, E_FAILED, "two");
}
END_TEST

START_TEST(error_is_cut_not_overrun)
{
	struct err err = ERR_INIT;
	char big[2000];

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	err_set(&err, E_FAILED, "%s", big);
	err_wrap(&err, "%s", big);
	err_hint(&err, "%s", big);
	ck_assert_uint_eq(strlen(err.msg), sizeof(err.msg) - 1);
}
END_TEST

START_TEST(buffer_keeps_its_bound)
{
	struct buf b = BUF_INIT(10);
	struct err err = ERR_INIT;

	buf_str(&b, "12345");
	buf_fmt(&b, "%d", 67890);
	ck_assert(buf_check(&b, "text", &err) == 0);
	buf_chr(&b, '!');
	ck_assert(buf_check(&b, "text", &err) < 0);
	ck_assert_int_eq(err.code, E_LIMIT);
	ck_assert_str_eq(b.data, "1234567890");
	buf_clear(&b);
	buf_str(&b, "abc");
	buf_eat(&b, 2);
	ck_assert_str_eq(buf_cstr(&b), "c");
	buf_release(&b);
}
END_TEST

START_TEST(the_last_value_of_a_name_stays)
{
	AUTO(strv) char **env = strv_split("A=1 AB=1 A B=1 A=2 A AB B= B=3 =x =y", " ");
	AUTO(str) char *text = NULL;

	strv_env_unique(NULL);
	strv_env_unique(env);
	text = strv_join(env, " ");
	ck_assert_str_eq(text, "AB=1 A=2 A AB B=3 =y");
}
END_TEST

START_TEST(numbers_are_strict)
{
	static const char *const bad[] = {
		"", "-1", "+1", " 1", "1 ", "0x10", "18446744073709551616", "101"
	};
	uint64_t v;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err err = ERR_INIT;

		ck_assert_msg(str_u64(bad[i], 10, 0, 100, "n", &v, &err) < 0, "'%s'", bad[i]);
	}
	struct err err = ERR_INIT;
	ck_assert(str_u64("100", 10, 0, 100, "n", &v, &err) == 0 && v == 100);
}
END_TEST

START_TEST(ids_are_checked)
{
	static const struct {
		const char *id;
		bool good;
	} cases[] = { { "a", true },    { "a-b_c.9", true },   { "", false },   { ".a", false },
		      { "a/b", false }, { "a..b", false },     { "..", false }, { "a b", false },
		      { "a\n", false }, { "\xc3\xa4", false }, { "-a", false } };
	AUTO(str) char *longest = xmalloc(10001);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = ERR_INIT;

		ck_assert_msg((str_check_id(cases[i].id, "id", &err) == 0) == cases[i].good, "'%s'",
			      cases[i].id);
	}
	memset(longest, 'a', 10000);
	longest[10000] = '\0';
	struct err err = ERR_INIT;
	ck_assert(str_check_id(longest, "id", &err) < 0);
}
END_TEST

/* As in a path (without plus) and in a query (with it); what follows len is not looked at. */
START_TEST(urls_are_decoded)
{
	static const struct {
		const char *text;
		size_t len;
		bool plus;
		const char *decoded; /* NULL: refused */
	} cases[] = {
		{ "", 0, false, "" },        { "a+b", 3, false, "a+b" },
		{ "a+b", 3, true, "a b" },   { "%41%7e%7E", 9, false, "A~~" },
		{ "%41%42", 3, false, "A" }, { "%41%42", 5, false, NULL },
		{ "%", 1, false, NULL },     { "%4g", 3, false, NULL },
		{ "%-1", 3, false, NULL },   { "a%00b", 5, false, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(str) char *got = str_url_decode(cases[i].text, cases[i].len, cases[i].plus);

		ck_assert_msg(str_eq(got, cases[i].decoded), "%s: %s", cases[i].text,
			      got ? got : "refused");
	}
}
END_TEST

START_TEST(a_text_is_cut_between_characters)
{
	static const struct {
		const char *text;
		size_t max, length;
	} cuts[] = {
		{ "", 0, 0 },
		{ "ab", 2, 2 },
		{ "ab", 9, 2 },
		{ "ab", 1, 1 },
		{ "a\u00e4", 3, 3 },
		{ "a\u00e4", 2, 1 },
		{ "\u20ac\u20ac", 5, 3 },
		{ "\u20ac", 1, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cuts); i++)
		ck_assert_uint_eq(str_cut(cuts[i].text, cuts[i].max), cuts[i].length);
}
END_TEST

START_TEST(nearest_word)
{
	static const char *const known[] = { "default_vcpus", "kernel_params", "path", NULL };

	ck_assert_str_eq(str_nearest("default_vcpu", known), "default_vcpus");
	ck_assert_str_eq(str_nearest("kernel_parms", known), "kernel_params");
	ck_assert_ptr_null(str_nearest("completely_else", known));
}
END_TEST

START_TEST(paths_are_cleaned)
{
	static const struct {
		const char *in, *out;
	} cases[] = { { "/", "/" },       { "//a//b/", "/a/b" }, { "/a/../../b", "/b" },
		      { "a/./b", "a/b" }, { "..", "." },         { "", "." },
		      { "/..", "/" },     { "a/..", "." } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(str) char *out = path_clean(cases[i].in);

		ck_assert_str_eq(out, cases[i].out);
	}
	ck_assert(path_is_below("/a/b", "/a"));
	ck_assert(path_is_below("/a", "/a/"));
	ck_assert(!path_is_below("/ab", "/a"));
}
END_TEST

/* Translates a path below another root to one of ours; links there cannot lead out of that root. */
START_TEST(a_path_in_another_root_stays_there)
{
	static const struct {
		const char *in, *out; /* NULL: E_STATE */
	} cases[] = { { "/", "" },
		      { "/real/file", "/real/file" },
		      { "/real/not/yet", "/real/not/yet" },
		      { "/not/yet", "/not/yet" },
		      { "/absolute/file", "/real/file" },
		      { "/absolute/new", "/real/new" },
		      { "/relative/file", "/real/file" },
		      { "/outside/etc", "/etc" },
		      { "/../../real/file", "/real/file" },
		      { "/real/file/below", "/real/file/below" },
		      { "", "" },
		      { "real/not/yet", "/real/not/yet" },
		      { "not/yet", "/not/yet" },
		      { "../absolute/new", "/real/new" },
		      { "/dangling", NULL },
		      { "/dangling/more", NULL } };
	AUTO(str) char *root = path_join(dir, "other"), *real = path_join(root, "real");
	AUTO(str) char *file = path_join(real, "file"), *absolute = path_join(root, "absolute");
	AUTO(str) char *relative = path_join(root, "relative"), *out = path_join(root, "outside");
	AUTO(str) char *dangling = path_join(root, "dangling");
	struct err err = ERR_INIT;

	ck_assert_int_eq(path_make(real, 0755, &err), 0);
	ck_assert_int_eq(file_replace_volatile(AT_FDCWD, file, "x", 1, 0644, &err), 0);
	ck_assert_int_eq(symlink("/real", absolute), 0);
	ck_assert_int_eq(symlink("../../../../real", relative), 0);
	ck_assert_int_eq(symlink("../../../..", out), 0);
	ck_assert_int_eq(symlink("/usr", dangling), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(str) char *got = path_from_root(root, cases[i].in, &err);
		AUTO(str)
		char *wanted = cases[i].out ? str_fmt("%s%s", root, cases[i].out) : NULL;

		ck_assert_msg(str_eq(got, wanted), "%s is %s", cases[i].in, got ? got : err.msg);
		ck_assert_int_eq(err.code, wanted ? E_OK : E_STATE);
		err_clear(&err);
	}
	ck_assert_int_eq(path_remove_tree(root, &err), 0);
}
END_TEST

/* As mkdir -p: a directory, or a link to one, may exist; a file may not. */
START_TEST(a_path_is_made_of_directories)
{
	AUTO(str) char *deep = path_join(dir, "made/of/directories");
	AUTO(str) char *link = path_join(dir, "link"), *file = path_join(dir, "file");
	struct err err = ERR_INIT;

	ck_assert_int_eq(path_make(deep, 0755, &err), 0);
	ck_assert_int_eq(path_make(deep, 0755, &err), 0);
	ck_assert_int_eq(symlink(deep, link), 0);
	ck_assert_int_eq(path_make(link, 0755, &err), 0);
	ck_assert_int_eq(file_replace_volatile(AT_FDCWD, file, "x", 1, 0644, &err), 0);
	ck_assert_int_eq(path_make(file, 0755, &err), -1);
	ck_assert_int_eq(err.sys, ENOTDIR);
}
END_TEST

static const struct {
	const char *text, *left;
	int cut;
} logs[] = {
	{ "", "", 0 },
	{ "12345678\n123456\n", "12345678\n123456\n", 0 }, /* 16 bytes */
	{ "12345678\n1234567\n", "1234567\n", 1 },
	{ "12345678\n12\n45678", "45678", 1 },
	{ "12345678901234567890", "34567890", 1 }, /* no line ends in the last 8 */
	{ "1234567890123456789\n", "3456789\n", 1 },
};

START_TEST(a_long_log_is_cut_to_its_end)
{
	AUTO(str) char *file = path_join(dir, "log"), *link = path_join(dir, "link");
	AUTO(buf) struct buf text = BUF_INIT(64);
	struct err err = ERR_INIT;

	ck_assert_int_eq(file_keep_end(file, 16, 8, &err), 0);
	scratch_write_text(dir, "log", logs[_i].text);
	ck_assert_int_eq(symlink("log", link), 0);
	ck_assert_int_eq(file_keep_end(link, 16, 8, &err), -1);
	ck_assert_int_eq(err.sys, ELOOP);
	err_clear(&err);
	ck_assert_int_eq(file_keep_end(file, 16, 8, &err), logs[_i].cut);
	ck_assert_msg(file_read(AT_FDCWD, file, 64, &text, &err) == 0, "%s", err.msg);
	ck_assert_str_eq(buf_cstr(&text), logs[_i].left);
}
END_TEST

/* file_note() leaves no temporary file in the directory, even if the note existed. */
START_TEST(a_note_has_no_temporary)
{
	AUTO(str) char *notes = path_join(dir, "notes"), *file = path_join(notes, "note");
	AUTO(buf) struct buf text = BUF_INIT(64);
	struct err err = ERR_INIT;
	struct stat st;

	ck_assert_int_eq(file_note(file, "x", 1, 0600, &err), -1);
	ck_assert_int_eq(err.sys, ENOENT);
	err_clear(&err);
	ck_assert_int_eq(path_make(notes, 0755, &err), 0);
	ck_assert_msg(file_note(file, "older", 5, 0644, &err) == 0, "%s", err.msg);
	ck_assert_msg(file_note(file, "new", 3, 0600, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(file_read(AT_FDCWD, file, 64, &text, &err), 0);
	ck_assert_str_eq(buf_cstr(&text), "new");
	ck_assert(stat(file, &st) == 0 && (st.st_mode & 07777) == 0600 && st.st_nlink == 1);
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(rmdir(notes), 0);
}
END_TEST

START_TEST(names_do_not_leave_the_root)
{
	AUTO(str) char *link = path_join(dir, "out");
	AUTO(str) char *up = path_join(dir, "up");
	struct err err = ERR_INIT;
	AUTO(fd) int root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO(fd) int made = path_mkdirs(root, "a/b", PATH_IN_ROOT, 0755, &err);

	ck_assert_msg(made >= 0, "%s", err.msg);
	ck_assert(symlink("/etc", link) == 0 && symlink("../../..", up) == 0);
	ck_assert_int_lt(path_open(root, "out/passwd", PATH_BENEATH, O_RDONLY, 0, &err), 0);
	err_clear(&err);
	ck_assert_int_lt(path_open(root, "out/passwd", PATH_IN_ROOT, O_RDONLY, 0, &err), 0);
	ck_assert_int_eq(err.code, E_NOT_FOUND);
	err_clear(&err);
	ck_assert_int_lt(path_open(root, "up/etc/passwd", PATH_IN_ROOT, O_RDONLY, 0, &err), 0);
	err_clear(&err);
	AUTO(fd) int in = path_open(root, "/up/a/b", PATH_IN_ROOT, O_PATH, 0, &err);
	ck_assert_msg(in >= 0, "%s", err.msg);
}
END_TEST

START_TEST(dangling_links_name_what_is_made)
{
	static const struct {
		const char *link, *path, *made; /* made: NULL is an error */
		enum path_scope scope;
	} ways[] = {
		{ "/x/y", "link/z", "x/y/z", PATH_IN_ROOT },
		{ "../../x", "link", "x", PATH_IN_ROOT },
		{ "x/../v", "link/z", "v/z", PATH_IN_ROOT },
		{ "x/y", "link/z", "x/y/z", PATH_BENEATH },
		{ "/x/y", "link/z", NULL, PATH_BENEATH },
		{ "../x", "link", NULL, PATH_BENEATH },
		{ "x", "link", NULL, PATH_NO_LINKS },
		{ "link", "link/z", NULL, PATH_IN_ROOT },
	};

	for (size_t i = 0; i < ARRAY_LEN(ways) * 2; i++) {
		bool file = i % 2;
		const char *want = ways[i / 2].made;
		AUTO(str) char *top = str_fmt("%s/top%zu", dir, i);
		struct err err = ERR_INIT;
		struct stat st;

		ck_assert_int_eq(mkdir(top, 0755), 0);
		AUTO(fd) int root = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
		ck_assert_int_eq(symlinkat(ways[i / 2].link, root, "link"), 0);
		AUTO(fd)
		int fd = file ? path_mkfile(root, ways[i / 2].path, ways[i / 2].scope, 0755, 0600,
					    &err)
			      : path_mkdirs(root, ways[i / 2].path, ways[i / 2].scope, 0755, &err);
		ck_assert_msg((fd >= 0) == (want != NULL), "%zu: %s", i, err.msg);
		if (!want)
			continue;
		ck_assert_int_eq(fstatat(root, want, &st, AT_SYMLINK_NOFOLLOW), 0);
		ck_assert(file ? S_ISREG(st.st_mode) : S_ISDIR(st.st_mode));
	}
}
END_TEST

START_TEST(replace_is_whole_or_nothing)
{
	AUTO(str) char *path = path_join(dir, "state.json");
	AUTO(buf) struct buf b = BUF_INIT(100);
	struct err err = ERR_INIT;
	struct stat st;

	ck_assert(file_replace(AT_FDCWD, path, "long old text", 13, 0600, &err) == 0);
	ck_assert(file_replace(AT_FDCWD, path, "new", 3, 0640, &err) == 0);
	ck_assert(file_read(AT_FDCWD, path, 100, &b, &err) == 0);
	ck_assert_str_eq(buf_cstr(&b), "new");
	ck_assert(stat(path, &st) == 0 && (st.st_mode & 0777) == 0640);
	buf_clear(&b);
	ck_assert(file_read(AT_FDCWD, path, 2, &b, &err) < 0);
	ck_assert_int_eq(err.code, E_LIMIT);
	err_clear(&err);
	buf_clear(&b);
	ck_assert(file_read(AT_FDCWD, path, 3, &b, &err) == 0);
}
END_TEST

static int run(const char *script, const char *input, struct buf *out, uint64_t ms, struct err *err)
{
	char *const *argv = ARGV("/bin/sh", "-c", script);
	struct spawn s = { .argv = argv };

	return spawn_run(&s, input, input ? strlen(input) : 0, out, deadline_in(ms), err);
}

START_TEST(no_component_is_a_link)
{
	struct err err = ERR_INIT;
	AUTO(fd) int root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(fd) int made = path_mkdirs(root, "a/b", PATH_NO_LINKS, 0755, &err);

	ck_assert_int_ge(made, 0);
	ck_assert_int_eq(symlinkat("a", root, "link"), 0);
	ck_assert_int_eq(symlinkat("b", made, "last"), 0);
	AUTO(fd) int through = path_open(root, "link/b", PATH_BENEATH, O_RDONLY, 0, &err);
	ck_assert_int_ge(through, 0);
	ck_assert_int_lt(path_open(root, "link/b", PATH_NO_LINKS, O_RDONLY, 0, &err), 0);
	ck_assert_int_eq(err.sys, ELOOP);
	err_clear(&err);
	ck_assert_int_lt(path_mkdirs(root, "link/c", PATH_NO_LINKS, 0755, &err), 0);
	err_clear(&err);
	/* Removing a link keeps its target, and a path through a link is refused. */
	ck_assert_int_lt(path_remove_below(root, "link/b", &err), 0);
	err_clear(&err);
	ck_assert_int_eq(path_remove_below(root, "link", &err), 0);
	ck_assert_int_eq(faccessat(root, "a/b", F_OK, 0), 0);
	ck_assert_int_eq(path_remove_below(root, "a", &err), 0);
	ck_assert_int_eq(path_remove_below(root, "a/b/c", &err), 0);
	ck_assert_int_lt(faccessat(root, "a", F_OK, 0), 0);
}
END_TEST

START_TEST(replacing_can_keep_what_belongs_to_a_file)
{
	struct err err = ERR_INIT;
	struct stat st;
	struct timespec times[2] = { { 1000, 0 }, { 2000, 5 } };
	AUTO(fd) int root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(fd) int old = openat(root, "old", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct file_new how = { .tmp = ".new", .mode = 0640, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	char label[8] = "";

	/* Not every file system has attributes. */
	bool labelled = fsetxattr(old, "user.label", "mine", 4, 0) == 0;
	ck_assert_int_eq(futimens(old, times), 0);
	how.like = &(struct file_like){ .fd = old, .times = true };
	/* A temporary file of a run that crashed has the same name. */
	ck_assert_int_eq(close(openat(root, ".new", O_WRONLY | O_CREAT | O_CLOEXEC, 0400)), 0);
	ck_assert_msg(file_replace_via(root, "file", "text", 4, &how, &err) == 0, "%s", err.msg);
	AUTO(fd) int now = openat(root, "file", O_RDONLY | O_CLOEXEC);
	ck_assert(fstat(now, &st) == 0 && (st.st_mode & 07777) == 0640 && st.st_size == 4);
	ck_assert(st.st_mtim.tv_sec == 2000 && st.st_mtim.tv_nsec == 5);
	if (labelled) {
		ck_assert_int_eq(fgetxattr(now, "user.label", label, sizeof(label)), 4);
		ck_assert_str_eq(label, "mine");
	}
	ck_assert_int_lt(faccessat(root, ".new", F_OK, 0), 0);
}
END_TEST

/* Replaces a file in a directory without CAP_SYS_ADMIN, as in a container. */
static int replace_without_rights(int root, int old)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	struct file_like like = { .fd = old };
	struct file_new how = { NULL, 0644, (uid_t)-1, (gid_t)-1, &like };
	struct err err = ERR_INIT;

	if (syscall(SYS_capget, &head, data) < 0)
		return 1;
	data[0].effective &= ~(1U << CAP_SYS_ADMIN);
	if (syscall(SYS_capset, &head, data) < 0)
		return 2;
	return file_replace_via(root, "file", "text", 4, &how, &err) < 0 ? 3 : 0;
}

/* Labels stay on the files of a node whose SELinux was disabled. A program in a container cannot set
 * them there. */
START_TEST(a_label_that_cannot_be_set_is_left_out)
{
	AUTO(fd) int root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(fd) int old = openat(root, "old", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	char value[8] = "";
	int status;
	pid_t pid;

	if (fsetxattr(old, "security.label", "theirs", 6, 0) < 0)
		return;
	(void)fsetxattr(old, "user.label", "mine", 4, 0);
	pid = fork();
	if (pid == 0)
		_exit(replace_without_rights(root, old));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	AUTO(fd) int now = openat(root, "file", O_RDONLY | O_CLOEXEC);
	ck_assert_int_lt(fgetxattr(now, "security.label", value, sizeof(value)), 0);
	ck_assert_int_eq(fgetxattr(now, "user.label", value, sizeof(value)),
			 fgetxattr(old, "user.label", value, sizeof(value)));
}
END_TEST

struct signalled {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
};

static void *signal_once(void *arg)
{
	struct signalled *s = arg;

	(void)pthread_mutex_lock(&s->lock);
	s->done = true;
	(void)pthread_cond_signal(&s->cond);
	(void)pthread_mutex_unlock(&s->lock);
	return NULL;
}

START_TEST(a_pause_grows_up_to_its_limit)
{
	static const unsigned pauses[] = { 500, 1000, 2000, 3000, 3000 };

	for (unsigned i = 0; i < ARRAY_LEN(pauses); i++)
		ck_assert_uint_eq(growing_pause(i + 1, 500, 3000), pauses[i]);
	ck_assert_uint_eq(growing_pause(UINT_MAX, 500, UINT_MAX), UINT_MAX);
}
END_TEST

START_TEST(a_condition_is_waited_for_until_its_deadline)
{
	struct signalled s = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct deadline soon = deadline_in(20), never = DEADLINE_NEVER;
	pthread_t thread;

	cond_init(&s.cond);
	(void)pthread_mutex_lock(&s.lock);
	ck_assert(!cond_wait_until(&s.cond, &s.lock, deadline_in(0)));
	while (cond_wait_until(&s.cond, &s.lock, soon))
		;
	ck_assert(deadline_passed(soon));
	ck_assert_int_eq(pthread_create(&thread, NULL, signal_once, &s), 0);
	while (!s.done)
		ck_assert(cond_wait_until(&s.cond, &s.lock, never));
	(void)pthread_mutex_unlock(&s.lock);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	(void)pthread_cond_destroy(&s.cond);
}
END_TEST

START_TEST(spawn_runs_programs)
{
	AUTO(buf) struct buf out = BUF_INIT(1000);
	struct err err = ERR_INIT;

	ck_assert_int_eq(run("cat; exit 0", "hello", &out, 60000, &err), 0);
	ck_assert_str_eq(buf_cstr(&out), "hello");
	ck_assert_int_eq(run("echo broken >&2; exit 3", NULL, NULL, 60000, &err), 3);
	ck_assert_str_eq(err.msg, "/bin/sh exited with status 3: broken");
	err_clear(&err);
	ck_assert_int_eq(run("kill -9 $$", NULL, NULL, 60000, &err), 137);
	err_clear(&err);
	ck_assert_int_eq(run("sleep 600", NULL, NULL, 50, &err), -1);
	ck_assert_int_eq(err.code, E_TIMEOUT);
	err_clear(&err);
	/* A program that does not read its input neither fails nor kills us. */
	AUTO(str) char *big = xmalloc(1 << 20);
	memset(big, 'x', (1 << 20) - 1);
	big[(1 << 20) - 1] = '\0';
	ck_assert_int_eq(run("exit 0", big, NULL, 60000, &err), 0);
	/* A descendant that still has the pipe open does not make us wait. */
	ck_assert_int_eq(run("sleep 2 & exit 0", NULL, NULL, 60000, &err), 0);
}
END_TEST

/* Otherwise a file would get what is printed. */
START_TEST(closed_standard_streams_are_no_files)
{
	int kept[3], opened[3], file, wrote;

	for (int n = 0; n < 3; n++)
		kept[n] = fcntl(n, F_DUPFD_CLOEXEC, 10);
	for (int n = _i ? 1 : 0; n < 3; n += 2)
		(void)close(n);
	fd_fill_standard();
	fd_fill_standard();
	file = open("/dev/null", O_WRONLY | O_CLOEXEC);
	wrote = (int)write(_i ? 1 : 2, "x", 1);
	for (int n = 0; n < 3; n++)
		opened[n] = dup2(kept[n], n);
	ck_assert_int_gt(file, 2);
	ck_assert_int_eq(wrote, -1);
	ck_assert(opened[0] == 0 && opened[1] == 1 && opened[2] == 2);
}
END_TEST

/* Into a pipe without a reader, a full device, and a whole one. */
START_TEST(an_output_that_nobody_reads_is_no_news)
{
	static const struct {
		int sys;
		bool printed;
	} expected[] = { { EPIPE, false }, { ENOSPC, true }, { 0, false } };
	struct err err = ERR_INIT, none = ERR_INIT;
	int kept = fcntl(1, F_DUPFD_CLOEXEC, 10), ends[2];
	bool printed;

	(void)fflush(stdout);
	(void)signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(fd_pipe(ends, &none), 0);
	(void)close(ends[0]);
	(void)dup2(_i ? open(_i == 1 ? "/dev/full" : "/dev/null", O_WRONLY | O_CLOEXEC) : ends[1],
		   1);
	(void)puts("lost");
	printed = fd_end_output(&err);
	(void)dup2(kept, 1);
	ck_assert_int_eq(printed, expected[_i].printed);
	ck_assert_int_eq(err.sys, expected[_i].sys);
	/* An error that was there before stays, and is printed. */
	err_clear(&err);
	err_set(&err, E_USAGE, "before");
	ck_assert(fd_end_output(&err) && str_eq(err.msg, "before"));
}
END_TEST

/* Every kind of wait, with a signal that comes before it or during it. */
START_TEST(a_caught_signal_ends_waits)
{
	struct spawn s = { .argv = ARGV("sleep", "1000") };
	struct child child = CHILD_NONE;
	struct err err = ERR_INIT, none = ERR_INIT;
	AUTO(str) char *later = str_fmt("kill -TERM %d; exec sleep 1000", (int)getpid());
	int code;

	(void)signal(SIGHUP, SIG_DFL); /* the tests may run under nohup */
	interrupt_catch("base_test", "one moment");
	ck_assert_int_eq(interrupt_check(&err), 0);
	if (_i == 0) {
		s.argv = ARGV("sh", "-c", later);
		ck_assert_int_lt(spawn_run(&s, NULL, 0, NULL, DEADLINE_NEVER, &err), 0);
	} else if (_i == 1) {
		ck_assert_int_eq(spawn_start(&s, &child, &none), 0);
		ck_assert_int_ne(getpgid(child.pid), getpgid(0));
		ck_assert_int_eq(raise(SIGHUP), 0);
		ck_assert_int_lt(spawn_wait(&child, DEADLINE_NEVER, &code, &err), 0);
		spawn_kill(&child);
	} else {
		ck_assert_int_eq(raise(SIGINT), 0);
		ck_assert_int_lt(interrupt_sleep(1000000, &err), 0);
	}
	ck_assert_int_eq(err.code, E_CANCELLED);
	ck_assert_int_ne(interrupt_signal(), 0);
	/* With the shield, nothing is interrupted. */
	interrupt_shield(true);
	s.argv = ARGV("true");
	ck_assert_int_eq(spawn_run(&s, NULL, 0, NULL, DEADLINE_NEVER, &none), 0);
	ck_assert_int_eq(interrupt_sleep(1, &none), 0);
	interrupt_shield(false);
	ck_assert_int_lt(interrupt_check(&none), 0);
}
END_TEST

/* A second signal prints, also if nobody reads any more. */
START_TEST(a_gone_reader_ends_nothing_that_catches_signals)
{
	struct err err = ERR_INIT;
	int ends[2], kept = dup(2);

	ck_assert_int_eq(fd_pipe(ends, &err), 0);
	ck_assert_int_eq(close(ends[0]), 0);
	ck_assert_int_eq(dup2(ends[1], 2), 2);
	interrupt_catch("base_test", "one moment");
	ck_assert(raise(SIGINT) == 0 && raise(SIGINT) == 0);
	ck_assert_int_eq(dup2(kept, 2), 2);
	ck_assert_int_eq(write(ends[1], "x", 1), -1);
	ck_assert_int_eq(errno, EPIPE);
}
END_TEST

START_TEST(a_limit_of_file_sizes_ends_nothing_that_catches_signals)
{
	const struct rlimit small = { 1, 1 };
	AUTO(fd) int fd = memfd_create("file", MFD_CLOEXEC);

	interrupt_catch("base_test", "one moment");
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	ck_assert_int_eq(write(fd, "xx", 2), 1);
	ck_assert_int_eq(write(fd, "x", 1), -1);
	ck_assert_int_eq(errno, EFBIG);
}
END_TEST

/* A signal that comes before the call, and one that comes after it. */
START_TEST(signals_are_passed_on)
{
	struct spawn s = { .argv = ARGV("sleep", "1000"), .same_group = true };
	struct child child = CHILD_NONE;
	struct err err = ERR_INIT;
	int code;

	interrupt_catch("base_test", "one moment");
	ck_assert_int_eq(spawn_start(&s, &child, &err), 0);
	ck_assert_int_eq(getpgid(child.pid), getpgid(0));
	if (_i == 0)
		ck_assert_int_eq(raise(SIGTERM), 0);
	interrupt_pass_on(child.pid);
	if (_i == 1)
		ck_assert_int_eq(raise(SIGTERM), 0);
	interrupt_shield(true);
	ck_assert_int_eq(spawn_wait(&child, deadline_in(60000), &code, &err), 0);
	ck_assert_int_eq(code, 128 + SIGTERM);
	interrupt_pass_on(0);
}
END_TEST

START_TEST(only_a_program_of_our_group_ignores_what_we_ignore)
{
	struct spawn s = { .argv = ARGV("sh", "-c", "kill -HUP $$; exit 3") };
	struct err err = ERR_INIT;

	ck_assert(signal(SIGHUP, SIG_IGN) != SIG_ERR);
	ck_assert_int_eq(spawn_run(&s, NULL, 0, NULL, deadline_in(60000), &err), 128 + SIGHUP);
	err_clear(&err);
	s.same_group = true;
	ck_assert_int_eq(spawn_run(&s, NULL, 0, NULL, deadline_in(60000), &err), 3);
}
END_TEST

START_TEST(a_child_is_waited_for_if_sigchld_was_ignored)
{
	struct spawn s = { .argv = ARGV("sh", "-c", "exit 3") };
	struct sigaction ignore = { .sa_handler = _i ? SIG_DFL : SIG_IGN,
				    .sa_flags = _i ? SA_NOCLDWAIT : 0 };
	struct err err = ERR_INIT;

	ck_assert_int_eq(sigaction(SIGCHLD, &ignore, NULL), 0);
	ck_assert_msg(spawn_run(&s, NULL, 0, NULL, deadline_in(60000), &err) == 3, "%s", err.msg);
}
END_TEST

/* As rc-service is by a job of cron. */
START_TEST(a_program_of_the_system_is_found_without_a_path_to_it)
{
	struct spawn s = { .argv = ARGV("ldconfig", "--version") };
	struct err err = ERR_INIT;

	if (!path_exists("/usr/sbin/ldconfig") && !path_exists("/sbin/ldconfig"))
		return;
	ck_assert_int_eq(setenv("PATH", "/usr/bin:/bin", 1), 0);
	ck_assert_msg(spawn_run(&s, NULL, 0, NULL, deadline_in(60000), &err) == 0, "%s", err.msg);
}
END_TEST

START_TEST(spawn_reports_a_missing_program)
{
	char *const *argv = ARGV("/nonexistent/program");
	struct spawn s = { .argv = argv };
	struct child child;
	struct err err = ERR_INIT;

	ck_assert(spawn_start(&s, &child, &err) < 0);
	ck_assert_int_eq(err.code, E_NOT_FOUND);
	ck_assert(strstr(err.msg, "/nonexistent/program") != NULL);
}
END_TEST

START_TEST(spawn_lowers_the_priority)
{
	struct child child = CHILD_NONE;
	struct err err = ERR_INIT;

	for (int idle = 0; idle < 2; idle++) {
		struct spawn s = { .argv = ARGV("sleep", "600"), .idle = idle };
		long io;

		ck_assert_int_eq(spawn_start(&s, &child, &err), 0);
		io = syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, child.pid);
		ck_assert_int_eq(IOPRIO_PRIO_CLASS(io) == IOPRIO_CLASS_IDLE, idle);
		ck_assert_int_eq(getpriority(PRIO_PROCESS, (id_t)child.pid) == 19, idle);
		spawn_kill(&child);
	}
}
END_TEST

START_TEST(spawn_lets_a_program_use_any_processor)
{
	struct child child = CHILD_NONE;
	struct err err = ERR_INIT;
	cpu_set_t all, one, got;
	size_t first = 0;

	ck_assert(sched_getaffinity(0, sizeof(all), &all) == 0);
	while (!CPU_ISSET(first, &all))
		first++;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	ck_assert(sched_setaffinity(0, sizeof(one), &one) == 0);
	for (int any = 0; any < 2; any++) {
		struct spawn s = { .argv = ARGV("sleep", "600"), .any_processor = any };

		ck_assert_int_eq(spawn_start(&s, &child, &err), 0);
		ck_assert(sched_getaffinity(child.pid, sizeof(got), &got) == 0);
		ck_assert(CPU_EQUAL(&got, any ? &all : &one));
		spawn_kill(&child);
	}
}
END_TEST

START_TEST(spawn_passes_only_listed_fds)
{
	AUTO(fd) int extra = open("/dev/null", O_RDONLY); /* deliberately not close-on-exec */
	char *const *argv = ARGV("/bin/sh", "-c", "ls /proc/self/fd | tr '\\n' ' ' >&7");
	struct spawn_fd fds[1];
	struct err err = ERR_INIT;
	struct child child;
	int ends[2], code;
	char text[100] = { 0 };

	ck_assert(extra >= 0 && fd_pipe(ends, &err) == 0);
	fds[0] = (struct spawn_fd){ ends[1], 7 };
	ck_assert(spawn_start(&(struct spawn){ .argv = argv, .fds = fds, .nfds = 1 }, &child,
			      &err) == 0);
	(void)close(ends[1]);
	ck_assert(fd_read_full(ends[0], text, sizeof(text) - 1, &err) > 0);
	ck_assert(spawn_wait(&child, deadline_in(60000), &code, &err) == 0 && code == 0);
	ck_assert_str_eq(text, "0 1 2 3 7 "); /* 3 is ls reading the directory */
	(void)close(ends[0]);
}
END_TEST

static unsigned open_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* No child, not even a dead one, no fd and no blocked signal is left. */
static void nothing_is_left(unsigned fds)
{
	sigset_t mask;

	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
	ck_assert_uint_eq(open_fds(), fds);
	ck_assert_int_eq(sigprocmask(SIG_SETMASK, NULL, &mask), 0);
	ck_assert(!sigismember(&mask, SIGTERM) && !sigismember(&mask, SIGINT));
}

/* From here on pidfd_open fails with that error. */
static void refuse_pidfds(unsigned error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = { ARRAY_LEN(code), code };

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
}

static const unsigned refusals[] = { EPERM, ENOSYS, EMFILE };

START_TEST(a_child_that_cannot_be_watched_is_ended)
{
	unsigned fds = open_fds();
	struct err err = ERR_INIT;
	struct child child;
	pid_t pid;

	refuse_pidfds(refusals[_i]);
	ck_assert_int_eq(spawn_start(&(struct spawn){ .argv = ARGV("sleep", "600") }, &child, &err),
			 -1);
	ck_assert_int_eq(err.sys, refusals[_i]);
	ck_assert_int_eq(err.code == E_UNSUPPORTED && strstr(err.msg, "update it to 5.15"),
			 refusals[_i] == ENOSYS);
	ck_assert_int_eq(child.pid, -1);
	spawn_kill(&child);
	nothing_is_left(fds);
	err_clear(&err);

	ck_assert_int_eq(run("sleep 600", NULL, NULL, 60000, &err), -1);
	ck_assert_int_eq(err.sys, refusals[_i]);
	nothing_is_left(fds);
	err_clear(&err);

	pid = fork();
	if (pid == 0)
		for (;;)
			(void)pause();
	ck_assert_int_eq(spawn_adopt(pid, &child, &err), -1);
	ck_assert_int_eq(err.sys, refusals[_i]);
	spawn_kill(&child);
	nothing_is_left(fds);
	err_clear(&err);

	pid = spawn_fork(&child, &err);
	if (pid == 0)
		for (;;)
			(void)pause();
	ck_assert_int_eq(pid, -1);
	ck_assert_int_eq(err.sys, refusals[_i]);
	nothing_is_left(fds);
}
END_TEST

/* A process that is not our child is refused, and not killed. */
START_TEST(only_a_child_is_adopted)
{
	struct err err = ERR_INIT;
	struct child child;

	refuse_pidfds(EPERM);
	ck_assert_int_eq(spawn_adopt(getpid(), &child, &err), -1);
	err_clear(&err);
	ck_assert_int_eq(spawn_adopt(-1, &child, &err), -1);
	ck_assert_int_eq(child.pid, -1);
}
END_TEST

/* With few free fds, a program runs or the error names the limit. */
START_TEST(few_fds_do_not_hang_it)
{
	unsigned fds = open_fds(), ran = 0;

	if (UNDER_VALGRIND)
		return;
	for (rlim_t n = fds; n <= fds + 20; n++) {
		const struct rlimit limit = { n, 1024 };
		AUTO(buf) struct buf out = BUF_INIT(1000);
		struct err err = ERR_INIT;

		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
		if (run("cat; exit 0", "hello", &out, 60000, &err) == 0) {
			ck_assert_str_eq(buf_cstr(&out), "hello");
			ran++;
		} else {
			ck_assert_int_eq(err.sys, EMFILE);
			ck_assert_msg(strstr(err.msg, "ulimit -n") != NULL, "%s", err.msg);
			ck_assert_uint_eq(ran, 0);
		}
		nothing_is_left(fds);
	}
	/* Its three pipes, that of the report, and the pidfd. */
	ck_assert_uint_ge(ran, 20 - 9 + 1);
}
END_TEST

/* _i: a program that may need many files. */
START_TEST(programs_get_the_limit_of_files_from_before)
{
	const struct rlimit limit = { 200, 900 };
	AUTO(buf) struct buf out = BUF_INIT(1000);
	struct err err = ERR_INIT;
	const struct spawn s = { .argv = ARGV("/bin/sh", "-c", "ulimit -n"), .many_files = _i };

	if (UNDER_VALGRIND) /* which has limits of its own */
		return;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	fd_raise_limit();
	ck_assert_msg(spawn_run(&s, NULL, 0, &out, deadline_in(60000), &err) == 0, "%s", err.msg);
	ck_assert_str_eq(buf_cstr(&out), _i ? "900\n" : "200\n");
}
END_TEST

/* The child gets the right fds even if their numbers are targets of other fds, or their own. */
START_TEST(fds_are_swapped)
{
	struct err err = ERR_INIT;
	struct spawn_fd fds[4];
	struct child child;
	int ends[2], files[3], code;
	char text[16] = "";

	ck_assert_int_eq(fd_pipe(ends, &err), 0);
	for (int i = 0; i < 3; i++) {
		files[i] = memfd_create("x", MFD_CLOEXEC);
		ck_assert_int_eq(pwrite(files[i], &"abc"[i], 1, 0), 1);
	}
	/* The target of each file is the number of the next one; a pipe becomes stdout. */
	for (int i = 0; i < 3; i++)
		fds[i] = (struct spawn_fd){ files[i], files[(i + 1) % 3] };
	fds[3] = (struct spawn_fd){ ends[1], 1 };
	AUTO(str)
	char *script = str_fmt("cat /proc/self/fd/%d /proc/self/fd/%d /proc/self/fd/%d", files[0],
			       files[1], files[2]);
	ck_assert_int_eq(spawn_start(&(struct spawn){ .argv = ARGV("/bin/sh", "-c", script),
						      .fds = fds,
						      .nfds = 4 },
				     &child, &err),
			 0);
	(void)close(ends[1]);
	ck_assert_int_eq(fd_read_full(ends[0], text, sizeof(text) - 1, &err), 3);
	ck_assert_int_eq(spawn_wait(&child, deadline_in(60000), &code, &err), 0);
	ck_assert_str_eq(text, "cab");
	for (int i = 0; i < 3; i++)
		(void)close(files[i]);
	(void)close(ends[0]);
}
END_TEST

START_TEST(orphans_are_reaped_but_not_ours)
{
	char *const *argv = ARGV("/bin/sh", "-c", "(sleep 0.05; exit 1) & exit 9");
	struct err err = ERR_INIT;
	struct child child;
	struct deadline end = deadline_in(60000);
	int code, reaped = 0;

	ck_assert(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	ck_assert(spawn_start(&(struct spawn){ .argv = argv }, &child, &err) == 0);
	while (waitid(P_PID, (id_t)child.pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT) < 0)
		;
	ck_assert_int_eq(spawn_reap_orphans(), 0); /* the child's own zombie stays */
	ck_assert(spawn_wait(&child, end, &code, &err) == 0);
	ck_assert_int_eq(code, 9);
	while (!reaped && !deadline_passed(end))
		reaped = spawn_reap_orphans();
	ck_assert_int_eq(reaped, 1);
}
END_TEST

static void *report_tid(void *arg)
{
	const pid_t tid = (pid_t)syscall(SYS_gettid);

	if (write(*(const int *)arg, &tid, sizeof(tid)) != sizeof(tid))
		_exit(1);
	for (;;)
		(void)pause();
	return NULL;
}

static pid_t read_tid(int fd)
{
	struct err err = ERR_INIT;
	pid_t tid = -1;

	ck_assert_int_eq(fd_read_full(fd, &tid, sizeof(tid), &err), sizeof(tid));
	return tid;
}

static void child_with_a_thread(struct child *child, int report)
{
	struct err err = ERR_INIT;
	pthread_t thread;
	int side = spawn_fork(child, &err);

	ck_assert_int_ge(side, 0);
	if (side == 0 && pthread_create(&thread, NULL, report_tid, &report) != 0)
		_exit(1);
	while (side == 0)
		(void)pause();
}

/* Starts a process that traces a thread. A traced thread that is killed stays until its tracer has
 * waited for it, and its process stays with it. */
static pid_t trace(pid_t tid, int report)
{
	pid_t tracer = fork();

	if (tracer == 0) {
		const pid_t done = ptrace(PTRACE_SEIZE, tid, NULL, NULL) == 0 ? tid : -1;

		if (write(report, &done, sizeof(done)) < 0)
			_exit(1);
		for (;;)
			(void)pause();
	}
	return tracer;
}

/* The tracer plays the server of a hung file system. */
START_TEST(a_child_that_does_not_end_is_abandoned)
{
	struct deadline end = deadline_in(60000);
	unsigned fds = open_fds();
	struct err err = ERR_INIT;
	struct child child;
	pid_t pid, tracer, traced;
	int ends[2], reaped = 0;

	if (SANITIZED) /* a sanitizer has threads of its own */
		return;
	ck_assert_int_eq(fd_pipe(ends, &err), 0);
	child_with_a_thread(&child, ends[1]);
	pid = child.pid;
	traced = read_tid(ends[0]);
	tracer = trace(traced, ends[1]);
	ck_assert_int_eq(read_tid(ends[0]), traced);

	spawn_abandon(&child);
	ck_assert_int_eq(child.pid, -1);
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 }, WEXITED | WNOHANG | WNOWAIT),
			 0); /* it is still there */
	spawn_abandon(&child);
	ck_assert_int_eq(kill(tracer, SIGKILL), 0);
	ck_assert_int_eq(waitpid(tracer, NULL, 0), tracer);
	while (!reaped && !deadline_passed(end))
		reaped = spawn_reap_orphans();
	ck_assert_int_eq(reaped, 1);
	fd_close(&ends[0]);
	fd_close(&ends[1]);
	nothing_is_left(fds);
}
END_TEST

START_TEST(an_abandoned_child_that_ends_is_reaped)
{
	unsigned fds = open_fds();
	struct err err = ERR_INIT;
	struct child child;

	ck_assert(spawn_start(&(struct spawn){ .argv = ARGV("sleep", "600") }, &child, &err) == 0);
	spawn_abandon(&child);
	nothing_is_left(fds);
}
END_TEST

START_TEST(fds_travel)
{
	int ends[2], fds[FD_PASS_MAX], null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct err err = ERR_INIT;
	char text[8];
	size_t n;

	ck_assert(fd_socketpair(SOCK_STREAM, ends, &err) == 0);
	ck_assert(fd_send(ends[0], "ab", 2, &null, 1, &err) == 0);
	ck_assert_int_eq(fd_recv(ends[1], text, sizeof(text), fds, &n, &err), 2);
	ck_assert_uint_eq(n, 1);
	(void)close(fds[0]);
	(void)close(null);
	(void)close(ends[0]);
	(void)close(ends[1]);
}
END_TEST

START_TEST(options_come_from_the_table)
{
	const char *name = NULL;
	unsigned jobs = 4;
	bool json = false;
	const struct opt opts[] = { OPT_STR('c', "config", "FILE", &name, "read FILE"),
				    OPT_UINT('j', "jobs", "N", &jobs, "do N at a time"),
				    OPT_FLAG(0, "json", &json, "print JSON"), OPT_END };
	char *const *good = ARGV("p", "-c", "f", "--jobs=7", "--json", "rest");
	char *const *bad = ARGV("p", "--jsn");
	char *const *dash = ARGV("p", "-config", "g", "-j", "9", "start");
	struct err err = ERR_INIT;

	ck_assert_int_eq(opt_parse(opts, OPT_PLAIN, 6, good, &err), 5);
	ck_assert(str_eq(name, "f") && jobs == 7 && json);
	ck_assert_int_eq(opt_parse(opts, OPT_SINGLE_DASH, 6, dash, &err), 5);
	ck_assert(str_eq(name, "g") && jobs == 9);
	ck_assert_int_eq(opt_parse(opts, OPT_PLAIN, 2, bad, &err), -1);
	ck_assert_str_eq(err.msg, "unknown option '--jsn'; did you mean --json?");
	ck_assert_int_eq(opt_operands(opts, 6, good), 5);
	ck_assert_int_eq(opt_operands(opts, 2, bad), 2);
	ck_assert_int_eq(opt_operands(opts, 4, ARGV("p", "--help", "--", "-c")), 2);
	ck_assert_int_eq(opt_operands(opts, 2, ARGV("p", "-c")), 2);
}
END_TEST

/* Of OPT_PATH and OPT_PATHS. */
START_TEST(a_path_is_not_empty_and_one_line)
{
	const char *to = NULL, *text = NULL;
	char **keys = NULL;
	const struct opt opts[] = { OPT_PATH('o', "to", "DIR", &to, "write to DIR"),
				    OPT_PATHS('k', "key", "FILE", &keys, "a key"),
				    OPT_STR(0, "text", "TEXT", &text, "any text"), OPT_END };
	char *const *good = ARGV("p", "--to", "a b\xc3\xa9", "-k", "x", "--key=y", "--text", "");
	char *const *bad[] = { ARGV("p", "--to", ""),
			       ARGV("p", "--to="),
			       ARGV("p", "-o", "a\nb"),
			       ARGV("p", "--to", "a\x7f"),
			       ARGV("p", "--key", "x", "-k", ""),
			       ARGV("p", "--key=\t") };
	struct err err = ERR_INIT;

	ck_assert_int_eq(opt_parse(opts, OPT_PLAIN, 8, good, &err), 8);
	ck_assert(str_eq(to, "a b\xc3\xa9") && str_eq(text, "") && strv_len(keys) == 2);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		err_clear(&err);
		ck_assert_int_eq(opt_parse(opts, OPT_PLAIN, (int)strv_len(bad[i]), bad[i], &err),
				 -1);
		ck_assert_int_eq(err.code, E_USAGE);
	}
	strv_free(keys);
}
END_TEST

START_TEST(log_lines_are_whole_and_escaped)
{
	struct err err = ERR_INIT;
	char text[1000] = { 0 };
	int ends[2];

	ck_assert(fd_pipe(ends, &err) == 0);
	log_init("kata-test", "unit", LOG_JSON, ends[1], LOG_INFO);
	log_info("said", LOG_S("text", "a\"b\n\x1b[31m"), LOG_I("n", -5));
	log_debug("not this one");
	(void)close(log_set_fd(STDERR_FILENO));
	ck_assert(fd_read_full(ends[0], text, sizeof(text) - 1, &err) > 0);
	(void)close(ends[0]);
	ck_assert(strstr(text, "\"text\":\"a\\\"b\\u000a\\u001b[31m\",\"n\":\"-5\"}\n") != NULL);
	ck_assert(strstr(text, "not this one") == NULL);
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
}
END_TEST

START_TEST(log_lines_for_the_journal)
{
	struct err err = ERR_INIT;
	char text[1000] = { 0 };
	int ends[2];
	struct stat st;

	ck_assert(fd_pipe(ends, &err) == 0);
	ck_assert(!log_is_journal(ends[1]));
	ck_assert(fstat(ends[1], &st) == 0);
	AUTO(str)
	char *stream = str_fmt("%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	ck_assert_int_eq(setenv("JOURNAL_STREAM", stream, 1), 0);
	ck_assert(log_is_journal(ends[1]));
	ck_assert(!log_is_journal(STDIN_FILENO));
	ck_assert_int_eq(unsetenv("JOURNAL_STREAM"), 0);

	ck_assert_str_eq(log_priority(LOG_ERROR), "");
	log_init("kata-test", "unit", LOG_JOURNAL, ends[1], LOG_INFO);
	ck_assert_str_eq(log_priority(LOG_ERROR), "<3>");
	log_info("upgraded", LOG_S("version", "3.10.0"), LOG_S("why", "a\n<0>b"));
	log_warn("held");
	(void)close(log_set_fd(STDERR_FILENO));
	log_init("kata-test", "unit", LOG_LOGFMT, STDERR_FILENO, LOG_INFO);
	ck_assert(fd_read_full(ends[0], text, sizeof(text) - 1, &err) > 0);
	(void)close(ends[0]);
	ck_assert_str_eq(text, "<6>upgraded version=3.10.0 why=\"a\\u000a<0>b\"\n<4>held\n");
}
END_TEST

START_TEST(utc_agrees_with_libc)
{
	static const uint64_t some[] = {
		0, 86399, 951782400, 4107542400, 253402300799, 253402300800
	};
	const uint64_t days = UNDER_VALGRIND ? 10000 : 1000000;
	char ours[UTC_SIZE], theirs[UTC_SIZE];

	for (uint64_t i = 0; i < days + ARRAY_LEN(some); i++) {
		/* Steps of a second less than a day, over 2700 years. */
		uint64_t when = i < ARRAY_LEN(some) ? some[i] : (i - ARRAY_LEN(some)) * 86399;
		time_t t = (time_t)when;
		struct tm tm;

		ck_assert(gmtime_r(&t, &tm) != NULL);
		ck_assert(strftime(theirs, sizeof(theirs), "%Y-%m-%dT%H:%M:%S", &tm) > 0);
		utc_print(when, ours);
		if (strcmp(ours, theirs) != 0)
			ck_abort_msg("%llu: %s, not %s", (unsigned long long)when, ours, theirs);
	}
	utc_print(UINT64_MAX, ours); /* terminates, and fits */
	ck_assert_str_eq(ours, "584554051223-11-09T07:00:15");
}
END_TEST

START_TEST(processes_have_a_user)
{
	AUTO(processes) struct processes all = PROCESSES_INIT;
	bool found = false;

	processes_scan(&all);
	vec_each(const struct process, p, &all.rows) {
		if (p->pid != getpid())
			continue;
		found = true;
		ck_assert_uint_eq(p->uid, geteuid());
	}
	ck_assert(found);
}
END_TEST

START_TEST(service_of_a_process)
{
	static const struct {
		const char *cgroups, *unit;
		bool login;
	} cases[] = {
		{ "0::/system.slice/k3s.service\n", "k3s.service", false },
		{ "12:pids:/\n1:name=systemd:/system.slice/docker.service\n0::/\n",
		  "docker.service", false },
		/* From inside a container; a service inside another one's cgroup. */
		{ "0::/../../system.slice/containerd.service\n", "containerd.service", false },
		{ "0::/system.slice/kind.service/system.slice/containerd.service\n",
		  "containerd.service", false },
		{ "0::/podruntime\n", NULL, false },
		/* A systemd in a container that a user runs. */
		{ "0::/user.slice/user-0.slice/user@0.service/app.slice/node.scope/system.slice/"
		  "containerd.service\n",
		  "containerd.service", false },
		{ "0::/user.slice/user-0.slice/session-4.scope\n", NULL, true },
		{ "0::/user.slice/user-0.slice/user@0.service/tmux-spawn-1.scope\n", NULL, true },
		{ "0::/user.slice/user-0.slice/user@0.service/app.slice/containerd.service\n", NULL,
		  true },
		{ "", NULL, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		bool login;
		AUTO(str) char *unit = process_unit(cases[i].cgroups, &login);

		ck_assert_msg(str_eq(unit, cases[i].unit) && login == cases[i].login, "%s: %s, %d",
			      cases[i].cgroups, unit ? unit : "none", login);
	}
}
END_TEST

/* Reads from /proc the name and the command line of a child that sets this title. */
static void called(const char *title, char *name, char *line, size_t size)
{
	struct err err = ERR_INIT;
	struct child child;
	int ends[2], who;

	ck_assert(fd_pipe(ends, &err) == 0);
	who = spawn_fork(&child, &err);
	if (who == 0) {
		title_set(title);
		if (fd_write_all(ends[1], "", 1, &err) < 0)
			_exit(1);
		(void)pause();
	}
	ck_assert_int_eq(who, 1);
	ck_assert(read(ends[0], name, 1) == 1);
	AUTO(str) char *comm = str_fmt("/proc/%d/comm", (int)child.pid);
	AUTO(str) char *cmdline = str_fmt("/proc/%d/cmdline", (int)child.pid);
	AUTO(str) char *text = file_read_line(AT_FDCWD, comm, &err);
	AUTO(fd) int fd = open(cmdline, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, line, size - 1);
	ck_assert(text && n > 0);
	line[n] = '\0';
	ck_assert_uint_eq(strlen(line) + 1, (size_t)n); /* and nothing behind it */
	(void)str_print(name, size, "%s", text);
	spawn_kill(&child);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

/* As in a container that has only the node's /proc. */
static int look_for_program(const char *jail, const char *program)
{
	AUTO(str) char *proc = str_fmt("%s/proc", jail);
	AUTO(str) char *through = str_fmt("/proc/1/root%s", program);
	AUTO(str) char *found = NULL, *none = NULL;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mkdir(proc, 0755) < 0 || mount("/proc", proc, NULL, MS_BIND, NULL) < 0 ||
	    chroot(jail) < 0 || chdir("/") < 0)
		return 1;
	none = process_program(program);
	process_see_host();
	found = process_program(program);
	if (none || !str_eq(found, through))
		return 2;
	free(found);
	found = process_program("/nowhere/ctr");
	return found ? 3 : 0;
}

START_TEST(program_of_the_node_is_found_from_a_container)
{
	AUTO(str) char *own = process_program("/proc/self/exe");
	AUTO(str) char *through = str_fmt("/proc/1/root%s", dir);
	char program[PATH_MAX];
	struct stat of_init, ours;
	int status;
	pid_t pid;

	ck_assert_str_eq(own, "/proc/self/exe");
	if (geteuid() != 0 || stat(through, &of_init) < 0 || stat(dir, &ours) < 0 ||
	    of_init.st_ino != ours.st_ino || of_init.st_dev != ours.st_dev)
		return;
	/* The child does not. */
	free(STEAL(own, NULL));
	free(STEAL(through, NULL));
	(void)str_print(program, sizeof(program), "%s/ctr", dir);
	scratch_write_text(dir, "ctr", "#!/bin/sh\n");
	ck_assert_int_eq(chmod(program, 0755), 0);
	pid = fork();
	if (pid == 0)
		_exit(look_for_program(dir, program));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(a_process_is_known_by_its_start)
{
	struct err err = ERR_INIT;
	struct child child;
	int who = spawn_fork(&child, &err);

	if (who == 0)
		(void)pause();
	ck_assert_int_eq(who, 1);
	ck_assert_uint_gt(process_start_time(getpid()), 0);
	ck_assert_uint_ge(process_start_time(child.pid), process_start_time(getpid()));
	who = (int)child.pid;
	spawn_kill(&child);
	ck_assert_uint_eq(process_start_time(who), 0);
}
END_TEST

START_TEST(a_child_is_called_otherwise)
{
	char name[256], line[256], ours[256], rest[256] = "";
	AUTO(fd) int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t size = read(fd, ours, sizeof(ours) - 1);

	if (UNDER_VALGRIND)
		return;
	called("kid 1", name, line, sizeof(name));
	ck_assert_str_eq(name, "kid");
	ck_assert_str_eq(line, "kid 1");
	(void)memset(rest, 'x', sizeof(rest) - 1);
	/* Longer than a thread name, and longer than the old command line. */
	ck_assert(size > 2 && size < (ssize_t)sizeof(ours) - 1);
	called(rest, name, line, sizeof(name));
	ck_assert_str_eq(name, "xxxxxxxxxxxxxxx");
	rest[size - 2] = '\0';
	ck_assert_str_eq(line, rest);
}
END_TEST

static int count_up(void *arg, size_t i, struct err *err)
{
	unsigned *counts = arg;

	if (i == 777)
		return err_set(err, E_LIMIT, "number %zu", i);
	(void)__atomic_add_fetch(&counts[i], 1, __ATOMIC_RELAXED);
	return 0;
}

START_TEST(parallel_work_is_done_once_each)
{
	static unsigned counts[1000];
	struct err err = ERR_INIT;

	ck_assert_int_eq(parallel_each(0, count_up, counts, &err), 0);
	ck_assert_int_eq(parallel_each(700, count_up, counts, &err), 0);
	for (size_t i = 0; i < 1000; i++)
		ck_assert_uint_eq(counts[i], i < 700);
	ck_assert_int_lt(parallel_each(1000, count_up, counts, &err), 0);
	ck_assert(err.code == E_LIMIT && strstr(err.msg, "777"));
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("base");
	TCase *pure = tcase_create("pure"), *files = tcase_create("files");

	title_init(argc, argv);
	tcase_add_test(pure, error_wraps_and_hints);
	tcase_add_test_raise_signal(pure, error_set_twice_aborts, SIGABRT);
	tcase_add_test(pure, error_of_another_process_is_harmless);
	tcase_add_test(pure, error_is_cut_not_overrun);
	tcase_add_test(pure, buffer_keeps_its_bound);
	tcase_add_test(pure, the_last_value_of_a_name_stays);
	tcase_add_test(pure, numbers_are_strict);
	tcase_add_test(pure, ids_are_checked);
	tcase_add_test(pure, urls_are_decoded);
	tcase_add_test(pure, a_text_is_cut_between_characters);
	tcase_add_test(pure, nearest_word);
	tcase_add_test(pure, paths_are_cleaned);
	tcase_add_test(pure, a_pause_grows_up_to_its_limit);
	tcase_add_test(pure, a_condition_is_waited_for_until_its_deadline);
	tcase_add_test(pure, spawn_runs_programs);
	tcase_add_loop_test(pure, a_caught_signal_ends_waits, 0, 3);
	tcase_add_loop_test(pure, closed_standard_streams_are_no_files, 0, 2);
	tcase_add_loop_test(pure, an_output_that_nobody_reads_is_no_news, 0, 3);
	tcase_add_test(pure, a_gone_reader_ends_nothing_that_catches_signals);
	tcase_add_test(pure, a_limit_of_file_sizes_ends_nothing_that_catches_signals);
	tcase_add_loop_test(pure, signals_are_passed_on, 0, 2);
	tcase_add_test(pure, a_program_of_the_system_is_found_without_a_path_to_it);
	tcase_add_test(pure, only_a_program_of_our_group_ignores_what_we_ignore);
	tcase_add_loop_test(pure, a_child_is_waited_for_if_sigchld_was_ignored, 0, 2);
	tcase_add_test(pure, spawn_reports_a_missing_program);
	tcase_add_test(pure, spawn_lowers_the_priority);
	tcase_add_test(pure, spawn_lets_a_program_use_any_processor);
	tcase_add_test(pure, spawn_passes_only_listed_fds);
	tcase_add_loop_test(pure, a_child_that_cannot_be_watched_is_ended, 0, ARRAY_LEN(refusals));
	tcase_add_test(pure, only_a_child_is_adopted);
	tcase_add_test(pure, few_fds_do_not_hang_it);
	tcase_add_loop_test(pure, programs_get_the_limit_of_files_from_before, 0, 2);
	tcase_add_test(pure, fds_are_swapped);
	tcase_add_test(pure, orphans_are_reaped_but_not_ours);
	tcase_add_test(pure, a_child_that_does_not_end_is_abandoned);
	tcase_add_test(pure, an_abandoned_child_that_ends_is_reaped);
	tcase_add_test(pure, fds_travel);
	tcase_add_test(pure, options_come_from_the_table);
	tcase_add_test(pure, a_path_is_not_empty_and_one_line);
	tcase_add_test(pure, log_lines_are_whole_and_escaped);
	tcase_add_test(pure, log_lines_for_the_journal);
	tcase_add_test(pure, utc_agrees_with_libc);
	tcase_add_test(pure, a_child_is_called_otherwise);
	tcase_add_test(pure, a_process_is_known_by_its_start);
	tcase_add_test(pure, processes_have_a_user);
	tcase_add_test(pure, service_of_a_process);
	tcase_add_test(pure, parallel_work_is_done_once_each);
	tcase_set_timeout(pure, 120);
	tcase_add_checked_fixture(files, setup, teardown);
	tcase_add_loop_test(files, a_long_log_is_cut_to_its_end, 0, (int)ARRAY_LEN(logs));
	tcase_add_test(files, names_do_not_leave_the_root);
	tcase_add_test(files, dangling_links_name_what_is_made);
	tcase_add_test(files, a_path_in_another_root_stays_there);
	tcase_add_test(files, replace_is_whole_or_nothing);
	tcase_add_test(files, a_path_is_made_of_directories);
	tcase_add_test(files, a_note_has_no_temporary);
	tcase_add_test(files, no_component_is_a_link);
	tcase_add_test(files, program_of_the_node_is_found_from_a_container);
	tcase_add_test(files, replacing_can_keep_what_belongs_to_a_file);
	tcase_add_test(files, a_label_that_cannot_be_set_is_left_out);
	suite_add_tcase(suite, pure);
	suite_add_tcase(suite, files);
	return suite_run(suite);
}
