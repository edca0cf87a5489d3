// SPDX-License-Identifier: Apache-2.0
/* deploy/release: valid and wrong release.yaml and channel.yaml, and the selection of components. */

#include "base/mem.h"
#include "base/str.h"
#include "deploy/release/release.h"
#include "deploy/release/stamp.h"
#include "tests/unit/sanitized.h"
#include "tests/unit/suite.h"

#include <check.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define D "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"

static const char usual[] = "schema: 1\n"
			    "version: \"3.10.0\"\n"
			    "architecture: x86_64\n"
			    "serial: 7\n"
			    "created: 2026-11-24T02:08:00Z\n"
			    "expires: 2027-05-24T02:08:00Z\n"
			    "minimum: \"0.1.0\"\n"
			    "guest_kernel: \"6.1.170\"\n"
			    "agent: \"3.10.0\"\n"
			    "sbom: " C "\n"
			    "provenance: " D "\n"
			    "components:\n"
			    "  - name: guest\n"
			    "    text: kernel and initrd of the guest\n"
			    "    blob: " A "\n"
			    "    compression: zstd\n"
			    "    size: 100\n"
			    "    unpacked: 7\n"
			    "  - name: runtime\n"
			    "    text: \"shim: what containerd starts\"\n"
			    "    required: true\n"
			    "    blob: " B "\n"
			    "    compression: zstd\n"
			    "    size: 200\n"
			    "    unpacked: 30\n"
			    "files:\n"
			    "  - path: bin/kata-runtime\n"
			    "    component: runtime\n"
			    "    mode: \"0555\"\n"
			    "    size: 30\n"
			    "    sha256: " C "\n"
			    "  - path: bin/link\n"
			    "    component: runtime\n"
			    "    target: kata-runtime\n"
			    "  - path: share/kata-containers/vmlinux\n"
			    "    component: guest\n"
			    "    mode: \"0444\"\n"
			    "    size: 7\n"
			    "    sha256: " D "\n"
			    "patches:\n"
			    "  - base: " A "\n"
			    "    target: " C "\n"
			    "    sha256: " B "\n"
			    "    size: 5\n";

static const char channel[] = "schema: 1\n"
			      "name: stable\n"
			      "serial: 9\n"
			      "created: 2026-11-24T02:08:00Z\n"
			      "expires: 2026-12-01T02:08:00Z\n"
			      "version: \"3.10.0\"\n"
			      "path: releases/3.10.0\n"
			      "release: " A "\n";

static struct err err;

static void setup(void)
{
	err_clear(&err);
}

