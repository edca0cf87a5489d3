// SPDX-License-Identifier: Apache-2.0
/* cri/message.h: JSON to messages of the container runtime interface, and back. */

#include "tests/unit/suite.h"

#include "base/mem.h"
#include "base/scope.h"
#include "base/str.h"
#include "cri/client.h"
#include "cri/message.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct err err;

static void set_up(void)
{
	err_clear(&err);
}

static ProtobufCMessage *parse(const char *call, const char *text)
{
	AUTO(json) struct json *j = json_parse(text, strlen(text), "text", &err);

	ck_assert_msg(j != NULL, "%s", err.msg);
	return cri_message_parse(cri_call_find(call)->input, j, "request", &err);
}

static const char pod[] =
	"{\"runtime_handler\":\"kata\",\"config\":{"
	"\"metadata\":{\"name\":\"n\",\"uid\":\"u\",\"namespace\":\"ns\",\"attempt\":4294967295},"
	"\"labels\":{\"a\":\"1\",\"b.c/d\":\"\"},\"annotations\":null,"
	"\"dns_config\":{\"servers\":[\"10.0.0.1\",\"10.0.0.2\"]},"
	"\"port_mappings\":[{\"protocol\":\"UDP\",\"host_port\":-1},{}],"
	"\"linux\":{\"security_context\":{\"privileged\":true,\"supplemental_groups\":"
	"[-9223372036854775808,7],\"namespace_options\":{\"network\":\"NODE\"},"
	"\"seccomp\":{\"profile_type\":\"Localhost\",\"localhost_ref\":\"p\"}},"
	"\"resources\":{\"hugepage_limits\":[{\"page_size\":\"2MB\","
	"\"limit\":18446744073709551615}]}}}}";

START_TEST(every_kind_of_field)
{
	Runtime__V1__RunPodSandboxRequest *r = (void *)parse("RunPodSandbox", pod);
	const Runtime__V1__LinuxSandboxSecurityContext *s;
	const Runtime__V1__PodSandboxConfig *c;

	ck_assert_msg(r != NULL, "%s", err.msg);
	c = r->config;
	ck_assert_str_eq(r->runtime_handler, "kata");
	ck_assert_uint_eq(c->metadata->attempt, UINT32_MAX);
	ck_assert_uint_eq(c->n_labels, 2);
	ck_assert_str_eq(c->labels[1]->key, "b.c/d");
	ck_assert_str_eq(c->labels[1]->value, "");
	ck_assert_uint_eq(c->n_annotations, 0);
	ck_assert_str_eq(c->hostname, "");
	ck_assert_uint_eq(c->dns_config->n_servers, 2);
	ck_assert_str_eq(c->dns_config->servers[1], "10.0.0.2");
	ck_assert_uint_eq(c->n_port_mappings, 2);
	ck_assert_int_eq(c->port_mappings[0]->protocol, RUNTIME__V1__PROTOCOL__UDP);
	ck_assert_int_eq(c->port_mappings[0]->host_port, -1);
	s = c->linux->security_context;
	ck_assert(s->privileged);
	ck_assert_int_eq(s->supplemental_groups[0], INT64_MIN);
	ck_assert_int_eq(s->namespace_options->network, RUNTIME__V1__NAMESPACE_MODE__NODE);
	ck_assert_int_eq(s->seccomp->profile_type,
			 RUNTIME__V1__SECURITY_PROFILE__PROFILE_TYPE__Localhost);
	ck_assert_ptr_null(s->run_as_user);
	ck_assert_uint_eq(c->linux->resources->hugepage_limits[0]->limit, UINT64_MAX);
	runtime__v1__run_pod_sandbox_request__free_unpacked(r, NULL);
}
END_TEST

/* The message is also packed and unpacked. */
START_TEST(there_and_back)
{
	const ProtobufCMessageDescriptor *type = cri_call_find("RunPodSandbox")->input;
	ProtobufCMessage *m = parse("RunPodSandbox", pod), *again;
	AUTO(json) struct json *first = cri_message_print(m), *second = NULL, *third = NULL;
	AUTO(str) char *a = json_format(first, false), *b = NULL, *c = NULL;
	size_t len = protobuf_c_message_get_packed_size(m);
	AUTO(mem) uint8_t *wire = xcalloc(1, len);

	ck_assert_uint_eq(protobuf_c_message_pack(m, wire), len);
	protobuf_c_message_free_unpacked(m, NULL);
	m = protobuf_c_message_unpack(type, NULL, len, wire);
	ck_assert_ptr_nonnull(m);
	second = cri_message_print(m);
	b = json_format(second, false);
	ck_assert_str_eq(a, b);
	again = cri_message_parse(type, second, "again", &err);
	ck_assert_msg(again != NULL, "%s", err.msg);
	third = cri_message_print(again);
	c = json_format(third, false);
	ck_assert_str_eq(b, c);
	protobuf_c_message_free_unpacked(m, NULL);
	protobuf_c_message_free_unpacked(again, NULL);
}
END_TEST

