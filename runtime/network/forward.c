// SPDX-License-Identifier: Apache-2.0
/* The listening sockets for a pod's localhost, and the BPF program that steers connections to
 * them. */

#include "network/forward.h"

#include "base/bpf.h"
#include "base/fd.h"
#include "base/mem.h"
#include "network/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 128, IDLE_S = 60, PROBE_S = 10 };

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* --- the program --- */

/* In the program: registers of its context and of the socket that it found, and the stack offset of
 * the socket's key in the map. */
#define CTX  BPF_REG_6
#define SOCK BPF_REG_7
#define KEY  (-4)

#define LOAD(reg, member) \
	BPF_INSN(BPF_LDX | BPF_W | BPF_MEM, reg, CTX, offsetof(struct bpf_sk_lookup, member), 0)
#define IF(reg, value, skip)     BPF_INSN(BPF_JMP32 | BPF_JEQ | BPF_K, reg, 0, skip, value)
#define UNLESS(reg, value, skip) BPF_INSN(BPF_JMP32 | BPF_JNE | BPF_K, reg, 0, skip, value)
#define IF_NULL(reg, skip)       BPF_INSN(BPF_JMP | BPF_JEQ | BPF_K, reg, 0, skip, 0)
#define SKIP(n)                  BPF_INSN(BPF_JMP | BPF_JA, 0, 0, n, 0)
#define SET_KEY(value)           BPF_INSN(BPF_ST | BPF_W | BPF_MEM, BPF_REG_10, 0, KEY, value)
#define COPY(to, from)           BPF_INSN(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0)
#define SET(reg, value)          BPF_INSN(BPF_ALU64 | BPF_MOV | BPF_K, reg, 0, 0, value)
#define ADD(reg, value)          BPF_INSN(BPF_ALU64 | BPF_ADD | BPF_K, reg, 0, 0, value)
#define CALL(helper)             BPF_INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_##helper)
#define EXIT                     BPF_INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
/* Two instructions. */
#define LOAD_MAP(reg, fd) \
	BPF_INSN(BPF_LD | BPF_DW | BPF_IMM, reg, BPF_PSEUDO_MAP_FD, 0, fd), BPF_INSN(0, 0, 0, 0, 0)

enum {
	TO_END = INT16_MAX, /* a jump to the last two instructions */
	END = 2,
};

/* Assigns a TCP connection to 127.0.0.1 or ::1 to the socket of that family in the map. Any other
 * connection, or one without such a socket, passes as without the program. Returns an fd. */
static int load_program(int map, struct err *err)
{
	struct bpf_insn insns[] = {
		COPY(CTX, BPF_REG_1),
		LOAD(BPF_REG_1, protocol),
		UNLESS(BPF_REG_1, IPPROTO_TCP, TO_END),
		LOAD(BPF_REG_1, family),
		IF(BPF_REG_1, AF_INET6, 4),
		LOAD(BPF_REG_1, local_ip4),
		UNLESS(BPF_REG_1, (int)htonl(INADDR_LOOPBACK), TO_END),
		SET_KEY(FORWARD_IPV4),
		SKIP(9),
		LOAD(BPF_REG_1, local_ip6[0]),
		UNLESS(BPF_REG_1, 0, TO_END),
		LOAD(BPF_REG_1, local_ip6[1]),
		UNLESS(BPF_REG_1, 0, TO_END),
		LOAD(BPF_REG_1, local_ip6[2]),
		UNLESS(BPF_REG_1, 0, TO_END),
		LOAD(BPF_REG_1, local_ip6[3]),
		UNLESS(BPF_REG_1, (int)htonl(1), TO_END),
		SET_KEY(FORWARD_IPV6),
		LOAD_MAP(BPF_REG_1, map),
		COPY(BPF_REG_2, BPF_REG_10),
		ADD(BPF_REG_2, KEY),
		CALL(map_lookup_elem),
		IF_NULL(BPF_REG_0, TO_END),
		COPY(SOCK, BPF_REG_0),
		COPY(BPF_REG_1, CTX),
		COPY(BPF_REG_2, SOCK),
		SET(BPF_REG_3, 0),
		CALL(sk_assign),
		COPY(BPF_REG_1, SOCK),
		CALL(sk_release),
		SET(BPF_REG_0, SK_PASS),
		EXIT,
	};
	const size_t n = ARRAY_LEN(insns);

	for (size_t i = 0; i < n; i++) {
		if (insns[i].off == TO_END)
			insns[i].off = (short)(n - END - i - 1);
	}
	return bpf_load(BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP, insns, n, err);
}

