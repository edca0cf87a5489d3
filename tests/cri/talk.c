// SPDX-License-Identifier: Apache-2.0
/*
 * Makes traffic, for tests and measurements of networks.
 *
 *	talk serve ADDRESS PORT		echoes datagrams and connections, discards what is sent to PORT + 1,
 *					and sends as much as a client requests at PORT + 2
 *	talk udp ADDRESS PORT SIZE N	N datagrams one after the other: prints how many came back
 *	talk tcp ADDRESS PORT SIZE N	N connections, all open at once, with SIZE bytes each: prints how
 *					many of them came back whole
 *	talk rtt ADDRESS PORT N		prints the mean time of N round trips of a byte, in microseconds
 *	talk send ADDRESS PORT MIB	prints the rate at which the server received, in MiB/s
 *	talk fetch ADDRESS PORT MIB	prints the rate at which the server sent, in MiB/s
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PEERS = 1024, BLOCK = 64 * 1024, PATIENCE_S = 60, CONNECT_S = 5, UDP_S = 2, UDP_TRIES = 5 };

static _Noreturn void fail(const char *what)
{
	(void)fprintf(stderr, "talk: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

struct place {
	struct sockaddr_storage address;
	socklen_t size;
};

static struct place place_of(const char *text, unsigned port)
{
	struct place p = { .size = 0 };
	struct sockaddr_in *v4 = (struct sockaddr_in *)&p.address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&p.address;

	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		p.size = sizeof(*v4);
	} else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		p.size = sizeof(*v6);
	} else {
		fail(text);
	}
	return p;
}

static int make(const struct place *p, int type, unsigned patience)
{
	struct timeval limit = { .tv_sec = patience };
	int fd = socket(p->address.ss_family, type, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		fail("socket");
	if (type == SOCK_STREAM)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static int reach(const struct place *p, int type, unsigned patience)
{
	const struct timeval limit = { .tv_sec = CONNECT_S }, none = { .tv_sec = 0 };
	int fd = make(p, type, patience);

	/* A limit, so that the caller tries again with a new connection: the link address of the
	 * first may have led nowhere. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0 ||
	    connect(fd, (const struct sockaddr *)&p->address, p->size) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof(none)) < 0)
		fail("connect");
	return fd;
}

static void send_all(int fd, const uint8_t *data, size_t n)
{
	while (n) {
		ssize_t done = send(fd, data, n, MSG_NOSIGNAL);

		if (done < 0)
			fail("send");
		data += done;
		n -= (size_t)done;
	}
}

static bool take_all(int fd, uint8_t *data, size_t n)
{
	while (n) {
		ssize_t done = recv(fd, data, n, 0);

		if (done <= 0)
			return false;
		data += done;
		n -= (size_t)done;
	}
	return true;
}

/* --- the server --- */

/* While it sends, it serves only this client. */
enum role { DATAGRAMS, LISTENS, LISTENS_TAKES, LISTENS_GIVES, ECHOES, TAKES, GIVES };

static struct pollfd peers[PEERS];
static enum role roles[PEERS];
static uint64_t taken[PEERS];
static nfds_t npeers;

static void add(int fd, enum role role)
{
	if (npeers == PEERS) {
		(void)close(fd);
		return;
	}
	peers[npeers] = (struct pollfd){ .fd = fd, .events = POLLIN };
	taken[npeers] = 0;
	roles[npeers++] = role;
}

static void drop(nfds_t i)
{
	(void)close(peers[i].fd);
	npeers--;
	peers[i] = peers[npeers];
	roles[i] = roles[npeers];
	taken[i] = taken[npeers];
}

static void listen_at(const struct place *p, enum role role)
{
	int fd = make(p, role == DATAGRAMS ? SOCK_DGRAM : SOCK_STREAM, 0);

	if (bind(fd, (const struct sockaddr *)&p->address, p->size) < 0 ||
	    (role != DATAGRAMS && listen(fd, PEERS) < 0))
		fail("listen");
	add(fd, role);
}

static void serve_datagram(int fd)
{
	static uint8_t data[BLOCK];
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	ssize_t n = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from, &size);

	if (n >= 0)
		(void)sendto(fd, data, (size_t)n, 0, (struct sockaddr *)&from, size);
}

static void give(int fd, unsigned mib)
{
	static uint8_t data[BLOCK];

	for (unsigned i = 0; i < mib * (1024 * 1024 / BLOCK); i++)
		send_all(fd, data, BLOCK);
}

static void serve_one(nfds_t i)
{
	static uint8_t data[BLOCK];
	int fd = peers[i].fd;
	ssize_t n;

	if (roles[i] == DATAGRAMS) {
		serve_datagram(fd);
		return;
	}
	if (roles[i] < ECHOES) {
		n = accept(fd, NULL, NULL);
		if (n >= 0)
			add((int)n, roles[i] - LISTENS + ECHOES);
		return;
	}
	n = recv(fd, data, sizeof(data), 0);
	if (n > 0 && roles[i] == GIVES) {
		give(fd, data[0]);
	} else if (n > 0 && roles[i] == ECHOES) {
		send_all(fd, data, (size_t)n);
	} else if (n > 0) {
		taken[i] += (uint64_t)n;
	} else {
		if (roles[i] == TAKES)
			(void)send(fd, &taken[i], sizeof(taken[i]), MSG_NOSIGNAL);
		drop(i);
	}
}

