// SPDX-License-Identifier: Apache-2.0
/*
 * deploy/trust: every rule accepts what it should, and refuses the rest with E_TRUST and a remedy.
 * The test makes the keys; times are relative to a fixed build time, not to the clock.
 */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "base/deadline.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"
#include "crypto/minisig.h"
#include "crypto/sha256.h"
#include "deploy/release/release.h"
#include "deploy/release/stamp.h"
#include "deploy/trust/builtin.h"
#include "deploy/trust/trust-internal.h"

#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define BUILT UINT64_C(1000000000)
#define NOW   (BUILT + 1000)
#define DAY   (UINT64_C(24) * 60 * 60)
#define TEXT  "schema: 1\n"

enum { PEOPLE = 4 };

static char dir[SCRATCH_DIR];
static struct err err;
static struct minisig_secret people[PEOPLE];
static char *public[PEOPLE]; /* paths */
static const char *built_in[2];
static int state;

const char *const *trust_builtin_keys(void)
{
	return built_in;
}

uint64_t trust_build_time(void)
{
	return BUILT;
}

static void put(const char *name, const char *text)
{
	scratch_write(dir, name, text, strlen(text), 0600);
}

static void key_text(unsigned who, struct buf *to)
{
	struct minisig_key key;

	minisig_public(&people[who], &key);
	minisig_key_format(&key, to);
}

/* The public key in base64; the caller frees it. */
static char *key_line(unsigned who)
{
	AUTO(buf) struct buf text = BUF_INIT(MINISIG_TEXT_MAX);
	char *line;

	key_text(who, &text);
	line = strchr(text.data, '\n') + 1;
	return xstrndup(line, strcspn(line, "\n"));
}

static void setup(void)
{
	AUTO(str) char *path = NULL;

	err_clear(&err);
	scratch_make(dir, "trust");
	path = path_join(dir, "state");
	ck_assert_int_eq(mkdir(path, 0700), 0);
	state = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(state, 0);
	built_in[0] = NULL;
	for (unsigned i = 0; i < PEOPLE; i++) {
		AUTO(buf) struct buf text = BUF_INIT(MINISIG_TEXT_MAX);
		AUTO(str) char *name = str_fmt("%u.pub", i);

		ck_assert_int_eq(minisig_generate(&people[i], &err), 0);
		key_text(i, &text);
		put(name, text.data);
		public[i] = path_join(dir, name);
	}
}

static void teardown(void)
{
	for (unsigned i = 0; i < PEOPLE; i++)
		free(public[i]);
	(void)close(state);
	scratch_remove(dir);
}

static struct trust *opened(const struct trust_options *o)
{
	struct trust *t = NULL;

	ck_assert_msg(trust_open(o, state, &t, &err) == 0, "%s", err.msg);
	return t;
}

/* Verifies text with signatures of these signers; "02" are the people 0 and 2. */
static int ask(struct trust *t, const char *name, const char *text, const char *signers)
{
	struct trust_signature sigs[TRUST_SIGNATURES_MAX + 1];
	struct buf texts[TRUST_SIGNATURES_MAX + 1];
	size_t n = strlen(signers);
	int rc;

	for (size_t i = 0; i < n; i++) {
		texts[i] = (struct buf)BUF_INIT(MINISIG_TEXT_MAX);
		ck_assert_int_eq(minisig_sign(&people[signers[i] - '0'], text, strlen(text), "c",
					      &texts[i], &err),
				 0);
		sigs[i] = (struct trust_signature){ "x.minisig", texts[i].data, texts[i].len };
	}
	rc = str_eq(name, "root.json")
		     ? trust_rotate(t, text, strlen(text), sigs, n, &err)
		     : trust_signatures(t, name, text, strlen(text), sigs, n, &err);
	for (size_t i = 0; i < n; i++)
		buf_release(&texts[i]);
	return rc;
}

/* Checks that it failed with E_TRUST, and that the remedy has this text. */
static void refused(int rc, const char *advice)
{
	ck_assert_int_lt(rc, 0);
	ck_assert_msg(err.code == E_TRUST, "%s", err.msg);
	ck_assert_msg(strstr(err.msg, advice) != NULL, "'%s' is not in: %s", advice, err.msg);
	err_clear(&err);
}

static void good(int rc)
{
	ck_assert_msg(rc == 0, "%s", err.msg);
}

/* Writes the memory, as an install does at its commit. */
static void commit(const struct trust *t)
{
	AUTO(str) char *text = trust_memory(t);

	put("state/trust.json", text);
}

START_TEST(without_a_key_nothing_is_trusted)
{
	struct trust_options o = { .directory = _i ? dir : "/nonexistent", .now = NOW };
	struct trust *t = NULL;

	if (_i) {
		for (unsigned i = 0; i < PEOPLE; i++)
			ck_assert_int_eq(unlink(public[i]), 0);
		put("README", "not a key");
		put(".hidden.pub", "not a key");
	}
	refused(trust_open(&o, state, &t, &err), "--key FILE");
}
END_TEST

/* The first of these that exists: --key, directory, built-in. */
START_TEST(one_source_of_keys_decides)
{
	AUTO(str) char *line = key_line(3);
	char *const keys[] = { public[0], NULL };
	struct trust_options o = { .now = NOW };

	built_in[0] = line;
	if (_i == 0)
		o.keys = keys;
	o.directory = _i < 2 ? dir : "/nonexistent";
	if (_i == 1)
		ck_assert_int_eq(unlink(public[3]), 0);
	AUTO(trust) struct trust *t = opened(&o);
	good(ask(t, "release.yaml", TEXT, _i == 0 ? "0" : _i == 1 ? "1" : "3"));
	refused(ask(t, "release.yaml", TEXT, _i == 0 ? "1" : _i == 1 ? "3" : "0"), "--key FILE");
}
END_TEST

/* The script that makes C code from TRUSTED_KEYS. */
START_TEST(keys_are_built_in)
{
	AUTO(buf) struct buf text = BUF_INIT(1 << 16);
	AUTO(str) char *line = key_line(0);
	struct spawn s = { .argv = ARGV("deploy/trust/keys.sh", public[0], public[1]) };

	ck_assert_msg(spawn_run(&s, NULL, 0, &text, deadline_in(10000), &err) == 0, "%s", err.msg);
	ck_assert_ptr_nonnull(strstr(text.data, line));
	put("5.pub", "RWnonsense\n");
	AUTO(str) char *bad = path_join(dir, "5.pub");
	s.argv = ARGV("deploy/trust/keys.sh", bad);
	ck_assert_int_ne(spawn_run(&s, NULL, 0, &text, deadline_in(10000), &err), 0);
}
END_TEST

