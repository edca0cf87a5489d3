// SPDX-License-Identifier: Apache-2.0
/* Traffic control: redirects received packets to another link, and limits the rate of output. */

#include "netlink/netlink-internal.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/tc_act/tc_mirred.h>
#include <string.h>

#define INGRESS TC_H_MAKE(TC_H_INGRESS, 0)

static struct tcmsg message(int index)
{
	return (struct tcmsg){ .tcm_ifindex = index,
			       .tcm_handle = INGRESS,
			       .tcm_parent = TC_H_INGRESS };
}

static void put_text(struct nl_request *r, uint16_t type, const char *text)
{
	nl_attr(r, type, text, strlen(text) + 1);
}

/* --- the qdisc --- */

struct search {
	int index;
	bool found;
};

static int take_qdisc(const struct nlmsghdr *h, void *arg, struct err *err)
{
	const struct tcmsg *info = (const void *)((const uint8_t *)h + NLMSG_HDRLEN);
	struct search *s = arg;

	(void)err;
	if (h->nlmsg_type == RTM_NEWQDISC && h->nlmsg_len >= NLMSG_LENGTH(sizeof(*info)) &&
	    info->tcm_ifindex == s->index && info->tcm_parent == TC_H_INGRESS)
		s->found = true;
	return 0;
}

int netlink_has_ingress(struct netlink *nl, int index, bool *out, struct err *err)
{
	struct search s = { index, false };
	struct tcmsg all = { .tcm_ifindex = index };
	struct nl_request r;

	/* The dump is not repeated if the table changes meanwhile: adding an ingress qdisc fails if
	 * the link has got one. */
	nl_begin(&r, RTM_GETQDISC, 0, &all, sizeof(all));
	if (nl_dump(nl, &r, take_qdisc, &s, err) < 0)
		return err_wrap(err, "list the queueing disciplines");
	*out = s.found;
	return 0;
}

int netlink_add_ingress(struct netlink *nl, int index, struct err *err)
{
	struct tcmsg info = message(index);
	struct nl_request r;

	nl_begin(&r, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof(info));
	put_text(&r, TCA_KIND, "ingress");
	return nl_talk(nl, &r, err) < 0 ? err_wrap(err, "add an ingress qdisc to link %d", index)
					: 0;
}

int netlink_drop_ingress(struct netlink *nl, int index, struct err *err)
{
	struct tcmsg info = message(index);
	struct nl_request r;

	nl_begin(&r, RTM_DELQDISC, 0, &info, sizeof(info));
	if (nl_talk(nl, &r, err) == 0)
		return 0;
	if (err->sys != ENOENT && err->sys != EINVAL && err->sys != ENODEV)
		return err_wrap(err, "remove the ingress qdisc of link %d", index);
	err_clear(err); /* the link has no ingress qdisc, or no longer exists */
	return 0;
}

/* --- the filter --- */

/* A list of actions with one element. */
static void put_redirect(struct nl_request *r, uint16_t type, int to)
{
	struct tc_mirred mirred = { .action = TC_ACT_STOLEN,
				    .eaction = TCA_EGRESS_REDIR,
				    .ifindex = (uint32_t)to };
	size_t list = nl_nest(r, type), first = nl_nest(r, 1), options;

	put_text(r, TCA_ACT_KIND, "mirred");
	options = nl_nest(r, TCA_ACT_OPTIONS);
	nl_attr(r, TCA_MIRRED_PARMS, &mirred, sizeof(mirred));
	nl_nest_end(r, options);
	nl_nest_end(r, first);
	nl_nest_end(r, list);
}

static void put_matchall(struct nl_request *r, int to)
{
	put_redirect(r, TCA_MATCHALL_ACT, to);
}

