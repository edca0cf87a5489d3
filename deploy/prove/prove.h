// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Proves an install: the real container manager runs a container in a temporary VM, with the
 * runtime that was just laid down. The container's image is part of the release
 * (share/kata-containers/proof.tar). Its only program prints the kernel, the memory and the
 * processors that it sees, and then waits for the end of its standard input. While it waits, the
 * agent's version is read from the shim's record of the sandbox.
 *
 * If the manager serves the CRI, and the node has what a pod needs (a network, and the pause
 * image), the proof is a pod, made as a kubelet makes one: its log is read, a command is run in its
 * container, and it is stopped and removed. Otherwise the proof is a container of the manager's own
 * client, and prove_report.why has the reason.
 *
 *	struct prove p = { .manager = "containerd", .socket = "/run/containerd/containerd.sock",
 *			   .prefix = "/opt/kata", .expect = { "6.1.158", "3.10.0" } };
 *	struct prove_report report;
 *	prove_name(&p);
 *	if (prove_run(&p, &report, err) < 0)		// E_FAILED, E_TIMEOUT, E_INVALID
 *		return -1;
 *
 * Container, snapshot, image and namespace are removed afterwards, also after a failure. After a
 * crash the undo of the steps below removes them, and the bundle of a task that containerd was
 * creating and has forgotten. As a step of a change, a proof that fails undoes the change.
 */

#include "base/err.h"
#include "base/scope.h"
#include "deploy/engine/engine.h"
#include "json/json.h"

#include <stdbool.h>
#include <stdint.h>

enum { PROVE_SECONDS = 120 };
#define PROVE_IMAGE     "share/kata-containers/proof.tar"
#define PROVE_NAME      "kata.invalid/proof:1" /* the image's name in its archive */
#define PROVE_NAMESPACE "kata-deploy"          /* containerd's namespace for the proof */

struct prove_expect {
	const char *kernel, *agent; /* versions; NULL: any */
};

struct prove {
	const char *manager; /* cri_name(): containerd, k3s, docker ... */
	const char *socket;  /* NULL: the manager's default */
	const char *state;   /* cri_state(); NULL: not known */
	const char *prefix;
	const char *handler; /* a registered handler; NULL: kata */
	struct prove_expect expect;
	unsigned seconds; /* time limit; 0: PROVE_SECONDS */
	char id[24];      /* of the container: set by prove_name() */
};

struct prove_report {
	char kernel[64], agent[64];
	uint64_t memory; /* bytes */
	uint64_t cpus;
	uint64_t ms;   /* from the start until the program's report */
	bool pod;      /* proved with a pod; otherwise with a container, */
	char why[400]; /* and this is why there was no pod */
};

/* True if the manager has a client that can run a container without a network or a pod. */
bool prove_can(const char *manager);

/* Checks that a pod can be run now, for a program inside a container: it can only prove with a pod,
 * since the manager's own client would mount file systems. E_STATE: the message has what the node
 * lacks. */
MUST_CHECK int prove_ready(const struct prove *p, struct err *err);

/* Returns {"kernel", "agent", "memory", "cpus", "ms", "pod", "why"}, or JSON null for NULL; the
 * caller frees it. */
struct json *prove_json(const struct prove_report *report);

/* Sets p->id to a new random name. To call before prove_run(): an undo needs the name. */
void prove_name(struct prove *p);
/* Runs the proof. E_FAILED, E_TIMEOUT: no container in a VM reported, or its kernel or agent is not
 * the expected one. E_UNSUPPORTED: the manager has no client (prove_can()). E_STATE: as
 * prove_ready(). */
MUST_CHECK int prove_run(const struct prove *p, struct prove_report *report, struct err *err);

/*
 * The proof as two steps of a change, both with the same struct prove as arg. prove_clean_step is
 * the first step of all and does nothing, so that its undo runs last, when the manager runs again:
 * it removes what prove_step has started. The report is kept for prove_last().
 */
extern const struct deploy_step_ops prove_clean_step, prove_step;
/* Returns the report of the last successful step of this process, or NULL. */
const struct prove_report *prove_last(void);