START_TEST(different_keys_are_counted)
{
	static const struct {
		unsigned threshold;
		const char *signers;
		bool good;
	} cases[] = {
		{ 0, "0", true },    { 0, "", false },    { 0, "3", false },    { 2, "01", true },
		{ 2, "10", true },   { 2, "0", false },   { 2, "00", false },   { 2, "03", false },
		{ 3, "012", true },  { 3, "0123", true }, { 3, "0013", false }, { 1, "30", true },
		{ 2, "3021", true },
	};
	/* The same key in two files counts once. */
	char *const keys[] = { public[0], public[1], public[2], public[0], NULL };
	struct trust_options o = { .keys = keys, .threshold = cases[_i].threshold, .now = NOW };
	AUTO(trust) struct trust *t = opened(&o);
	int rc = ask(t, "release.yaml", TEXT, cases[_i].signers);

	if (cases[_i].good)
		good(rc);
	else
		refused(rc, *cases[_i].signers == '3' || strchr(cases[_i].signers, '3')
				    ? "--key FILE"
				    : ".minisig");
}
END_TEST

START_TEST(more_signatures_than_keys_are_refused_at_once)
{
	char *const keys[] = { public[0], public[0], NULL };
	struct trust_options o = { .keys = keys, .threshold = 2, .now = NOW };
	struct trust *t = NULL;

	refused(trust_open(&o, state, &t, &err), "--threshold");
}
END_TEST

START_TEST(a_bad_signature_of_a_known_key_is_an_error)
{
	AUTO(buf) struct buf one = BUF_INIT(MINISIG_TEXT_MAX), other = BUF_INIT(MINISIG_TEXT_MAX);
	char *const keys[] = { public[0], public[1], NULL };
	struct trust_options o = { .keys = keys, .now = NOW };
	AUTO(trust) struct trust *t = opened(&o);

	good(minisig_sign(&people[0], TEXT, strlen(TEXT), "c", &one, &err));
	good(minisig_sign(&people[1], "other", 5, "c", &other, &err));
	struct trust_signature sigs[] = { { "a", one.data, one.len },
					  { "b", other.data, other.len } };
	refused(trust_signatures(t, "release.yaml", TEXT, strlen(TEXT), sigs, 2, &err),
		"download it again");
	sigs[1] = (struct trust_signature){ "b", "nonsense", 8 };
	ck_assert_int_lt(trust_signatures(t, "release.yaml", TEXT, strlen(TEXT), sigs, 2, &err), 0);
	ck_assert_int_eq(err.code, E_INVALID);
}
END_TEST

START_TEST(sizes_and_counts_are_bounded)
{
	char *const keys[] = { public[0], NULL };
	struct trust_options o = { .keys = keys, .now = NOW };
	AUTO(trust) struct trust *t = opened(&o);

	ck_assert_int_lt(
		trust_signatures(t, "release.yaml", "", RELEASE_TEXT_MAX + 1, NULL, 0, &err), 0);
	ck_assert_int_eq(err.code, E_LIMIT);
	err_clear(&err);
	ck_assert_int_lt(ask(t, "release.yaml", TEXT, "00000000000000000"), 0);
	ck_assert_int_eq(err.code, E_LIMIT);
}
END_TEST

START_TEST(what_expired_is_refused)
{
	char *const keys[] = { public[0], NULL };
	struct trust_options o = { .keys = keys, .now = NOW, .allow_expired = _i };
	AUTO(trust) struct trust *t = opened(&o);

	good(trust_fresh(t, "release", 1, BUILT, NOW + 1, &err));
	if (_i) {
		good(trust_fresh(t, "release", 1, BUILT, NOW, &err));
		AUTO(json) struct json *j = trust_report(t);
		ck_assert_uint_eq(json_count(json_get(j, "waived")), 1);
	} else {
		refused(trust_fresh(t, "release", 1, BUILT, NOW, &err), "--allow-expired");
	}
}
END_TEST

/* With a clock at 1970 or set back, the build time and the newest release seen count instead. */
START_TEST(a_wrong_clock_lets_nothing_old_through)
{
	char *const keys[] = { public[0], NULL };
	struct trust_options o = { .keys = keys, .now = 0 };
	AUTO(trust) struct trust *t = opened(&o);

	refused(trust_fresh(t, "release", 1, BUILT - 9, BUILT, &err), "build of this program");
	good(trust_fresh(t, "release", 1, BUILT + 500, BUILT + 2000, &err));
	commit(t);
	AUTO(trust) struct trust *later = opened(&o);
	refused(trust_fresh(later, "release", 1, BUILT, BUILT + 500, &err), "newest release seen");
	good(trust_fresh(later, "release", 1, BUILT, BUILT + 501, &err));
}
END_TEST

/* A clock in the far future does not get into the memory; only times of releases do. */
START_TEST(a_clock_ahead_is_forgotten)
{
	char *const keys[] = { public[0], NULL };
	struct trust_options ahead = { .keys = keys, .now = 10 * BUILT, .allow_expired = true };
	struct trust_options right = { .keys = keys, .now = NOW };
	AUTO(trust) struct trust *t = opened(&ahead);

	good(trust_fresh(t, "release", 1, BUILT + 5, NOW + 9, &err));
	commit(t);
	AUTO(trust) struct trust *later = opened(&right);
	good(trust_fresh(later, "release", 2, BUILT + 6, NOW + 9, &err));
}
END_TEST

/* Otherwise everything that expires before it would be refused from then on. */
START_TEST(what_is_from_the_future_is_refused)
{
	char *const keys[] = { public[0], NULL };
	struct trust_options o = { .keys = keys, .now = NOW };
	AUTO(trust) struct trust *t = opened(&o);

	refused(trust_fresh(t, "stable", 1, NOW + 180 * DAY, NOW + 999 * DAY, &err), "the clock");
	refused(trust_fresh(t, "release", 1, UINT64_MAX, UINT64_MAX, &err), "the clock");
	good(trust_fresh(t, "release", 1, NOW + DAY, NOW + 2 * DAY, &err));
	/* A clock at 1970 says nothing. */
	o.now = 0;
	AUTO(trust) struct trust *early = opened(&o);
	good(trust_fresh(early, "release", 1, NOW, NOW + DAY, &err));
	/* An image is built as of the time of its sources; the release may be newer. */
	o.now = NOW;
	o.clock = NOW + 90 * DAY;
	AUTO(trust) struct trust *image = opened(&o);
	good(trust_fresh(image, "release", 1, NOW + 60 * DAY, NOW + 999 * DAY, &err));
	refused(trust_fresh(image, "release", 2, NOW + 92 * DAY, NOW + 999 * DAY, &err),
		"the clock");
}
END_TEST

