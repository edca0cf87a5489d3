// SPDX-License-Identifier: Apache-2.0
/* libs/archive and osbuilder: an initrd has the same bytes every time, and errors name the line. */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "archive/pack.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "osbuilder/initrd.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <utime.h>

static char dir[SCRATCH_DIR];
static char *manifest;
static struct err err;

static void write_file(const char *name, const char *text)
{
	scratch_write(dir, name, text, strlen(text), 0600);
}

static void setup(void)
{
	err_clear(&err);
	scratch_make(dir, "initrd");
	manifest = path_join(dir, "m");
	write_file("source", "contents\n");
	write_file("empty", "");
}

static void teardown(void)
{
	free(manifest);
	scratch_remove(dir);
}

static int build(const char *text, enum pack_filter filter, time_t mtime, struct buf *out)
{
	AUTO(strv) char **vars = NULL;
	char *manifests[] = { manifest, NULL };
	struct initrd_options options = { .filter = filter, .mtime = mtime };

	strv_pushf(&vars, "HERE=%s", dir);
	strv_pushf(&vars, "INIT=%s/source", dir);
	options.vars = vars;
	write_file("m", text);
	return initrd_build(manifests, &options, out, &err);
}

static const char everything[] = "# a comment\n"
				 "\n"
				 "dir  /dev 0755 0 0\n"
				 "dir  /dev/shm 1777 3 4\n"
				 "node /dev/console 0600 0 0 c 5 1\n"
				 "node /dev/sda 0660 0 6 b 8 0\n"
				 "file /init 0755 0 0 $INIT\n"
				 "\tfile /empty 0644 1000 1000 empty\n"
				 "file /again 0644 0 0 $HERE/source\n"
				 "link /sh /init";

START_TEST(same_bytes_every_time)
{
	AUTO(buf) struct buf first = BUF_INIT(1 << 20), second = BUF_INIT(1 << 20);
	AUTO(str) char *source = path_join(dir, "source");
	enum pack_filter filter = (enum pack_filter)_i;

	ck_assert_msg(build(everything, filter, 0, &first) == 0, "%s", err.msg);
	/* The same at another time, with other times of the source files. */
	ck_assert_int_eq(utime(source, &(struct utimbuf){ 1, 1 }), 0);
	(void)umask(0);
	ck_assert_int_eq(sleep(1), 0);
	ck_assert_msg(build(everything, filter, 0, &second) == 0, "%s", err.msg);
	ck_assert_uint_eq(first.len, second.len);
	ck_assert_mem_eq(first.data, second.data, first.len);
	buf_clear(&second);
	ck_assert_int_eq(build(everything, filter, 1700000000, &second), 0);
	ck_assert(first.len != second.len || memcmp(first.data, second.data, first.len) != 0);
}
END_TEST

/* Fields of a newc header, by the kernel's description of the format. */
enum {
	INO,
	MODE,
	UID,
	GID,
	NLINK,
	MTIME,
	SIZE,
	DEVMAJOR,
	DEVMINOR,
	RDEVMAJOR,
	RDEVMINOR,
	NAMESIZE
};

static uint64_t field(const char *header, int which)
{
	AUTO(str) char *text = xstrndup(header + 6 + 8 * which, 8);
	uint64_t value;

	ck_assert_int_eq(str_u64(text, 16, 0, UINT32_MAX, "field", &value, &err), 0);
	return value;
}

static size_t align4(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

START_TEST(entries_are_as_listed)
{
	static const struct {
		const char *name;
		unsigned mode, uid, gid, rdev_major, rdev_minor;
		const char *data;
	} entries[] = {
		{ "dev", 0040755, 0, 0, 0, 0, "" },
		{ "dev/shm", 0041777, 3, 4, 0, 0, "" },
		{ "dev/console", 0020600, 0, 0, 5, 1, "" },
		{ "dev/sda", 0060660, 0, 6, 8, 0, "" },
		{ "init", 0100755, 0, 0, 0, 0, "contents\n" },
		{ "empty", 0100644, 1000, 1000, 0, 0, "" },
		{ "again", 0100644, 0, 0, 0, 0, "contents\n" },
		{ "sh", 0120777, 0, 0, 0, 0, "/init" },
		{ "TRAILER!!!", 0, 0, 0, 0, 0, "" },
	};
	AUTO(buf) struct buf out = BUF_INIT(1 << 20);
	size_t at = 0;

	ck_assert_msg(build(everything, PACK_PLAIN, 77, &out) == 0, "%s", err.msg);
	for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
		const char *h = out.data + at;

		ck_assert_uint_le(at + 110, out.len);
		ck_assert_mem_eq(h, "070701", 6);
		ck_assert_str_eq(h + 110, entries[i].name);
		ck_assert_uint_eq(field(h, NAMESIZE), strlen(entries[i].name) + 1);
		ck_assert_uint_eq(field(h, MODE), entries[i].mode);
		ck_assert_uint_eq(field(h, UID), entries[i].uid);
		ck_assert_uint_eq(field(h, GID), entries[i].gid);
		ck_assert_uint_eq(field(h, RDEVMAJOR), entries[i].rdev_major);
		ck_assert_uint_eq(field(h, RDEVMINOR), entries[i].rdev_minor);
		ck_assert_uint_eq(field(h, DEVMAJOR) + field(h, DEVMINOR), 0);
		ck_assert_uint_eq(field(h, SIZE), strlen(entries[i].data));
		if (entries[i].mode) {
			ck_assert_uint_eq(field(h, INO), i + 1);
			ck_assert_uint_eq(field(h, MTIME), 77);
		}
		at += align4(110 + strlen(entries[i].name) + 1);
		ck_assert_mem_eq(out.data + at, entries[i].data, strlen(entries[i].data));
		at += align4(strlen(entries[i].data));
	}
	ck_assert_uint_eq(at, out.len);
}
END_TEST

