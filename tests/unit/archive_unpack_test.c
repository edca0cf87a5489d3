// SPDX-License-Identifier: Apache-2.0
/*
 * archive/unpack.h: only expected files are unpacked, and memory stays small whatever is in an
 * archive.
 */

#include "archive/patch.h"
#include "archive/unpack.h"
#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"
#include "crypto/sha256.h"
#include "tests/unit/sanitized.h"
#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"
#include "tests/unit/tar_lab.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TAR_MAX = 4 << 20, RSS_MAX_KIB = 48 << 10 };

static char dir[SCRATCH_DIR];
static int out_fd;
static struct err err;

/* The entries that these tests expect. */
static struct known {
	const char *path, *text, *target;
	bool want, seen;
} known[] = {
	{ "bin/shim", "#!shim\n", NULL, true, false },
	{ "bin/kata", NULL, "shim", true, false },
	{ "share/data", "data that nobody wants", NULL, false, false },
};
static char digest[ARRAY_LEN(known)][65];

static bool find(void *arg, const char *path, struct unpack_file *out)
{
	(void)arg;
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (!str_eq(known[i].path, path))
			continue;
		*out = (struct unpack_file){ .target = known[i].target,
					     .sha256 = digest[i],
					     .size = known[i].text ? strlen(known[i].text) : 0,
					     .want = known[i].want,
					     .seen = &known[i].seen };
		return true;
	}
	return false;
}

static char *at(const char *name)
{
	return path_join(dir, name);
}

static void setup(void)
{
	err_clear(&err);
	scratch_make(dir, "unpack");
	AUTO(str) char *out = at("out");
	ck_assert_int_eq(mkdir(out, 0700), 0);
	out_fd = open(out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		known[i].seen = false;
		if (known[i].text)
			sha256_hex(known[i].text, strlen(known[i].text), digest[i]);
	}
}

static void teardown(void)
{
	(void)close(out_fd);
	scratch_remove(dir);
}

static int put(const char *name, const void *data, size_t len)
{
	AUTO(str) char *path = at(name);
	int fd;

	ck_assert_msg(file_replace_volatile(AT_FDCWD, path, data, len, 0600, &err) == 0, "%s",
		      err.msg);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

static void told(void *arg, uint64_t bytes)
{
	*(uint64_t *)arg = bytes;
}

/* Unpacks a blob with its right digest and size. */
static int unpack(const struct buf *blob, size_t entries)
{
	AUTO(fd) int fd = put("blob", blob->data, blob->len);
	uint64_t bytes = 0;
	char hex[65];
	struct unpack_expect e = { .find = find,
				   .progress = told,
				   .arg = &bytes,
				   .entries = entries,
				   .sha256 = hex,
				   .size = blob->len };
	int rc;

	sha256_hex(blob->data, blob->len, hex);
	rc = unpack_blob(fd, "the blob", out_fd, &e, &err);
	if (rc == 0)
		ck_assert_uint_eq(bytes, blob->len);
	return rc;
}

static void add_known(struct buf *tar, size_t i)
{
	tar_add(tar, &(struct tar_entry){ .path = known[i].path,
					  .type = known[i].target ? '2' : '0',
					  .mode = 0755,
					  .size = known[i].text ? strlen(known[i].text) : 0,
					  .target = known[i].target,
					  .data = known[i].text });
}

static void good(struct buf *blob)
{
	AUTO(buf) struct buf tar = BUF_INIT(TAR_MAX);

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		add_known(&tar, i);
	tar_end(&tar);
	zstd_wrap(&tar, blob);
}

START_TEST(what_is_expected_is_unpacked)
{
	AUTO(buf) struct buf blob = BUF_INIT(TAR_MAX), text = BUF_INIT(100);
	struct stat st;

	good(&blob);
	ck_assert_msg(unpack(&blob, 3) == 0, "%s", err.msg);
	ck_assert_int_eq(file_read(out_fd, "bin/shim", 100, &text, &err), 0);
	ck_assert_str_eq(text.data, "#!shim\n");
	ck_assert_int_eq(fstatat(out_fd, "bin/shim", &st, AT_SYMLINK_NOFOLLOW), 0);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0600);
	ck_assert_int_lt(fstatat(out_fd, "bin/kata", &st, AT_SYMLINK_NOFOLLOW), 0);
	ck_assert_int_lt(fstatat(out_fd, "share", &st, AT_SYMLINK_NOFOLLOW), 0);
}
END_TEST