START_TEST(serials_do_not_go_back)
{
	char *const keys[] = { public[0], NULL };
	struct trust_options o = { .keys = keys, .now = NOW };
	AUTO(trust) struct trust *t = opened(&o);

	good(trust_fresh(t, "release", 7, BUILT, NOW + 1, &err));
	good(trust_fresh(t, "stable", 3, BUILT, NOW + 1, &err));
	commit(t);
	AUTO(trust) struct trust *later = opened(&o);
	good(trust_fresh(later, "release", 7, BUILT, NOW + 1, &err));
	good(trust_fresh(later, "stable", 3, BUILT, NOW + 1, &err));
	refused(trust_fresh(later, "release", 6, BUILT, NOW + 1, &err), "--allow-downgrade");
	refused(trust_fresh(later, "stable", 2, BUILT, NOW + 1, &err), "--allow-downgrade");
	/* Another channel has serials of its own. */
	o.without_channel = true;
	AUTO(trust) struct trust *other = opened(&o);
	good(trust_fresh(other, "nightly", 1, BUILT, NOW + 1, &err));
	o.without_channel = false;
	/* Going back on purpose does not make the old one the newest. */
	o.allow_downgrade = true;
	AUTO(trust) struct trust *back = opened(&o);
	good(trust_fresh(back, "release", 2, BUILT, NOW + 1, &err));
	commit(back);
	o.allow_downgrade = false;
	AUTO(trust) struct trust *again = opened(&o);
	refused(trust_fresh(again, "release", 6, BUILT, NOW + 1, &err), "--allow-downgrade");
}
END_TEST

START_TEST(what_is_not_committed_is_not_remembered)
{
	char *const keys[] = { public[0], NULL };
	struct trust_options o = { .keys = keys, .now = NOW };
	AUTO(trust) struct trust *t = opened(&o);

	good(trust_fresh(t, "release", 7, BUILT, NOW + 1, &err));
	AUTO(trust) struct trust *later = opened(&o);
	good(trust_fresh(later, "release", 6, BUILT, NOW + 1, &err));
}
END_TEST

START_TEST(a_pin_must_match_and_waives_expiry)
{
	char *const keys[] = { public[0], NULL };
	struct trust_options o = { .keys = keys, .now = NOW };
	struct trust *wrong = NULL;
	char hex[65];

	sha256_hex(TEXT, strlen(TEXT), hex);
	o.pin = hex;
	AUTO(trust) struct trust *t = opened(&o);
	refused(ask(t, "release.yaml", "another\n", "0"), "another release");
	refused(ask(t, "http://x/release.yaml", "another\n", "0"), "another release");
	good(ask(t, "release.yaml", TEXT, "0"));
	good(ask(t, "channel.yaml", "another\n", "0"));
	refused(ask(t, "release.yaml", TEXT, ""), ".minisig"); /* it is no signature */
	good(trust_fresh(t, "release", 1, BUILT, NOW - 1, &err));
	AUTO(json) struct json *j = trust_report(t);
	const struct json *waived = json_at(json_get(j, "waived"), 0);
	ck_assert_str_eq(json_text(json_get(waived, "by")), "--pin");
	o.pin = "abc";
	ck_assert_int_lt(trust_open(&o, state, &wrong, &err), 0);
	ck_assert_int_eq(err.code, E_USAGE);
}
END_TEST

/* A root.json with the keys of these people; the caller frees it. */
static char *root_text(unsigned version, const char *who, unsigned threshold, uint64_t expires)
{
	AUTO(buf) struct buf keys = BUF_INIT(4096);
	char stamp[STAMP_SIZE];

	for (const char *p = who; *p; p++) {
		AUTO(str) char *line = key_line((unsigned)(*p - '0'));

		buf_fmt(&keys, "%s\"%s\"", p == who ? "" : ",", line);
	}
	stamp_format(expires, stamp);
	return str_fmt("{\"version\":%u,\"keys\":[%s],\"threshold\":%u,\"expires\":\"%s\"}",
		       version, buf_cstr(&keys), threshold, stamp);
}

START_TEST(a_root_of_the_directory_decides)
{
	AUTO(str) char *root = root_text(1, "12", 2, NOW + 1);
	struct trust_options o = { .directory = dir, .now = NOW };

	put("root.json", root);
	AUTO(trust) struct trust *t = opened(&o);
	good(ask(t, "release.yaml", TEXT, "12"));
	refused(ask(t, "release.yaml", TEXT, "1"), ".minisig");
	refused(ask(t, "release.yaml", TEXT, "01"), "--key FILE"); /* 0.pub is not looked at */
	/* An explicit --threshold is the operator's. */
	o.threshold = 1;
	AUTO(trust) struct trust *less = opened(&o);
	good(ask(less, "release.yaml", TEXT, "1"));
}
END_TEST

START_TEST(an_expired_root_is_refused_but_may_be_replaced)
{
	AUTO(str) char *root = root_text(1, "12", 2, NOW), *next = root_text(2, "23", 2, NOW + 1);
	struct trust_options o = { .directory = dir, .now = NOW };

	put("root.json", root);
	AUTO(trust) struct trust *t = opened(&o);
	refused(ask(t, "release.yaml", TEXT, "12"), "newer root.json");
	good(ask(t, "root.json", next, "123"));
	good(ask(t, "release.yaml", TEXT, "23"));
	o.allow_expired = true;
	AUTO(trust) struct trust *anyway = opened(&o);
	good(ask(anyway, "release.yaml", TEXT, "12"));
}
END_TEST

START_TEST(roots_rotate_one_by_one)
{
	static const struct {
		unsigned version;
		const char *who;
		unsigned threshold;
		uint64_t expires;
		const char *signers, *advice; /* NULL: it is accepted */
	} cases[] = {
		{ 2, "23", 2, NOW + 1, "123", NULL },
		{ 2, "23", 1, NOW + 1, "12", NULL },
		{ 2, "23", 2, NOW + 1, "12", "by its own keys" }, /* not by the new set */
		{ 2, "23", 2, NOW + 1, "23", "--key FILE" },      /* not by the old one */
		{ 2, "23", 2, NOW + 1, "13", "by the keys until now" },
		{ 1, "23", 2, NOW + 1, "123", "in order" },
		{ 3, "23", 2, NOW + 1, "123", "in order" },
		{ 2, "23", 2, NOW, "123", "newest one" },
	};
	AUTO(str) char *root = root_text(1, "12", 2, NOW + 1);
	AUTO(str)
	char *next = root_text(cases[_i].version, cases[_i].who, cases[_i].threshold,
			       cases[_i].expires);
	struct trust_options o = { .directory = dir, .now = NOW };

	put("root.json", root);
	AUTO(trust) struct trust *t = opened(&o);
	if (cases[_i].advice) {
		refused(ask(t, "root.json", next, cases[_i].signers), cases[_i].advice);
		good(ask(t, "release.yaml", TEXT, "12"));
		return;
	}
	good(ask(t, "root.json", next, cases[_i].signers));
	good(ask(t, "release.yaml", TEXT, "23"));
	refused(ask(t, "release.yaml", TEXT, "1"), "--key FILE");
	/* The new root stays valid, even if the directory still has the old one. */
	commit(t);
	AUTO(trust) struct trust *later = opened(&o);
	good(ask(later, "release.yaml", TEXT, "23"));
	refused(ask(later, "release.yaml", TEXT, "1"), "--key FILE");
}
END_TEST

