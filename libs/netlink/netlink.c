// SPDX-License-Identifier: Apache-2.0
/*
 * The rtnetlink socket: requests, acknowledgements, dumps. Answers are received into one buffer; a
 * datagram that does not fit is an error.
 */

#include "netlink/netlink.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "netlink/netlink-internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

struct netlink {
	int fd;
	uint32_t seq;
	uint8_t answer[NL_ANSWER_MAX] __attribute__((aligned(8)));
};

int netlink_open(struct netlink **out, struct err *err)
{
	AUTO(fd) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct timeval patience = { .tv_sec = 5 };
	int on = 1;

	if (fd < 0)
		return err_sys(err, "open an rtnetlink socket");
	/* Optional: old kernels lack these. Strict checking makes dump filters work. */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return err_sys(err, "set up an rtnetlink socket");
	*out = NEW(struct netlink);
	(*out)->fd = STEAL(fd, -1);
	return 0;
}

void netlink_close(struct netlink *nl)
{
	if (!nl)
		return;
	fd_close(&nl->fd);
	free(nl);
}

/* --- watching --- */

enum { WATCH_QUEUE = 32 * 1024 };

int netlink_watch(struct err *err)
{
	const struct sockaddr_nl groups = { .nl_family = AF_NETLINK,
					    .nl_groups = RTMGRP_LINK | RTMGRP_NEIGH |
							 RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
							 RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE };
	const int size = WATCH_QUEUE;
	AUTO(fd)
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) < 0 ||
	    bind(fd, (const struct sockaddr *)&groups, sizeof(groups)) < 0)
		return err_sys(err, "watch by rtnetlink");
	return STEAL(fd, -1);
}

/* Reads no more messages than the queue can hold, so that it ends however fast others send. */
void netlink_watch_drain(int fd)
{
	char start; /* the rest of a message is dropped */

	for (int i = 0; i < WATCH_QUEUE / (int)sizeof(struct nlmsghdr); i++) {
		if (recv(fd, &start, sizeof(start), MSG_TRUNC) < 0 && errno != ENOBUFS &&
		    errno != EINTR)
			return;
	}
}

/* --- building --- */

void nl_begin(struct nl_request *r, uint16_t type, uint16_t flags, const void *body, size_t len)
{
	memset(r, 0, sizeof(*r));
	r->head.nlmsg_type = type;
	r->head.nlmsg_flags = NLM_F_REQUEST | flags;
	r->head.nlmsg_len = (uint32_t)NLMSG_LENGTH(len);
	memcpy(r->bytes + NLMSG_HDRLEN, body, len);
}

void nl_attr(struct nl_request *r, uint16_t type, const void *data, size_t len)
{
	size_t at = NLMSG_ALIGN(r->head.nlmsg_len);
	struct nlattr head = { .nla_type = type, .nla_len = (uint16_t)(NLA_HDRLEN + len) };

	if (len > NL_REQUEST_MAX || at + NLA_HDRLEN + NLA_ALIGN(len) > NL_REQUEST_MAX)
		bug("a netlink request of more than %d bytes", NL_REQUEST_MAX);
	memcpy(r->bytes + at, &head, sizeof(head));
	if (len)
		memcpy(r->bytes + at + NLA_HDRLEN, data, len);
	r->head.nlmsg_len = (uint32_t)(at + NLA_HDRLEN + NLA_ALIGN(len));
}

void nl_attr_u32(struct nl_request *r, uint16_t type, uint32_t value)
{
	nl_attr(r, type, &value, sizeof(value));
}

size_t nl_nest(struct nl_request *r, uint16_t type)
{
	size_t at = NLMSG_ALIGN(r->head.nlmsg_len);

	nl_attr(r, type | NLA_F_NESTED, NULL, 0);
	return at;
}

void nl_nest_end(struct nl_request *r, size_t at)
{
	struct nlattr head;

	memcpy(&head, r->bytes + at, sizeof(head));
	head.nla_len = (uint16_t)(r->head.nlmsg_len - at);
	memcpy(r->bytes + at, &head, sizeof(head));
}

int nl_parse_address(int family, const char *text, void *to, size_t *len, struct err *err)
{
	if (family != AF_INET && family != AF_INET6)
		return err_set(err, E_INVALID, "address family %d", family);
	if (inet_pton(family, text, to) != 1)
		return err_set(err, E_INVALID, "'%.64s' is not an IPv%d address", text,
			       family == AF_INET ? 4 : 6);
	*len = family == AF_INET ? 4 : 16;
	return 0;
}

int nl_parse_mac(const char *text, uint8_t mac[6], struct err *err)
{
	AUTO(strv) char **parts = strv_split(text, ":");
	struct err ignored = ERR_INIT; /* replaced by our message */
	bool good = strlen(text) == 17 && strv_len(parts) == 6;

	for (int i = 0; good && i < 6; i++) {
		uint64_t value;

		good = strlen(parts[i]) == 2 &&
		       str_u64(parts[i], 16, 0, 255, "byte", &value, &ignored) == 0;
		mac[i] = good ? (uint8_t)value : 0;
	}
	return good ? 0 : err_set(err, E_INVALID, "'%.64s' is not a hardware address", text);
}

/* --- parsing --- */

void nl_attrs(const void *data, size_t len, const struct nlattr **table, unsigned max)
{
	const uint8_t *p = data;

	for (unsigned i = 0; i <= max; i++)
		table[i] = NULL;
	while (len >= NLA_HDRLEN) {
		const struct nlattr *a = (const struct nlattr *)p;
		size_t step = NLA_ALIGN((size_t)a->nla_len);

		if (a->nla_len < NLA_HDRLEN || a->nla_len > len)
			return;
		if ((a->nla_type & NLA_TYPE_MASK) <= max)
			table[a->nla_type & NLA_TYPE_MASK] = a;
		if (step >= len)
			return;
		p += step;
		len -= step;
	}
}

