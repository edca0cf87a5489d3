// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Declarations shared by the files of this directory. */

#include "base/buf.h"
#include "base/deadline.h"
#include "deploy/prove/prove.h"

#define PROVE_SHIM "containerd-shim-kata-v2"
/* What to do where a proof got no answer. */
#define DOCTOR "kata-deploy doctor shows what this machine lacks"

/*
 * Command lines of a client, as words separated by blanks. @file is the image's archive, @image its
 * name, @id the container's name, @shim the runtime, @handler its name with the manager, @space the
 * namespace.
 */
struct client {
	const char *manager, *program;
	const char *socket; /* NULL: no option for a socket */
	const char *option, *scheme;
	const char *load, *run;
	const char *look;           /* succeeds while the container is there */
	const char *find;           /* prints the sandbox's id; NULL: the id is @id */
	const char *const clean[6]; /* each may fail, if there is nothing to remove. The first
				     * succeeds once the container can be killed */
	bool has_pods;              /* it is containerd's, whose CRI is on the same socket */
};

struct proof {
	const struct client *client;
	char *socket, *state, *prefix, *handler, *id;
	unsigned pods, number; /* how many are tried, one after the other; which one this is */
};

/* The manager's, or NULL: not known. */
const char *prove_socket(const struct proof *p);
/* Runs the client; out may be NULL. */
MUST_CHECK int prove_call(const struct proof *p, const char *words, struct buf *out,
			  struct deadline deadline, struct err *err);
MUST_CHECK int prove_parse(const char *line, size_t len, struct prove_report *report,
			   struct err *err);
/* The version of the agent in the record of the sandbox of that id. */
MUST_CHECK int prove_read_agent(const char *sandbox, struct prove_report *report, struct err *err);

/* Can there be a pod? 0 or, with the reason in report->why, 1. */
MUST_CHECK int pod_look(const struct proof *p, struct prove_report *report);
/*
 * With a pod, as a kubelet makes one: sandbox, container, its log, a command in it, and their end.
 *
 * A kubelet ends pods that it does not know, every two seconds: what takes long is not always done by then. So
 * there is another pod, p->pods at most, each with a name of its own.
 *
 * 0: proved. 1: a pod cannot be made on this node, whatever the runtime; report->why says why not, and
 * nothing was found out. -1: failed. What it made is left for pod_clean().
 */
MUST_CHECK int pod_prove(const struct proof *p, struct deadline deadline,
			 struct prove_report *report, struct err *err);
/*
 * containerd forgets a task that was being created when its container was removed, or when it was
 * restarted: nobody else removes such a bundle. One that it still knows goes by itself, within seconds.
 * Needs p->state, containerd's state directory.
 */
void bundle_clear(const struct proof *p, const char *namespace, const char *id);
/* Removes all that a proof of that id has made, also one that was killed. */
void pod_clean(const struct proof *p);