/* Keys without a root become one with version 1. */
START_TEST(a_first_root_follows_plain_keys)
{
	AUTO(str)
	char *second = root_text(2, "1", 1, NOW + 1), *first = root_text(1, "1", 1, NOW + 1);
	char *const keys[] = { public[0], NULL };
	struct trust_options o = { .keys = keys, .now = NOW };
	AUTO(trust) struct trust *t = opened(&o);

	refused(ask(t, "root.json", second, "01"), "in order");
	refused(ask(t, "root.json", first, "1"), "--key FILE");
	good(ask(t, "root.json", first, "01"));
	good(ask(t, "release.yaml", TEXT, "1"));
}
END_TEST

START_TEST(damaged_roots_are_refused)
{
	AUTO(str) char *line = key_line(0);
	static const char *const bad[] = {
		"{\"version\":0,\"keys\":[\"%s\"],\"threshold\":1,\"expires\":\"2030-01-01T00:00:"
		"00Z\"}",
		"{\"version\":1,\"keys\":[\"%s\"],\"threshold\":2,\"expires\":\"2030-01-01T00:00:"
		"00Z\"}",
		"{\"version\":1,\"keys\":[\"%s\"],\"threshold\":0,\"expires\":\"2030-01-01T00:00:"
		"00Z\"}",
		"{\"version\":1,\"keys\":[\"%s\"],\"threshold\":1,\"expires\":\"never\"}",
		"{\"version\":1,\"keys\":[\"%s\"],\"threshold\":1}",
		"{\"version\":1,\"keys\":[\"x%s\"],\"threshold\":1,\"expires\":\"2030-01-01T00:00:"
		"00Z\"}",
		"{\"version\":1,\"keys\":[1,\"%s\"],\"threshold\":1,\"expires\":\"2030-01-01T00:00:"
		"00Z\"}",
		"{\"version\":1,\"keys\":[\"%s\"],\"more\":1,\"threshold\":1,\"expires\":\"2030-01-"
		"01T00:00:00Z\"}",
		"{\"version\":1",
	};
	struct trust_options o = { .directory = dir, .now = NOW };
	AUTO(buf) struct buf text = BUF_INIT(4096);
	struct trust *t = NULL;
	const char *at = strstr(bad[_i], "%s");

	buf_add(&text, bad[_i], at ? (size_t)(at - bad[_i]) : strlen(bad[_i]));
	if (at)
		buf_fmt(&text, "%s%s", line, at + 2);
	put("root.json", text.data);
	ck_assert_int_lt(trust_open(&o, state, &t, &err), 0);
	ck_assert_msg(err.code == E_INVALID, "%s", err.msg);
}
END_TEST

START_TEST(a_damaged_memory_is_not_an_empty_one)
{
	static const struct {
		const char *text;
		enum err_code code;
	} cases[] = {
		{ "", E_INVALID },
		{ "{}", E_INVALID },
		{ "{\"schema\":3}", E_UNSUPPORTED },
		{ "{\"schema\":2}", E_INVALID },
		{ "{\"schema\":1,\"time\":-1}", E_INVALID },
		{ "{\"schema\":1,\"time\":1,\"serials\":{\"release\":\"7\"}}", E_INVALID },
		{ "{\"schema\":1,\"time\":1,\"serials\":{},\"surprise\":1}", E_INVALID },
		{ "{\"schema\":1,\"time\":1,\"root\":{}}", E_INVALID },
		{ "{\"schema\":2,\"time\":1,\"remembered\":{}}", E_INVALID },
		{ "{\"schema\":2,\"time\":1,\"remembered\":{\"keys\":[{}],\"threshold\":0}}",
		  E_INVALID },
		{ "{\"schema\":2,\"time\":1,\"remembered\":{\"keys\":[],\"threshold\":1}}",
		  E_INVALID },
	};
	char *const keys[] = { public[0], NULL };
	struct trust_options o = { .keys = keys, .now = NOW };
	struct trust *t = NULL;

	put("state/trust.json", cases[_i].text);
	ck_assert_int_lt(trust_open(&o, state, &t, &err), 0);
	ck_assert_msg(err.code == cases[_i].code, "%s", err.msg);
}
END_TEST

START_TEST(a_key_file_that_is_none_is_named)
{
	struct trust_options o = { .directory = dir, .now = NOW };
	struct trust *t = NULL;

	put("5.pub", "nonsense\n");
	ck_assert_int_lt(trust_open(&o, state, &t, &err), 0);
	ck_assert_int_eq(err.code, E_INVALID);
	ck_assert_msg(strstr(err.msg, "5.pub") != NULL, "%s", err.msg);
}
END_TEST

START_TEST(the_report_says_what_was_decided)
{
	char *const keys[] = { public[0], public[1], NULL };
	struct trust_options o = { .keys = keys, .threshold = 2, .now = NOW };
	AUTO(trust) struct trust *t = opened(&o);

	good(ask(t, "release.yaml", TEXT, "01"));
	good(trust_fresh(t, "release", 7, BUILT, NOW + 1, &err));
	AUTO(json) struct json *j = trust_report(t);
	const struct json *first = json_at(json_get(j, "documents"), 0);
	ck_assert_str_eq(json_text(json_get(j, "source")), "--key");
	ck_assert_int_eq(json_int(json_get(j, "threshold")), 2);
	ck_assert_str_eq(json_text(json_get(j, "time_from")), "clock");
	ck_assert_uint_eq(json_count(json_get(j, "keys")), 2);
	ck_assert_uint_eq(json_count(json_get(first, "signed_by")), 2);
	ck_assert_uint_eq(json_count(json_get(j, "waived")), 0);
}
END_TEST

/* --- roles --- */

