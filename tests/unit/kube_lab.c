// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/kube_lab.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_MAX = 1 << 20 };

/* Waits until fd can be read; false if the test ends first. */
static bool wait_for(const struct api *a, int fd)
{
	struct pollfd p[2] = { { a->stop[0], POLLIN, 0 }, { fd, POLLIN, 0 } };

	while (poll(p, 2, -1) < 0)
		;
	return !p[0].revents;
}

static bool say(int sock, const char *text)
{
	size_t len = strlen(text);

	while (len) {
		ssize_t n = send(sock, text, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		text += n;
		len -= (size_t)n;
	}
	return true;
}

static size_t body_length(const char *head)
{
	const char *at = strcasestr(head, "\r\nContent-Length: ");

	return at ? strtoul(at + 18, NULL, 10) : 0;
}

/* Reads a whole request; false if there is none any more. */
static bool hear(struct api *a, int sock, struct asked *asked)
{
	AUTO(buf) struct buf text = BUF_INIT(REQUEST_MAX);
	const char *end = NULL;
	size_t len = 0;

	while (!end || text.len < len) {
		char *room = buf_room(&text, 4096);
		ssize_t n;

		if (!room || !wait_for(a, sock))
			return false;
		n = recv(sock, room, 4095, 0);
		if (n <= 0)
			return false;
		text.len += (size_t)n;
		text.data[text.len] = '\0';
		end = end ? end : strstr(text.data, "\r\n\r\n");
		if (end) {
			end = strstr(text.data, "\r\n\r\n");
			len = (size_t)(end - text.data) + 4 + body_length(text.data);
		}
	}
	asked->line = xstrndup(text.data, strcspn(text.data, "\r"));
	asked->head = xstrndup(text.data, (size_t)(end - text.data) + 2);
	asked->body = xstrdup(end + 4);
	return true;
}

static void answer(struct api *a, int sock, const struct said *s)
{
	const char *body = s->body ? s->body : "";
	AUTO(str) char *head = NULL, *half = xstrndup(body, strlen(body) / 2);

	if (s->before)
		s->before(s->arg);
	head = str_fmt("HTTP/1.1 %d Word\r\n%sContent-Type: application/json\r\n", s->status,
		       s->headers ? s->headers : "");
	switch (s->how) {
	case SAY_ALL:
	case SAY_HALF: {
		AUTO(str)
		char *length = str_fmt("Content-Length: %zu\r\n\r\n", strlen(body));

		(void)(say(sock, head) && say(sock, length) &&
		       say(sock, s->how == SAY_HALF ? half : body));
		break;
	}
	case SAY_STREAM:
	case SAY_STAY:
	case SAY_ENDLESS:
		(void)(say(sock, head) && say(sock, "Connection: close\r\n\r\n"));
		while (say(sock, body) && s->how == SAY_ENDLESS)
			;
		if (s->how == SAY_STAY)
			(void)wait_for(a, -1);
		break;
	case SAY_SILENCE:
		(void)wait_for(a, -1);
		break;
	case SAY_RAW:
		(void)say(sock, body);
		break;
	case SAY_NOTHING:
	default:
		break;
	}
}

static const struct said none = { .status = 599, .body = "not expected" };

/* The answer to this request. */
static const struct said *next(struct api *a, struct asked *asked)
{
	const struct said *s = &none;

	ck_assert_int_eq(pthread_mutex_lock(&a->lock), 0);
	if (a->count < a->n &&
	    (!a->said[a->count].asked || str_starts(asked->line, a->said[a->count].asked)))
		s = &a->said[a->count];
	if (a->count < API_KEPT) {
		a->asked[a->count] = *asked;
		*asked = (struct asked){ 0 };
	}
	a->count++;
	ck_assert_int_eq(pthread_mutex_unlock(&a->lock), 0);
	return s;
}

struct connection {
	struct api *a;
	int sock;
};

static void forget(struct asked *asked)
{
	free(asked->line);
	free(asked->head);
	free(asked->body);
}

static void *serve(void *arg)
{
	struct connection *c = arg;
	struct asked asked = { 0 };
	bool more = true;

	while (more && hear(c->a, c->sock, &asked)) {
		AUTO(str) char *body = NULL;
		struct said said;

		if (c->a->decide) {
			c->a->decide(c->a->arg, &asked, &said, &body);
			said.body = body;
		} else {
			said = *next(c->a, &asked);
		}
		answer(c->a, c->sock, &said);
		more = said.how == SAY_ALL;
		forget(&asked);
		asked = (struct asked){ 0 };
	}
	(void)close(c->sock);
	free(c);
	return NULL;
}

static void *run(void *arg)
{
	struct api *a = arg;

	while (wait_for(a, a->listener)) {
		int sock = accept4(a->listener, NULL, NULL, SOCK_CLOEXEC), yes = 1;
		struct connection *c;

		if (sock < 0)
			continue;
		/* An answer is sent in pieces. */
		(void)setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
		c = NEW(struct connection);
		*c = (struct connection){ a, sock };
		ck_assert_uint_lt(a->nstayers, API_KEPT);
		ck_assert_int_eq(pthread_create(&a->stayers[a->nstayers++], NULL, serve, c), 0);
	}
	return NULL;
}

static void begin(struct api *a)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	struct err err = ERR_INIT;

	a->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(a->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(listen(a->listener, 64), 0);
	ck_assert_int_eq(getsockname(a->listener, (struct sockaddr *)&at, &len), 0);
	a->port = ntohs(at.sin_port);
	ck_assert_int_eq(fd_pipe(a->stop, &err), 0);
	ck_assert_int_eq(pthread_mutex_init(&a->lock, NULL), 0);
	ck_assert_int_eq(pthread_create(&a->thread, NULL, run, a), 0);
}

void api_start(struct api *a, const struct said *said, size_t n)
{
	*a = (struct api){ .said = said, .n = n };
	begin(a);
}

void api_serve(struct api *a, api_decide *fn, void *arg)
{
	*a = (struct api){ .decide = fn, .arg = arg };
	begin(a);
}

void api_stop(struct api *a)
{
	if (!a->port)
		return;
	ck_assert_int_eq(write(a->stop[1], "x", 1), 1);
	(void)pthread_join(a->thread, NULL);
	for (size_t i = 0; i < a->nstayers; i++)
		(void)pthread_join(a->stayers[i], NULL);
	for (size_t i = 0; i < a->count && i < API_KEPT; i++)
		forget(&a->asked[i]);
	(void)pthread_mutex_destroy(&a->lock);
	(void)close(a->listener);
	(void)close(a->stop[0]);
	(void)close(a->stop[1]);
	a->port = 0;
}

size_t api_count(struct api *a)
{
	size_t n;

	ck_assert_int_eq(pthread_mutex_lock(&a->lock), 0);
	n = a->count;
	ck_assert_int_eq(pthread_mutex_unlock(&a->lock), 0);
	return n;
}

const struct asked *api_asked(struct api *a, size_t i)
{
	ck_assert_uint_lt(i, api_count(a));
	return &a->asked[i];
}

void api_end(struct api *a)
{
	for (size_t i = 0; i < api_count(a) && i < a->n; i++)
		ck_assert_msg(!a->said[i].asked || str_starts(a->asked[i].line, a->said[i].asked),
			      "request %zu was %s instead of %s", i, a->asked[i].line,
			      a->said[i].asked);
	ck_assert_msg(api_count(a) == a->n, "%zu requests instead of %zu; the last one: %s",
		      api_count(a), a->n, a->count ? a->asked[a->count - 1].line : "");
}

struct kube *api_client(const struct api *a, const char *dir)
{
	AUTO(str)
	char *config = path_join(dir, "config"), *token = path_join(dir, "token"), *text = NULL;
	struct kube *k = NULL;
	struct err err = ERR_INIT;

	text = str_fmt("apiVersion: v1\nkind: Config\ncurrent-context: c\n"
		       "contexts:\n- name: c\n  context: {cluster: k, user: u, namespace: kata}\n"
		       "clusters:\n- name: k\n  cluster: {server: \"http://127.0.0.1:%d/\"}\n"
		       "users:\n- name: u\n  user: {tokenFile: token}\n",
		       a->port);
	ck_assert_int_eq(file_replace_volatile(AT_FDCWD, token, "secret\n", 7, 0600, &err), 0);
	ck_assert_int_eq(file_replace_volatile(AT_FDCWD, config, text, strlen(text), 0600, &err),
			 0);
	struct kube_options o = { .kubeconfig = config, .pause_ms = 5 };

	ck_assert_msg(kube_open(&o, &k, &err) == 0, "%s", err.msg);
	return k;
}

void api_set_up(struct api *a, char dir[API_DIR])
{
	(void)str_print(dir, API_DIR, "/tmp/kata-kube-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	a->port = 0;
}

void api_tear_down(struct api *a, const char *dir)
{
	struct err ignored = ERR_INIT;

	api_stop(a);
	ck_assert_int_eq(path_remove_tree(dir, &ignored), 0);
}

struct deadline soon(void)
{
	return deadline_in(60000);
}
