// SPDX-License-Identifier: Apache-2.0
/* libs/json and libs/oci: converts documents to structs, those to messages, and back. */

#include "tests/unit/suite.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/scope.h"
#include "base/str.h"
#include "oci/message.h"
#include "oci/spec.h"
#include "oci/table.h"
#include "json/json.h"

#include <check.h>
#include <fcntl.h>
#include <strings.h>

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
	ck_assert_str_eq(s->linux_.seccomp->syscalls[1].args[0].op, "SCMP_CMP_MASKED_EQ");
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

START_TEST(packed_and_unpacked_it_is_the_same)
{
	struct err err = ERR_INIT;
	AUTO(oci_spec) struct oci_spec *s = full();
	AUTO(buf) struct buf packed = BUF_INIT(1 << 20);
	AUTO(str) char *before = oci_spec_format(s);
	AUTO(oci_spec) struct oci_spec *back = NULL;
	AUTO(str) char *after = NULL;

	ck_assert_int_eq(oci_spec_pack(s, &packed, &err), 0);
	back = oci_spec_unpack(packed.data, packed.len, &err);
	ck_assert_msg(back, "%s", err.msg);
	after = oci_spec_format(back);
	ck_assert_str_eq(before, after);
}
END_TEST

/* The pack is cut at every place, and each of its numbers is changed. */
START_TEST(a_damaged_pack_is_refused_or_harmless)
{
	struct err err = ERR_INIT;
	AUTO(oci_spec) struct oci_spec *s = full();
	AUTO(buf) struct buf packed = BUF_INIT(1 << 20);

	ck_assert_int_eq(oci_spec_pack(s, &packed, &err), 0);
	for (size_t len = 0; len < packed.len; len++) {
		err_clear(&err);
		ck_assert_ptr_null(oci_spec_unpack(packed.data, len, &err));
		ck_assert_int_eq(err.code, E_PROTOCOL);
	}
	err_clear(&err);
	buf_chr(&packed, '\0');
	ck_assert_ptr_null(oci_spec_unpack(packed.data, packed.len, &err));
	packed.len--;
	for (size_t i = 0; i < packed.len; i++) {
		char was = packed.data[i];

		err_clear(&err);
		packed.data[i] = (char)(was ^ 0x55);
		oci_spec_free(oci_spec_unpack(packed.data, packed.len, &err));
		packed.data[i] = was;
	}
}
END_TEST

START_TEST(a_pack_has_a_limit)
{
	struct err err = ERR_INIT;
	AUTO(oci_spec) struct oci_spec *s = full();
	AUTO(buf) struct buf packed = BUF_INIT(100);

	ck_assert_int_eq(oci_spec_pack(s, &packed, &err), -1);
	ck_assert_int_eq(err.code, E_LIMIT);
}
END_TEST

START_TEST(a_copy_is_complete_and_shares_nothing)
{
	AUTO(oci_spec) struct oci_spec *s = full();
	AUTO(str) char *before = oci_spec_format(s);
	AUTO(oci_spec) struct oci_spec *copy = oci_spec_copy(s);
	AUTO(str) char *after = NULL;

	ck_assert_ptr_ne(copy->process, s->process);
	ck_assert_ptr_ne(copy->process->args[0], s->process->args[0]);
	ck_assert_ptr_ne(copy->linux_.resources->unified[0].value,
			 s->linux_.resources->unified[0].value);
	oci_spec_free(STEAL(s, NULL));
	after = oci_spec_format(copy);
	ck_assert_str_eq(before, after);
}
END_TEST

START_TEST(parts_are_freed_alone)
{
	AUTO(oci_spec) struct oci_spec *s = full();

	oci_hooks_release(&s->hooks);
	ck_assert_uint_eq(s->hooks.prestart.n, 0);
	ck_assert_ptr_null(s->hooks.poststop.v);
	oci_annotations_release(s);
	ck_assert_ptr_null(oci_annotation(s, "k"));
	oci_seccomp_free(STEAL(s->linux_.seccomp, NULL));
	oci_namespace_release(&s->linux_.namespaces[1]);
	ck_assert_ptr_null(s->linux_.namespaces[1].path);
}
END_TEST