/* A root with roles: the signers of releases and those of channels. */
static char *split_text(unsigned version, const char *release, unsigned k, const char *channel,
			unsigned m)
{
	AUTO(str) char *a = root_text(version, release, k, NOW + 1);
	AUTO(str) char *b = root_text(version, channel, m, NOW + 1);
	AUTO(json) struct json *one = json_parse(a, strlen(a), "a", &err);
	AUTO(json) struct json *two = json_parse(b, strlen(b), "b", &err);
	AUTO(json) struct json *j = json_make_object();
	struct json *roles = json_make_object(), *set;
	struct json *from[] = { one, two };

	json_put(j, "version", json_share(json_get(one, "version")));
	json_put(j, "expires", json_share(json_get(one, "expires")));
	for (unsigned i = 0; i < 2; i++) {
		set = json_make_object();
		json_put(set, "keys", json_share(json_get(from[i], "keys")));
		json_put(set, "threshold", json_share(json_get(from[i], "threshold")));
		json_put(roles, i ? "channel" : "release", set);
	}
	json_put(j, "roles", roles);
	return json_format(j, false);
}

/* Releases need 2 of the keys 0 and 1, channels 1 of 1 and 2; or both have one set. */
START_TEST(a_role_signs_its_documents_only)
{
	static const struct {
		bool split;
		const char *document, *signers, *advice; /* NULL: it is accepted */
	} cases[] = {
		{ true, "release.yaml", "01", NULL },
		{ true, "release.yaml", "012", NULL },
		{ true, "release.yaml", "02", "trusted for channels only" },
		{ true, "release.yaml", "2", "trusted for channels only" },
		{ true, "channel.yaml", "2", NULL },
		{ true, "channel.yaml", "1", NULL },
		{ true, "channel.yaml", "0", "trusted for releases only" },
		{ true, "channel.yaml", "3", "--key FILE" },
		{ false, "release.yaml", "01", NULL },
		{ false, "channel.yaml", "01", NULL },
		{ false, "channel.yaml", "0", ".minisig" },
	};
	AUTO(str)
	char *root = cases[_i].split ? split_text(1, "01", 2, "12", 1)
				     : root_text(1, "01", 2, NOW + 1);
	struct trust_options o = { .directory = dir, .now = NOW };
	int rc;

	put("root.json", root);
	AUTO(trust) struct trust *t = opened(&o);
	rc = ask(t, cases[_i].document, TEXT, cases[_i].signers);
	if (cases[_i].advice)
		refused(rc, cases[_i].advice);
	else
		good(rc);
}
END_TEST

/* Without a root, the option or the name of the key file determines the role. */
START_TEST(plain_keys_have_roles)
{
	char *const release[] = { public[0], NULL }, *const channel[] = { public[1], NULL };
	struct trust_options o = { .directory = dir, .now = NOW };
	AUTO(str) char *renamed = path_join(dir, "1.channel.pub");

	if (_i) {
		o.keys = release;
		o.channel_keys = channel;
	} else {
		ck_assert_int_eq(rename(public[1], renamed), 0);
	}
	AUTO(trust) struct trust *t = opened(&o);
	good(ask(t, "release.yaml", TEXT, "0"));
	good(ask(t, "channel.yaml", TEXT, "1"));
	refused(ask(t, "release.yaml", TEXT, "1"), "trusted for channels only");
	refused(ask(t, "channel.yaml", TEXT, "0"), "trusted for releases only");
}
END_TEST

START_TEST(a_key_for_channels_alone_trusts_no_release)
{
	char *const channel[] = { public[1], NULL };
	struct trust_options o = { .channel_keys = channel, .now = NOW };
	struct trust *t = NULL;

	refused(trust_open(&o, state, &t, &err), "--key FILE");
}
END_TEST

/* The holder of a channel key must not be able to give himself another role. */
START_TEST(a_key_for_channels_changes_no_root)
{
	AUTO(str) char *root = split_text(1, "0", 1, "12", 1);
	AUTO(str) char *next = split_text(2, "0", 1, "3", 1), *old = root_text(3, "0", 1, NOW + 1);
	struct trust_options o = { .directory = dir, .now = NOW };

	put("root.json", root);
	AUTO(trust) struct trust *t = opened(&o);
	refused(ask(t, "root.json", next, "12"), "trusted for channels only");
	good(ask(t, "root.json", next, "0"));
	commit(t);
	AUTO(trust) struct trust *later = opened(&o);
	good(ask(later, "channel.yaml", TEXT, "3"));
	refused(ask(later, "channel.yaml", TEXT, "1"), "--key FILE");
	/* And back to one set. */
	good(ask(later, "root.json", old, "0"));
	good(ask(later, "channel.yaml", TEXT, "0"));
}
END_TEST

/* The holder of a stolen channel key raises the serial and the time as far as they go; a rotation
 * must end what he did. */
static void jump_ahead(struct trust *t)
{
	good(trust_fresh(t, "release", 7, BUILT, NOW + 1, &err));
	good(trust_fresh(t, "stable", UINT64_MAX, NOW, UINT64_MAX, &err));
}

/* The clock is earlier than the time that the stolen key has signed. */
static void expect_restarted(struct trust_options o)
{
	o.now = NOW - 500;
	AUTO(trust) struct trust *t = opened(&o);
	refused(trust_no_channel(t, &err), "--without-channel");
	refused(trust_fresh(t, "release", 6, BUILT, NOW + 1, &err), "--allow-downgrade");
	good(trust_fresh(t, "stable", 5, BUILT, NOW - 100, &err));
}

START_TEST(a_new_key_for_channels_starts_their_serials_again)
{
	static const struct {
		const char *channel;
		unsigned threshold;
		bool again;
	} cases[] = { { "3", 1, true }, { "12", 2, true }, { "1", 1, true }, { "21", 1, false } };
	AUTO(str) char *root = split_text(1, "0", 1, "12", 1);
	AUTO(str) char *next = split_text(2, "0", 1, cases[_i].channel, cases[_i].threshold);
	struct trust_options o = { .directory = dir, .now = NOW };

	put("root.json", root);
	AUTO(trust) struct trust *t = opened(&o);
	jump_ahead(t);
	commit(t);
	AUTO(trust) struct trust *rotating = opened(&o);
	refused(trust_fresh(rotating, "stable", 5, BUILT, NOW + 1, &err), "serial");
	good(ask(rotating, "root.json", next, "0"));
	commit(rotating);
	AUTO(trust) struct trust *later = opened(&o);
	if (cases[_i].again)
		expect_restarted(o);
	else
		refused(trust_fresh(later, "stable", 5, BUILT, NOW + 1, &err), "serial");
}
END_TEST

