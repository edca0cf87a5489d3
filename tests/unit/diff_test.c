// SPDX-License-Identifier: Apache-2.0
/* base/diff.h: compares the output with that of diff(1), and applies it with patch(1). */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "base/deadline.h"
#include "base/diff.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/scope.h"
#include "base/spawn.h"
#include "base/str.h"

#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { OUT_MAX = 8 << 20 };

static char dir[SCRATCH_DIR];
static struct err err;

static void setup(void)
{
	err_clear(&err);
	scratch_make(dir, "diff");
}

static void teardown(void)
{
	scratch_remove(dir);
}

static void differ(const char *was, const char *is, struct buf *out)
{
	diff_unified(&(struct diff_side){ "was", was, was ? strlen(was) : 0 },
		     &(struct diff_side){ "is", is, is ? strlen(is) : 0 }, out);
}

static void put(const char *name, const char *data, size_t len)
{
	scratch_write(dir, name, data, len, 0644);
}

static void get(const char *name, struct buf *to)
{
	AUTO(str) char *path = path_join(dir, name);

	ck_assert_msg(file_read(AT_FDCWD, path, OUT_MAX, to, &err) == 0, "%s", err.msg);
}

static const struct {
	const char *was, *is, *says;
} cases[] = {
	{ "a\n", "a\n", "" },
	{ NULL, NULL, "" },
	{ NULL, "", "--- /dev/null\n+++ is\n" },
	{ NULL, "a\nb\n", "--- /dev/null\n+++ is\n@@ -0,0 +1,2 @@\n+a\n+b\n" },
	{ "a\n", NULL, "--- was\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n" },
	{ "a\n", "b\n", "--- was\n+++ is\n@@ -1 +1 @@\n-a\n+b\n" },
	{ "a", "a\n", "--- was\n+++ is\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n" },
	{ "1\n2\n3\n4\n5\n6\n7\n8\n", "1\n2\n3\n4\nx\n6\n7\n8\n",
	  "--- was\n+++ is\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n" },
	/* Six equal lines between two changes are the context of both, seven are not. */
	{ "a\n1\n2\n3\n4\n5\n6\nb\n", "A\n1\n2\n3\n4\n5\n6\nB\n",
	  "--- was\n+++ is\n@@ -1,8 +1,8 @@\n-a\n+A\n 1\n 2\n 3\n 4\n 5\n 6\n-b\n+B\n" },
	{ "a\n1\n2\n3\n4\n5\n6\n7\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\nB\n",
	  "--- was\n+++ is\n@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n"
	  "-b\n+B\n" },
};

START_TEST(differences_are_shown)
{
	AUTO(buf) struct buf out = BUF_INIT(OUT_MAX);

	differ(cases[_i].was, cases[_i].is, &out);
	ck_assert_str_eq(buf_cstr(&out), cases[_i].says);
}
END_TEST

START_TEST(what_is_no_text_is_not_shown)
{
	AUTO(buf) struct buf out = BUF_INIT(OUT_MAX);
	AUTO(mem) char *large = xcalloc(1, DIFF_TEXT_MAX + 1);

	diff_unified(&(struct diff_side){ "was", "a\0b", 3 }, &(struct diff_side){ "is", "a", 1 },
		     &out);
	ck_assert_str_eq(buf_cstr(&out), "Binary files was and is differ\n");
	buf_clear(&out);
	memset(large, 'x', DIFF_TEXT_MAX + 1);
	diff_unified(&(struct diff_side){ "was", NULL, 0 },
		     &(struct diff_side){ "is", large, DIFF_TEXT_MAX + 1 }, &out);
	ck_assert_str_eq(buf_cstr(&out), "Binary files /dev/null and is differ\n");
}
END_TEST

/* There are only a few different lines, so that many are equal. */
static char *some_lines(uint32_t *seed, unsigned n)
{
	AUTO(buf) struct buf b = BUF_INIT(OUT_MAX);

	for (unsigned i = 0; i < n; i++) {
		*seed = *seed * 1664525 + 1013904223;
		buf_fmt(&b, "%s%u\n", *seed >> 31 ? "" : "\t", *seed >> 24 & 7);
	}
	if (b.len && *seed >> 28 == 0)
		b.data[--b.len] = '\0';
	return b.len ? buf_steal(&b) : xstrdup("");
}

static void patch_gives(const char *was, const char *is)
{
	AUTO(buf) struct buf out = BUF_INIT(OUT_MAX), got = BUF_INIT(OUT_MAX);
	struct spawn patch = { .argv = ARGV("patch", "-s", "-F0", "-o", "got", "was", "diff"),
			       .cwd = dir };

	differ(was, is, &out);
	if (!out.len) {
		ck_assert_str_eq(was, is);
		return;
	}
	put("was", was, strlen(was));
	put("diff", out.data, out.len);
	ck_assert_msg(spawn_run(&patch, NULL, 0, NULL, deadline_in(60000), &err) == 0, "%s: %s",
		      err.msg, out.data);
	get("got", &got);
	ck_assert_str_eq(buf_cstr(&got), is);
}

START_TEST(patch_makes_the_other_text)
{
	uint32_t seed = (uint32_t)_i;

	if (access("/usr/bin/patch", X_OK) < 0) {
		(void)puts("skipped: patch is not here");
		return;
	}
	for (unsigned n = 1; n < 20; n++) {
		AUTO(str) char *was = some_lines(&seed, n * 3), *is = some_lines(&seed, n * 2);

		patch_gives(was, is);
	}
}
END_TEST

/* Both texts have more lines than the limit for a comparison. */
START_TEST(long_texts_are_replaced)
{
	AUTO(buf)
	struct buf was = BUF_INIT(OUT_MAX), is = BUF_INIT(OUT_MAX), out = BUF_INIT(OUT_MAX);

	for (int i = 0; i < 20000; i++) {
		buf_fmt(&was, "%d\n", i);
		buf_fmt(&is, "%d\n", i % 2 ? i : -i - 1);
	}
	differ(buf_cstr(&was), buf_cstr(&is), &out);
	ck_assert(!out.over);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "@@ -1,20000 +1,20000 @@\n-0\n-1\n-2\n"));
	/* Lines that are equal at the beginning and the end do not count. */
	buf_clear(&out);
	buf_str(&is, "more\n");
	buf_clear(&was);
	buf_add(&was, is.data, is.len - 5);
	differ(buf_cstr(&was), buf_cstr(&is), &out);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "@@ -19998,3 +19998,4 @@\n"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("diff");
	TCase *t = tcase_create("diff");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, differences_are_shown, 0, ARRAY_LEN(cases));
	tcase_add_test(t, what_is_no_text_is_not_shown);
	tcase_add_loop_test(t, patch_makes_the_other_text, 0, 5);
	tcase_add_test(t, long_texts_are_replaced);
	suite_add_tcase(s, t);
	return suite_run(s);
}
