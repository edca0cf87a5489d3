// SPDX-License-Identifier: Apache-2.0
/* crypto/minisig.h: files of Debian's minisign are read and ours are read by it; invalid files. */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "base/deadline.h"
#include "base/file.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"
#include "crypto/blake2b.h"
#include "crypto/minisig-internal.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define PASS "correct horse"
#define DATA "schema: 1\nversion: 3.10.0\n"

static char dir[SCRATCH_DIR];
static struct err err;

static void setup(void)
{
	err_clear(&err);
	scratch_make(dir, "minisig");
}

static void teardown(void)
{
	scratch_remove(dir);
}

static void put(const char *name, const char *text, size_t len)
{
	scratch_write(dir, name, text, len, 0600);
}

static void get(const char *name, struct buf *out)
{
	AUTO(str) char *path = path_join(dir, name);

	ck_assert_msg(file_read(AT_FDCWD, path, MINISIG_TEXT_MAX, out, &err) == 0, "%s", err.msg);
}

/* Runs Debian's minisign in dir; returns its exit code. */
static int minisign(const char *input, char *const *argv)
{
	struct spawn s = { .argv = argv, .cwd = dir };
	struct err failed = ERR_INIT;

	return spawn_run(&s, input, strlen(input), NULL, deadline_in(120000), &failed);
}

/* Makes a key pair in the files "k" and "k.pub". */
static void make_key(struct minisig_secret *secret, const char *passphrase)
{
	AUTO(buf) struct buf text = BUF_INIT(MINISIG_TEXT_MAX), public = BUF_INIT(MINISIG_TEXT_MAX);
	struct minisig_key key;

	ck_assert_int_eq(minisig_generate(secret, &err), 0);
	ck_assert_msg(minisig_secret_format(secret, passphrase, &text, &err) == 0, "%s", err.msg);
	minisig_public(secret, &key);
	minisig_key_format(&key, &public);
	put("k", text.data, text.len);
	put("k.pub", public.data, public.len);
}

static void make_signature(const struct minisig_secret *secret, const char *comment,
			   struct buf *out)
{
	ck_assert_msg(minisig_sign(secret, DATA, strlen(DATA), comment, out, &err) == 0, "%s",
		      err.msg);
}

START_TEST(minisign_verifies_ours)
{
	AUTO(minisig_secret) struct minisig_secret secret;
	AUTO(buf) struct buf sig = BUF_INIT(MINISIG_TEXT_MAX);

	make_key(&secret, NULL);
	make_signature(&secret, "release 3.10.0\tserial 7", &sig);
	put("d", DATA, strlen(DATA));
	put("d.minisig", sig.data, sig.len);
	ck_assert_int_eq(minisign("", ARGV("minisign", "-V", "-p", "k.pub", "-m", "d")), 0);
	put("d", "other", 5);
	ck_assert_int_ne(minisign("", ARGV("minisign", "-V", "-p", "k.pub", "-m", "d")), 0);
}
END_TEST

/* Keys with and without a passphrase. */
START_TEST(minisign_signs_with_our_key_and_we_verify)
{
	AUTO(minisig_secret) struct minisig_secret secret;
	AUTO(buf) struct buf text = BUF_INIT(MINISIG_TEXT_MAX);
	struct minisig_key key;
	struct minisig sig;

	make_key(&secret, _i ? PASS : NULL);
	minisig_public(&secret, &key);
	put("d", DATA, strlen(DATA));
	ck_assert_int_eq(minisign(PASS "\n", ARGV("minisign", "-S", "-s", "k", "-m", "d", "-t",
						  "from minisign")),
			 0);
	get("d.minisig", &text);
	ck_assert_msg(minisig_parse(&sig, text.data, text.len, "d.minisig", &err) == 0, "%s",
		      err.msg);
	ck_assert_msg(minisig_verify(&sig, &key, DATA, strlen(DATA), &err) == 0, "%s", err.msg);
	ck_assert_str_eq(sig.comment, "from minisign");
}
END_TEST