START_TEST(damaged_roles_are_refused)
{
	static const char *const bad[] = {
		"{\"release\":{\"keys\":[\"%s\"],\"threshold\":1}}",
		"{\"channel\":{\"keys\":[\"%s\"],\"threshold\":1}}",
		"{\"release\":{\"keys\":[\"%s\"],\"threshold\":1},\"channel\":{\"keys\":[],"
		"\"threshold\":0}}",
		"{\"release\":{\"keys\":[\"%s\"],\"threshold\":1},\"channel\":{\"keys\":[],"
		"\"threshold\":1}}",
		"{\"release\":{\"keys\":[\"%s\"],\"threshold\":1},\"channel\":1}",
	};
	AUTO(str) char *line = key_line(0);
	AUTO(buf) struct buf text = BUF_INIT(4096);
	struct trust_options o = { .directory = dir, .now = NOW };
	const char *at = strstr(bad[_i], "%s");
	struct trust *t = NULL;

	buf_str(&text, "{\"version\":1,\"expires\":\"2030-01-01T00:00:00Z\",\"roles\":");
	buf_add(&text, bad[_i], (size_t)(at - bad[_i]));
	buf_fmt(&text, "%s%s}", line, at + 2);
	put("root.json", text.data);
	ck_assert_int_lt(trust_open(&o, state, &t, &err), 0);
	ck_assert_msg(err.code == E_INVALID, "%s", err.msg);
}
END_TEST

/* --- the channel --- */

/* The threat model promises that the owner of a mirror cannot hide a newer release. */
START_TEST(a_channel_that_is_hidden_is_missed)
{
	char *const keys[] = { public[0], NULL };
	struct trust_options o = { .keys = keys, .now = NOW };
	char hex[65];
	AUTO(trust) struct trust *t = opened(&o);

	good(trust_no_channel(t, &err)); /* none is known yet */
	good(trust_fresh(t, "stable", 3, BUILT, NOW + 1, &err));
	commit(t);
	AUTO(trust) struct trust *later = opened(&o);
	refused(trust_no_channel(later, &err), "--without-channel");
	refused(trust_fresh(later, "nightly", 9, BUILT, NOW + 1, &err), "follows 'stable'");
	good(trust_fresh(later, "stable", 3, BUILT, NOW + 1, &err));
	sha256_hex(TEXT, strlen(TEXT), hex);
	o.without_channel = _i;
	o.pin = _i ? NULL : hex;
	AUTO(trust) struct trust *waived = opened(&o);
	good(trust_no_channel(waived, &err));
	AUTO(json) struct json *j = trust_report(waived);
	const struct json *what = json_at(json_get(j, "waived"), 0);
	ck_assert_str_eq(json_text(json_get(what, "rule")), "channel");
	ck_assert_str_eq(json_text(json_get(what, "document")), "stable");
	ck_assert_str_eq(json_text(json_get(what, "by")), _i ? "--without-channel" : "--pin");
	/* It was waived once, for this run. */
	commit(waived);
	o.without_channel = false;
	o.pin = NULL;
	AUTO(trust) struct trust *again = opened(&o);
	refused(trust_no_channel(again, &err), "--without-channel");
	/* Another channel may be followed from now on. */
	o.without_channel = true;
	AUTO(trust) struct trust *other = opened(&o);
	good(trust_fresh(other, "nightly", 9, BUILT, NOW + 1, &err));
	commit(other);
	o.without_channel = false;
	AUTO(trust) struct trust *moved = opened(&o);
	good(trust_fresh(moved, "nightly", 9, BUILT, NOW + 1, &err));
	refused(trust_fresh(moved, "stable", 3, BUILT, NOW + 1, &err), "follows 'nightly'");
}
END_TEST

/* A file of schema 1 does not have the channel that is followed, but the serials of channels. */
START_TEST(an_old_memory_knows_channels)
{
	char *const keys[] = { public[0], NULL };
	struct trust_options o = { .keys = keys, .now = NOW };

	put("state/trust.json", "{\"schema\":1,\"time\":1,\"serials\":{\"release\":7,\"stable\":3},"
				"\"decided\":{}}");
	AUTO(trust) struct trust *t = opened(&o);
	refused(trust_no_channel(t, &err), "'stable'");
	refused(trust_fresh(t, "stable", 2, BUILT, NOW + 1, &err), "--allow-downgrade");
	good(trust_fresh(t, "stable", 3, BUILT, NOW + 1, &err));
}
END_TEST

START_TEST(what_is_installed_is_repaired_at_any_age)
{
	char *const keys[] = { public[0], NULL };
	struct trust_options o = { .keys = keys, .now = NOW };
	AUTO(trust) struct trust *t = opened(&o);

	good(trust_fresh(t, "release", 7, BUILT, NOW + 1, &err));
	good(trust_fresh(t, "stable", 7, BUILT, NOW + 1, &err));
	commit(t);
	o.installed_only = true;
	AUTO(trust) struct trust *repair = opened(&o);
	good(trust_no_channel(repair, &err));
	good(trust_fresh(repair, "stable", 2, BUILT, NOW - 1, &err));
	good(trust_fresh(repair, "release", 2, BUILT, NOW - 1, &err));
	refused(ask(repair, "release.yaml", TEXT, "1"), "--key FILE");
	ck_assert(!trust_has_learned(repair));
}
END_TEST

/* --- what outlives an uninstall --- */

static struct trust_options kept_options(const char *prefix)
{
	static char file[128];

	(void)str_print(file, sizeof(file), "%s/kept.json", dir);
	return (struct trust_options){ .now = NOW, .kept = file, .prefix = prefix };
}

/* Writes what the commit of an install, or of an uninstall, writes. */
static void keep(const struct trust *t, bool entry)
{
	AUTO(str) char *text = trust_kept(t, entry);
	AUTO(str) char *path = path_join(dir, "kept.json");

	if (text)
		put("kept.json", text);
	else
		(void)unlink(path);
}

