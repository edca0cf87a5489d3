// SPDX-License-Identifier: Apache-2.0
/* Parts of deploy/ without file system: layouts, verdicts on edited files, install.json, plans, the
 * text of the journal. */

#include "tests/unit/suite.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "crypto/sha256.h"
#include "deploy/journal/journal.h"
#include "deploy/plan/plan.h"
#include "deploy/store/conf.h"
#include "deploy/store/installed.h"
#include "deploy/store/layout.h"

#include <check.h>
#include <string.h>

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static struct entry a_file(const char *path)
{
	return (struct entry){ .path = (char *)path, .mode = 0644, .size = 1, .sha256 = A };
}

static struct entry a_link(const char *path, const char *target)
{
	return (struct entry){ .path = (char *)path, .type = ENTRY_LINK, .target = (char *)target };
}

START_TEST(harmful_paths_are_refused)
{
	static const char *const bad[] = {
		"",         "bin",       "/bin/a",    "bin//a", "bin/a/",      "bin/../etc/a",
		"bin/./a",  "../a",      "opt/a",     "etc",    "bin/a\nb",    "bin/\x7f",
		"bin/\xff", "staging/a", "current/a", ".",      "bin/a/../..",
	};
	AUTO(layout) struct layout l = LAYOUT_INIT;
	struct err err = ERR_INIT;
	struct entry e = a_file(bad[_i]);

	layout_begin(&l, "1");
	layout_add(&l, &e);
	ck_assert_int_lt(layout_seal(&l, &err), 0);
	ck_assert_int_eq(err.code, E_INVALID);
}
END_TEST

START_TEST(links_stay_inside)
{
	static const struct {
		const char *path, *target;
		int rc;
	} cases[] = {
		{ "bin/a", "b", 0 },
		{ "bin/a", "../lib/b", 0 },
		{ "lib/x/y/a", "../../../bin/b", 0 },
		{ "bin/a", "../../b", -1 },
		{ "bin/a", "x/../b", -1 },
		{ "bin/a", "/etc/passwd", -1 },
		{ "bin/a", "", -1 },
		{ "bin/a", NULL, -1 },
	};
	AUTO(layout) struct layout l = LAYOUT_INIT;
	struct err err = ERR_INIT;
	struct entry e = a_link(cases[_i].path, cases[_i].target);

	layout_begin(&l, "1");
	layout_add(&l, &e);
	ck_assert_int_eq(layout_seal(&l, &err), cases[_i].rc);
}
END_TEST

START_TEST(entries_do_not_collide)
{
	static const struct {
		const char *one, *other;
		int rc;
	} cases[] = {
		{ "bin/a", "bin/b", 0 },    { "bin/a", "bin/a", -1 },  { "bin/a", "bin/a/b", -1 },
		{ "bin/a/b", "bin/a", -1 }, { "bin/a-b", "bin/a", 0 }, { "lib/a", "lib/a-b/c", 0 },
	};
	AUTO(layout) struct layout l = LAYOUT_INIT;
	struct err err = ERR_INIT;
	struct entry one = a_file(cases[_i].one), other = a_link(cases[_i].other, "x");
	struct entry between = a_file("bin/a-");

	layout_begin(&l, "1");
	layout_add(&l, &one);
	layout_add(&l, &between);
	layout_add(&l, &other);
	ck_assert_int_eq(layout_seal(&l, &err), cases[_i].rc);
}
END_TEST

START_TEST(wrong_modes_digests_and_versions_are_refused)
{
	struct err err = ERR_INIT;
	struct entry e = a_file("bin/a");
	AUTO(layout) struct layout l = LAYOUT_INIT;
	const char *version = "1";

	if (_i == 0)
		e.mode = 04755;
	else if (_i == 1)
		e.sha256[5] = 'A';
	else if (_i == 2)
		e.sha256[5] = '\0';
	else
		version = "../1";
	layout_begin(&l, version);
	layout_add(&l, &e);
	ck_assert_int_lt(layout_seal(&l, &err), 0);
	ck_assert_int_eq(err.code, E_INVALID);
}
END_TEST

