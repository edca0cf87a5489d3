// SPDX-License-Identifier: Apache-2.0
/* Kubeconfigs, service accounts, and which servers libs/kube trusts. */

#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "crypto/base64.h"
#include "kube/kube-internal.h"
#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"
#include "tests/unit/web_lab.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[SCRATCH_DIR];
static struct err err;
static struct tls tls;

static void setup(void)
{
	err_clear(&err);
	tls.pid = -1;
	scratch_make(dir, "kube");
}

static void teardown(void)
{
	tls_stop(&tls);
	scratch_remove(dir);
}

static char *put(const char *name, const char *text)
{
	char *path = path_join(dir, name);

	ck_assert_msg(file_replace_volatile(AT_FDCWD, path, text, strlen(text), 0600, &err) == 0,
		      "%s", err.msg);
	return path;
}

#define CONFIG(cluster, user)                                            \
	"current-context: c\nunknown: [1, {a: b}]\n"                     \
	"contexts: [{name: c, context: {cluster: k, user: u}}, "         \
	"{name: d, context: {cluster: k, user: u, namespace: other}}]\n" \
	"clusters: [{name: k, cluster: {" cluster "}}]\nusers: [{name: u, user: {" user "}}]\n"
#define SERVER "server: \"https://10.0.0.1:6443\", certificate-authority-data: Q0E="

static int parse(const char *text, const char *context, struct access *a)
{
	AUTO(str) char *path = put("config", text);

	return access_read_config(path, context, a, &err);
}

START_TEST(a_context)
{
	AUTO(access) struct access a = { 0 };

	ck_assert_msg(parse(CONFIG(SERVER, "token: t0"), NULL, &a) == 0, "%s", err.msg);
	ck_assert_str_eq(a.server, "https://10.0.0.1:6443");
	ck_assert_str_eq(a.space, "default");
	ck_assert_str_eq(a.ca.text, "CA");
	ck_assert_str_eq(a.token.text, "t0");
	access_release(&a);
	ck_assert_int_eq(parse(CONFIG(SERVER, "token: t0"), "d", &a), 0);
	ck_assert_str_eq(a.space, "other");
}
END_TEST

START_TEST(files_are_beside_it)
{
	AUTO(access) struct access a = { 0 };
	AUTO(str) char *token = path_join(dir, "sub/token");

	ck_assert_int_eq(parse(CONFIG("server: \"https://a:1\", certificate-authority: /x/ca",
				      "tokenFile: sub/token"),
			       NULL, &a),
			 0);
	ck_assert_str_eq(a.ca.path, "/x/ca");
	ck_assert_str_eq(a.token.path, token);
}
END_TEST

/* The token beside it is only its first value, as in kubectl. */
START_TEST(a_token_file_takes_precedence)
{
	AUTO(access) struct access a = { 0 };
	AUTO(str) char *token = path_join(dir, "token");

	ck_assert_int_eq(parse(CONFIG(SERVER, "token: t0, tokenFile: token"), NULL, &a), 0);
	ck_assert_str_eq(a.token.path, token);
	ck_assert_int_eq(access_refresh(&a, false, &err), 0);
	ck_assert_str_eq(a.token.text, "t0");
	free(put("token", "t1\n"));
	ck_assert_int_eq(access_refresh(&a, false, &err), 0);
	ck_assert_str_eq(a.token.text, "t1");
}
END_TEST

