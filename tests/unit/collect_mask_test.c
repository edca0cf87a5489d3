// SPDX-License-Identifier: Apache-2.0
/* utils/collect/mask.h: no secret gets through, and what is no secret stays readable. */

#include "tests/unit/suite.h"

#include "base/spawn.h"
#include "base/str.h"
#include "utils/collect/mask.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* Every secret in these has the letters S3CR3T in it. */
static const char *const secret[] = {
	"password=S3CR3T",
	"password = \"S3CR3T\"",
	"password: S3CR3T with blanks",
	"password: S3CR3T\nnext: line",
	"password: |\n  S3CR3T\n  S3CR3T\nnext: line",
	"  - password: >\n\n      S3CR3T\n",
	"password = \"\"\"\nS3CR3T\nS3CR3T\"\"\"",
	"password = 'S3CR3T'",
	"{\"password\": \"S3CR3T\"}",
	"{\"password\": \"a \\\" quote S3CR3T\"}",
	"{\"password\":\"a\\\\\",\"token\":\"S3CR3T\"}",
	"msg=\"{\\\"password\\\":\\\"S3CR3T\\\"}\"",
	"msg=\"{\\\"password\\\":\\\"S3CR3T \\\\\\\" S3CR3T\\\"}\"",
	"{\"auths\": {\"registry.example\": {\"auth\": \"S3CR3T\"}}}",
	"{\"auths\":{\"r\":{\"identitytoken\":\"S3CR3T\"}}}",
	"[plugins.cri.registry.configs.\"r\".auth]\n  password = \"S3CR3T\"\n",
	"auth = \"S3CR3T\"",
	"tokens = [\"S3CR3T\", \"a]S3CR3T\"]",
	"AWS_SECRET_ACCESS_KEY=S3CR3T",
	"export GITHUB_TOKEN=S3CR3T",
	"Environment=\"DB_PASSWORD=S3CR3T\" \"OTHER=1\"",
	"registry --password S3CR3T",
	"registry --client-secret=S3CR3T",
	"client-secret => S3CR3T",
	"api_key: S3CR3T",
	"x-api-key: S3CR3T",
	"apiKey=S3CR3T&x=1",
	"https://host/path?token=S3CR3T&x=1",
	"https://host/blob?sv=1&sig=S3CR3T",
	"X-Amz-Signature=S3CR3T",
	"HTTPS_PROXY=http://user:S3CR3T@proxy:3128",
	"proxy = \"socks5://S3CR3T@proxy\"",
	"fetch https://user:S3CR3T,;x@host/: failed",
	"Authorization: Bearer S3CR3T",
	"Authorization: Digest username=\"u\", S3CR3T=1",
	"curl -H 'Authorization: Basic S3CR3T=='",
	"sent Bearer S3CR3TS3CR3T to host",
	"Cookie: session=S3CR3T; other",
	"-----BEGIN PRIVATE KEY-----\nS3CR3T\nS3CR3T\n-----END PRIVATE KEY-----",
	"-----BEGIN RSA PRIVATE KEY-----\\nS3CR3T\\n-----END RSA PRIVATE KEY-----",
	"-----BEGIN OPENSSH PRIVATE KEY-----\nS3CR3T cut off",
	"found ghp_S3CR3TS3CR3TS3CR3T in it",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJS3CR3T.S3CR3TS3CR3T",
	"PASSWD:S3CR3T",
	"systemd.set_credential=name:S3CR3T",
	"kernel_params = \"agent.token=S3CR3T quiet\"",
	/* values with characters that end other values */
	"{\"env\": [\"DB_PASSWORD=S3CR3T, S3CR3T\", \"A=1\"]}",
	"msg=\"{\\\"env\\\":[\\\"DB_PASSWORD=S3CR3T S3CR3T\\\"]}\"",
	"Environment=\"DB_PASSWORD=a b S3CR3T\"",
	"DB_PASSWORD=a \"b, S3CR3T",
	"A=1\nexport DB_PASSWORD=a&b S3CR3T\n",
	"run --password=a,b;S3CR3T --other",
	"run --password=a\\S3CR3T --other",
	"password: a, b}S3CR3T",
	"password: a\"S3CR3T",
	"{user: u, password: a,S3CR3T, b: 2}",
	"&AuthConfig{Username:u,Password:a,S3CR3T,Auth:,}",
	"authorization=Bearer S3CR3T",
	"level=info authorization=Basic S3CR3T next=1",
	/* on the next lines */
	"password:\n  S3CR3T\nnext: line",
	"tokens:\n- S3CR3T\n- S3CR3T\nnext: line",
	/* the name is a value, too */
	"{\"name\": \"DB_PASSWORD\", \"value\": \"S3CR3T\"}",
	"{\\\"name\\\":\\\"DB_PASSWORD\\\",\\\"value\\\":\\\"S3CR3T\\\"}",
	"- name: DB_PASSWORD\n  value: S3CR3T\n- name: B",
	"&KeyValue{Key:DB_PASSWORD,Value:S3CR3T,}",
	/* names */
	"DB_PASS=S3CR3T",
	"MYSQL_PWD=S3CR3T",
	"client-key-data: S3CR3T",
	/* URLs that clients accept, or show in their errors */
	"proxy = \"http://DOMAIN\\\\user:S3CR3T@proxy\"",
	"HTTPS_PROXY=http://DOMAIN\\user:S3CR3T@proxy",
	"parse http://user:a'S3CR3T@proxy",
	"parse http://user:pa#S3CR3T@proxy: invalid port",
	"parse http://user:pa/S3CR3T@proxy: invalid port",
	/* of -----BEGIN RSA PRIVATE KEY-----, in base64 */
	"key: x\nLS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpS3CR3T",
};

