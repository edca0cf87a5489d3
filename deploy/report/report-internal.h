// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * What the files of deploy/report share. wish.c computes the changes of a node object (no I/O),
 * pace.c has the turns, await.c the request to uninstall every node, report.c the round.
 */

#include "base/deadline.h"
#include "base/log.h"
#include "deploy/report/report.h"
#include "kube/event.h"
#include "kube/lease.h"

/* --- wish.c --- */

/* The desired state of the node object, as far as it is ours. */
struct wish {
	const char *instance;
	bool gone;         /* remove everything of ours */
	const char *value; /* of the labels: "true", "false"; NULL: leave them as they are */
	const char *version, *generation;
	uint64_t serial;
	char *const *taints; /* to be removed; NULL: none */
	/* set by wish_patch() */
	bool foreign; /* somebody else has set a label with one of our names */
};

/* Returns the merge patch that makes the node object so; NULL if nothing differs. The caller frees
 * it. */
struct json *wish_patch(struct wish *w, const struct json *node);
/* True if both labels of the node have that value. */
bool wish_label_is(const struct wish *w, const struct json *node, const char *value);

struct condition {
	char type[16 + REPORT_SUFFIX_MAX];
	const char *status; /* "True", "False", "Unknown" */
	char reason[32], message[900];
};
/* Returns the condition of that type in the node's status, borrowed, or NULL. */
const struct json *condition_find(const struct json *node, const char *type);
/* Returns the strategic merge patch of the status that sets a condition; NULL if nothing differs.
 * The caller frees it. *news: its status or reason changes, or it is new. */
struct json *condition_patch(const struct condition *c, const struct json *node, bool *news);
/* The same for its removal; NULL if there is no such condition. */
struct json *condition_removal(const char *type, const struct json *node);
/* E_USAGE: text is not KEY[=VALUE][:EFFECT]. */
MUST_CHECK int taint_check(const char *text, struct err *err);

/* --- pace.c --- */

struct pace {
	const struct report_options *o;
	const char *instance, *space, *node;
	char *holder_uid; /* uid of the node object; NULL: not known yet */
	struct kube_observations observed;
	int slot;    /* the number of our turn; -1: none */
	bool marked; /* our failure is recorded in a Lease */
	bool looked; /* the Leases were read at least once: slot and marked are true */
	/* From the last look: turns and failures of others. */
	uint64_t running, failed;
	uint64_t limit, nodes; /* turns at a time; the nodes that at_once is a part of */
	uint64_t limit_at, looked_at;
	uint64_t planned; /* ms until the next look, as the caller has decided; 0: at once */
	char *uninstall;  /* id of the request to uninstall every node; NULL: none */
	/* The DaemonSet that owns the request; NULL: none. */
	char *owner, *owner_uid;
};

void pace_init(struct pace *p, const struct report_options *o, const char *instance,
	       const char *space);
void pace_release(struct pace *p);
/* Reads the Leases of the instance. */
MUST_CHECK int pace_look(struct pace *p, struct kube *k, struct deadline deadline, struct err *err);
enum pace_answer {
	PACE_GO,      /* we have a turn */
	PACE_WAIT,    /* all turns are taken */
	PACE_STOPPED, /* too many nodes have failed in their turn */
};
/* Tries to acquire a turn. held: the turn was granted earlier and is in use, so it is recorded even
 * beyond the limit. last: failures of other nodes do not stop it. */
MUST_CHECK int pace_acquire(struct pace *p, struct kube *k, bool held, bool last,
			    enum pace_answer *answer, struct deadline deadline, struct err *err);
/* Renews our turn. E_STATE: it was lost. */
MUST_CHECK int pace_renew(struct pace *p, struct kube *k, struct deadline deadline,
			  struct err *err);
/* Gives our turn back, if we have one. */
MUST_CHECK int pace_release_turn(struct pace *p, struct kube *k, struct deadline deadline,
				 struct err *err);
/* Records our failure in a Lease, or removes that Lease. */
MUST_CHECK int pace_mark(struct pace *p, struct kube *k, bool failed, struct deadline deadline,
			 struct err *err);
/* Computes the number of turns at a time from at_once ("3", or "10%" of nodes); at least 1.
 * E_USAGE. */
MUST_CHECK int pace_limit(const char *at_once, uint64_t nodes, uint64_t *limit, struct err *err);

/* --- await.c --- */

/* Returns 1 if the request of the last look (p->uninstall) is for this installation. Returns 0 if
 * its DaemonSet is another one than ours, or does not exist any more: then it was for an earlier
 * installation, and the cluster has not removed it yet. */
MUST_CHECK int request_counts(const struct pace *p, struct kube *k, struct deadline deadline,
			      struct err *err);