/* Entries that are added to a good archive, or replace one of it. */
static const struct {
	const char *what;
	struct tar_entry e;
	enum err_code code;
} hostile[] = {
	{ "dots", { "../escaped", '0', 0644, 1, NULL, "x" }, E_INVALID },
	{ "dots inside", { "bin/../../escaped", '0', 0644, 1, NULL, "x" }, E_INVALID },
	{ "absolute", { "/tmp/kata-unpack-escaped", '0', 0644, 1, NULL, "x" }, E_INVALID },
	{ "unexpected", { "bin/more", '0', 0644, 1, NULL, "x" }, E_INVALID },
	{ "case", { "bin/Shim", '0', 0644, 7, NULL, "#!shim\n" }, E_INVALID },
	{ "not clean", { "./bin/shim", '0', 0644, 7, NULL, "#!shim\n" }, E_INVALID },
	{ "hard link", { "bin/shim", '1', 0644, 0, "/etc/passwd", NULL }, E_INVALID },
	{ "symlink for a file", { "bin/shim", '2', 0644, 0, "/etc/passwd", NULL }, E_INVALID },
	{ "another target", { "bin/kata", '2', 0644, 0, "/etc/passwd", NULL }, E_INVALID },
	{ "file for a link", { "bin/kata", '0', 0644, 1, NULL, "x" }, E_INVALID },
	{ "device", { "bin/shim", '3', 0644, 0, NULL, NULL }, E_INVALID },
	{ "fifo", { "bin/shim", '6', 0644, 0, NULL, NULL }, E_INVALID },
	{ "directory", { "bin", '5', 0755, 0, NULL, NULL }, E_INVALID },
	{ "directory for a file", { "bin/shim", '5', 0755, 0, NULL, NULL }, E_INVALID },
	{ "setuid", { "bin/shim", '0', 04755, 7, NULL, "#!shim\n" }, E_INVALID },
	{ "sticky", { "bin/shim", '0', 01755, 7, NULL, "#!shim\n" }, E_INVALID },
	{ "other contents", { "bin/shim", '0', 0755, 7, NULL, "#!sham\n" }, E_INVALID },
	{ "longer", { "bin/shim", '0', 0755, 8, NULL, "#!shim\n\n" }, E_INVALID },
	{ "shorter", { "bin/shim", '0', 0755, 6, NULL, "#!shim" }, E_INVALID },
	{ "huge", { "bin/shim", '0', 0755, UINT64_C(8000000000), NULL, "#!shim" }, E_INVALID },
	{ "cut off", { "share/data", '0', 0755, 22, NULL, NULL }, E_INVALID },
	{ "global header", { "pax", 'g', 0644, 20, NULL, "20 path=../escaped\n\n" }, E_INVALID },
	{ "long name", { "././@LongLink", 'L', 0644, 8000000, NULL, "x" }, E_INVALID },
};

START_TEST(nothing_else_is)
{
	AUTO(buf) struct buf tar = BUF_INIT(TAR_MAX), blob = BUF_INIT(TAR_MAX);
	struct stat st;

	tar_add(&tar, &hostile[_i].e);
	if (!str_eq(hostile[_i].what, "cut off"))
		tar_end(&tar);
	zstd_wrap(&tar, &blob);
	ck_assert_msg(unpack(&blob, 1) < 0, "%s", hostile[_i].what);
	ck_assert_msg(err.code == hostile[_i].code, "%s: %s", hostile[_i].what, err.msg);
	ck_assert_int_lt(stat("/tmp/kata-unpack-escaped", &st), 0);
	AUTO(str) char *escaped = at("escaped");
	ck_assert_int_lt(stat(escaped, &st), 0);
}
END_TEST