/* containerd may add megabytes of annotations. */
/* Adds 100 to the minor number; removes limits of disks whose major number is 9. */
static bool shift(void *arg, int64_t *major, int64_t *minor)
{
	++*(unsigned *)arg;
	*minor += 100;
	return *major != 9;
}

static const char shifted_from[] =
	"{\"blockIO\":{\"weight\":10,\"weightDevice\":[{\"major\":8,\"minor\":1,\"weight\":20},"
	"{\"major\":9,\"minor\":1,\"weight\":30}],"
	"\"throttleReadBpsDevice\":[{\"major\":9,\"minor\":2,\"rate\":1}],"
	"\"throttleWriteBpsDevice\":[{\"major\":8,\"minor\":3,\"rate\":2}],"
	"\"throttleReadIOPSDevice\":[{\"major\":9,\"minor\":4,\"rate\":3},"
	"{\"major\":8,\"minor\":4,\"rate\":4}],"
	"\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":5,\"rate\":5}]},"
	"\"unified\":{\"io.max\":\"8:6 rbps=1\\n9:6 rbps=2\\n8:7\",\"io.latency\":\"9:8 target=1\","
	"\"io.weight\":\"default 70\\n9:9 10\",\"memory.high\":\"9:1 2\"}}";
static const char shifted_to[] =
	"{\"blockIO\":{\"weight\":10,\"weightDevice\":[{\"major\":8,\"minor\":101,\"weight\":20}],"
	"\"throttleWriteBpsDevice\":[{\"major\":8,\"minor\":103,\"rate\":2}],"
	"\"throttleReadIOPSDevice\":[{\"major\":8,\"minor\":104,\"rate\":4}],"
	"\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":105,\"rate\":5}]},"
	"\"unified\":{\"io.max\":\"8:106 rbps=1\\n8:107\",\"io.weight\":\"default 70\","
	"\"memory.high\":\"9:1 2\"}}";

START_TEST(disks_in_limits_are_mapped)
{
	AUTO(oci_resources) struct oci_resources *r = NULL;
	struct err err = ERR_INIT;
	AUTO(str) char *text = NULL;
	unsigned calls = 0;

	r = oci_resources_parse(shifted_from, strlen(shifted_from), "resources", &err);
	ck_assert_msg(r != NULL, "%s", err.msg);
	oci_resources_map_disks(r, shift, &calls);
	ck_assert_uint_eq(calls, 12);
	text = oci_resources_format(r);
	ck_assert_str_eq(text, shifted_to);
}
END_TEST

static const struct {
	const char *text;
	uint64_t bytes; /* 0: refused */
} sizes[] = {
	{ "2MB", 2 << 20 },
	{ "2M", 2 << 20 },
	{ "64KB", 64 << 10 },
	{ "1GB", 1 << 30 },
	{ "1T", UINT64_C(1) << 40 },
	{ "1048576", 1 << 20 },
	{ "4096", 4096 },
	{ NULL, 0 },
	{ "", 0 },
	{ "MB", 0 },
	{ "0MB", 0 },
	{ "-2MB", 0 },
	{ "2", 0 },
	{ "2048", 0 },
	{ "3MB", 0 },
	{ "2X", 0 },
	{ "2B", 0 },
	{ "2MBs", 0 },
	{ "2 MB", 0 },
	{ "2TB", 0 },
	{ "17592186044416MB", 0 },
	{ "99999999999999999999", 0 },
};

START_TEST(sizes_of_huge_pages_are_parsed)
{
	struct err err = ERR_INIT;
	uint64_t bytes = 0;

	ck_assert_int_eq(oci_page_size(sizes[_i].text, &bytes, &err), sizes[_i].bytes ? 0 : -1);
	ck_assert_uint_eq(bytes, sizes[_i].bytes);
	ck_assert_int_eq(err.code, sizes[_i].bytes ? E_OK : E_INVALID);
}
END_TEST