START_TEST(we_read_keys_that_minisign_made)
{
	AUTO(minisig_secret) struct minisig_secret secret;
	AUTO(buf) struct buf text = BUF_INIT(MINISIG_TEXT_MAX), public = BUF_INIT(MINISIG_TEXT_MAX);
	AUTO(buf) struct buf ours = BUF_INIT(MINISIG_TEXT_MAX);
	struct minisig_key key, theirs;
	int rc = _i ? minisign(PASS "\n" PASS "\n",
			       ARGV("minisign", "-G", "-p", "m.pub", "-s", "m"))
		    : minisign("", ARGV("minisign", "-G", "-W", "-p", "m.pub", "-s", "m"));

	ck_assert_int_eq(rc, 0);
	get("m", &text);
	get("m.pub", &public);
	ck_assert_int_eq(minisig_key_parse(&theirs, public.data, public.len, "m.pub", &err), 0);
	if (_i) {
		ck_assert_int_lt(minisig_secret_parse(&secret, text.data, text.len, "", "m", &err),
				 0);
		ck_assert_int_eq(err.code, E_PERMISSION);
		err_clear(&err);
	}
	ck_assert_msg(minisig_secret_parse(&secret, text.data, text.len, _i ? PASS : NULL, "m",
					   &err) == 0,
		      "%s", err.msg);
	minisig_public(&secret, &key);
	ck_assert_mem_eq(&key, &theirs, sizeof(key));
	minisig_key_format(&key, &ours);
	/* minisign leaves zeros at the front of the id away. */
	ck_assert_str_eq(strchr(ours.data, '\n'), strchr(public.data, '\n'));
}
END_TEST

START_TEST(an_encrypted_key_comes_back)
{
	AUTO(minisig_secret) struct minisig_secret secret, again;
	AUTO(buf) struct buf text = BUF_INIT(MINISIG_TEXT_MAX);

	make_key(&secret, PASS);
	get("k", &text);
	ck_assert_int_eq(minisig_secret_parse(&again, text.data, text.len, PASS, "k", &err), 0);
	ck_assert_mem_eq(&secret, &again, sizeof(secret));
	ck_assert_int_lt(minisig_secret_parse(&again, text.data, text.len, "wrong", "k", &err), 0);
	ck_assert_int_eq(err.code, E_PERMISSION);
}
END_TEST

/* A change of any bit of a signature file is noticed, except in the untrusted comment. */
START_TEST(whatever_is_changed_is_noticed)
{
	AUTO(minisig_secret) struct minisig_secret secret, other;
	AUTO(buf) struct buf text = BUF_INIT(MINISIG_TEXT_MAX);
	struct minisig_key key, wrong;
	struct minisig sig;
	size_t second;

	make_key(&secret, NULL);
	minisig_public(&secret, &key);
	make_signature(&secret, "comment", &text);
	second = (size_t)(strchr(text.data, '\n') - text.data) + 1;
	for (size_t i = second; i < text.len; i++) {
		struct err e = ERR_INIT;

		text.data[i] ^= 1;
		ck_assert_msg(minisig_parse(&sig, text.data, text.len, "s", &e) < 0 ||
				      minisig_verify(&sig, &key, DATA, strlen(DATA), &e) < 0,
			      "byte %zu", i);
		ck_assert(e.code == E_INVALID || e.code == E_TRUST || e.code == E_UNSUPPORTED);
		text.data[i] ^= 1;
	}
	ck_assert_int_eq(minisig_parse(&sig, text.data, text.len, "s", &err), 0);
	ck_assert_int_lt(minisig_verify(&sig, &key, DATA, strlen(DATA) - 1, &err), 0);
	ck_assert_int_eq(err.code, E_TRUST);
	err_clear(&err);
	ck_assert_int_eq(minisig_generate(&other, &err), 0);
	minisig_public(&other, &wrong);
	ck_assert_int_lt(minisig_verify(&sig, &wrong, DATA, strlen(DATA), &err), 0);
	ck_assert_int_eq(err.code, E_TRUST);
	err_clear(&err);
	memcpy(wrong.id, key.id, sizeof(key.id));
	ck_assert_int_lt(minisig_verify(&sig, &wrong, DATA, strlen(DATA), &err), 0);
	ck_assert_int_eq(err.code, E_TRUST);
}
END_TEST

START_TEST(a_signature_of_the_older_kind_is_refused)
{
	AUTO(minisig_secret) struct minisig_secret secret;
	AUTO(buf) struct buf text = BUF_INIT(MINISIG_TEXT_MAX);
	struct minisig sig;

	make_key(&secret, NULL);
	put("d", DATA, strlen(DATA));
	ck_assert_int_eq(minisign("", ARGV("minisign", "-S", "-l", "-s", "k", "-m", "d")), 0);
	get("d.minisig", &text);
	ck_assert_int_lt(minisig_parse(&sig, text.data, text.len, "d.minisig", &err), 0);
	ck_assert_int_eq(err.code, E_UNSUPPORTED);
}
END_TEST