START_TEST(entries_come_once_and_all)
{
	AUTO(buf) struct buf tar = BUF_INIT(TAR_MAX), blob = BUF_INIT(TAR_MAX);
	/* A wanted file, a link or a file that is only checked occurs twice, or not at all. */
	size_t which = (size_t)_i % 3;

	add_known(&tar, which);
	if (_i < 3)
		add_known(&tar, which);
	tar_end(&tar);
	zstd_wrap(&tar, &blob);
	ck_assert_int_lt(unpack(&blob, 2), 0);
	ck_assert_int_eq(err.code, E_INVALID);
	ck_assert_ptr_nonnull(strstr(err.msg, _i < 3 ? "duplicate" : "1 entries instead of 2"));
}
END_TEST

/* A link in the place of a directory is not followed. */
START_TEST(links_in_the_way_are_not_followed)
{
	AUTO(buf) struct buf blob = BUF_INIT(TAR_MAX);

	good(&blob);
	ck_assert_int_eq(symlinkat(_i ? "/tmp" : "../", out_fd, "bin"), 0);
	ck_assert_int_lt(unpack(&blob, 3), 0);
	AUTO(str) char *escaped = at("shim");
	ck_assert_int_lt(access(escaped, F_OK), 0);
}
END_TEST

/* --- the blob itself --- */

START_TEST(a_blob_is_what_was_signed)
{
	AUTO(buf) struct buf blob = BUF_INIT(TAR_MAX);
	char hex[65];
	struct unpack_expect e = { .find = find, .entries = 3, .sha256 = hex };

	good(&blob);
	sha256_hex(blob.data, blob.len, hex);
	e.size = blob.len;
	switch (_i) {
	case 0: /* shorter than it should be */
		blob.len--;
		break;
	case 1: /* one byte longer */
		buf_chr(&blob, 'x');
		e.size = blob.len;
		break;
	case 2: { /* a second frame */
		AUTO(buf) struct buf more = BUF_INIT(TAR_MAX);

		good(&more);
		buf_add(&blob, more.data, more.len);
		e.size = blob.len;
		break;
	}
	case 3: /* another digest than expected */
		hex[0] = hex[0] == '0' ? '1' : '0';
		break;
	case 4: /* another magic number */
		blob.data[2] ^= 1;
		break;
	default: /* a reserved bit in the first block */
		blob.data[6] = (char)0xff;
		break;
	}
	AUTO(fd) int fd = put("blob", blob.data, blob.len);
	ck_assert_int_lt(unpack_blob(fd, "the blob", out_fd, &e, &err), 0);
	ck_assert_msg(err.code == E_INVALID, "%s", err.msg);
}
END_TEST

START_TEST(a_large_window_is_refused)
{
	AUTO(buf) struct buf tar = BUF_INIT(TAR_MAX), blob = BUF_INIT(TAR_MAX);

	add_known(&tar, 0);
	zstd_repeat(&tar, 0, 1024, _i ? 31 : 24, &blob);
	ck_assert_int_lt(unpack(&blob, 1), 0);
	ck_assert_msg(err.code == E_LIMIT, "%s", err.msg);
	err_clear(&err);
	buf_clear(&blob);
	known[0].seen = false;
	AUTO(str) char *made = at("out/bin/shim");
	(void)unlink(made);
	zstd_repeat(&tar, 0, 1024, UNPACK_WINDOW_LOG, &blob);
	ck_assert_msg(unpack(&blob, 1) == 0, "%s", err.msg);
}
END_TEST

/* Unpacks what must be refused in a new process, and returns its peak of memory in KiB. Which error it
 * is depends on how far libarchive reads before it refuses. */
