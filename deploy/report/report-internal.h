// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * wish.c says what shall be on a node object (no input or output); pace.c has the turns; await.c has the
 * request to uninstall every node; report.c is the round.
 */

#include "base/deadline.h"
#include "base/log.h"
#include "deploy/report/report.h"
#include "kube/event.h"
#include "kube/lease.h"

/* --- wish.c --- */

/* What shall be on the node. */
struct wish {
	const char *instance;
	bool gone;         /* nothing of us */
	const char *value; /* of the labels: "true", "false"; NULL: as they are */
	const char *version, *generation;
	uint64_t serial;
	char *const *taints; /* to be removed; NULL: none */
	/* out, of wish_patch() */
	bool foreign; /* a label is somebody else's */
};

/* A merge patch; NULL: everything is so. */
struct json *wish_patch(struct wish *w, const struct json *node);
bool wish_label_is(const struct wish *w, const struct json *node, const char *value);

struct condition {
	char type[16 + REPORT_SUFFIX_MAX];
	const char *status; /* "True", "False", "Unknown" */
	char reason[32], message[900];
};
/* A strategic merge patch of the status; NULL: it is so. *news: reason or status are others. */
struct json *condition_patch(const struct condition *c, const struct json *node, bool *news);
/* That takes it away; NULL: it is not there. */
struct json *condition_removal(const char *type, const struct json *node);
/* E_USAGE. */
MUST_CHECK int taint_check(const char *text, struct err *err);

/* --- pace.c --- */

struct pace {
	const struct report_options *o;
	const char *instance, *space, *node;
	char *holder_uid; /* of the node's object */
	struct kube_observations observed;
	int slot;    /* that we have; -1: none */
	bool marked; /* our failure is on record */
	bool looked; /* the Leases were read at least once, so that the two are true */
	/* of the last look */
	uint64_t running, failed, limit, nodes;
	uint64_t limit_at, looked_at;
	uint64_t planned; /* ms until the next look, as the caller has decided; 0: at once */
	char *uninstall;  /* id of a request for all; NULL: none */
	/* The DaemonSet with which it goes; NULL: none. */
	char *owner, *owner_uid;
};

void pace_init(struct pace *p, const struct report_options *o, const char *instance,
	       const char *space);
void pace_release(struct pace *p);
/* Reads the Leases. */
MUST_CHECK int pace_look(struct pace *p, struct kube *k, struct deadline deadline, struct err *err);
enum pace_answer { PACE_GO, PACE_WAIT, PACE_STOPPED };
/* Tries to get a turn. held: it was granted before, and is being used: it is recorded, whatever
 * the number. last: failures of others do not count. */
MUST_CHECK int pace_acquire(struct pace *p, struct kube *k, bool held, bool last,
			    enum pace_answer *answer, struct deadline deadline, struct err *err);
/* E_STATE: it was lost. */
MUST_CHECK int pace_renew(struct pace *p, struct kube *k, struct deadline deadline,
			  struct err *err);
MUST_CHECK int pace_release_turn(struct pace *p, struct kube *k, struct deadline deadline,
				 struct err *err);
/* Puts our failure on record, or takes it off. */
MUST_CHECK int pace_mark(struct pace *p, struct kube *k, bool failed, struct deadline deadline,
			 struct err *err);
/* E_USAGE. The part that at_once is of so many nodes, at least 1. */
MUST_CHECK int pace_limit(const char *at_once, uint64_t nodes, uint64_t *limit, struct err *err);

/* --- await.c --- */

/* Of the request of the last look: 1: it counts; 0: its DaemonSet is gone, so that it is of an installation
 * before this one, and the cluster has not removed it yet. */
MUST_CHECK int request_counts(const struct pace *p, struct kube *k, struct deadline deadline,
			      struct err *err);