START_TEST(what_a_command_printed)
{
	Runtime__V1__ExecSyncResponse r = RUNTIME__V1__EXEC_SYNC_RESPONSE__INIT;
	uint8_t out[] = { 'a', 0xFF, '\n' };
	AUTO(json) struct json *j = NULL;
	AUTO(str) char *text = NULL;

	r.stdout = (ProtobufCBinaryData){ sizeof(out), out };
	r.exit_code = -1;
	j = cri_message_print(&r.base);
	text = json_format(j, false);
	ck_assert_str_eq(text, "{\"stdout\":\"a?\\n\",\"stderr\":\"\",\"exit_code\":-1}");
}
END_TEST

static const struct {
	const char *text, *says;
} bad[] = {
	{ "[]", "request: an array where an object is expected" },
	{ "{\"sandbox\":1}", "request.sandbox: RunPodSandboxRequest has no such member" },
	{ "{\"runtime_handler\":1}",
	  "request.runtime_handler: an integer where a string is expected" },
	{ "{\"config\":{\"labels\":{\"a\":1}}}",
	  "request.config.labels.a: an integer where a string is expected" },
	{ "{\"config\":{\"labels\":[]}}",
	  "request.config.labels: an array where an object is expected" },
	{ "{\"config\":{\"dns_config\":{\"servers\":[\"a\",false]}}}",
	  "request.config.dns_config.servers[1]: a boolean where a string is expected" },
	{ "{\"config\":{\"port_mappings\":[{\"protocol\":\"ICMP\"}]}}",
	  "request.config.port_mappings[0].protocol: 'ICMP' is none of Protocol" },
	{ "{\"config\":{\"port_mappings\":[{},{\"host_port\":2147483648}]}}",
	  "request.config.port_mappings[1].host_port: a number from -2147483648 to 2147483647 is "
	  "expected" },
	{ "{\"config\":{\"metadata\":{\"attempt\":-1}}}",
	  "request.config.metadata.attempt: a number from 0 to 4294967295 is expected" },
	{ "{\"config\":{\"linux\":{\"resources\":{\"cpu_quota\":9223372036854775808}}}}",
	  "request.config.linux.resources.cpu_quota: a number from -9223372036854775808 to "
	  "9223372036854775807 is expected" },
	{ "{\"config\":{\"linux\":{\"security_context\":{\"privileged\":\"yes\"}}}}",
	  "request.config.linux.security_context.privileged: a string where a boolean is "
	  "expected" },
};

START_TEST(wrong_documents)
{
	ck_assert_ptr_null(parse("RunPodSandbox", bad[_i].text));
	ck_assert_int_eq(err.code, E_INVALID);
	ck_assert_str_eq(err.msg, bad[_i].says);
}
END_TEST

START_TEST(calls)
{
	Runtime__V1__VersionRequest request = RUNTIME__V1__VERSION_REQUEST__INIT;
	void *answer;

	ck_assert_ptr_null(cri_call_find("NoSuchCall"));
	ck_assert_ptr_eq(cri_call_find("ExecSync")->output,
			 &runtime__v1__exec_sync_response__descriptor);
	ck_assert_int_eq(
		cri_call("/no/such/socket", "Version", &request, deadline_in(20000), &answer, &err),
		-1);
	ck_assert_int_eq(err.code, E_NOT_FOUND);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cri_message");
	TCase *tc = tcase_create("message");

	tcase_add_checked_fixture(tc, set_up, NULL);
	tcase_add_test(tc, every_kind_of_field);
	tcase_add_test(tc, there_and_back);
	tcase_add_test(tc, what_a_command_printed);
	tcase_add_loop_test(tc, wrong_documents, 0, ARRAY_LEN(bad));
	tcase_add_test(tc, calls);
	suite_add_tcase(s, tc);
	return suite_run(s);
}