#define PUB "RWSNBuh2I9EHpQVEPijw4Nv1aGyOAi3db86K0hBPhEtnxLkLbfcOQ2Ri"

START_TEST(public_keys_are_held_to_one_form)
{
	static const struct {
		const char *text;
		int rc;
	} cases[] = {
		{ PUB, 0 },
		{ PUB "\n", 0 },
		{ "untrusted comment: x\n" PUB "\n", 0 },
		{ "", -1 },
		{ "\n", -1 },
		{ "untrusted comment: x\n", -1 },
		{ "comment: x\n" PUB "\n", -1 },
		{ PUB "\nmore\n", -1 },
		{ PUB "\n\n", -1 },
		{ " " PUB "\n", -1 },
		{ PUB "\r\n", -1 },
		{ "RWSNBuh2I9EHpQVEPijw4Nv1aGyOAi3db86K0hBPhEtnxLkLbfcOQ2R=", -1 },
		{ "RWSNBuh2I9EHpQVEPijw4Nv1aGyOAi3db86K0hBPhEtnxLkLbfcOQ2", -1 },
		{ "RXSNBuh2I9EHpQVEPijw4Nv1aGyOAi3db86K0hBPhEtnxLkLbfcOQ2Ri", -1 },
		{ "-WSNBuh2I9EHpQVEPijw4Nv1aGyOAi3db86K0hBPhEtnxLkLbfcOQ2Ri", -1 },
	};
	struct minisig_key key;
	char hex[17];

	ck_assert_int_eq(minisig_key_parse(&key, cases[_i].text, strlen(cases[_i].text), "k", &err),
			 cases[_i].rc);
	if (cases[_i].rc < 0) {
		ck_assert_int_eq(err.code, E_INVALID);
		return;
	}
	minisig_id_hex(key.id, hex);
	ck_assert_str_eq(hex, "A507D12376E8068D");
}
END_TEST

START_TEST(sizes_are_bounded)
{
	static char text[MINISIG_TEXT_MAX + 2];
	struct minisig_secret secret;
	struct minisig_key key;
	struct minisig sig;

	memset(text, 'a', sizeof(text) - 1);
	ck_assert_int_lt(minisig_key_parse(&key, text, sizeof(text) - 1, "t", &err), 0);
	err_clear(&err);
	ck_assert_int_lt(minisig_parse(&sig, text, sizeof(text) - 1, "t", &err), 0);
	err_clear(&err);
	ck_assert_int_lt(minisig_secret_parse(&secret, text, sizeof(text) - 1, NULL, "t", &err), 0);
	ck_assert_int_eq(err.code, E_INVALID);
}
END_TEST

/* A key file states the cost of scrypt; more than minisign itself uses is refused. */
START_TEST(costs_of_a_key_file_are_bounded)
{
	AUTO(minisig_secret) struct minisig_secret secret;
	AUTO(buf) struct buf text = BUF_INIT(MINISIG_TEXT_MAX), forged = BUF_INIT(MINISIG_TEXT_MAX);
	uint8_t bytes[158];
	struct minisig_line line;
	const char *rest;

	make_key(&secret, PASS);
	get("k", &text);
	rest = strchr(text.data, '\n') + 1;
	line = (struct minisig_line){ rest, strlen(rest) - 1 };
	ck_assert(minisig_decode(&line, bytes, sizeof(bytes)));
	bytes[(_i ? 38 : 46) + 5] = 1;
	buf_str(&forged, "untrusted comment: x\n");
	minisig_encode(bytes, sizeof(bytes), &forged);
	ck_assert_int_lt(minisig_secret_parse(&secret, forged.data, forged.len, PASS, "k", &err),
			 0);
	ck_assert_int_eq(err.code, E_LIMIT);
}
END_TEST