START_TEST(documents_have_16_mib)
{
	AUTO(buf) struct buf text = BUF_INIT(OCI_DOCUMENT_MAX + 1);
	const char *begin = "{\"annotations\":{\"a\":\"", *end = "\"}}";
	struct err err = ERR_INIT;
	AUTO(oci_spec) struct oci_spec *s = NULL;
	char *fill;
	size_t n = OCI_DOCUMENT_MAX - strlen(begin) - strlen(end);

	ck_assert_int_eq(OCI_DOCUMENT_MAX, 16 << 20);
	buf_str(&text, begin);
	fill = buf_room(&text, n);
	ck_assert_ptr_nonnull(fill);
	memset(fill, 'x', n);
	text.len += n;
	buf_str(&text, end);
	s = oci_spec_parse(buf_cstr(&text), text.len, "large", &err);
	ck_assert_msg(s != NULL, "%s", err.msg);
	buf_chr(&text, ' ');
	ck_assert_ptr_null(oci_spec_parse(buf_cstr(&text), text.len, "large", &err));
	ck_assert_int_eq(err.code, E_LIMIT);
}
END_TEST

/* A member without a field of the same name would be lost silently between runtime and agent. */
static void check_fields(const struct oci_type *type, const ProtobufCMessageDescriptor *message)
{
	for (const struct oci_field *f = type->fields; f->kind != OCI_END; f++) {
		const ProtobufCFieldDescriptor *found = NULL;

		for (unsigned i = 0; i < message->n_fields; i++) {
			if (strcasecmp(message->fields[i].name,
				       f->message ? f->message : f->name) == 0)
				found = &message->fields[i];
		}
		if (str_eq(f->name, "useHierarchy")) /* each kernel that we support does */
			continue;
		ck_assert_msg(found != NULL, "%s has no field for %s", message->name, f->name);
		if (f->type)
			check_fields(f->type, found->descriptor);
	}
}

START_TEST(every_member_has_a_field)
{
	check_fields(&oci_spec_type, &grpc__spec__descriptor);
	check_fields(&oci_process_type, &grpc__process__descriptor);
	check_fields(&oci_resources_type, &grpc__linux_resources__descriptor);
}
END_TEST

/* The message is packed and unpacked in between, as on a connection. */
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
	/* protobuf cannot tell an empty list from an absent one; only empty lists are lost. */
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

/* The numbers in a device rule, in the message, and in the rule that is made from it. */
static const struct {
	const char *numbers;
	int64_t major, minor;
	const char *back;
} rules[] = {
	{ ",\"major\":8,\"minor\":0", 8, 0, ",\"major\":8,\"minor\":0" },
	{ ",\"major\":0,\"minor\":0", 0, 0, ",\"major\":0,\"minor\":0" },
	{ ",\"major\":8", 8, -1, ",\"major\":8" },
	{ "", -1, -1, "" },
	{ ",\"major\":13,\"minor\":-1", 13, -1, ",\"major\":13" },
};

START_TEST(any_number_of_a_device_rule_is_not_0)
{
	AUTO(str)
	char *json = str_fmt("{\"devices\":[{\"allow\":true,\"type\":\"b\"%s,\"access\":\"r\"}]}",
			     rules[_i].numbers);
	AUTO(str)
	char *expect = str_fmt("{\"devices\":[{\"allow\":true,\"type\":\"b\"%s,"
			       "\"access\":\"r\"}]}",
			       rules[_i].back);
	struct err err = ERR_INIT;
	AUTO(oci_resources)
	struct oci_resources *r = oci_resources_parse(json, strlen(json), "r", &err);
	AUTO(oci_resources) struct oci_resources *back = NULL;
	AUTO(str) char *text = NULL;
	Grpc__LinuxResources *m;

	ck_assert_msg(r != NULL, "%s", err.msg);
	m = oci_resources_to_message(r);
	ck_assert_int_eq(m->devices[0]->major, rules[_i].major);
	ck_assert_int_eq(m->devices[0]->minor, rules[_i].minor);
	back = oci_resources_from_message(m, &err);
	ck_assert_ptr_nonnull(back);
	text = oci_resources_format(back);
	ck_assert_str_eq(text, expect);
	grpc__linux_resources__free_unpacked(m, NULL);
}
END_TEST

