// SPDX-License-Identifier: Apache-2.0
#pragma once

/* What the files of deploy/prove share. */

#include "base/buf.h"
#include "base/deadline.h"
#include "base/process.h"
#include "cli/advice.h"
#include "deploy/prove/prove.h"

#define PROVE_SHIM "containerd-shim-kata-v2"
/* The remedy for a proof without an answer, and its argument. */
#define DOCTOR         "%s shows what this machine lacks"
#define DOCTOR_COMMAND advice_only("doctor", "--prefix")

/* For a manager that somebody restarts while it is to remove what a proof has left. */
enum { PROVE_AWAY_MS = 15000 };

/*
 * A manager's client program and its command lines, as words separated by blanks. In them @file is
 * the archive of the image, @image its name, @id the container's name, @shim the path of the
 * runtime, @handler its name in the manager's configuration, @space the namespace.
 */
struct client {
	const char *manager, *program;
	const char *socket;          /* default; NULL: the client finds its socket itself */
	const char *option, *scheme; /* how it is given the socket: option, then scheme + path */
	const char *load, *run;
	const char *look;           /* succeeds while the container exists */
	const char *find;           /* prints the sandbox's id; NULL: the id is @id */
	const char *const clean[6]; /* each fails if there is nothing to remove; the first succeeds
				     * once the container can be killed */
	bool has_pods; /* the manager is a containerd, with its CRI on the same socket */
};

struct proof {
	const struct client *client;
	char *socket, *state, *prefix, *handler, *id; /* as in struct prove */
	/* In a container, or where the client is missing: the ctr that is used instead, or NULL. */
	char *ctr;
	unsigned pods, number; /* how many pods are tried at most; the number of this one */
};

/* Returns the manager's socket, borrowed; NULL: not known. */
const char *prove_socket(const struct proof *p);
/* Returns the path of the ctr beside a containerd that runs, heap; NULL: there is none. Clients that
 * find the containerd of their distribution cannot be run from a container: k3s would first unpack
 * itself, MicroK8s needs snapd, and that of RKE2 is behind a symlink. */
char *prove_find_ctr(const struct processes *all);
/* Runs the client; out (may be NULL) gets its output. */
MUST_CHECK int prove_call(const struct proof *p, const char *words, struct buf *out,
			  struct deadline deadline, struct err *err);
/* Parses the line that the container's program prints. */
MUST_CHECK int prove_parse(const char *line, size_t len, struct prove_report *report,
			   struct err *err);
/* Reads the agent's version from the shim's record of a sandbox. E_NOT_FOUND: no shim of ours runs
 * it. */
MUST_CHECK int prove_read_agent(const char *sandbox, struct prove_report *report, struct err *err);

/* Returns 0 if a pod can be run now, or 1 with the reason in report->why. */
MUST_CHECK int pod_look(const struct proof *p, struct prove_report *report);
/*
 * Proves with a pod, as a kubelet makes one: runs a sandbox and a container in it, reads its log,
 * runs a command in it, stops and removes both.
 *
 * Every two seconds a kubelet ends the pods that it does not know, which may come before a slow
 * proof is done. Then another pod is tried, with a name of its own; p->pods at most. So it is if the
 * manager is restarted meanwhile.
 *
 * Returns 0: proved; 1: a pod cannot be run on this node, whatever the runtime: report->why has the
 * reason; -1: failed. The caller calls pod_clean() in each case.
 */
MUST_CHECK int pod_prove(const struct proof *p, struct deadline deadline,
			 struct prove_report *report, struct err *err);
/* Removes what a proof with the id p->id has made with pods, even one that was killed. */
void pod_clean(const struct proof *p);

/*
 * Removes the bundle of a task that containerd has forgotten: if a container is removed, or
 * containerd restarted, while the task is being created, nobody else removes the bundle. Waits some
 * seconds first, since containerd itself removes a bundle that it still knows. Does nothing without
 * p->state.
 */
void bundle_clear(const struct proof *p, const char *namespace, const char *id);