START_TEST(damaged_keys_are_refused)
{
	static const struct {
		size_t at;
		enum err_code code;
	} cases[] = {
		{ 0, E_INVALID },  /* kind */
		{ 2, E_INVALID },  /* encryption */
		{ 4, E_INVALID },  /* checksum's kind */
		{ 62, E_INVALID }, /* the private half */
		{ 94, E_INVALID }, /* the public half */
	};
	AUTO(minisig_secret) struct minisig_secret secret;
	AUTO(buf) struct buf text = BUF_INIT(MINISIG_TEXT_MAX), forged = BUF_INIT(MINISIG_TEXT_MAX);
	struct minisig_line line;
	uint8_t bytes[158];
	const char *rest;

	make_key(&secret, NULL);
	get("k", &text);
	rest = strchr(text.data, '\n') + 1;
	line = (struct minisig_line){ rest, strlen(rest) - 1 };
	ck_assert(minisig_decode(&line, bytes, sizeof(bytes)));
	bytes[cases[_i].at] ^= 1;
	buf_str(&forged, "untrusted comment: x\n");
	minisig_encode(bytes, sizeof(bytes), &forged);
	ck_assert_int_lt(minisig_secret_parse(&secret, forged.data, forged.len, NULL, "k", &err),
			 0);
	ck_assert_int_eq(err.code, cases[_i].code);
}
END_TEST

START_TEST(comments_are_one_printable_line)
{
	static const char *const bad[] = { "a\nb", "a\rb", "\033[2J", "\x7f" };
	AUTO(minisig_secret) struct minisig_secret secret;
	AUTO(buf) struct buf text = BUF_INIT(MINISIG_TEXT_MAX);
	static char longest[MINISIG_COMMENT_MAX + 2];
	const char *comment = _i < 4 ? bad[_i] : longest;

	memset(longest, 'c', sizeof(longest) - 1);
	ck_assert_int_eq(minisig_generate(&secret, &err), 0);
	ck_assert_int_lt(minisig_sign(&secret, "", 0, comment, &text, &err), 0);
	ck_assert_int_eq(err.code, E_INVALID);
	if (_i < 4)
		return;
	err_clear(&err);
	longest[MINISIG_COMMENT_MAX] = '\0';
	ck_assert_int_eq(minisig_sign(&secret, "", 0, longest, &text, &err), 0);
}
END_TEST

/* RFC 7693, appendix A, and the output of b2sum -l 256. */
START_TEST(blake2b_is_that_of_the_rfc)
{
	static const struct {
		const char *text;
		size_t size;
		const char *hex;
	} cases[] = {
		{ "abc", 64,
		  "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
		  "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923" },
		{ "", 32, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8" },
		{ "abc", 32, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319" },
	};
	uint8_t digest[BLAKE2B_MAX];
	char hex[2 * BLAKE2B_MAX + 1];

	blake2b(cases[_i].text, strlen(cases[_i].text), digest, cases[_i].size);
	str_hex(digest, cases[_i].size, hex);
	ck_assert_str_eq(hex, cases[_i].hex);
}
END_TEST

/* Every length around the block size, against libcrypto's. */
START_TEST(blake2b_is_that_of_libcrypto)
{
	uint8_t data[600], ours[64], theirs[64];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 31 + 7);
	for (size_t len = 0; len <= sizeof(data); len++) {
		blake2b(data, len, ours, sizeof(ours));
		minisig_prehash(data, len, theirs);
		ck_assert_mem_eq(ours, theirs, sizeof(ours));
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("minisig");
	TCase *t = tcase_create("minisig");

	tcase_set_timeout(t, 180);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, minisign_verifies_ours);
	tcase_add_loop_test(t, minisign_signs_with_our_key_and_we_verify, 0, 2);
	tcase_add_loop_test(t, we_read_keys_that_minisign_made, 0, 2);
	tcase_add_test(t, an_encrypted_key_comes_back);
	tcase_add_test(t, whatever_is_changed_is_noticed);
	tcase_add_test(t, a_signature_of_the_older_kind_is_refused);
	tcase_add_loop_test(t, public_keys_are_held_to_one_form, 0, 15);
	tcase_add_test(t, sizes_are_bounded);
	tcase_add_loop_test(t, costs_of_a_key_file_are_bounded, 0, 2);
	tcase_add_loop_test(t, damaged_keys_are_refused, 0, 5);
	tcase_add_loop_test(t, comments_are_one_printable_line, 0, 5);
	tcase_add_loop_test(t, blake2b_is_that_of_the_rfc, 0, 3);
	tcase_add_test(t, blake2b_is_that_of_libcrypto);
	suite_add_tcase(s, t);
	return suite_run(s);
}