START_TEST(secrets_are_masked)
{
	AUTO(buf) struct buf out = BUF_INIT(65536), again = BUF_INIT(65536);
	size_t n = mask_text(secret[_i], strlen(secret[_i]), &out);

	ck_assert_msg(!strstr(buf_cstr(&out), "S3CR3T"), "'%s' became '%s'", secret[_i],
		      buf_cstr(&out));
	ck_assert_uint_gt(n, 0);
	ck_assert_uint_eq(mask_text(out.data, out.len, &again), 0);
	ck_assert_str_eq(buf_cstr(&again), buf_cstr(&out));
}
END_TEST

static const char *const plain[] = {
	"",
	"kata 3.10.0 is installed",
	"author = \"somebody\"",
	"https://host:8080/path?x=1@y",
	"mail to root@localhost: http://host",
	"basic setup of the bearer plane",
	"the token is not said",
	"password",
	"password=",
	"password: \"\"",
	"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
	"key = \"/etc/ssl/private/host.key\"",
	"authority: example",
	"{\"auths\": {}}",
	"signal: 9, passed: 3, design: x",
	"eyJ is short",
	"http://host:8080/a@b and http://[::1]:80/a@b",
	"unix:///run/a.sock?x=y@z",
	"oci://registry/image:tag/x@sha256:0",
	"bypass: 1, bypass=2, compass=3",
	"the name token, then a value",
	"password:\n\nnext: line",
	"certificate-authority-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUI",
};

START_TEST(text_without_secrets_is_kept)
{
	AUTO(buf) struct buf out = BUF_INIT(65536);
	size_t n = mask_text(plain[_i], strlen(plain[_i]), &out);

	ck_assert_str_eq(buf_cstr(&out), plain[_i]);
	ck_assert_uint_eq(n, 0);
}
END_TEST

static const struct {
	const char *text, *masked;
} exact[] = {
	{ "a=1 password=x b=2", "a=1 password=*** b=2" },
	{ "{\"a\": 1, \"password\": \"x\", \"b\": 2}",
	  "{\"a\": 1, \"password\": \"***\", \"b\": 2}" },
	{ "{a: 1, token: x, b: 2}", "{a: 1, token: ***, b: 2}" },
	{ "http://u:p@proxy:3128/", "http://***@proxy:3128/" },
	{ "tokens = [\"x\"] # two\n", "tokens = *** # two\n" },
	{ "Authorization: Bearer abc\nHost: h", "Authorization: ***\nHost: h" },
	{ "password: |\n  x\n  y\nuser: z", "password: |***\nuser: z" },
	{ "password:\n  x\nuser: z", "password:***\nuser: z" },
	{ "- token:\n- user: z", "- token:\n- user: z" },
	{ "{\"token\": null, \"b\": 1}", "{\"token\": ***, \"b\": 1}" },
	{ "\"token\": null,\n\"b\": 1", "\"token\": ***,\n\"b\": 1" },
	{ "msg=\"token: x y\" b=1", "msg=\"token: ***\" b=1" },
	{ "msg=\"{\\\"a\\\": \\\"token: x\\\"}\"", "msg=\"{\\\"a\\\": \\\"token: ***\\\"}\"" },
	{ "GET /?token=x&a=1 200", "GET /?token=***&a=1 200" },
	{ "[\"TOKEN=x y\", \"B=1\"]", "[\"TOKEN=***\", \"B=1\"]" },
	{ "{name: TOKEN, value: x, b: 1}", "{name: TOKEN, value: ***, b: 1}" },
};

START_TEST(only_the_secret_is_replaced)
{
	AUTO(buf) struct buf out = BUF_INIT(65536);

	(void)mask_text(exact[_i].text, strlen(exact[_i].text), &out);
	ck_assert_str_eq(buf_cstr(&out), exact[_i].masked);
}
END_TEST

/* Looking for the ends of such a line once for each of its secrets would take minutes. */
START_TEST(a_long_line_is_masked_too)
{
	static const char one[] = "{\"token\": 1, \"a\": \"b\"}, ";
	enum { N = 100000 };
	AUTO(buf) struct buf text = BUF_INIT(N * sizeof(one));

	for (size_t i = 0; i < N; i++)
		buf_str(&text, one);
	AUTO(buf) struct buf out = BUF_INIT(MASK_ROOM(text.len));
	ck_assert_uint_eq(mask_text(text.data, text.len, &out), N);
}
END_TEST

START_TEST(listed_words_are_masked)
{
	char *const *list = ARGV("node1", "node1.example.org", "");
	AUTO(buf) struct buf out = BUF_INIT(65536);
	static const char text[] = "node1.example.org and node1 and node";

	ck_assert_uint_eq(mask_words(text, strlen(text), list, &out), 2);
	ck_assert_str_eq(buf_cstr(&out), "*** and *** and node");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("collect_mask");
	TCase *t = tcase_create("mask");

	tcase_add_loop_test(t, secrets_are_masked, 0, (int)ARRAY_LEN(secret));
	tcase_add_loop_test(t, text_without_secrets_is_kept, 0, (int)ARRAY_LEN(plain));
	tcase_add_loop_test(t, only_the_secret_is_replaced, 0, (int)ARRAY_LEN(exact));
	tcase_add_test(t, a_long_line_is_masked_too);
	tcase_add_test(t, listed_words_are_masked);
	suite_add_tcase(s, t);
	return suite_run(s);
}