START_TEST(a_layout_survives_its_text)
{
	AUTO(layout) struct layout l = LAYOUT_INIT, again = LAYOUT_INIT;
	struct entry e = a_file("etc/kata.toml"), link = a_link("bin/b", "a"), x = a_file("bin/a");
	struct err err = ERR_INIT;

	x.mode = 0755;
	x.component = (char *)"runtime";
	layout_begin(&l, "3.9.0-rc1");
	layout_add(&l, &e);
	layout_add(&l, &link);
	layout_add(&l, &x);
	ck_assert_int_eq(layout_seal(&l, &err), 0);
	AUTO(str) char *text = layout_format(&l);
	ck_assert_msg(layout_parse(&again, text, strlen(text), "t", &err) == 0, "%s", err.msg);
	ck_assert_str_eq(again.id, l.id);
	ck_assert(str_starts(l.id, "3.9.0-rc1-"));
	ck_assert(entry_is_exec(layout_find(&again, "bin/a")));
	ck_assert(entry_is_conf(layout_find(&again, "etc/kata.toml")));
	ck_assert(layout_has_top(&again, "bin") && !layout_has_top(&again, "lib"));
	ck_assert_ptr_null(layout_find(&again, "bin/c"));
	/* Other contents with the same id. */
	AUTO(layout) struct layout forged = LAYOUT_INIT;
	*strstr(text, "runtime") = 'R';
	ck_assert_int_lt(layout_parse(&forged, text, strlen(text), "t", &err), 0);
}
END_TEST

START_TEST(a_configuration_file_is_taken_kept_or_parked)
{
	static const struct {
		const char *shipped, *disk, *fresh;
		enum conf_verdict verdict;
	} cases[] = {
		{ NULL, NULL, "n", CONF_TAKE },  { "o", NULL, "n", CONF_TAKE },
		{ "o", NULL, NULL, CONF_KEEP },  { "o", "o", "n", CONF_TAKE },
		{ "o", "o", "o", CONF_KEEP },    { "o", "o", NULL, CONF_REMOVE },
		{ "o", "n", "n", CONF_KEEP },    { NULL, "n", "n", CONF_KEEP },
		{ "o", "a", "o", CONF_KEEP },    { "o", "a", "n", CONF_PARK },
		{ NULL, "a", "n", CONF_PARK },   { "o", "a", NULL, CONF_KEEP },
		{ NULL, NULL, NULL, CONF_KEEP }, { NULL, "a", NULL, CONF_KEEP },
	};

	ck_assert_int_eq(conf_judge(cases[_i].shipped, cases[_i].disk, cases[_i].fresh),
			 cases[_i].verdict);
}
END_TEST

START_TEST(install_json_survives_its_text)
{
	AUTO(installed) struct installed in = INSTALLED_INIT, again = INSTALLED_INIT;
	struct generation one = { (char *)"1-a", (char *)"1", 7, 3, 100, 0, (char *)"no" };
	struct generation two = { (char *)"2-b", (char *)"2", 8, 4, 200, 4, NULL };
	struct err err = ERR_INIT;

	installed_add(&in, &one);
	installed_add(&in, &two);
	str_set(&in.current, "2-b");
	str_set(&in.previous, "1-a");
	in.made_prefix = true;
	strv_push(&in.made_dirs, "/etc/containerd");
	str_set(&in.extra, "{\"handlers\":[\"kata\"]}");
	AUTO(str) char *text = installed_format(&in);
	ck_assert_msg(installed_parse(&again, text, strlen(text), &err) == 0, "%s", err.msg);
	AUTO(str) char *second = installed_format(&again);
	ck_assert_str_eq(text, second);
	installed_drop(&again, "1-a");
	ck_assert_ptr_null(installed_find(&again, "1-a"));
	ck_assert_ptr_nonnull(installed_find(&again, "2-b"));
}
END_TEST

