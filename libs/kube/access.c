// SPDX-License-Identifier: Apache-2.0
/* Finds the server, the authority that certifies it, and our credentials. */

#include "kube/kube-internal.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "crypto/base64.h"
#include "http/http.h"
#include "yaml/yaml.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>

#define USE_TOKEN "use a kubeconfig with a client certificate or a token"

static void secret_free(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

static void secret_release(struct secret *s)
{
	free(s->path);
	secret_free(s->text);
	*s = (struct secret){ 0 };
}

void access_release(struct access *a)
{
	struct secret *all[] = { &a->ca, &a->cert, &a->key, &a->token };

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		secret_release(all[i]);
	free(a->server);
	free(a->space);
	free(a->proxy);
	*a = (struct access){ 0 };
}

static char *copy(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

static void secret_copy(const struct secret *from, struct secret *to)
{
	*to = (struct secret){ copy(from->path), copy(from->text), from->seen };
}

void access_copy(const struct access *from, struct access *to)
{
	*to = (struct access){ .server = copy(from->server),
			       .space = copy(from->space),
			       .proxy = copy(from->proxy) };
	secret_copy(&from->ca, &to->ca);
	secret_copy(&from->cert, &to->cert);
	secret_copy(&from->key, &to->key);
	secret_copy(&from->token, &to->token);
}

/* --- files --- */

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* A line feed in a header would be a header of its own. */
static int check_token(const struct secret *s, struct err *err)
{
	for (const char *p = s->text; p && *p; p++) {
		if (!isgraph((unsigned char)*p))
			return err_set(err, E_CONFIG, "%s has a character that no token has",
				       s->path ? s->path : "the token");
	}
	if (!s->text || !*s->text)
		return err_set(err, E_CONFIG, "%s is empty", s->path ? s->path : "the token");
	return 0;
}

static void cut_blanks(char *text)
{
	size_t len = strlen(text);

	while (len && isspace((unsigned char)text[len - 1]))
		text[--len] = '\0';
}

/* If the file cannot be read or is empty, the old text stays: the file may just be replaced.
 * Besides, the caller of a later request would take E_NOT_FOUND of a file for that of an object. */
static int secret_refresh(struct secret *s, bool always, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(KUBE_CONFIG_MAX);
	struct stat now;

	if (!s->path)
		return 0;
	if (stat(s->path, &now) < 0)
		return s->text ? 0 : err_sys(err, "read %s", s->path);
	if (s->text && !always && is_same(&now, &s->seen))
		return 0;
	if (file_read(AT_FDCWD, s->path, KUBE_CONFIG_MAX, &text, err) < 0) {
		if (!s->text)
			return -1;
		err_clear(err);
		return 0;
	}
	if (s->text && !text.len)
		return 0;
	secret_free(s->text);
	s->text = buf_steal(&text);
	s->seen = now;
	cut_blanks(s->text);
	return 0;
}

int access_refresh(struct access *a, bool all, struct err *err)
{
	if (secret_refresh(&a->ca, all, err) < 0 || secret_refresh(&a->cert, all, err) < 0 ||
	    secret_refresh(&a->key, all, err) < 0 || secret_refresh(&a->token, all, err) < 0)
		return -1;
	return a->token.path || a->token.text ? check_token(&a->token, err) : 0;
}

/* --- the server --- */

static bool is_this_host(const char *host)
{
	static const char *const names[] = { "127.0.0.1", "localhost", "[::1]" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		size_t n = strlen(names[i]);

		if (str_starts(host, names[i]) && (!host[n] || strchr(":/", host[n])))
			return true;
	}
	return false;
}

static int set_server(struct access *a, const char *url, struct err *err)
{
	size_t len = strlen(url);

	for (const char *p = url; *p; p++) {
		if (!isgraph((unsigned char)*p) || strchr("@?#\"<>\\", *p)) {
			(void)err_set(err, E_CONFIG, "the server's URL has a '%c'",
				      isprint((unsigned char)*p) ? *p : '?');
			return err_hint(err, "https://HOST:PORT is one");
		}
	}
	if (len > 1024)
		return err_set(err, E_CONFIG, "the server's URL has %zu bytes", len);
	if (str_starts(url, "http://") && !is_this_host(url + 7)) {
		(void)err_set(err, E_TRUST, "%s is plain http: everybody could read the token",
			      url);
		return err_hint(err, "use https");
	}
	if (!str_starts(url, "http://") && !str_starts(url, "https://")) {
		(void)err_set(err, E_CONFIG, "%s is no URL of a server", url);
		return err_hint(err, "https://HOST:PORT is one");
	}
	while (len && url[len - 1] == '/')
		len--;
	a->server = xstrndup(url, len);
	if (str_starts(url, "https://") && !a->ca.path && !a->ca.text) {
		(void)err_set(err, E_TRUST, "no certificate authority for %s", url);
		return err_hint(err, "give certificate-authority or certificate-authority-data; "
				     "the system's are not used");
	}
	return 0;
}

int access_in_cluster(const char *account, struct access *a, struct err *err)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST"),
		   *port = getenv("KUBERNETES_SERVICE_PORT");
	AUTO(str) char *space = path_join(account, "namespace"), *server = NULL;
	AUTO(buf) struct buf name = BUF_INIT(KUBE_CONFIG_MAX);

	if (str_empty(host) || str_empty(port)) {
		(void)err_set(err, E_NOT_FOUND,
			      "this is no pod of a cluster: "
			      "KUBERNETES_SERVICE_HOST and _PORT are not set");
		return err_hint(err, "give --kubeconfig FILE");
	}
	a->token.path = path_join(account, "token");
	a->ca.path = path_join(account, "ca.crt");
	if (file_read(AT_FDCWD, space, 256, &name, err) < 0)
		return err_hint(err, "the pod needs a service account with "
				     "automountServiceAccountToken");
	a->space = buf_steal(&name);
	cut_blanks(a->space);
	server = strchr(host, ':') && *host != '[' ? str_fmt("https://[%s]:%s", host, port)
						   : str_fmt("https://%s:%s", host, port);
	if (kube_check_name(a->space, "namespace of the service account", err) < 0)
		return -1;
	return set_server(a, server, err);
}

/* --- kubeconfig --- */

/* The member WHAT of the element with that name in a list of {name, WHAT}. */
static const struct json *find(const struct json *config, const char *list, const char *name,
			       const char *what, struct err *err)
{
	const struct json *all = json_get(config, list);

	for (size_t i = 0; all && json_kind(all) == JSON_IS_ARRAY && i < json_count(all); i++) {
		const struct json *one = json_at(all, i), *value;

		if (!str_eq(json_get_text(one, "name"), name))
			continue;
		value = json_get(one, what);
		if (value && json_kind(value) == JSON_IS_OBJECT)
			return value;
	}
	err_set(err, E_NOT_FOUND, "it has no %s '%s'", what, name);
	return NULL;
}

static int get_text(const struct json *object, const char *key, const char **to, struct err *err)
{
	const struct json *j = json_get(object, key);

	*to = NULL;
	if (!j || json_kind(j) == JSON_IS_NULL)
		return 0;
	if (json_kind(j) != JSON_IS_STRING)
		return err_set(err, E_CONFIG, "'%s' is %s instead of a string", key,
			       json_kind_name(json_kind(j)));
	*to = *json_text(j) ? json_text(j) : NULL;
	return 0;
}

/* Data takes precedence over the file, as in kubectl; but a token (not encoded) is only the first value
 * of the one in the file, which is renewed. */
static int get_secret(const struct json *object, const char *file, const char *data, bool encoded,
		      const char *dir, struct secret *to, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(KUBE_CONFIG_MAX);
	const char *value, *path;

	if (get_text(object, data, &value, err) < 0 || get_text(object, file, &path, err) < 0)
		return -1;
	if (value && encoded) {
		if (base64_decode(value, data, &text, err) < 0)
			return -1;
		if (memchr(buf_cstr(&text), '\0', text.len))
			return err_set(err, E_CONFIG, "'%s' is not PEM", data);
		to->text = buf_steal(&text);
	} else if (value) {
		to->text = xstrdup(value);
	}
	if (path && !(value && encoded))
		to->path = *path == '/' ? xstrdup(path) : path_join(dir, path);
	return 0;
}

/* Refuses a setting unless it is missing, false or empty. */
static int refuse(const struct json *object, const char *key, const char *why, const char *hint,
		  struct err *err)
{
	const struct json *j = json_get(object, key);

	if (!j || json_kind(j) == JSON_IS_NULL || (json_kind(j) == JSON_IS_BOOL && !json_bool(j)) ||
	    (json_kind(j) == JSON_IS_STRING && !*json_text(j)))
		return 0;
	(void)err_set(err, E_UNSUPPORTED, "'%s' %s", key, why);
	return err_hint(err, "%s", hint);
}

static const struct {
	const char *key, *why, *hint;
} refused_of_cluster[] = {
	{ "insecure-skip-tls-verify", "would trust any server", "give certificate-authority" },
	{ "tls-server-name", "is not supported", "use a URL that the server's certificate is for" },
};

static const struct {
	const char *key, *why, *hint;
} refused_of_user[] = {
	{ "exec", "would run a program for the credentials", USE_TOKEN },
	{ "auth-provider", "is not supported", USE_TOKEN },
	{ "username", "is not supported: API servers take no passwords any more", USE_TOKEN },
	{ "password", "is not supported: API servers take no passwords any more", USE_TOKEN },
	{ "as", "is not supported", "use the credentials of that user" },
	{ "as-groups", "is not supported", "use the credentials of that user" },
	{ "as-uid", "is not supported", "use the credentials of that user" },
	{ "as-user-extra", "is not supported", "use the credentials of that user" },
};

static int take_cluster(const struct json *cluster, const char *dir, struct access *a,
			struct err *err)
{
	const char *server, *proxy;

	for (size_t i = 0; i < ARRAY_LEN(refused_of_cluster); i++) {
		if (refuse(cluster, refused_of_cluster[i].key, refused_of_cluster[i].why,
			   refused_of_cluster[i].hint, err) < 0)
			return -1;
	}
	if (get_secret(cluster, "certificate-authority", "certificate-authority-data", true, dir,
		       &a->ca, err) < 0 ||
	    get_text(cluster, "server", &server, err) < 0 ||
	    get_text(cluster, "proxy-url", &proxy, err) < 0)
		return -1;
	a->proxy = copy(proxy);
	if (proxy && http_check_url(proxy, err) < 0)
		return err_wrap(err, "proxy-url");
	return server ? set_server(a, server, err)
		      : err_set(err, E_CONFIG, "the cluster has no 'server'");
}

static int take_user(const struct json *user, const char *dir, struct access *a, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(refused_of_user); i++) {
		if (refuse(user, refused_of_user[i].key, refused_of_user[i].why,
			   refused_of_user[i].hint, err) < 0)
			return -1;
	}
	if (get_secret(user, "client-certificate", "client-certificate-data", true, dir, &a->cert,
		       err) < 0 ||
	    get_secret(user, "client-key", "client-key-data", true, dir, &a->key, err) < 0 ||
	    get_secret(user, "tokenFile", "token", false, dir, &a->token, err) < 0)
		return -1;
	if ((a->cert.path || a->cert.text) != (a->key.path || a->key.text))
		return err_set(err, E_CONFIG, "the user has %s without %s",
			       a->key.path || a->key.text ? "client-key" : "client-certificate",
			       a->key.path || a->key.text ? "client-certificate" : "client-key");
	if (a->token.text)
		return check_token(&a->token, err);
	return 0;
}

