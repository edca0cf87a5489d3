// SPDX-License-Identifier: Apache-2.0
/* libs/json and libs/oci: documents to structs to messages, and all the way back. */

#include "base/buf.h"
#include "base/file.h"
#include "base/scope.h"
#include "base/str.h"
#include "oci/message.h"
#include "oci/spec.h"
#include "json/json.h"

#include <check.h>
#include <fcntl.h>

static struct oci_spec *full(void)
{
	struct err err = ERR_INIT;
	struct oci_spec *spec = oci_spec_load("tests/data/spec-full.json", &err);

	ck_assert_msg(spec != NULL, "%s", err.msg);
	return spec;
}

START_TEST(members_are_read)
{
	AUTO(oci_spec) struct oci_spec *s = full();

	ck_assert_str_eq(s->version, "1.1.0");
	ck_assert(s->process->terminal && s->process->console_height == 24);
	ck_assert_uint_eq(s->process->user.additional_gids[1], 6);
	ck_assert_uint_eq(s->process->rlimits[0].hard, UINT64_MAX);
	ck_assert_int_eq(s->process->oom_score_adj.v, -7);
	ck_assert_str_eq(s->process->env[1], "A=\xc3\xbc");
	ck_assert(s->root_readonly);
	ck_assert_str_eq(s->hooks.create_runtime.v[0].path, "/bin/c");
	ck_assert(s->linux_.resources->memory.swap.set);
	ck_assert_int_eq(s->linux_.resources->memory.swap.v, -1);
	ck_assert(!s->linux_.resources->memory.kernel.set);
	ck_assert(!s->linux_.resources->devices[0].major.set);
	ck_assert_uint_eq(s->linux_.resources->block_io.read_bps.v[0].rate, 1000);
	ck_assert_str_eq(s->linux_.seccomp->syscalls[0].args[0].op, "SCMP_CMP_MASKED_EQ");
	ck_assert_str_eq(oci_annotation(s, "k"), "v");
	ck_assert_ptr_null(oci_annotation(s, "x"));
}
END_TEST

START_TEST(format_and_parse_are_inverse)
{
	AUTO(oci_spec) struct oci_spec *s = full();
	AUTO(str) char *first = oci_spec_format(s);
	struct err err = ERR_INIT;
	AUTO(oci_spec) struct oci_spec *again = oci_spec_parse(first, strlen(first), "again", &err);
	AUTO(str) char *second = again ? oci_spec_format(again) : NULL;

	ck_assert_msg(again != NULL, "%s", err.msg);
	ck_assert_str_eq(first, second);
	ck_assert(strstr(first, "\"hard\":18446744073709551615") != NULL);
}
END_TEST

/* The message goes over the wire in between, so that what we build is what others can read. */
START_TEST(messages_carry_everything)
{
	AUTO(oci_spec) struct oci_spec *s = full();
	Grpc__Spec *m = oci_spec_to_message(s), *arrived;
	static uint8_t wire[65536];
	size_t len = grpc__spec__get_packed_size(m);
	struct err err = ERR_INIT;

	ck_assert_uint_lt(len, sizeof(wire));
	(void)grpc__spec__pack(m, wire);
	arrived = grpc__spec__unpack(NULL, len, wire);
	ck_assert_ptr_nonnull(arrived);
	AUTO(oci_spec) struct oci_spec *back = oci_spec_from_message(arrived, &err);
	ck_assert_msg(back != NULL, "%s", err.msg);
	AUTO(str) char *before = oci_spec_format(s);
	AUTO(str) char *after = oci_spec_format(back);
	/* The protocol has no presence: empty lists are lost, and only they. */
	AUTO(buf) struct buf expect = BUF_INIT(65536);
	const char *gone = ",\"inheritable\":[]", *also = ",\"ambient\":[]", *p;

	buf_str(&expect, before);
	for (const char **lost = (const char *[]){ gone, also, NULL }; *lost; lost++) {
		p = strstr(buf_cstr(&expect), *lost);
		ck_assert_ptr_nonnull(p);
		AUTO(str) char *head = strndup(buf_cstr(&expect), (size_t)(p - expect.data));
		AUTO(str) char *tail = strdup(p + strlen(*lost));
		buf_clear(&expect);
		buf_fmt(&expect, "%s%s", head, tail);
	}
	ck_assert_str_eq(after, buf_cstr(&expect));
	grpc__spec__free_unpacked(m, NULL);
	grpc__spec__free_unpacked(arrived, NULL);
}
END_TEST

static const struct {
	const char *text, *message;
} bad[] = {
	{ "{\"process\":{\"args\":\"x\"}}", "c: process.args: expected an array, found a string" },
	{ "{\"mounts\":[{},{\"type\":1}]}",
	  "c: mounts[1].type: expected a string, found an integer" },
	{ "{\"process\":{\"user\":{\"uid\":-1}}}",
	  "c: process.user.uid: expected an unsigned 32-bit integer, found an integer" },
	{ "{\"process\":{\"user\":{\"uid\":4294967296}}}",
	  "c: process.user.uid: expected an unsigned 32-bit integer, found an integer" },
	{ "{\"annotations\":{\"a\":[]}}", "c: annotations.a: expected a string, found an array" },
	{ "[]", "c: expected an object, found an array" },
};

START_TEST(errors_name_the_member)
{
	struct err err = ERR_INIT;

	ck_assert_ptr_null(oci_spec_parse(bad[_i].text, strlen(bad[_i].text), "c", &err));
	ck_assert_str_eq(err.msg, bad[_i].message);
}
END_TEST

static const char *const not_json[] = { "",         "{",          "{\"a\":1,\"a\":2}",     "{} x",
					"\"\xff\"", "{\"a\":01}", "[18446744073709551616]" };

START_TEST(bad_json_is_refused)
{
	struct err err = ERR_INIT;

	ck_assert_ptr_null(json_parse(not_json[_i], strlen(not_json[_i]), "t", &err));
	ck_assert_int_eq(err.code, E_INVALID);
}
END_TEST

START_TEST(deep_json_is_refused)
{
	struct err err = ERR_INIT;
	char deep[1000];

	memset(deep, '[', sizeof(deep));
	ck_assert_ptr_null(json_parse(deep, sizeof(deep), "t", &err));
	ck_assert_int_eq(err.code, E_LIMIT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("oci");
	TCase *tc = tcase_create("oci");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tc, members_are_read);
	tcase_add_test(tc, format_and_parse_are_inverse);
	tcase_add_test(tc, messages_carry_everything);
	tcase_add_loop_test(tc, errors_name_the_member, 0, (int)ARRAY_LEN(bad));
	tcase_add_loop_test(tc, bad_json_is_refused, 0, (int)ARRAY_LEN(not_json));
	tcase_add_test(tc, deep_json_is_refused);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