static const struct {
	const char *text;
	unsigned line;
	enum err_code code;
} wrong[] = {
	{ "pipe /x 0644 0 0\n", 1, E_INVALID },
	{ "# x\ndir /x 0644 0\n", 2, E_INVALID },
	{ "dir /x 0755 0 0 extra", 1, E_INVALID },
	{ "dir x 0755 0 0", 1, E_INVALID },
	{ "dir / 0755 0 0", 1, E_INVALID },
	{ "dir /x/ 0755 0 0", 1, E_INVALID },
	{ "dir //x 0755 0 0", 1, E_INVALID },
	{ "dir /x 0755 0 0\ndir /x/../y 0755 0 0", 2, E_INVALID },
	{ "dir /x 0755 0 0\ndir /x 0755 0 0", 2, E_INVALID },
	{ "dir /x 0755 0 0\nlink /x y", 2, E_INVALID },
	{ "link /x y\ndir /x 0755 0 0", 2, E_INVALID },
	{ "dir /x/y 0755 0 0", 1, E_INVALID },
	{ "link /x y\ndir /x/y 0755 0 0", 2, E_INVALID },
	{ "dir /x 0855 0 0", 1, E_INVALID },
	{ "dir /x 10000 0 0", 1, E_INVALID },
	{ "dir /x 0755 root 0", 1, E_INVALID },
	{ "dir /x 0755 0 -1", 1, E_INVALID },
	{ "dir /x 0755 0 4294967295", 1, E_INVALID },
	{ "link /x", 1, E_INVALID },
	{ "node /x 0600 0 0 c 5", 1, E_INVALID },
	{ "node /x 0600 0 0 p 5 1", 1, E_INVALID },
	{ "node /x 0600 0 0 c 4096 1", 1, E_INVALID },
	{ "node /x 0600 0 0 c 5 x", 1, E_INVALID },
	{ "\n\n\nfile /x 0644 0 0 missing", 4, E_NOT_FOUND },
	{ "file /x 0644 0 0 /missing/file", 1, E_NOT_FOUND },
	{ "file /x 0644 0 0 $NOBODY", 1, E_INVALID },
	{ "file /x 0644 0 0 $HERE", 1, E_INVALID },
	{ "file /x 0644 0 0", 1, E_INVALID },
};

START_TEST(wrong_lines_are_named)
{
	AUTO(buf) struct buf out = BUF_INIT(1 << 20);
	AUTO(str) char *where = str_fmt("%s:%u: ", manifest, wrong[_i].line);

	ck_assert_msg(build(wrong[_i].text, PACK_PLAIN, 0, &out) < 0, "accepted: %s",
		      wrong[_i].text);
	ck_assert_msg(str_starts(err.msg, where), "%s\n%s", wrong[_i].text, err.msg);
	ck_assert_int_eq(err.code == E_LIMIT ? E_INVALID : err.code, wrong[_i].code);
}
END_TEST

START_TEST(bounds_hold)
{
	AUTO(buf) struct buf out = BUF_INIT(300);

	ck_assert_int_lt(build(everything, PACK_PLAIN, 0, &out), 0);
	ck_assert_int_eq(err.code, E_LIMIT);
}
END_TEST

START_TEST(filters_have_names)
{
	enum pack_filter filter;

	ck_assert_int_eq(pack_filter_parse("zstd", &filter, &err), 0);
	ck_assert_int_eq(filter, PACK_ZSTD);
	ck_assert_int_lt(pack_filter_parse("gzpi", &filter, &err), 0);
	ck_assert_int_eq(err.code, E_INVALID);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("archive_initrd");
	TCase *c = tcase_create("manifests");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_loop_test(c, same_bytes_every_time, PACK_PLAIN, PACK_ZSTD + 1);
	tcase_add_test(c, entries_are_as_listed);
	tcase_add_loop_test(c, wrong_lines_are_named, 0, ARRAY_LEN(wrong));
	tcase_add_test(c, bounds_hold);
	tcase_add_test(c, filters_have_names);
	tcase_set_timeout(c, 60);
	suite_add_tcase(suite, c);
	return suite_run(suite);
}