START_TEST(the_memory_outlives_an_uninstall)
{
	char *const keys[] = { public[0], NULL };
	struct trust_options o = kept_options("/opt/kata");
	AUTO(str) char *path = path_join(dir, "kept.json");

	o.keys = keys;
	AUTO(trust) struct trust *t = opened(&o);
	good(trust_fresh(t, "release", 7, BUILT + 900, NOW + 1, &err));
	good(trust_fresh(t, "stable", 3, BUILT, NOW + 1, &err));
	keep(t, true);
	/* state/ has been removed. */
	AUTO(trust) struct trust *later = opened(&o);
	refused(trust_fresh(later, "release", 6, BUILT, NOW + 1, &err), "--allow-downgrade");
	refused(trust_no_channel(later, &err), "--without-channel");
	AUTO(json) struct json *j = trust_report(later);
	ck_assert_str_eq(json_text(json_get(j, "time_from")), "clock");
	/* Another prefix has a memory of its own; a prefix has one whatever its spelling. */
	o.prefix = "/opt/other";
	AUTO(trust) struct trust *other = opened(&o);
	good(trust_fresh(other, "release", 2, BUILT, NOW + 1, &err));
	keep(other, true);
	o.prefix = "/opt//kata/";
	AUTO(trust) struct trust *same = opened(&o);
	refused(trust_fresh(same, "release", 6, BUILT, NOW + 1, &err), "--allow-downgrade");
	/* Prefixes are forgotten one by one; the last takes the file with it. */
	keep(same, false);
	AUTO(trust) struct trust *forgotten = opened(&o);
	good(trust_fresh(forgotten, "release", 1, BUILT, NOW + 1, &err));
	o.prefix = "/opt/other";
	AUTO(trust) struct trust *stays = opened(&o);
	refused(trust_fresh(stays, "release", 1, BUILT, NOW + 1, &err), "--allow-downgrade");
	keep(stays, false);
	ck_assert(!path_exists(path));
}
END_TEST

/* state/ may be restored from a backup, or writing the copy may have failed. */
START_TEST(the_newer_of_both_memories_counts)
{
	AUTO(str)
	char *root = root_text(1, "01", 1, NOW + 1), *next = root_text(2, "1", 1, NOW + 1);
	struct trust_options o = kept_options("/opt/kata");

	put("root.json", root);
	o.directory = dir;
	AUTO(trust) struct trust *t = opened(&o);
	good(trust_fresh(t, "release", 7, BUILT, NOW + 1, &err));
	if (_i)
		commit(t);
	else
		keep(t, true);
	good(trust_fresh(t, "release", 8, BUILT, NOW + 1, &err));
	good(ask(t, "root.json", next, "01"));
	if (_i)
		keep(t, true);
	else
		commit(t);
	AUTO(trust) struct trust *later = opened(&o);
	refused(trust_fresh(later, "release", 7, BUILT, NOW + 1, &err), "--allow-downgrade");
	good(ask(later, "release.yaml", TEXT, "1"));
	refused(ask(later, "release.yaml", TEXT, "0"), "--key FILE");
}
END_TEST

/* What the old key for channels did must not come back from the memory that missed the rotation. */
START_TEST(a_memory_that_missed_a_rotation_starts_again)
{
	AUTO(str) char *root = split_text(1, "0", 1, "1", 1);
	AUTO(str) char *next = split_text(2, "0", 1, "2", 1);
	struct trust_options o = kept_options("/opt/kata");

	put("root.json", root);
	o.directory = dir;
	AUTO(trust) struct trust *t = opened(&o);
	jump_ahead(t);
	commit(t);
	keep(t, true);
	good(ask(t, "root.json", next, "0"));
	if (_i)
		keep(t, true);
	else
		commit(t);
	expect_restarted(o);
}
END_TEST

START_TEST(a_damaged_copy_is_not_an_empty_one)
{
	static const struct {
		const char *text;
		enum err_code code;
	} cases[] = {
		{ "", E_INVALID },
		{ "{\"schema\":2,\"prefixes\":{}}", E_UNSUPPORTED },
		{ "{\"schema\":1,\"prefixes\":[]}", E_INVALID },
		{ "{\"schema\":1,\"prefixes\":{\"/opt/kata\":{}}}", E_INVALID },
	};
	char *const keys[] = { public[0], NULL };
	struct trust_options o = kept_options("/opt/kata");
	struct trust *t = NULL;

	o.keys = keys;
	put("kept.json", cases[_i].text);
	ck_assert_int_lt(trust_open(&o, state, &t, &err), 0);
	ck_assert_msg(err.code == cases[_i].code, "%s", err.msg);
	/* What a newer version wrote is not damaged. */
	ck_assert_msg((strstr(err.msg, "--forget-trust") != NULL) == (err.code == E_INVALID), "%s",
		      err.msg);
}
END_TEST

/* --- keys of --key --- */

START_TEST(a_key_is_remembered_once)
{
	char *const first[] = { public[0], NULL }, *const second[] = { public[1], NULL };
	struct trust_options o = { .keys = first, .directory = dir, .now = NOW };
	char id[17];

	AUTO(trust) struct trust *t = opened(&o);
	ck_assert_int_eq(trust_learning(t), TRUST_REMEMBERS);
	commit(t);
	/* Later --key is not needed, and other keys of the directory are not trusted. */
	o.keys = NULL;
	AUTO(trust) struct trust *bare = opened(&o);
	good(ask(bare, "release.yaml", TEXT, "0"));
	good(ask(bare, "channel.yaml", TEXT, "0"));
	refused(ask(bare, "release.yaml", TEXT, "1"), "keys show");
	AUTO(json) struct json *j = trust_report(bare);
	ck_assert_str_eq(json_text(json_get(j, "source")), "remembered");
	const struct json *key = json_at(json_get(j, "keys"), 0);
	ck_assert_str_eq(json_text(json_get(key, "name")), "0.pub");
	ck_assert_ptr_nonnull(json_get(key, "since"));
	/* The same key again changes nothing; another key is trusted for that run only. */
	o.keys = first;
	AUTO(trust) struct trust *same = opened(&o);
	ck_assert_int_eq(trust_learning(same), TRUST_LEARNS_NOTHING);
	o.keys = second;
	AUTO(trust) struct trust *other = opened(&o);
	ck_assert_int_eq(trust_learning(other), TRUST_PASSES);
	good(ask(other, "release.yaml", TEXT, "1"));
	commit(other);
	o.keys = NULL;
	AUTO(trust) struct trust *still = opened(&o);
	good(ask(still, "release.yaml", TEXT, "0"));
	/* The verbs add a key and remove the first. */
	o.memory_only = true;
	AUTO(trust) struct trust *edit = opened(&o);
	minisig_id_hex(people[0].id, id);
	good(trust_remember(edit, second, TRUST_RELEASE, &err));
	good(trust_forget(edit, id, &err));
	ck_assert_int_lt(trust_forget(edit, id, &err), 0);
	ck_assert_int_eq(err.code, E_NOT_FOUND);
	err_clear(&err);
	commit(edit);
	o.memory_only = false;
	AUTO(trust) struct trust *moved = opened(&o);
	good(ask(moved, "release.yaml", TEXT, "1"));
	refused(ask(moved, "release.yaml", TEXT, "0"), "--key FILE");
}
END_TEST