START_TEST(a_wrong_install_json_is_refused)
{
	static const char *const bad[] = {
		"{}",
		"[]",
		"{\"schema\":2}",
		"{\"schema\":1,\"generations\":[],\"made_dirs\":[],\"surprise\":1}",
		"{\"schema\":1,\"generations\":[],\"made_dirs\":[],\"current\":\"x\"}",
		"{\"schema\":1,\"generations\":[],\"made_dirs\":[\"etc\"]}",
		("{\"schema\":1,\"generations\":[{\"id\":\"../x\",\"version\":\"1\",\"since\":0,"
		 "\"files\":0,\"bytes\":0,\"verity\":0}],\"made_dirs\":[]}"),
	};
	AUTO(installed) struct installed in = INSTALLED_INIT;
	struct err err = ERR_INIT;

	ck_assert_int_lt(installed_parse(&in, bad[_i], strlen(bad[_i]), &err), 0);
}
END_TEST

static void make_plan(struct plan *p)
{
	struct plan_action *a;

	plan_begin(p, "install");
	p->made_state = true;
	plan_add(p, PLAN_DIR, "store", NULL, "directory")->dir.mode = 0755;
	plan_add(p, PLAN_ADOPT, "store/sha256/aa/" A, NULL, A);
	plan_add(p, PLAN_SYNC, NULL, NULL, NULL);
	plan_add(p, PLAN_LINK, "current", NULL, "generations/1-a");
	a = plan_add(p, PLAN_FILE, "/etc/x.toml", A, A);
	a->file.kept = xstrdup("5");
	a->file.uid = 12;
	a = plan_add(p, PLAN_STEP, "restart containerd", NULL, NULL);
	a->step.kind = xstrdup("restart");
	a->step.record = xstrdup("{}");
	plan_add(p, PLAN_DROP_TREE, "generations/0-b", NULL, NULL);
}

static void text_of(const struct plan *p, struct buf *text)
{
	struct err err = ERR_INIT;

	journal_format(p, text);
	ck_assert_int_eq(buf_check(text, "journal", &err), 0);
}

