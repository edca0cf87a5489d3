// SPDX-License-Identifier: Apache-2.0
/* One request and its answer over a unix socket. */

#include "http/local-internal.h"

#include "base/str.h"

#include <curl/curl.h>
#include <string.h>
#include <sys/un.h>

DEFINE_AUTO(curl, CURL *, NULL, curl_easy_cleanup)
DEFINE_AUTO(curl_list, struct curl_slist *, NULL, curl_slist_free_all)

static size_t take_body(char *data, size_t size, size_t n, void *arg)
{
	struct local_exchange *x = arg;

	buf_add(x->body, data, size * n);
	x->stopped = !x->body->over && x->on_body && !x->on_body(x->arg, x->body);
	return x->body->over || x->stopped ? 0 : size * n;
}

static size_t take_header(char *data, size_t size, size_t n, void *arg)
{
	const struct local_exchange *x = arg;

	if (x->on_header)
		x->on_header(x->arg, data, size * n);
	return size * n;
}

static int fail(const struct local_exchange *x, CURL *curl, CURLcode rc, const char *why,
		struct err *err)
{
	long sys = 0;

	(void)curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &sys);
	if (rc == CURLE_OPERATION_TIMEDOUT)
		return err_set(err, E_TIMEOUT, "%s gave no answer to %s in time", x->socket,
			       x->path);
	if (rc == CURLE_WRITE_ERROR && x->body->over)
		return err_set(err, E_LIMIT, "%s: the answer to %s is longer than %zu bytes",
			       x->socket, x->path, x->body->max);
	if (rc == CURLE_COULDNT_CONNECT) {
		errno = (int)sys;
		if (sys && sys != ECONNREFUSED)
			return err_sys(err, "connect to %s", x->socket);
		return err_set(err, E_GONE, "connect to %s: no process listens", x->socket);
	}
	if (rc == CURLE_GOT_NOTHING || rc == CURLE_RECV_ERROR || rc == CURLE_SEND_ERROR ||
	    rc == CURLE_PARTIAL_FILE)
		return err_set(err, E_GONE, "%s closed the connection before it had answered %s",
			       x->socket, x->path);
	return err_set(err, E_PROTOCOL, "%s: %s: %s", x->socket, x->path,
		       *why ? why : curl_easy_strerror(rc));
}

static void set_up(struct local_exchange *x, CURL *curl, const char *url,
		   struct curl_slist *headers)
{
	int left = deadline_left(x->deadline);

	/* The options exist in every libcurl that has unix sockets. */
	(void)curl_easy_setopt(curl, CURLOPT_URL, url);
	(void)curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, x->socket);
	(void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, left < 0 ? 0L : left ? (long)left : 1L);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, x);
	(void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
	(void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, x);
	(void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	(void)curl_easy_setopt(curl, CURLOPT_HTTP_VERSION,
			       x->http2 ? (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE
					: (long)CURL_HTTP_VERSION_1_1);
	if (x->http2) {
		(void)curl_easy_setopt(curl, CURLOPT_POST, 1L);
		(void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->len);
		(void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, x->request);
	}
}

int local_exchange(struct local_exchange *x, struct err *err)
{
	char why[CURL_ERROR_SIZE] = "";
	AUTO(curl_list) struct curl_slist *headers = NULL;
	AUTO(str) char *url = str_fmt("http://localhost%s", x->path);
	curl_off_t sent = 0;
	CURLcode rc;

	if (strlen(x->socket) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return err_set(err, E_LIMIT, "the path of the socket is too long: %s", x->socket);
	/* libcurl counts the calls; it is thread-safe. */
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(err, E_FAILED, "libcurl cannot be used");
	AUTO(curl) CURL *curl = curl_easy_init();
	for (size_t i = 0; curl && x->headers && x->headers[i]; i++) {
		struct curl_slist *more = curl_slist_append(headers, x->headers[i]);

		if (!more)
			return err_set(err, E_FAILED, "libcurl: out of memory");
		headers = more;
	}
	if (!curl)
		return err_set(err, E_FAILED, "libcurl: out of memory");
	set_up(x, curl, url, headers);
	(void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
	rc = curl_easy_perform(curl);
	(void)curl_easy_getinfo(curl, CURLINFO_SIZE_UPLOAD_T, &sent);
	x->unsent = (size_t)sent < x->len;
	if (rc != CURLE_OK && !x->stopped)
		return fail(x, curl, rc, why, err);
	(void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &x->status);
	return 0;
}

int http_local_get(const char *socket, const char *path, struct deadline deadline, struct buf *body,
		   struct err *err)
{
	struct local_exchange x = {
		.socket = socket, .path = path, .deadline = deadline, .body = body
	};

	if (local_exchange(&x, err) < 0)
		return -1;
	if (x.status != 200)
		return err_set(err, E_FAILED, "%s answered %s with status %ld", socket, path,
			       x.status);
	return 0;
}