/* Returns text with the first from replaced by to; the caller frees it. */
static char *changed(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);

	ck_assert_msg(at != NULL, "'%s' is not in the text", from);
	return str_fmt("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static void parse(struct release *r)
{
	ck_assert_msg(release_parse(r, usual, strlen(usual), "release.yaml", &err) == 0, "%s",
		      err.msg);
}

START_TEST(a_release_comes_back_as_the_same_bytes)
{
	AUTO(release) struct release r = RELEASE_INIT;
	AUTO(buf) struct buf text = BUF_INIT(1 << 20);

	parse(&r);
	ck_assert_str_eq(r.version, "3.10.0");
	ck_assert_str_eq(r.architecture, "x86_64");
	ck_assert_uint_eq(r.serial, 7);
	ck_assert_uint_eq(r.created, 1795486080);
	ck_assert_str_eq(r.guest_kernel, "6.1.170");
	ck_assert_str_eq(r.agent, "3.10.0");
	ck_assert_str_eq(r.sbom, C);
	ck_assert_uint_eq(r.components.n, 2);
	ck_assert(release_component(&r, "runtime")->required);
	ck_assert(!release_component(&r, "guest")->required);
	ck_assert_ptr_null(release_component(&r, "gues"));
	ck_assert(entry_is_exec(layout_find(&r.layout, "bin/kata-runtime")));
	ck_assert_str_eq(layout_find(&r.layout, "bin/link")->target, "kata-runtime");
	ck_assert_uint_eq(r.patches.n, 1);
	ck_assert_int_eq(release_format(&r, &text, &err), 0);
	ck_assert_str_eq(text.data, usual);
}
END_TEST

START_TEST(a_release_that_is_wrong_is_refused)
{
	static const struct {
		const char *from, *to;
		enum err_code code;
	} cases[] = {
		{ "schema: 1", "schema: 2", E_UNSUPPORTED },
		{ "schema: 1", "schema: one", E_INVALID },
		{ "schema: 1\n", "", E_INVALID },
		{ "schema: 1", "schema: 1\nsurprise: 1", E_INVALID },
		{ "\"3.10.0\"", "../3", E_INVALID },
		{ "\"3.10.0\"", "\"\"", E_INVALID },
		{ "x86_64", "\"x86 64\"", E_INVALID },
		{ "serial: 7", "serial: 0", E_INVALID },
		{ "serial: 7", "serial: -7", E_INVALID },
		{ "serial: 7", "serial: 18446744073709551616", E_INVALID },
		{ "2026-11-24T02:08:00Z", "2026-11-24", E_INVALID },
		{ "2026-11-24T02:08:00Z", "1795486080", E_INVALID },
		{ "2026-11-24T02:08:00Z", "2026-02-30T02:08:00Z", E_INVALID },
		{ "2026-11-24T02:08:00Z", "1969-12-31T23:59:59Z", E_INVALID },
		{ "2026-11-24T02:08:00Z", "2027-05-24T02:08:00Z", E_INVALID },
		{ "minimum: \"0.1.0\"", "minimum: \"999.0.0\"", E_UNSUPPORTED },
		{ "6.1.170", "6.1\\n170", E_INVALID },
		{ "sbom: c", "sbom: C", E_INVALID },
		{ "name: guest", "name: runtime", E_INVALID },
		{ "name: guest", "name: g/../x", E_INVALID },
		{ "name: guest", "name: other", E_INVALID },
		{ "text: kernel", "texts: kernel", E_INVALID },
		{ "    text: kernel and initrd of the guest\n", "", E_INVALID },
		{ "blob: a", "blob: A", E_INVALID },
		{ "compression: zstd", "compression: xz", E_UNSUPPORTED },
		{ "size: 100\n", "size: 17179869185\n", E_LIMIT },
		{ "unpacked: 7\n", "unpacked: 68719476737\n", E_LIMIT },
		{ "unpacked: 7\n", "unpacked: 8\n", E_INVALID },
		{ "size: 7\n", "size: 8\n", E_INVALID },
		{ "size: 7\n", "size: 68719476737\n", E_LIMIT },
		{ "required: true", "required: \"true\"", E_INVALID },
		{ "path: bin/link", "path: bin/kata-runtime", E_INVALID },
		{ "path: bin/link", "path: ../link", E_INVALID },
		{ "path: bin/link", "path: /bin/link", E_INVALID },
		{ "path: bin/link", "path: bin/kata-runtime/x", E_INVALID },
		{ "target: kata-runtime", "target: ../../kata-runtime", E_INVALID },
		{ "target: kata-runtime", "target: a\n    size: 1", E_INVALID },
		{ "mode: \"0555\"", "mode: \"4555\"", E_INVALID },
		{ "mode: \"0555\"", "mode: 365", E_INVALID },
		{ "mode: \"0555\"", "mode: 0555", E_INVALID },
		{ "    mode: \"0555\"\n", "", E_INVALID },
		{ "component: guest", "component: nobody", E_INVALID },
		{ "    component: guest\n", "", E_INVALID },
		{ "patches:\n", "patches: 1\n", E_INVALID },
		{ "base: a", "base: d", E_INVALID }, /* not as long as a digest */
		{ "target: c", "target: \"\" #", E_INVALID },
		{ "target: " C, "target: " A, E_INVALID },
		{ "files:\n", "files: []\nfile:\n", E_INVALID },
	};

	if ((size_t)_i >= ARRAY_LEN(cases))
		return;
	AUTO(str) char *text = changed(usual, cases[_i].from, cases[_i].to);
	AUTO(release) struct release r = RELEASE_INIT;

	if (str_eq(cases[_i].from, "base: a")) {
		free(text);
		text = changed(usual, "base: " A, "base: " C);
	}
	ck_assert_msg(release_parse(&r, text, strlen(text), "release.yaml", &err) < 0, "%s",
		      cases[_i].to);
	ck_assert_msg(err.code == cases[_i].code, "%s: %s", cases[_i].to, err.msg);
	ck_assert_msg(str_starts(err.msg, "release.yaml"), "%s", err.msg);
}
END_TEST

START_TEST(a_newer_schema_says_who_reads_it)
{
	AUTO(str) char *newer = changed(usual, "schema: 1", "schema: 2");
	AUTO(str) char *text = changed(newer, "0.1.0", "4.5.6");
	AUTO(release) struct release r = RELEASE_INIT;

	ck_assert_int_lt(release_parse(&r, text, strlen(text), "release.yaml", &err), 0);
	ck_assert_int_eq(err.code, E_UNSUPPORTED);
	ck_assert_msg(strstr(err.msg, "4.5.6") != NULL, "%s", err.msg);
}
END_TEST

START_TEST(a_release_is_not_larger_than_its_limit)
{
	AUTO(str) char *text = xcalloc(1, RELEASE_TEXT_MAX + 2);
	AUTO(release) struct release r = RELEASE_INIT;

	memset(text, '#', RELEASE_TEXT_MAX + 1);
	ck_assert_int_lt(release_parse(&r, text, RELEASE_TEXT_MAX + 1, "release.yaml", &err), 0);
	ck_assert_int_eq(err.code, E_LIMIT);
}
END_TEST

START_TEST(components_are_selected)
{
	static const struct {
		const char *components, *without;
		enum err_code code;
		size_t entries;
	} cases[] = {
		{ "", "", E_OK, 3 },
		{ "guest", "", E_OK, 3 },
		{ "runtime", "", E_OK, 2 },
		{ "", "guest", E_OK, 2 },
		{ "guest", "guest", E_OK, 2 },
		{ "guess", "", E_NOT_FOUND, 0 },
		{ "", "guess", E_NOT_FOUND, 0 },
		{ "", "runtime", E_USAGE, 0 },
	};
	AUTO(strv) char **components = strv_split(cases[_i].components, ",");
	AUTO(strv) char **without = strv_split(cases[_i].without, ",");
	AUTO(release) struct release r = RELEASE_INIT;
	AUTO(layout) struct layout l = LAYOUT_INIT;

	parse(&r);
	ck_assert_int_eq(release_select(&r, components, without, &l, &err),
			 cases[_i].code == E_OK ? 0 : -1);
	ck_assert_int_eq(err.code, cases[_i].code);
	if (err.code == E_OK)
		ck_assert_uint_eq(l.entries.n, cases[_i].entries);
	if (err.code == E_NOT_FOUND)
		ck_assert_msg(strstr(err.msg, "did you mean guest") != NULL, "%s", err.msg);
}
END_TEST

START_TEST(a_channel_comes_back_as_the_same_bytes)
{
	AUTO(channel) struct channel c = { 0 };
	AUTO(buf) struct buf text = BUF_INIT(1 << 20);

	ck_assert_msg(channel_parse(&c, channel, strlen(channel), "channel.yaml", &err) == 0, "%s",
		      err.msg);
	ck_assert_str_eq(c.path, "releases/3.10.0");
	ck_assert_int_eq(channel_format(&c, &text, &err), 0);
	ck_assert_str_eq(text.data, channel);
}
END_TEST

START_TEST(a_channel_that_is_wrong_is_refused)
{
	static const struct {
		const char *from, *to;
		enum err_code code;
	} cases[] = {
		{ "schema: 1", "schema: 2", E_UNSUPPORTED },
		{ "releases/3.10.0", ".", E_OK },
		{ "releases/3.10.0", "./x", E_INVALID },
		{ "releases/3.10.0", "../x", E_INVALID },
		{ "releases/3.10.0", "x/../../y", E_INVALID },
		{ "releases/3.10.0", "..", E_INVALID },
		{ "releases/3.10.0", "/x", E_INVALID },
		{ "releases/3.10.0", "x/", E_INVALID },
		{ "releases/3.10.0", "x//y", E_INVALID },
		{ "releases/3.10.0", "\"\"", E_INVALID },
		{ "releases/3.10.0", "\"x?y\"", E_INVALID },
		{ "releases/3.10.0", "x%2e%2e", E_INVALID },
		{ "releases/3.10.0", "https://x", E_INVALID },
		{ "release: a", "release: g", E_INVALID },
		{ "serial: 9", "serial: 0", E_INVALID },
		{ "2026-12-01", "2026-11-01", E_INVALID },
		{ "name: stable", "name: a/b", E_INVALID },
		{ "name: stable", "name: release", E_INVALID },
		{ "name: stable", "name: stable\nmore: 1", E_INVALID },
	};

	if ((size_t)_i >= ARRAY_LEN(cases))
		return;
	AUTO(str) char *text = changed(channel, cases[_i].from, cases[_i].to);
	AUTO(channel) struct channel c = { 0 };

	ck_assert_int_eq(channel_parse(&c, text, strlen(text), "channel.yaml", &err),
			 cases[_i].code == E_OK ? 0 : -1);
	ck_assert_msg(err.code == cases[_i].code, "%s: %s", cases[_i].to, err.msg);
}
END_TEST

START_TEST(versions_are_ordered)
{
	static const char *const ascending[] = {
		"0.1.0",
		"2.5",
		"3.9.1",
		"3.10.0-alpha",
		"3.10.0-alpha.1",
		"3.10.0-beta",
		"3.10.0-rc1",
		"3.10.0-rc2",
		"3.10.0-rc10",
		"3.10.0",
		"3.10.1",
		"10.0",
		"99999999999999999999999.0",
	};

	for (size_t i = 0; i < ARRAY_LEN(ascending); i++) {
		for (size_t j = 0; j < ARRAY_LEN(ascending); j++) {
			int order = version_compare(ascending[i], ascending[j]);

			ck_assert_msg((order > 0) - (order < 0) == (i > j) - (i < j), "%s %s: %d",
				      ascending[i], ascending[j], order);
		}
	}
	ck_assert_int_eq(version_compare("2.5", "2.5.0"), 0);
	ck_assert_int_eq(version_compare("2.05", "2.5"), 0);
}
END_TEST

START_TEST(moments_have_one_form)
{
	static const struct {
		const char *text;
		int rc;
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "9999-12-31T23:59:59Z", 0 },
		{ "2024-02-29T12:00:00Z", 0 },
		{ "2023-02-29T12:00:00Z", -1 },
		{ "2026-1-24T02:08:00Z", -1 },
		{ "2026-11-24T02:08:00", -1 },
		{ "2026-11-24T02:08:60Z", -1 },
		{ "2026-11-24 02:08:00Z", -1 },
		{ "2026-11-24T02:08:00Z ", -1 },
		{ "99999-01-01T00:00:00Z", -1 },
		{ "", -1 },
	};
	char again[STAMP_SIZE];
	uint64_t when;

	ck_assert_int_eq(stamp_parse(cases[_i].text, "created", &when, &err), cases[_i].rc);
	if (cases[_i].rc == 0) {
		stamp_format(when, again);
		ck_assert_str_eq(again, cases[_i].text);
	} else {
		ck_assert_int_eq(err.code, E_INVALID);
	}
}
END_TEST