/* A key with an empty mask matches every packet. */
static void put_u32(struct nl_request *r, int to)
{
	union {
		struct tc_u32_sel sel;
		uint8_t bytes[sizeof(struct tc_u32_sel) + sizeof(struct tc_u32_key)];
	} every = { .sel = { .flags = TC_U32_TERMINAL, .nkeys = 1 } };

	nl_attr(r, TCA_U32_SEL, every.bytes, sizeof(every.bytes));
	put_redirect(r, TCA_U32_ACT, to);
}

/* In the order of preference. */
static const struct {
	const char *kind;
	void (*put)(struct nl_request *r, int to);
} classifiers[] = {
	{ "matchall", put_matchall },
	{ "u32", put_u32 },
};

int netlink_redirect(struct netlink *nl, int from, int to, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(classifiers); i++) {
		struct tcmsg info = { .tcm_ifindex = from,
				      .tcm_parent = INGRESS,
				      .tcm_info = TC_H_MAKE(1U << 16, htons(ETH_P_ALL)) };
		struct nl_request r;
		size_t options;

		err_clear(err);
		nl_begin(&r, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof(info));
		put_text(&r, TCA_KIND, classifiers[i].kind);
		options = nl_nest(&r, TCA_OPTIONS);
		classifiers[i].put(&r, to);
		nl_nest_end(&r, options);
		if (nl_talk(nl, &r, err) == 0)
			return 0;
		if (err->sys != ENOENT) /* the kernel does not have this classifier */
			break;
	}
	return err_wrap(err, "redirect what arrives at link %d to link %d", from, to);
}

/* --- the limit of the rate --- */

/* The handle "ka" distinguishes our qdisc from those of others. */
#define BUCKET TC_H_MAKE(0x6b61U << 16, 0)

/* The kernel computes the rest from the rate and the attributes. Because the link layer is given,
 * it does not expect the rate table from which it would guess it. */
static struct tc_tbf_qopt parameters(const struct netlink_bucket *b)
{
	return (struct tc_tbf_qopt){
		.rate = { .linklayer = TC_LINKLAYER_ETHERNET,
			  .rate = b->rate < UINT32_MAX ? (uint32_t)b->rate : UINT32_MAX },
		.limit = b->queue,
		.buffer = b->burst,
	};
}

int netlink_add_bucket(struct netlink *nl, int index, const struct netlink_bucket *b,
		       struct err *err)
{
	const struct tc_tbf_qopt parms = parameters(b);
	struct tcmsg info = { .tcm_ifindex = index, .tcm_handle = BUCKET, .tcm_parent = TC_H_ROOT };
	struct nl_request r;
	size_t options;

	nl_begin(&r, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof(info));
	put_text(&r, TCA_KIND, "tbf");
	options = nl_nest(&r, TCA_OPTIONS);
	nl_attr(&r, TCA_TBF_PARMS, &parms, sizeof(parms));
	if (b->rate > UINT32_MAX)
		nl_attr(&r, TCA_TBF_RATE64, &b->rate, sizeof(b->rate));
	nl_attr_u32(&r, TCA_TBF_BURST, b->burst);
	nl_nest_end(&r, options);
	if (nl_talk(nl, &r, err) == 0)
		return 0;
	err_wrap(err, "limit what leaves by link %d", index);
	return err->sys == ENOENT ? err_hint(err, "load the kernel module sch_tbf") : -1;
}

int netlink_drop_bucket(struct netlink *nl, int index, struct err *err)
{
	struct tcmsg info = { .tcm_ifindex = index, .tcm_handle = BUCKET, .tcm_parent = TC_H_ROOT };
	struct nl_request r;

	nl_begin(&r, RTM_DELQDISC, 0, &info, sizeof(info));
	if (nl_talk(nl, &r, err) == 0)
		return 0;
	if (err->sys != ENOENT && err->sys != EINVAL && err->sys != ENODEV)
		return err_wrap(err, "lift the limit of link %d", index);
	err_clear(err); /* the link has no bucket of ours, or no longer exists */
	return 0;
}