START_TEST(a_journal_survives_its_text)
{
	AUTO(plan) struct plan p = PLAN_INIT, again = PLAN_INIT;
	AUTO(buf) struct buf text = BUF_INIT(1 << 20), second = BUF_INIT(1 << 20);
	enum journal_word word;
	struct err err = ERR_INIT;

	make_plan(&p);
	text_of(&p, &text);
	ck_assert_msg(journal_parse(&again, &word, text.data, text.len, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(word, JOURNAL_NONE);
	ck_assert_uint_eq(again.actions.n, p.actions.n);
	ck_assert(again.made_state && !again.made_prefix);
	text_of(&again, &second);
	ck_assert_str_eq(text.data, second.data);
}
END_TEST

/* Cut at any byte, or with any byte changed. */
START_TEST(a_damaged_journal_is_refused)
{
	AUTO(plan) struct plan p = PLAN_INIT;
	AUTO(buf) struct buf text = BUF_INIT(1 << 20);
	enum journal_word word;

	make_plan(&p);
	text_of(&p, &text);
	for (size_t i = 0; i < text.len; i++) {
		AUTO(plan) struct plan cut = PLAN_INIT, flipped = PLAN_INIT;
		struct err one = ERR_INIT, two = ERR_INIT;
		char kept = text.data[i];

		ck_assert_int_lt(journal_parse(&cut, &word, text.data, i, &one), 0);
		text.data[i] ^= 1;
		ck_assert_int_lt(journal_parse(&flipped, &word, text.data, text.len, &two), 0);
		text.data[i] = kept;
	}
}
END_TEST

static void say(struct buf *text, const char *json)
{
	char hex[65];

	sha256_hex(json, strlen(json), hex);
	buf_fmt(text, "\n%.16s %s\n", hex, json);
}

START_TEST(the_last_whole_word_counts)
{
	AUTO(plan) struct plan p = PLAN_INIT;
	AUTO(buf) struct buf text = BUF_INIT(1 << 20);
	enum journal_word want = JOURNAL_NONE, word;

	make_plan(&p);
	text_of(&p, &text);
	if (_i & 1) {
		say(&text, "{\"word\":\"commit\"}");
		want = JOURNAL_COMMIT;
	}
	if (_i & 2)
		buf_str(&text, "\n0123456789abcdef {\"word\":\"co");
	if (_i & 4) {
		say(&text, "{\"word\":\"undo\"}");
		want = JOURNAL_UNDO;
	}
	AUTO(plan) struct plan again = PLAN_INIT;
	struct err err = ERR_INIT;
	ck_assert_int_eq(journal_parse(&again, &word, text.data, text.len, &err), 0);
	ck_assert_int_eq(word, want);
}
END_TEST

START_TEST(bad_actions_are_refused)
{
	static const char *const bad[] = {
		"{\"action\":\"fly\"}",
		"{\"action\":\"link\"}",
		"{\"action\":\"link\",\"path\":\"/etc\"}",
		"{\"action\":\"drop-tree\",\"path\":\"../x\"}",
		"{\"action\":\"drop-tree\",\"path\":\"\"}",
		"{\"action\":\"file\",\"path\":\"/a/../b\"}",
		"{\"action\":\"file\",\"path\":\"a\",\"was\":\"x\"}",
		"{\"action\":\"file\",\"path\":\"a\",\"was\":\"x\",\"kept\":\"../x\"}",
		"{\"action\":\"step\",\"path\":\"a\"}",
		"{\"action\":\"directory\",\"path\":\"a\",\"mode\":65536}",
		"{\"action\":\"directory\",\"path\":\"a\",\"color\":1}",
		"{\"action\":\"link\",\"path\":\"a\",\"mode\":1}",
		"{\"action\":\"directory\",\"path\":\"a\",\"kept\":\"1\"}",
	};
	struct err err = ERR_INIT;
	AUTO(json) struct json *j = json_parse(bad[_i], strlen(bad[_i]), "t", &err);
	struct plan_action a = { 0 };

	ck_assert_ptr_nonnull(j);
	ck_assert_int_lt(plan_action_parse(&a, j, &err), 0);
	ck_assert_int_eq(err.code, E_INVALID);
	plan_action_release(&a);
}
END_TEST

START_TEST(a_plan_can_be_read)
{
	AUTO(plan) struct plan p = PLAN_INIT;
	AUTO(buf) struct buf text = BUF_INIT(1 << 20);

	make_plan(&p);
	plan_print(&p, &text);
	ck_assert_ptr_nonnull(
		strstr(text.data, "link       current: nothing -> generations/1-a\n"));
	AUTO(json) struct json *j = plan_json(&p);
	ck_assert(json_bool(json_get(j, "changes")));
	ck_assert_uint_eq(json_count(json_get(j, "actions")), p.actions.n);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("deploy parts");
	TCase *tc = tcase_create("deploy parts");

	tcase_add_loop_test(tc, harmful_paths_are_refused, 0, 17);
	tcase_add_loop_test(tc, links_stay_inside, 0, 8);
	tcase_add_loop_test(tc, entries_do_not_collide, 0, 6);
	tcase_add_loop_test(tc, wrong_modes_digests_and_versions_are_refused, 0, 4);
	tcase_add_test(tc, a_layout_survives_its_text);
	tcase_add_loop_test(tc, a_configuration_file_is_taken_kept_or_parked, 0, 14);
	tcase_add_test(tc, install_json_survives_its_text);
	tcase_add_loop_test(tc, a_wrong_install_json_is_refused, 0, 7);
	tcase_add_test(tc, a_journal_survives_its_text);
	tcase_add_test(tc, a_damaged_journal_is_refused);
	tcase_add_loop_test(tc, the_last_whole_word_counts, 0, 8);
	tcase_add_loop_test(tc, bad_actions_are_refused, 0, 13);
	tcase_add_test(tc, a_plan_can_be_read);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