static long peak_of(const struct buf *blob)
{
	struct rusage use;
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		int rc = unpack(blob, 1);
		bool refused = err.code == E_INVALID || err.code == E_LIMIT;

		if (rc < 0 && !refused)
			(void)fprintf(stderr, "%s\n", err.msg);
		_exit(rc == 0 ? 1 : refused ? 0 : 2);
	}
	ck_assert_int_eq(wait4(pid, &status, 0, &use), pid);
	ck_assert_int_eq(status, 0);
	return use.ru_maxrss;
}

/* 10 GB behind the end of the archive, as a long name, as a pax header, in a file and between
 * headers. */
START_TEST(bombs_are_refused)
{
	static const struct {
		struct tar_entry e;
		bool end;
	} bombs[] = {
		{ { "bin/shim", '0', 0755, 7, NULL, "#!shim\n" }, true },
		{ { "././@LongLink", 'L', 0644, UINT64_C(8000000000), NULL, NULL }, false },
		{ { "pax", 'x', 0644, UINT64_C(8000000000), NULL, NULL }, false },
		{ { "pax", 'g', 0644, UINT64_C(8000000000), NULL, NULL }, false },
		{ { "bin/shim", '0', 0755, UINT64_C(8000000000), NULL, NULL }, false },
	};
	AUTO(buf) struct buf tar = BUF_INIT(TAR_MAX), blob = BUF_INIT(TAR_MAX);
	long peak;

	tar_add(&tar, &bombs[_i].e);
	if (bombs[_i].end)
		tar_end(&tar);
	zstd_repeat(&tar, 0, UINT64_C(10000000000), UNPACK_WINDOW_LOG, &blob);
	ck_assert_uint_lt(blob.len, 400000);
	peak = peak_of(&blob);
	ck_assert(SANITIZED || peak < RSS_MAX_KIB);
}
END_TEST

/* --- patches --- */

static void noise(unsigned char *to, size_t len, uint32_t seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525 + 1013904223;
		to[i] = (unsigned char)(seed >> 24);
	}
}

struct patched {
	int base, target, patch, out;
	size_t len;
	char hex[65];
};

static void make_patch(struct patched *p, size_t len)
{
	AUTO(mem) unsigned char *data = xmalloc(len + 1);
	uint64_t size;

	noise(data, len, 5);
	p->base = put("base", data, len);
	if (len)
		data[len / 2] ^= 1;
	p->target = put("target", data, len);
	sha256_hex(data, len, p->hex);
	p->patch = put("patch", "", 0);
	p->out = put("patched", "", 0);
	p->len = len;
	ck_assert_msg(patch_make(p->base, p->target, p->patch, 3, &size, &err) == 0, "%s", err.msg);
	if (len > 1000)
		ck_assert_uint_lt(size, 5000);
}

static void patched_release(struct patched *p)
{
	fd_close(&p->base);
	fd_close(&p->target);
	fd_close(&p->patch);
	fd_close(&p->out);
}
DEFINE_AUTO_STRUCT(patched, struct patched, patched_release)

START_TEST(a_patch_makes_the_file)
{
	static const size_t sizes[] = { 0, 1, 300000, 20 << 20 };
	AUTO(patched) struct patched p;
	char hex[65];
	uint64_t size;

	make_patch(&p, sizes[_i]);
	ck_assert_msg(unpack_patch(p.base, p.patch, p.out, p.len, p.hex, "file", &err) == 0, "%s",
		      err.msg);
	ck_assert_int_eq((int)lseek(p.out, 0, SEEK_SET), 0);
	ck_assert_int_eq(sha256_fd(p.out, "file", hex, &size, &err), 0);
	ck_assert_str_eq(hex, p.hex);
	ck_assert_uint_eq(size, p.len);
}
END_TEST

