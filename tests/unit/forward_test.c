// SPDX-License-Identifier: Apache-2.0
/* The localhost of a pod's namespace, against the kernel. Needs root. */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "network/forward.h"
#include "network/netns.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char dir[SCRATCH_DIR];
static char *path;
static int netns = -1;
static struct forward forward;
static struct err err;

#define must(call) ck_assert_msg((call) == 0, "%s", err.msg)

static void setup(void)
{
	struct netns_identity identity;

	err_clear(&err);
	scratch_make(dir, "forward");
	path = path_join(dir, "netns");
	must(netns_make(path, &err));
	netns = netns_open(path, &identity, &err);
	ck_assert_int_ge(netns, 0);
	must(forward_open(netns, &forward, &err));
}

static void teardown(void)
{
	forward_close(&forward);
	fd_close(&netns);
	ck_assert(umount2(path, MNT_DETACH) == 0);
	ck_assert(unlink(path) == 0 && rmdir(dir) == 0);
	free(path);
}

/* --- a client in the namespace --- */

struct dial {
	const char *address;
	uint16_t port;
	int listen, fd, why;
};

static int dial_there(void *arg, struct err *e)
{
	struct dial *d = arg;
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(d->port) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(d->port) };
	bool six = inet_pton(AF_INET6, d->address, &v6.sin6_addr) == 1;
	const struct sockaddr *to = six ? (void *)&v6 : (void *)&v4;
	socklen_t len = six ? sizeof(v6) : sizeof(v4);

	(void)e;
	if (!six)
		ck_assert_int_eq(inet_pton(AF_INET, d->address, &v4.sin_addr), 1);
	d->fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(d->fd, 0);
	if (d->listen)
		ck_assert(bind(d->fd, to, len) == 0 && listen(d->fd, 8) == 0);
	else if (connect(d->fd, to, len) < 0) {
		d->why = errno;
		fd_close(&d->fd);
	}
	return 0;
}

/* An fd, or -errno. */
static int dial(const char *address, uint16_t port)
{
	struct dial d = { address, port, 0, -1, 0 };

	must(netns_call(netns, dial_there, &d, &err));
	return d.fd >= 0 ? d.fd : -d.why;
}

static int listen_there(const char *address, uint16_t port)
{
	struct dial d = { address, port, 1, -1, 0 };

	must(netns_call(netns, dial_there, &d, &err));
	return d.fd;
}

static bool is_ready(int family, int ms)
{
	struct pollfd ready = { .fd = forward.listeners[family], .events = POLLIN };

	return poll(&ready, 1, ms) == 1;
}

static int take(int family, uint16_t *port)
{
	int fd;

	ck_assert(is_ready(family, 60000));
	ck_assert_int_ge(fd = accept4(forward.listeners[family], NULL, NULL, SOCK_CLOEXEC), 0);
	must(forward_take(fd, port, &err));
	return fd;
}

/* --- tests --- */

static const struct {
	const char *address;
	int family;
} local[] = { { "127.0.0.1", FORWARD_IPV4 }, { "::1", FORWARD_IPV6 } };

START_TEST(a_connection_to_each_port_is_accepted_with_its_port)
{
	static const uint16_t ports[] = { 1, 22, 80, 8080, 40000, 65535 };

	for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
		AUTO(fd) int client = dial(local[_i].address, ports[i]);
		uint16_t port = 0;
		char text[4];

		ck_assert_int_ge(client, 0);
		AUTO(fd) int fd = take(local[_i].family, &port);
		ck_assert_int_ge(fd, 0);
		ck_assert_uint_eq(port, ports[i]);
		ck_assert_int_eq(write(fd, "ping", 4), 4);
		ck_assert_int_eq(fd_read_full(client, text, 4, &err), 4);
		ck_assert(shutdown(client, SHUT_WR) == 0);
	}
	ck_assert(!is_ready(local[_i].family, 0));
}
END_TEST

