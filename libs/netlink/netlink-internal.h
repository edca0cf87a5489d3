// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Builds, sends and parses rtnetlink messages. The parsers do no I/O and are bounded; they are also
 * fuzzed.
 */

#include "netlink/netlink.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>

enum { NL_REQUEST_MAX = 1024, NL_ANSWER_MAX = 64 * 1024 };

struct nl_request {
	union {
		struct nlmsghdr head;
		uint8_t bytes[NL_REQUEST_MAX];
	};
};

/* Starts a request with the fixed part body. */
void nl_begin(struct nl_request *r, uint16_t type, uint16_t flags, const void *body, size_t len);
/* Appends an attribute; more than NL_REQUEST_MAX is a bug. */
void nl_attr(struct nl_request *r, uint16_t type, const void *data, size_t len);
void nl_attr_u32(struct nl_request *r, uint16_t type, uint32_t value);
/* Starts an attribute that contains others, and returns its offset for nl_nest_end(). */
size_t nl_nest(struct nl_request *r, uint16_t type);
void nl_nest_end(struct nl_request *r, size_t at);

/* Sends and waits for the acknowledgement. An error has the kernel's errno in err->sys. */
MUST_CHECK int nl_talk(struct netlink *nl, struct nl_request *r, struct err *err);
/* Calls fn for every message of a dump. Returns 1 if the kernel's tables changed meanwhile: the
 * caller should repeat the dump. */
typedef int (*nl_message_fn)(const struct nlmsghdr *h, void *arg, struct err *err);
MUST_CHECK int nl_dump(struct netlink *nl, struct nl_request *r, nl_message_fn fn, void *arg,
		       struct err *err);
/* Calls fn for the messages of one datagram that answer request seq. *done is set at the end of the
 * answer, *changed if the kernel's tables changed during a dump. */
MUST_CHECK int nl_walk(const void *data, size_t len, uint32_t seq, nl_message_fn fn, void *arg,
		       bool *done, bool *changed, struct err *err);

/* Sets table[0..max] to the attributes by type (NULL: missing); of equal types the last one wins,
 * unknown and truncated ones are skipped. */
void nl_attrs(const void *data, size_t len, const struct nlattr **table, unsigned max);
/* The attributes after the fixed part of a message; false if that part is truncated. */
bool nl_body_attrs(const struct nlmsghdr *h, size_t fixed, const struct nlattr **table,
		   unsigned max);
const void *nl_data(const struct nlattr *a, size_t at_least); /* NULL: missing or too short */
uint32_t nl_u32(const struct nlattr *a);                      /* 0 if missing */
void nl_text(const struct nlattr *a, char *to, size_t size);  /* "" if missing, truncated to fit */

void nl_take_mac(const struct nlattr *a, char mac[18]); /* "" if a is not a hardware address */

/* Parsers of the type nl_message_fn; arg is the list that they append to. */
int nl_take_link(const struct nlmsghdr *h, void *arg, struct err *err);
int nl_take_address(const struct nlmsghdr *h, void *arg, struct err *err);
int nl_take_route(const struct nlmsghdr *h, void *arg, struct err *err);
int nl_take_neighbour(const struct nlmsghdr *h, void *arg, struct err *err);

/* Converts text to the binary form of the family; *len is 4 or 16. E_INVALID names the text. */
MUST_CHECK int nl_parse_address(int family, const char *text, void *to, size_t *len,
				struct err *err);
MUST_CHECK int nl_parse_mac(const char *text, uint8_t mac[6], struct err *err);