START_TEST(a_wrong_patch_is_refused)
{
	AUTO(patched) struct patched p;
	char byte = 'x';

	make_patch(&p, 300000);
	switch (_i) {
	case 0: /* another base */
		ck_assert_int_eq((int)pwrite(p.base, "another", 7, 1000), 7);
		break;
	case 1: /* it makes more than it should */
		p.len--;
		break;
	case 2: /* less */
		p.len++;
		break;
	case 3: /* another digest */
		p.hex[0] = p.hex[0] == '0' ? '1' : '0';
		break;
	case 4: /* cut off */
		ck_assert_int_eq(ftruncate(p.patch, 20), 0);
		break;
	case 5: /* nothing at all */
		ck_assert_int_eq(ftruncate(p.patch, 0), 0);
		break;
	default: /* damaged */
		ck_assert_int_eq((int)pwrite(p.patch, &byte, 1, 9), 1);
		ck_assert_int_eq((int)pwrite(p.patch, &byte, 1, 1), 1);
		break;
	}
	ck_assert_int_lt(unpack_patch(p.base, p.patch, p.out, p.len, p.hex, "file", &err), 0);
	ck_assert_msg(err.code == E_INVALID, "%s", err.msg);
}
END_TEST

/* --- archives with unknown contents --- */

static const char *admit(void *arg, const char *path)
{
	(void)arg;
	return str_starts(path, "x/") ? path + 2 : NULL;
}