/* Reads, checks and seals 20 000 files. */
START_TEST(a_large_release_is_cheap)
{
	AUTO(str)
	char *head = xstrndup(usual, (size_t)(strstr(usual, "  - name: runtime") - usual));
	AUTO(str) char *counted = changed(head, "unpacked: 7", "unpacked: 140000");
	AUTO(buf) struct buf text = BUF_INIT(RELEASE_TEXT_MAX);
	AUTO(release) struct release r = RELEASE_INIT;
	struct rusage before, after;
	clock_t start;

	buf_fmt(&text, "%sfiles:\n", counted);
	for (unsigned i = 0; i < 20000; i++)
		buf_fmt(&text,
			"  - path: share/kata-containers/dir%u/file-%u.so\n    component: guest\n"
			"    mode: \"0444\"\n    size: 7\n    sha256: %064x\n",
			i / 100, i, i + 0xabcdef);
	buf_str(&text, "patches: []\n");
	ck_assert(!text.over);
	(void)getrusage(RUSAGE_SELF, &before);
	start = clock();
	ck_assert_msg(release_parse(&r, text.data, text.len, "release.yaml", &err) == 0, "%s",
		      err.msg);
	(void)getrusage(RUSAGE_SELF, &after);
	ck_assert_uint_eq(r.layout.entries.n, 20000);
	ck_assert(SANITIZED || after.ru_maxrss - before.ru_maxrss < 64 << 10);
	ck_assert(SANITIZED || clock() - start < 2 * CLOCKS_PER_SEC);
	if (getenv("KATA_TEST_VERBOSE"))
		printf("%ld KiB, %ld ms\n", after.ru_maxrss - before.ru_maxrss,
		       (long)(clock() - start) * 1000 / CLOCKS_PER_SEC);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("deploy_release");
	TCase *t = tcase_create("deploy_release");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, a_release_comes_back_as_the_same_bytes);
	tcase_add_loop_test(t, a_release_that_is_wrong_is_refused, 0, 48);
	tcase_add_test(t, a_newer_schema_says_who_reads_it);
	tcase_add_test(t, a_release_is_not_larger_than_its_limit);
	tcase_add_loop_test(t, components_are_selected, 0, 8);
	tcase_add_test(t, a_channel_comes_back_as_the_same_bytes);
	tcase_add_loop_test(t, a_channel_that_is_wrong_is_refused, 0, 19);
	tcase_add_test(t, versions_are_ordered);
	tcase_add_loop_test(t, moments_have_one_form, 0, 11);
	tcase_add_test(t, a_large_release_is_cheap);
	suite_add_tcase(s, t);
	return suite_run(s);
}