static int take(const struct json *config, const char *context, const char *dir, struct access *a,
		struct err *err)
{
	const struct json *c, *cluster, *user;
	const char *cluster_name, *user_name, *space;

	if (json_kind(config) != JSON_IS_OBJECT)
		return err_set(err, E_CONFIG, "it is %s instead of a mapping",
			       json_kind_name(json_kind(config)));
	if (!context && get_text(config, "current-context", &context, err) < 0)
		return -1;
	if (!context) {
		(void)err_set(err, E_CONFIG, "it has no current-context");
		return err_hint(err, "kubectl config use-context NAME sets one");
	}
	c = find(config, "contexts", context, "context", err);
	if (!c || get_text(c, "cluster", &cluster_name, err) < 0 ||
	    get_text(c, "user", &user_name, err) < 0 || get_text(c, "namespace", &space, err) < 0)
		return -1;
	cluster = cluster_name ? find(config, "clusters", cluster_name, "cluster", err) : NULL;
	if (!cluster_name)
		err_set(err, E_CONFIG, "the context has no cluster");
	if (!cluster)
		return err_wrap(err, "context '%s'", context);
	if (space && kube_check_name(space, "namespace of the context", err) < 0)
		return -1;
	a->space = xstrdup(space ? space : "default");
	if (take_cluster(cluster, dir, a, err) < 0)
		return err_wrap(err, "cluster '%s'", cluster_name);
	if (!user_name)
		return 0;
	user = find(config, "users", user_name, "user", err);
	if (!user || take_user(user, dir, a, err) < 0)
		return err_wrap(err, "user '%s'", user_name);
	return 0;
}

int access_parse(const struct json *config, const char *context, const char *dir, struct access *a,
		 struct err *err)
{
	if (take(config, context, dir, a, err) == 0)
		return 0;
	access_release(a);
	return -1;
}

int access_read_config(const char *path, const char *context, struct access *a, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(KUBE_CONFIG_MAX);
	AUTO(json) struct json *config = NULL;
	AUTO(str) char *dir = NULL;
	const char *slash = strrchr(path, '/');

	if (file_read(AT_FDCWD, path, KUBE_CONFIG_MAX, &text, err) < 0)
		return -1;
	config = yaml_parse(buf_cstr(&text), text.len, path, err);
	explicit_bzero(text.data, text.len);
	if (!config)
		return -1;
	dir = slash ? xstrndup(path, slash == path ? 1 : (size_t)(slash - path)) : xstrdup(".");
	if (access_parse(config, context, dir, a, err) < 0)
		return err_wrap(err, "%s", path);
	return 0;
}