static int make_map(const struct forward *f, struct err *err)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = BPF_MAP_TYPE_SOCKMAP;
	attr.key_size = sizeof(uint32_t);
	attr.value_size = sizeof(uint64_t);
	attr.max_entries = FORWARD_FAMILIES;
	AUTO(fd) int map = (int)bpf_call(BPF_MAP_CREATE, &attr);
	if (map < 0)
		return err_sys(err, "make a BPF map of sockets");
	for (uint32_t i = 0; i < FORWARD_FAMILIES; i++) {
		uint64_t sock = (uint64_t)f->listeners[i];

		memset(&attr, 0, sizeof(attr));
		attr.map_fd = (uint32_t)map;
		attr.key = (uint64_t)(uintptr_t)&i;
		attr.value = (uint64_t)(uintptr_t)&sock;
		if (f->listeners[i] >= 0 && bpf_call(BPF_MAP_UPDATE_ELEM, &attr) < 0)
			return err_sys(err, "put a listening socket into a BPF map");
	}
	return STEAL(map, -1);
}

/* Attaches the program. The link, whose fd is returned, keeps program and map alive. */
static int link_program(int program, int netns, struct err *err)
{
	union bpf_attr attr;
	long link;

	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = (uint32_t)program;
	attr.link_create.target_fd = (uint32_t)netns;
	attr.link_create.attach_type = BPF_SK_LOOKUP;
	link = bpf_call(BPF_LINK_CREATE, &attr);
	return link < 0 ? err_sys(err, "attach a BPF program to the network namespace") : (int)link;
}

static int steer(int netns, struct forward *f, struct err *err)
{
	AUTO(fd) int map = make_map(f, err);
	AUTO(fd) int program = map < 0 ? -1 : load_program(map, err);

	f->link = program < 0 ? -1 : link_program(program, netns, err);
	return f->link < 0 ? -1 : 0;
}

/* --- the sockets --- */

/* Listens on a port that the kernel chooses; the program steers connections to any port to it. */
static int listen_at(const union address *a, socklen_t len)
{
	AUTO(fd)
	int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);

	if (fd < 0 || bind(fd, &a->any, len) < 0 || listen(fd, BACKLOG) < 0)
		return -1;
	return STEAL(fd, -1);
}

/* In the namespace. */
static int open_sockets(void *arg, struct err *err)
{
	const union address v4 = { .v4 = { .sin_family = AF_INET,
					   .sin_addr = { htonl(INADDR_LOOPBACK) } } };
	const union address v6 = { .v6 = { .sin6_family = AF_INET6,
					   .sin6_addr = IN6ADDR_LOOPBACK_INIT } };
	struct forward *f = arg;

	f->listeners[FORWARD_IPV4] = listen_at(&v4, sizeof(v4.v4));
	if (f->listeners[FORWARD_IPV4] < 0)
		return err_sys(err, "listen at 127.0.0.1");
	f->listeners[FORWARD_IPV6] = listen_at(&v6, sizeof(v6.v6)); /* the host may have no IPv6 */
	return 0;
}

int forward_open(int netns, struct forward *out, struct err *err)
{
	struct forward f = FORWARD_NONE;

	*out = f;
	if (netns_call(netns, open_sockets, &f, err) < 0)
		return -1;
	if (steer(netns, &f, err) < 0) {
		struct err why = *err;

		forward_close(&f);
		/* The kernel lacks the program type or BPF, or does not allow it. */
		if (why.sys != EINVAL && why.sys != ENOSYS && why.sys != EPERM)
			return -1;
		*err = (struct err)ERR_INIT;
		return err_set(err, E_UNSUPPORTED,
			       "this host's kernel cannot steer connections (%s); it needs BPF and "
			       "Linux 5.9",
			       why.msg);
	}
	*out = f;
	return 0;
}

void forward_close(struct forward *f)
{
	fd_close(&f->link);
	for (int i = 0; i < FORWARD_FAMILIES; i++)
		fd_close(&f->listeners[i]);
}

/* --- connections --- */

int forward_take(int fd, uint16_t *port, struct err *err)
{
	union address own = { .v6 = { .sin6_family = AF_UNSPEC } };
	socklen_t len = sizeof(own);
	const int on = 1;

	if (getsockname(fd, &own.any, &len) < 0)
		return err_sys(err, "find the port of a connection");
	*port = ntohs(own.any.sa_family == AF_INET ? own.v4.sin_port : own.v6.sin6_port);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	fd_keep_alive(fd, IDLE_S, PROBE_S);
	return 0;
}

void forward_reset(int *fd)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	if (*fd >= 0)
		(void)setsockopt(*fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	fd_close(fd);
}