START_TEST(an_unknown_archive_is_spread)
{
	AUTO(buf) struct buf tar = BUF_INIT(TAR_MAX), text = BUF_INIT(100);
	struct unpack_tar t = { .admit = admit, .limit = 1000 };

	tar_add(&tar, &(struct tar_entry){ "x", '5', 0755, 0, NULL, NULL });
	tar_add(&tar, &(struct tar_entry){ "x/one", '0', 04755, 3, NULL, "one" });
	tar_add(&tar, &(struct tar_entry){ "y/two", '0', 0644, 3, NULL, "two" });
	tar_add(&tar, &(struct tar_entry){ "x/sub/three", '0', 0644, 5, NULL, "three" });
	tar_end(&tar);
	AUTO(fd) int fd = put("tar", tar.data, tar.len);
	ck_assert_msg(unpack_tar(fd, "it", out_fd, &t, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(file_read(out_fd, "sub/three", 100, &text, &err), 0);
	ck_assert_str_eq(text.data, "three");
	ck_assert_int_lt(faccessat(out_fd, "two", F_OK, 0), 0);
}
END_TEST

/* In the C locale libarchive cannot convert the names of other files, of their owners, or both; no
 * file of a release has such a name. */
START_TEST(foreign_names_do_no_harm)
{
	static const char *const records[] = {
		"15 uname=J\xc3\xb6rg\n",
		"13 path=y/\xc3\xa4\n",
		"15 gname=J\xc3\xb6rg\n13 path=y/\xc3\xa4\n",
	};
	AUTO(buf) struct buf tar = BUF_INIT(TAR_MAX), text = BUF_INIT(100);
	struct unpack_tar t = { .admit = admit, .limit = 1000 };
	size_t len = strlen(records[_i]);

	tar_add(&tar, &(struct tar_entry){ "pax", 'x', 0644, len, NULL, records[_i] });
	tar_add(&tar, &(struct tar_entry){ "y/a", '0', 0644, 3, NULL, "two" });
	tar_add(&tar, &(struct tar_entry){ "x/one", '0', 0644, 3, NULL, "one" });
	tar_end(&tar);
	AUTO(fd) int fd = put("tar", tar.data, tar.len);
	ck_assert_msg(unpack_tar(fd, "it", out_fd, &t, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(file_read(out_fd, "one", 100, &text, &err), 0);
	ck_assert_str_eq(text.data, "one");
}
END_TEST

START_TEST(what_is_skipped_is_bounded_too)
{
	const char *const record = "13 path=y/\xc3\xa4\n";
	AUTO(buf) struct buf tar = BUF_INIT(TAR_MAX);
	struct unpack_tar t = { .admit = admit, .limit = 1000 };

	tar_add(&tar, &(struct tar_entry){ "pax", 'x', 0644, strlen(record), NULL, record });
	tar_add(&tar, &(struct tar_entry){ "y/a", '0', 0644, 1001, NULL, NULL });
	AUTO(fd) int fd = put("tar", tar.data, tar.len);
	ck_assert_int_lt(unpack_tar(fd, "it", out_fd, &t, &err), 0);
	ck_assert_msg(err.code == E_LIMIT, "%s: %s", err_slug(err.code), err.msg);
}
END_TEST

/* Headers that gzip compresses to a thousandth. */
START_TEST(headers_have_an_end)
{
	AUTO(buf) struct buf tar = BUF_INIT(64 << 20);
	struct unpack_tar t = { .admit = admit, .limit = 1000 };
	struct spawn gzip = { .argv = ARGV("gzip", "-1f", "tar"), .cwd = dir };

	while (tar.len < 6 << 20)
		tar_add(&tar, &(struct tar_entry){ "y/none", '0', 0644, 0, NULL, NULL });
	tar_end(&tar);
	(void)close(put("tar", tar.data, tar.len));
	ck_assert_int_eq(spawn_run(&gzip, NULL, 0, NULL, deadline_in(60000), &err), 0);
	AUTO(str) char *path = path_join(dir, "tar.gz");
	AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_lt(unpack_tar(fd, "it", out_fd, &t, &err), 0);
	ck_assert_msg(err.code == E_LIMIT, "%s: %s", err_slug(err.code), err.msg);
}
END_TEST

START_TEST(a_bad_unknown_archive_is_refused)
{
	static const struct {
		struct tar_entry e[2];
		enum err_code code;
	} cases[] = {
		{ { { "x/one", '2', 0, 0, "/etc", NULL } }, E_INVALID },
		{ { { "x/one", '1', 0, 0, "/etc/passwd", NULL } }, E_INVALID },
		{ { { "x/one", '3', 0, 0, NULL, NULL } }, E_INVALID },
		{ { { "x/../../one", '0', 0644, 1, NULL, "x" } }, E_IO },
		{ { { "x/one", '0', 0644, 1001, NULL, NULL } }, E_LIMIT },
		{ { { "x/one", '0', 0644, 1, NULL, "x" }, { "x/one", '0', 0644, 1, NULL, "y" } },
		  E_INVALID },
		{ { { "x/one", '0', 0644, 900, NULL, NULL } }, E_INVALID },
	};
	AUTO(buf) struct buf tar = BUF_INIT(TAR_MAX);
	struct unpack_tar t = { .admit = admit, .limit = 1000 };

	for (size_t i = 0; i < 2 && cases[_i].e[i].path; i++)
		tar_add(&tar, &cases[_i].e[i]);
	if (_i != 6)
		tar_end(&tar);
	AUTO(fd) int fd = put("tar", tar.data, tar.len);
	ck_assert_int_lt(unpack_tar(fd, "it", out_fd, &t, &err), 0);
	ck_assert_msg(err.code == cases[_i].code, "%s: %s", err_slug(err.code), err.msg);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("archive_unpack");
	TCase *t = tcase_create("archive_unpack");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, what_is_expected_is_unpacked);
	tcase_add_loop_test(t, nothing_else_is, 0, ARRAY_LEN(hostile));
	tcase_add_loop_test(t, entries_come_once_and_all, 0, 4);
	tcase_add_loop_test(t, links_in_the_way_are_not_followed, 0, 2);
	tcase_add_loop_test(t, a_blob_is_what_was_signed, 0, 6);
	tcase_add_loop_test(t, a_large_window_is_refused, 0, 2);
	tcase_add_loop_test(t, bombs_are_refused, 0, 5);
	tcase_add_loop_test(t, a_patch_makes_the_file, 0, 4);
	tcase_add_loop_test(t, a_wrong_patch_is_refused, 0, 7);
	tcase_add_test(t, an_unknown_archive_is_spread);
	tcase_add_loop_test(t, foreign_names_do_no_harm, 0, 3);
	tcase_add_test(t, what_is_skipped_is_bounded_too);
	tcase_add_test(t, headers_have_an_end);
	tcase_add_loop_test(t, a_bad_unknown_archive_is_refused, 0, 7);
	suite_add_tcase(s, t);
	return suite_run(s);
}