/* The specification demands the member: a hook that reads config.json may too. */
START_TEST(a_rule_that_denies_says_so)
{
	static const char json[] = "{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]}";
	struct err err = ERR_INIT;
	AUTO(oci_resources)
	struct oci_resources *r = oci_resources_parse(json, strlen(json), "r", &err);
	AUTO(str) char *text = NULL;

	ck_assert_msg(r != NULL, "%s", err.msg);
	text = oci_resources_format(r);
	ck_assert_str_eq(text, json);
}
END_TEST

static const char *const users[] = { "", ",\"umask\":0", ",\"umask\":63" };

START_TEST(a_umask_of_0_is_not_absent)
{
	AUTO(str)
	char *json = str_fmt("{\"consoleSize\":{\"height\":0,\"width\":0},"
			     "\"user\":{\"uid\":1,\"gid\":2%s}}",
			     users[_i]);
	struct err err = ERR_INIT;
	AUTO(oci_process)
	struct oci_process *p = oci_process_parse(json, strlen(json), "p", &err);
	AUTO(oci_process) struct oci_process *back = NULL;
	AUTO(str) char *text = NULL;
	Grpc__Process *m, *received;
	uint8_t wire[100];
	size_t n;

	ck_assert_msg(p != NULL, "%s", err.msg);
	m = oci_process_to_message(p);
	n = grpc__process__get_packed_size(m);
	ck_assert_uint_le(n, sizeof(wire));
	grpc__process__pack(m, wire);
	grpc__process__free_unpacked(m, NULL);
	received = grpc__process__unpack(NULL, n, wire);
	ck_assert_ptr_nonnull(received);
	back = oci_process_from_message(received, &err);
	ck_assert_ptr_nonnull(back);
	text = oci_process_format(back);
	ck_assert_str_eq(text, json);
	grpc__process__free_unpacked(received, NULL);
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

	tcase_add_test(tc, members_are_read);
	tcase_add_test(tc, format_and_parse_are_inverse);
	tcase_add_test(tc, a_rule_that_denies_says_so);
	tcase_add_test(tc, packed_and_unpacked_it_is_the_same);
	tcase_add_test(tc, a_damaged_pack_is_refused_or_harmless);
	tcase_add_test(tc, a_pack_has_a_limit);
	tcase_add_test(tc, a_copy_is_complete_and_shares_nothing);
	tcase_add_test(tc, parts_are_freed_alone);
	tcase_add_test(tc, disks_in_limits_are_mapped);
	tcase_add_loop_test(tc, sizes_of_huge_pages_are_parsed, 0, (int)ARRAY_LEN(sizes));
	tcase_add_test(tc, documents_have_16_mib);
	tcase_add_loop_test(tc, any_number_of_a_device_rule_is_not_0, 0, (int)ARRAY_LEN(rules));
	tcase_add_loop_test(tc, a_umask_of_0_is_not_absent, 0, (int)ARRAY_LEN(users));
	tcase_add_test(tc, every_member_has_a_field);
	tcase_add_test(tc, messages_carry_everything);
	tcase_add_loop_test(tc, errors_name_the_member, 0, (int)ARRAY_LEN(bad));
	tcase_add_loop_test(tc, bad_json_is_refused, 0, (int)ARRAY_LEN(not_json));
	tcase_add_test(tc, deep_json_is_refused);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
