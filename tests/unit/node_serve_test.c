// SPDX-License-Identifier: Apache-2.0
/* node's web server with visitors that say nothing. */

#include "tests/unit/suite.h"

#include "base/fd.h"
#include "deploy/node/serve.h"
#include "loop/loop.h"

#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct loop *loop;
static struct err err;
static struct sockaddr_in6 server;

static void too_late(void *arg)
{
	(void)arg;
	ck_abort_msg("nothing has happened");
}

static int answer(void *arg, const char *path, struct buf *body)
{
	(void)arg;
	buf_str(body, path);
	return 200;
}

static int visit(void)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&server, sizeof(server)), 0);
	return fd;
}

static void on_answer(void *arg, uint32_t events)
{
	char text[1024] = "";
	ssize_t n = recv(*(int *)arg, text, sizeof(text) - 1, 0);

	(void)events;
	ck_assert_msg(n > 0 && strstr(text, "\r\n\r\n/healthz") != NULL, "'%s'", text);
	loop_stop(loop);
}

/* A kubelet waits for a second only, and then restarts the container. */
START_TEST(idle_visitors_do_not_keep_others_waiting)
{
	static const char request[] = "GET /healthz HTTP/1.1\r\n\r\n";
	socklen_t len = sizeof(server);
	int fd = serve_listen(0, &err), crowd[SERVE_MAX], kubelet;
	struct watch *late, *watch;
	struct serve *s;

	ck_assert_msg(fd >= 0, "%s", err.msg);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&server, &len), 0);
	if (server.sin6_family != AF_INET6) {
		fd_close(&fd);
		return; /* this machine has no IPv6 */
	}
	server.sin6_addr = in6addr_loopback;
	loop = loop_new(&(struct err)ERR_INIT);
	s = serve_new(loop, fd, answer, NULL);
	/* Before a visitor is sent away for taking too long. */
	late = loop_timer(loop, SERVE_MS / 2, false, too_late, NULL);
	for (int i = 0; i < SERVE_MAX; i++)
		crowd[i] = visit();
	kubelet = visit();
	ck_assert_int_eq(send(kubelet, request, strlen(request), 0), strlen(request));
	watch = loop_watch(loop, kubelet, EPOLLIN, on_answer, &kubelet);
	loop_run(loop);
	watch_remove(watch);
	watch_remove(late);
	fd_close(&kubelet);
	for (int i = 0; i < SERVE_MAX; i++)
		fd_close(&crowd[i]);
	serve_free(s);
	loop_free(loop);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("node_serve");
	TCase *tc = tcase_create("serve");

	tcase_add_test(tc, idle_visitors_do_not_keep_others_waiting);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