static _Noreturn void serve(const char *address, unsigned port)
{
	struct place p = place_of(address, port), takes = place_of(address, port + 1),
		     gives = place_of(address, port + 2);

	listen_at(&p, LISTENS);
	listen_at(&p, DATAGRAMS);
	listen_at(&takes, LISTENS_TAKES);
	listen_at(&gives, LISTENS_GIVES);
	for (;;) {
		if (poll(peers, npeers, -1) < 0)
			fail("poll");
		for (nfds_t i = npeers; i-- > 0;) {
			if (peers[i].revents)
				serve_one(i);
		}
	}
}

/* --- clients --- */

static void fill(uint8_t *data, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		data[i] = (uint8_t)(i * 7 + seed * 31 + i / 251);
}

static void ask_udp(const char *address, unsigned port, size_t size, unsigned n)
{
	static uint8_t out[BLOCK], in[BLOCK];
	struct place p = place_of(address, port);
	int fd = reach(&p, SOCK_DGRAM, UDP_S);
	unsigned back = 0;

	for (unsigned i = 0; i < n; i++) {
		bool same = false;

		fill(out, size, i);
		for (int t = 0; t < UDP_TRIES && !same; t++) { /* a datagram may be lost */
			(void)send(fd, out, size, 0);
			same = recv(fd, in, sizeof(in), 0) == (ssize_t)size &&
			       memcmp(in, out, size) == 0;
		}
		back += same;
	}
	(void)printf("%u\n", back);
}

static void ask_tcp(const char *address, unsigned port, size_t size, unsigned n)
{
	static uint8_t out[BLOCK], in[BLOCK];
	static int fds[PEERS];
	struct place p = place_of(address, port);
	unsigned back = 0;

	for (unsigned i = 0; i < n; i++)
		fds[i] = reach(&p, SOCK_STREAM, PATIENCE_S);
	for (unsigned i = 0; i < n; i++) {
		fill(out, size, i);
		send_all(fds[i], out, size);
	}
	for (unsigned i = 0; i < n; i++) {
		fill(out, size, i);
		back += take_all(fds[i], in, size) && memcmp(in, out, size) == 0;
	}
	(void)printf("%u\n", back);
}

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void ask_rtt(const char *address, unsigned port, unsigned n)
{
	struct place p = place_of(address, port);
	int fd = reach(&p, SOCK_STREAM, PATIENCE_S);
	uint8_t byte = 7;
	double begin = now();

	for (unsigned i = 0; i < n; i++) {
		send_all(fd, &byte, 1);
		if (!take_all(fd, &byte, 1))
			fail("echo");
	}
	(void)printf("%.1f\n", (now() - begin) / n * 1e6);
}

static void ask_send(const char *address, unsigned port, unsigned mib)
{
	static uint8_t data[BLOCK];
	struct place p = place_of(address, port + 1);
	int fd = reach(&p, SOCK_STREAM, PATIENCE_S);
	double begin = now();
	uint64_t got = 0;

	for (uint64_t i = 0; i < (uint64_t)mib * (1 << 20) / BLOCK; i++)
		send_all(fd, data, BLOCK);
	(void)shutdown(fd, SHUT_WR);
	if (!take_all(fd, (uint8_t *)&got, sizeof(got)) || got != (uint64_t)mib << 20)
		fail("what the other end took");
	(void)printf("%.1f\n", mib / (now() - begin));
}

static void ask_fetch(const char *address, unsigned port, uint8_t mib)
{
	static uint8_t data[BLOCK];
	struct place p = place_of(address, port + 2);
	int fd = reach(&p, SOCK_STREAM, PATIENCE_S);
	double begin = now();

	send_all(fd, &mib, 1);
	for (unsigned i = 0; i < mib * (1024u * 1024 / BLOCK); i++) {
		if (!take_all(fd, data, BLOCK))
			fail("what the other end gives");
	}
	(void)printf("%.1f\n", mib / (now() - begin));
}

int main(int argc, char **argv)
{
	unsigned numbers[3] = { 0 };

	for (int i = 3; i < argc && i < 6; i++)
		numbers[i - 3] = (unsigned)strtoul(argv[i], NULL, 10);
	if (argc == 4 && strcmp(argv[1], "serve") == 0)
		serve(argv[2], numbers[0]);
	else if (argc == 6 && strcmp(argv[1], "udp") == 0 && numbers[1] <= BLOCK)
		ask_udp(argv[2], numbers[0], numbers[1], numbers[2]);
	else if (argc == 6 && strcmp(argv[1], "tcp") == 0 && numbers[1] <= BLOCK &&
		 numbers[2] <= PEERS)
		ask_tcp(argv[2], numbers[0], numbers[1], numbers[2]);
	else if (argc == 5 && strcmp(argv[1], "rtt") == 0)
		ask_rtt(argv[2], numbers[0], numbers[1]);
	else if (argc == 5 && strcmp(argv[1], "send") == 0)
		ask_send(argv[2], numbers[0], numbers[1]);
	else if (argc == 5 && strcmp(argv[1], "fetch") == 0 && numbers[1] <= UINT8_MAX)
		ask_fetch(argv[2], numbers[0], (uint8_t)numbers[1]);
	else {
		(void)fprintf(stderr, "usage: talk serve|udp|tcp|rtt|send|fetch ADDRESS PORT "
				      "[NUMBER...]\n");
		return 2;
	}
	return EXIT_SUCCESS;
}