static const struct {
	const char *text, *context;
	enum err_code code;
	const char *says;
} bad[] = {
	{ "[]", NULL, E_CONFIG, "mapping" },
	{ "a: &b c\n", NULL, E_INVALID, "" },
	{ "{}", NULL, E_CONFIG, "current-context" },
	{ "current-context: x\n", NULL, E_NOT_FOUND, "context 'x'" },
	{ "current-context: 7\n", NULL, E_CONFIG, "an integer" },
	{ CONFIG(SERVER, ""), "z", E_NOT_FOUND, "'z'" },
	{ CONFIG("certificate-authority-data: Q0E=", ""), NULL, E_CONFIG, "server" },
	{ CONFIG("server: \"https://a\"", ""), NULL, E_TRUST, "certificate-authority" },
	{ CONFIG("server: \"http://10.0.0.1\"", ""), NULL, E_TRUST, "plain http" },
	{ CONFIG("server: \"http://localhost.evil.example\"", ""), NULL, E_TRUST, "plain http" },
	{ CONFIG("server: \"http://localhost@evil.example\"", ""), NULL, E_CONFIG, "'@'" },
	{ CONFIG("server: \"file:///etc/passwd\"", ""), NULL, E_CONFIG, "URL" },
	{ CONFIG("server: \"https://a b\"", ""), NULL, E_CONFIG, "' '" },
	{ CONFIG("server: \"https://a\", certificate-authority-data: \"Q0E\"", ""), NULL, E_INVALID,
	  "certificate-authority-data" },
	{ CONFIG(SERVER ", insecure-skip-tls-verify: true", ""), NULL, E_UNSUPPORTED,
	  "insecure-skip-tls-verify" },
	{ CONFIG(SERVER ", tls-server-name: x", ""), NULL, E_UNSUPPORTED, "tls-server-name" },
	{ CONFIG(SERVER ", proxy-url: \"socks5://x\"", ""), NULL, E_USAGE, "proxy-url" },
	{ CONFIG(SERVER, "exec: {command: aws}"), NULL, E_UNSUPPORTED, "run a program" },
	{ CONFIG(SERVER, "auth-provider: {name: gcp}"), NULL, E_UNSUPPORTED, "auth-provider" },
	{ CONFIG(SERVER, "username: a, password: b"), NULL, E_UNSUPPORTED, "username" },
	{ CONFIG(SERVER, "as: root"), NULL, E_UNSUPPORTED, "'as'" },
	{ CONFIG(SERVER, "client-certificate-data: Q0E="), NULL, E_CONFIG, "client-key" },
	{ CONFIG(SERVER, "client-key-data: Q0E="), NULL, E_CONFIG, "client-certificate" },
	{ CONFIG(SERVER, "token: \"a\\nX: b\""), NULL, E_CONFIG, "character" },
	{ CONFIG(SERVER, "token: 7"), NULL, E_CONFIG, "an integer" },
};

START_TEST(refused)
{
	struct access a = { 0 };

	ck_assert_int_eq(parse(bad[_i].text, bad[_i].context, &a), -1);
	ck_assert_msg(err.code == bad[_i].code, "%d: %s: %s", _i, err_slug(err.code), err.msg);
	ck_assert_msg(strstr(err.msg, bad[_i].says) != NULL, "%d: %s", _i, err.msg);
	ck_assert_msg(strstr(err.msg, dir) != NULL, "%d: %s", _i, err.msg);
	ck_assert_ptr_null(a.server);
}
END_TEST

START_TEST(nothing_is_refused_that_is_off)
{
	AUTO(access) struct access a = { 0 };

	ck_assert_msg(parse(CONFIG(SERVER ", insecure-skip-tls-verify: false",
				   "exec: null, username: \"\", token: t"),
			    NULL, &a) == 0,
		      "%s", err.msg);
}
END_TEST

START_TEST(in_a_cluster)
{
	AUTO(kube) struct kube *k = NULL;
	struct kube_options o = { .account = dir };
	AUTO(str)
	char *token = put("token", "t1\n");

	free(put("ca.crt", "CA\n"));
	free(put("namespace", "kata-system"));
	(void)setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
	(void)setenv("KUBERNETES_SERVICE_PORT", "443", 1);
	ck_assert_msg(kube_open(&o, &k, &err) == 0, "%s", err.msg);
	ck_assert_str_eq(kube_server(k), "https://[fd00::1]:443");
	ck_assert_str_eq(kube_namespace(k), "kata-system");
	ck_assert_str_eq(k->access.token.text, "t1");
	kube_free(k);
	k = NULL;
	ck_assert_int_eq(unlink(token), 0);
	ck_assert_int_eq(kube_open(&o, &k, &err), -1);
	ck_assert_int_eq(err.code, E_NOT_FOUND);
	err_clear(&err);
	(void)unsetenv("KUBERNETES_SERVICE_HOST");
	ck_assert_int_eq(kube_open(&o, &k, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, "--kubeconfig"));
}
END_TEST

/* --- TLS --- */