START_TEST(a_threshold_is_remembered_with_the_keys)
{
	char *const keys[] = { public[0], public[1], NULL };
	struct trust_options o = { .keys = keys, .threshold = 2, .now = NOW };
	char id[17];

	AUTO(trust) struct trust *t = opened(&o);
	commit(t);
	o.keys = NULL;
	o.threshold = 0;
	AUTO(trust) struct trust *bare = opened(&o);
	good(ask(bare, "release.yaml", TEXT, "01"));
	refused(ask(bare, "release.yaml", TEXT, "0"), ".minisig");
	minisig_id_hex(people[0].id, id);
	ck_assert_int_lt(trust_forget(bare, id, &err), 0);
	ck_assert_int_eq(err.code, E_STATE);
	err_clear(&err);
}
END_TEST

/* Remembered keys go before those of the directory. */
START_TEST(a_key_for_channels_alone_is_not_remembered)
{
	char *const first[] = { public[0], NULL }, *const second[] = { public[1], NULL };
	struct trust_options o = { .directory = dir, .memory_only = true, .now = NOW };
	char id[17];

	AUTO(trust) struct trust *none = opened(&o);
	ck_assert_int_lt(trust_remember(none, second, TRUST_CHANNEL, &err), 0);
	ck_assert_int_eq(err.code, E_STATE);
	ck_assert_msg(strstr(err.msg, "remember a key for releases first") != NULL, "%s", err.msg);
	err_clear(&err);
	AUTO(trust) struct trust *edit = opened(&o);
	good(trust_remember(edit, first, TRUST_RELEASE, &err));
	good(trust_remember(edit, second, TRUST_CHANNEL, &err));
	commit(edit);
	AUTO(trust) struct trust *both = opened(&o);
	minisig_id_hex(people[0].id, id);
	ck_assert_int_lt(trust_forget(both, id, &err), 0);
	ck_assert_msg(strstr(err.msg, "0, of 1 needed") != NULL, "%s", err.msg);
	err_clear(&err);
	o.memory_only = false;
	AUTO(trust) struct trust *t = opened(&o);
	good(ask(t, "release.yaml", TEXT, "0"));
	good(ask(t, "channel.yaml", TEXT, "1"));
}
END_TEST

/* Whether the root exists already or arrives later. */
START_TEST(a_root_replaces_remembered_keys)
{
	AUTO(str) char *root = root_text(1, "1", 1, NOW + 1);
	char *const keys[] = { public[0], NULL };
	struct trust_options o = { .keys = keys, .now = NOW };

	AUTO(trust) struct trust *t = opened(&o);
	commit(t);
	o.keys = NULL;
	AUTO(trust) struct trust *later = opened(&o);
	good(ask(later, "root.json", root, "01"));
	commit(later);
	AUTO(trust) struct trust *again = opened(&o);
	good(ask(again, "release.yaml", TEXT, "1"));
	refused(ask(again, "release.yaml", TEXT, "0"), "--key FILE");
	AUTO(json) struct json *none = trust_remembered(again);
	ck_assert_uint_eq(json_count(none), 0);
	o.keys = keys;
	AUTO(trust) struct trust *passing = opened(&o);
	ck_assert_int_eq(trust_learning(passing), TRUST_PASSES);
	ck_assert_int_lt(trust_remember(passing, keys, TRUST_RELEASE, &err), 0);
	ck_assert_int_eq(err.code, E_STATE);
	err_clear(&err);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("deploy_trust");
	TCase *t = tcase_create("deploy_trust");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, without_a_key_nothing_is_trusted, 0, 2);
	tcase_add_loop_test(t, one_source_of_keys_decides, 0, 3);
	tcase_add_test(t, keys_are_built_in);
	tcase_add_loop_test(t, different_keys_are_counted, 0, 13);
	tcase_add_test(t, more_signatures_than_keys_are_refused_at_once);
	tcase_add_test(t, a_bad_signature_of_a_known_key_is_an_error);
	tcase_add_test(t, sizes_and_counts_are_bounded);
	tcase_add_loop_test(t, what_expired_is_refused, 0, 2);
	tcase_add_test(t, a_wrong_clock_lets_nothing_old_through);
	tcase_add_test(t, a_clock_ahead_is_forgotten);
	tcase_add_test(t, what_is_from_the_future_is_refused);
	tcase_add_test(t, serials_do_not_go_back);
	tcase_add_test(t, what_is_not_committed_is_not_remembered);
	tcase_add_test(t, a_pin_must_match_and_waives_expiry);
	tcase_add_test(t, a_root_of_the_directory_decides);
	tcase_add_test(t, an_expired_root_is_refused_but_may_be_replaced);
	tcase_add_loop_test(t, roots_rotate_one_by_one, 0, 8);
	tcase_add_test(t, a_first_root_follows_plain_keys);
	tcase_add_loop_test(t, damaged_roots_are_refused, 0, 9);
	tcase_add_loop_test(t, a_damaged_memory_is_not_an_empty_one, 0, 11);
	tcase_add_test(t, a_key_file_that_is_none_is_named);
	tcase_add_test(t, the_report_says_what_was_decided);
	tcase_add_loop_test(t, a_role_signs_its_documents_only, 0, 11);
	tcase_add_loop_test(t, plain_keys_have_roles, 0, 2);
	tcase_add_test(t, a_key_for_channels_alone_trusts_no_release);
	tcase_add_test(t, a_key_for_channels_changes_no_root);
	tcase_add_loop_test(t, a_new_key_for_channels_starts_their_serials_again, 0, 4);
	tcase_add_loop_test(t, damaged_roles_are_refused, 0, 5);
	tcase_add_loop_test(t, a_channel_that_is_hidden_is_missed, 0, 2);
	tcase_add_test(t, an_old_memory_knows_channels);
	tcase_add_test(t, what_is_installed_is_repaired_at_any_age);
	tcase_add_test(t, the_memory_outlives_an_uninstall);
	tcase_add_loop_test(t, the_newer_of_both_memories_counts, 0, 2);
	tcase_add_loop_test(t, a_memory_that_missed_a_rotation_starts_again, 0, 2);
	tcase_add_loop_test(t, a_damaged_copy_is_not_an_empty_one, 0, 4);
	tcase_add_test(t, a_key_is_remembered_once);
	tcase_add_test(t, a_threshold_is_remembered_with_the_keys);
	tcase_add_test(t, a_key_for_channels_alone_is_not_remembered);
	tcase_add_test(t, a_root_replaces_remembered_keys);
	suite_add_tcase(s, t);
	return suite_run(s);
}