bool nl_body_attrs(const struct nlmsghdr *h, size_t fixed, const struct nlattr **table,
		   unsigned max)
{
	size_t at = NLMSG_HDRLEN + NLMSG_ALIGN(fixed);

	if (h->nlmsg_len < NLMSG_HDRLEN + fixed)
		return false;
	nl_attrs((const uint8_t *)h + at, h->nlmsg_len > at ? h->nlmsg_len - at : 0, table, max);
	return true;
}

const void *nl_data(const struct nlattr *a, size_t at_least)
{
	return a && a->nla_len >= NLA_HDRLEN + at_least ? (const uint8_t *)a + NLA_HDRLEN : NULL;
}

uint32_t nl_u32(const struct nlattr *a)
{
	const void *data = nl_data(a, sizeof(uint32_t));
	uint32_t value = 0;

	if (data)
		memcpy(&value, data, sizeof(value));
	return value;
}

void nl_text(const struct nlattr *a, char *to, size_t size)
{
	const char *data = nl_data(a, 0);
	size_t len = data ? strnlen(data, a->nla_len - NLA_HDRLEN) : 0;

	len = len < size ? len : size - 1;
	if (len)
		memcpy(to, data, len);
	to[len] = '\0';
}

/* --- sending and receiving --- */

enum { ERRNO_MAX = 4095 };

/* The kernel's result of a request: 0 if it is an acknowledgement. */
static int take_result(const struct nlmsghdr *h, struct err *err)
{
	const struct nlattr *table[NLMSGERR_ATTR_MSG + 1] = { NULL };
	const struct nlmsgerr *e = (const void *)((const uint8_t *)h + NLMSG_HDRLEN);
	char text[160] = "";

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*e)))
		return err_set(err, E_PROTOCOL, "rtnetlink: an answer was cut short");
	if (e->error == 0)
		return 0;
	if (e->error > 0 || e->error < -ERRNO_MAX)
		return err_set(err, E_PROTOCOL, "rtnetlink: %d is no error number", e->error);
	if ((h->nlmsg_flags & NLM_F_ACK_TLVS) && (h->nlmsg_flags & NLM_F_CAPPED)) {
		(void)nl_body_attrs(h, sizeof(*e), table, NLMSGERR_ATTR_MSG);
		nl_text(table[NLMSGERR_ATTR_MSG], text, sizeof(text));
	}
	errno = -e->error;
	if (*text)
		return err_sys(err, "rtnetlink: %s", text);
	return err_sys(err, "rtnetlink");
}

int nl_walk(const void *data, size_t len, uint32_t seq, nl_message_fn fn, void *arg, bool *done,
	    bool *changed, struct err *err)
{
	const uint8_t *p = data;

	while (len >= NLMSG_HDRLEN && !*done) {
		const struct nlmsghdr *h = (const struct nlmsghdr *)p;
		size_t step = NLMSG_ALIGN((size_t)h->nlmsg_len);

		if (h->nlmsg_len < NLMSG_HDRLEN || h->nlmsg_len > len)
			return err_set(err, E_PROTOCOL, "rtnetlink: a message was cut short");
		if (h->nlmsg_seq == seq) { /* else: a late answer to an abandoned request */
			*changed |= (h->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
			*done = h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR;
			if (h->nlmsg_type == NLMSG_ERROR && take_result(h, err) < 0)
				return -1;
			if (h->nlmsg_type >= NLMSG_MIN_TYPE && fn(h, arg, err) < 0)
				return -1;
		}
		step = step < len ? step : len;
		p += step;
		len -= step;
	}
	return 0;
}

static int converse(struct netlink *nl, struct nl_request *r, nl_message_fn fn, void *arg,
		    bool *changed, struct err *err)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	bool done = false;

	r->head.nlmsg_seq = ++nl->seq;
	if (sendto(nl->fd, r->bytes, r->head.nlmsg_len, 0, (struct sockaddr *)&kernel,
		   sizeof(kernel)) < 0)
		return err_sys(err, "rtnetlink: send");
	while (!done) {
		struct sockaddr_nl from = { 0 };
		socklen_t size = sizeof(from);
		ssize_t n = recvfrom(nl->fd, nl->answer, sizeof(nl->answer), MSG_TRUNC,
				     (struct sockaddr *)&from, &size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "rtnetlink: receive");
		if ((size_t)n > sizeof(nl->answer))
			return err_set(err, E_LIMIT, "rtnetlink: an answer of %zd bytes", n);
		if (from.nl_pid == 0 && /* the kernel itself */
		    nl_walk(nl->answer, (size_t)n, nl->seq, fn, arg, &done, changed, err) < 0)
			return -1;
	}
	return 0;
}

static int ignore(const struct nlmsghdr *h, void *arg, struct err *err)
{
	(void)h;
	(void)arg;
	(void)err;
	return 0;
}

int nl_talk(struct netlink *nl, struct nl_request *r, struct err *err)
{
	bool changed = false;

	r->head.nlmsg_flags |= NLM_F_ACK;
	return converse(nl, r, ignore, NULL, &changed, err);
}

int nl_dump(struct netlink *nl, struct nl_request *r, nl_message_fn fn, void *arg, struct err *err)
{
	bool changed = false;

	r->head.nlmsg_flags |= NLM_F_DUMP;
	return converse(nl, r, fn, arg, &changed, err) < 0 ? -1 : changed;
}
