// SPDX-License-Identifier: Apache-2.0
/* A minimal HTTP server: reads the head of a request, writes the answer, closes the connection. */
#include "deploy/node/serve.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct visit {
	struct serve *s;
	int fd;
	struct watch *watch, *timer;
	uint64_t number; /* of visits so far */
	char head[SERVE_REQUEST_MAX];
	size_t have;
	struct buf out;
};

struct serve {
	struct loop *loop;
	struct listener *listener;
	serve_answer *answer;
	void *arg;
	uint64_t count; /* of visits so far */
	struct visit *visits[SERVE_MAX];
};

int serve_listen(uint16_t port, struct err *err)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(port) };
	int yes = 1, no = 0;
	AUTO(fd) int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is_six = fd >= 0 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no)) == 0;

	if (!is_six) {
		fd_close(&fd);
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	}
	if (fd < 0)
		return err_sys(err, "make a socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, is_six ? (struct sockaddr *)&six : (struct sockaddr *)&four,
		 is_six ? sizeof(six) : sizeof(four)) < 0 ||
	    listen(fd, SERVE_MAX) < 0) {
		(void)err_sys(err, "listen at port %u", port);
		return err_hint(err, "choose another with --port");
	}
	return STEAL(fd, -1);
}

static void end_visit(struct visit *v)
{
	struct serve *s = v->s;

	for (size_t i = 0; i < SERVE_MAX; i++) {
		if (s->visits[i] == v)
			s->visits[i] = NULL;
	}
	watch_remove(v->watch);
	watch_remove(v->timer);
	fd_close(&v->fd);
	buf_release(&v->out);
	free(v);
}

static const char *phrase(int code)
{
	switch (code) {
	case 200:
		return "OK";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 503:
		return "Service Unavailable";
	default:
		return "Bad Request";
	}
}

char *serve_path(const char *head, size_t len, int *code)
{
	size_t line = 0, n = 4;

	while (line < len && head[line] != '\r' && head[line] != '\n')
		line++;
	*code = 400;
	if (line < 5 || memchr(head, '\0', line))
		return NULL;
	if (strncmp(head, "GET ", 4) != 0) {
		*code = 405;
		return NULL;
	}
	if (head[n] != '/')
		return NULL;
	/* The query is ignored. */
	while (n < line && head[n] != ' ' && head[n] != '?')
		n++;
	return xstrndup(head + 4, n - 4);
}

static void answer(struct visit *v)
{
	AUTO(buf) struct buf body = BUF_INIT(SERVE_BODY_MAX);
	int code;
	AUTO(str) char *path = serve_path(v->head, v->have, &code);

	if (path)
		code = v->s->answer(v->s->arg, path, &body);
	else
		buf_fmt(&body, "%s\n", phrase(code));
	buf_fmt(&v->out,
		"HTTP/1.1 %d %s\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
		"Content-Length: %zu\r\nConnection: close\r\n\r\n",
		code, phrase(code), body.len);
	buf_add(&v->out, buf_cstr(&body), body.len);
	watch_set(v->watch, EPOLLOUT);
}

static bool has_whole_head(const struct visit *v)
{
	return memmem(v->head, v->have, "\r\n\r\n", 4) || memmem(v->head, v->have, "\n\n", 2);
}

static void on_visit(void *arg, uint32_t events)
{
	struct visit *v = arg;
	ssize_t n;

	if (v->out.len) {
		n = send(v->fd, v->out.data, v->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0)
			buf_eat(&v->out, (size_t)n);
		if ((n < 0 && errno != EAGAIN && errno != EINTR) || !v->out.len)
			end_visit(v);
		return;
	}
	(void)events;
	n = recv(v->fd, v->head + v->have, sizeof(v->head) - v->have, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end_visit(v);
		return;
	}
	v->have += (size_t)n;
	if (has_whole_head(v) || v->have == sizeof(v->head))
		answer(v);
}

static void too_long(void *arg)
{
	end_visit(arg);
}

/* Makes room for another visit; returns its place. */
static size_t place(struct serve *s)
{
	size_t oldest = 0;

	for (size_t i = 0; i < SERVE_MAX; i++) {
		if (!s->visits[i])
			return i;
		if (s->visits[i]->number < s->visits[oldest]->number)
			oldest = i;
	}
	end_visit(s->visits[oldest]);
	return oldest;
}

static void on_connection(void *arg, int fd)
{
	struct serve *s = arg;
	struct visit *v = NEW(struct visit);

	*v = (struct visit){
		.s = s, .fd = fd, .number = s->count++, .out = BUF_INIT(SERVE_BODY_MAX + 1024)
	};
	s->visits[place(s)] = v;
	v->watch = loop_watch(s->loop, fd, EPOLLIN, on_visit, v);
	v->timer = loop_timer(s->loop, SERVE_MS, false, too_long, v);
}

struct serve *serve_new(struct loop *loop, int fd, serve_answer *fn, void *arg)
{
	struct serve *s = NEW(struct serve);

	*s = (struct serve){ .loop = loop, .answer = fn, .arg = arg };
	s->listener = listener_new(loop, fd, SOCK_NONBLOCK, on_connection, s);
	return s;
}

void serve_free(struct serve *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < SERVE_MAX; i++) {
		if (s->visits[i])
			end_visit(s->visits[i]);
	}
	listener_free(s->listener);
	free(s);
}