/* Sends a request to a server with this key; ca is the trusted authority. */
static int ask(const char *key, const char *ca)
{
	AUTO(str) char *config = NULL, *text = NULL;
	AUTO(kube) struct kube *k = NULL;
	AUTO(json) struct json *j = NULL;

	tls_start(&tls, dir, key, 1);
	text = str_fmt("current-context: c\ncontexts: [{name: c, context: {cluster: k}}]\n"
		       "clusters: [{name: k, cluster: {server: \"https://127.0.0.1:%d\", "
		       "certificate-authority: %s.crt}}]\n",
		       tls.port, ca);
	config = put("config", text);
	struct kube_options o = { .kubeconfig = config, .pause_ms = 5 };
	ck_assert_msg(kube_open(&o, &k, &err) == 0, "%s", err.msg);
	j = kube_get(k, "/object", deadline_in(20000), &err);
	return j ? 0 : -1;
}

static const struct {
	const char *key, *ca;
	bool good;
} pairs[] = {
	{ "good", "ca", true },
	{ "good", "other-ca", false },
	{ "wrong", "ca", false },
	{ "expired", "ca", false },
};

START_TEST(who_is_trusted)
{
	free(put("object", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}"));

	tls_keys(dir);
	/* The system's authorities would accept the server, but must not be used. */
	AUTO(str) char *bundle = path_join(dir, "ca.crt");
	(void)setenv("SSL_CERT_FILE", bundle, 1);
	ck_assert_int_eq(ask(pairs[_i].key, pairs[_i].ca), pairs[_i].good ? 0 : -1);
	ck_assert_msg(err.code == (pairs[_i].good ? E_OK : E_TRUST), "%s", err.msg);
}
END_TEST

/* First the authority is replaced by a new one, then the server's certificate. */
START_TEST(a_new_authority)
{
	free(put("object", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}"));
	AUTO(str)
	char *ca = path_join(dir, "ca.crt"), *now = path_join(dir, "now.crt"),
	     *other = path_join(dir, "other-ca.crt"), *text = NULL, *config = NULL;
	AUTO(kube) struct kube *k = NULL;

	tls_keys(dir);
	ck_assert_int_eq(link(other, now), 0);
	tls_start(&tls, dir, "good", 1);
	text = str_fmt("current-context: c\ncontexts: [{name: c, context: {cluster: k}}]\n"
		       "clusters: [{name: k, cluster: {server: \"https://127.0.0.1:%d\", "
		       "certificate-authority: now.crt}}]\n",
		       tls.port);
	config = put("config", text);
	struct kube_options o = { .kubeconfig = config, .pause_ms = 5 };
	ck_assert_int_eq(kube_open(&o, &k, &err), 0);
	ck_assert_ptr_null(kube_get(k, "/object", deadline_in(20000), &err));
	ck_assert_int_eq(err.code, E_TRUST);
	err_clear(&err);
	ck_assert_int_eq(unlink(now), 0);
	ck_assert_int_eq(link(ca, now), 0);
	AUTO(json) struct json *j = kube_get(k, "/object", deadline_in(20000), &err);
	ck_assert_msg(j != NULL, "%s", err.msg);
}
END_TEST

/* --- base64 --- */

static const struct {
	const char *text, *means; /* NULL: refused */
} codes[] = {
	{ "", "" },           { "YQ==", "a" },      { "YWI=", "ab" },  { " YWJj\n", "abc" },
	{ "YR==", NULL },     { "YWJ", NULL },      { "YW Jj", NULL }, { "====", NULL },
	{ "YQ==YQ==", NULL }, { "YWJj*Q==", NULL },
};

START_TEST(base64)
{
	/* Exactly the room that the bytes need. */
	AUTO(buf) struct buf to = BUF_INIT(codes[_i].means ? strlen(codes[_i].means) : 100);
	int rc = base64_decode(codes[_i].text, "it", &to, &err);

	ck_assert_msg(rc == (codes[_i].means ? 0 : -1), "'%s'", codes[_i].text);
	if (codes[_i].means)
		ck_assert_str_eq(buf_cstr(&to), codes[_i].means);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("kube_access");
	TCase *t = tcase_create("access");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_context);
	tcase_add_test(t, files_are_beside_it);
	tcase_add_test(t, a_token_file_takes_precedence);
	tcase_add_loop_test(t, refused, 0, (int)ARRAY_LEN(bad));
	tcase_add_test(t, nothing_is_refused_that_is_off);
	tcase_add_test(t, in_a_cluster);
	tcase_add_loop_test(t, who_is_trusted, 0, (int)ARRAY_LEN(pairs));
	tcase_add_test(t, a_new_authority);
	tcase_add_loop_test(t, base64, 0, (int)ARRAY_LEN(codes));
	suite_add_tcase(s, t);
	return suite_run(s);
}