START_TEST(many_connections_at_once)
{
	enum { N = 100 };
	int clients[N], got[N];
	bool seen[N] = { false };

	for (int i = 0; i < N; i++)
		ck_assert_int_ge(clients[i] = dial(local[_i].address, (uint16_t)(1000 + i)), 0);
	for (int i = 0; i < N; i++) {
		uint16_t port = 0;

		ck_assert_int_ge(got[i] = take(local[_i].family, &port), 0);
		ck_assert(port >= 1000 && port < 1000 + N && !seen[port - 1000]);
		seen[port - 1000] = true;
	}
	for (int i = 0; i < N; i++) {
		fd_close(&clients[i]);
		fd_close(&got[i]);
	}
}
END_TEST

START_TEST(a_reset_reaches_the_client)
{
	uint16_t port;
	AUTO(fd) int client = dial(local[_i].address, 7);
	int fd = take(local[_i].family, &port);
	char c;

	forward_reset(&fd);
	ck_assert_int_eq(fd, -1);
	ck_assert_int_eq(read(client, &c, 1), -1);
	ck_assert_int_eq(errno, ECONNRESET);
	forward_reset(&fd);
}
END_TEST

/* 127.0.0.11, say, where Docker has a resolver. */
START_TEST(other_loopback_addresses_are_left_alone)
{
	AUTO(fd) int resolver = listen_there("127.0.0.11", 53);
	AUTO(fd) int client = dial("127.0.0.11", 53);

	ck_assert(resolver >= 0 && client >= 0);
	ck_assert_int_eq(dial("127.0.0.11", 54), -ECONNREFUSED);
	ck_assert_int_eq(dial("127.0.0.2", 80), -ECONNREFUSED);
	ck_assert(!is_ready(FORWARD_IPV4, 0));
}
END_TEST

/* The namespace of this process refuses the connection. */
START_TEST(other_namespaces_are_left_alone)
{
	struct dial d = { "127.0.0.1", 1, 0, -1, 0 };

	must(dial_there(&d, &err));
	ck_assert_int_eq(d.why, ECONNREFUSED);
}
END_TEST

START_TEST(closing_resets_waiting_clients_and_frees_the_ports)
{
	AUTO(fd) int waiting = dial("127.0.0.1", 80);
	struct forward again;
	char c;

	forward_close(&forward);
	forward_close(&forward);
	ck_assert_int_eq(read(waiting, &c, 1), -1); /* reset: it was never accepted */
	ck_assert_int_eq(errno, ECONNRESET);
	ck_assert_int_eq(dial("127.0.0.1", 80), -ECONNREFUSED);
	ck_assert_int_eq(dial("::1", 80), -ECONNREFUSED);
	must(forward_open(netns, &again, &err));
	AUTO(fd) int client = dial("127.0.0.1", 80);
	ck_assert_int_ge(client, 0);
	forward_close(&again);
}
END_TEST

/* As of a kernel from before such programs: bpf(2) fails with that. */
static void without_bpf(int why)
{
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bpf, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)why),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = { ARRAY_LEN(insns), insns };

	ck_assert(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	ck_assert(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0);
}

static const int reasons[] = { EINVAL, ENOSYS, EPERM };

START_TEST(a_kernel_without_support_is_named)
{
	struct forward again;

	forward_close(&forward);
	without_bpf(reasons[_i]);
	ck_assert_int_eq(forward_open(netns, &again, &err), -1);
	ck_assert_msg(err.code == E_UNSUPPORTED && strstr(err.msg, "this host's kernel cannot"),
		      "%s", err.msg);
	err_clear(&err);
	ck_assert_int_eq(dial("127.0.0.1", 80), -ECONNREFUSED);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("forward");
	TCase *tc = tcase_create("kernel");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, a_connection_to_each_port_is_accepted_with_its_port, 0,
			    (int)ARRAY_LEN(local));
	tcase_add_loop_test(tc, many_connections_at_once, 0, (int)ARRAY_LEN(local));
	tcase_add_loop_test(tc, a_reset_reaches_the_client, 0, (int)ARRAY_LEN(local));
	tcase_add_test(tc, other_loopback_addresses_are_left_alone);
	tcase_add_test(tc, other_namespaces_are_left_alone);
	tcase_add_test(tc, closing_resets_waiting_clients_and_frees_the_ports);
	tcase_add_loop_test(tc, a_kernel_without_support_is_named, 0, (int)ARRAY_LEN(reasons));
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
