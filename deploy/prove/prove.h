// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The proof of an install: a container in a temporary VM, run by the real container manager with
 * the runtime that was just laid down. Its image is part of the release
 * (share/kata-containers/proof.tar) and contains one program, which reports the kernel and the
 * memory it sees and then waits for the end of its standard input. While it waits, the agent's
 * version is read from the sandbox's record.
 *
 * Where the manager serves the CRI, and the node has what a pod needs (a network, and the image that
 * all pods have), it is a pod with that container, made as a kubelet does: its log is read, a command
 * is run in it, and it is stopped and removed. Else it is a container of the manager's own client; the
 * report says why.
 *
 *	struct prove p = { .manager = "containerd", .socket = "/run/containerd/containerd.sock",
 *			   .prefix = "/opt/kata", .expect = { "6.1.158", "3.10.0" } };
 *	struct prove_report report;
 *	prove_name(&p);
 *	if (prove_run(&p, &report, err) < 0)		// E_FAILED, E_TIMEOUT, E_INVALID
 *		return -1;
 *
 * Container, snapshot, image and namespace are removed afterwards, also when it fails; after a crash,
 * so is the bundle that containerd forgets of a task that was being created. As a step of
 * a change, its failure undoes the change.
 */

#include "base/err.h"
#include "base/scope.h"
#include "deploy/engine/engine.h"
#include "json/json.h"

#include <stdbool.h>
#include <stdint.h>

enum { PROVE_SECONDS = 120 };
#define PROVE_IMAGE     "share/kata-containers/proof.tar"
#define PROVE_NAME      "kata.invalid/proof:1" /* of the image, as in its archive */
#define PROVE_NAMESPACE "kata-deploy"          /* of containerd */

struct prove_expect {
	const char *kernel, *agent; /* versions; NULL: any */
};

struct prove {
	const char *manager; /* as in cri.h: containerd, k3s, docker ... */
	const char *socket;  /* NULL: the manager's default */
	const char *state;   /* of its containerd, cri_state(); NULL: not known */
	const char *prefix;
	const char *handler; /* a name that is registered; NULL: kata */
	struct prove_expect expect;
	unsigned seconds; /* 0: PROVE_SECONDS */
	char id[24];      /* of the container: prove_name() */
};

struct prove_report {
	char kernel[64], agent[64];
	uint64_t memory; /* bytes */
	uint64_t cpus;
	uint64_t ms;   /* until the program reported */
	bool pod;      /* proved with a pod, else with a container; */
	char why[400]; /* then: why there was no pod */
};

/* True if the manager has a client that can run a container without a network or a pod. */
bool prove_can(const char *manager);

/* Whether a proof can be run from a container: only a pod can be, since the manager's own client would
 * mount file systems. E_STATE: not now; the message says what the node lacks. */
MUST_CHECK int prove_ready(const struct prove *p, struct err *err);

/* {"kernel", "agent", "memory", "cpus", "ms", "pod", "why"}; JSON null for NULL. The caller frees it. */
struct json *prove_json(const struct prove_report *report);

/* Sets p->id to a new name, so that it is known before anything is started. */
void prove_name(struct prove *p);
MUST_CHECK int prove_run(const struct prove *p, struct prove_report *report, struct err *err);

/*
 * As steps of a change, both with the same struct prove as arg: the first precedes all others and
 * does nothing, so that its undo runs last, when the manager is running again, and removes what the
 * second started. The report is kept for prove_last().
 */
extern const struct deploy_step_ops prove_clean_step, prove_step;
const struct prove_report *prove_last(void); /* NULL: no proof ran */
