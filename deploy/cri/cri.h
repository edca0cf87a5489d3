// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Registers our runtime in the configuration of a container manager: the program that starts
 * containers on a node, such as containerd, CRI-O, Docker or k3s (Kubernetes calls it the container
 * runtime). Each manager is a back end in a small file of its own; back ends differ mostly in data:
 * the paths of the configuration and its contents.
 *
 *	struct cri_options o = { .root = "", .prefix = "/opt/kata", .handlers = handlers };
 *	AUTO(cri) struct cri *c = NULL;
 *	if (cri_find(&o, &c, err) < 0)			// detected, or that of --cri
 *		return -1;
 *	AUTO(cri_change) struct cri_change change = CRI_CHANGE_INIT;
 *	if (cri_register(c, recorded, &change, &record, err) < 0)
 *		return -1;
 *	change.change				// files, then steps, for deploy_lay_down()
 *
 * Rules for all back ends (docs/design/registration.md has the reasons):
 *  - where the manager merges drop-in files, our handlers are in a file of their own, replaced as a
 *    whole by rename, whose `version` is that of the root file;
 *  - in a file of somebody else we add one thing at most: an element of imports; or, where a
 *    drop-in would hide existing settings (containerd 1, k3s' templates), lines between two comments
 *    at the end; or runtimes of daemon.json. Every edit is recorded in install.json ("extra") for
 *    its undo;
 *  - containerd itself checks the new configuration (`config dump`, where the binary exists) on a
 *    copy before the live file is changed. The new configuration must differ from the current one in
 *    our handlers only;
 *  - a handler of the same name that runs another program is an error; one that runs our shim is
 *    kept;
 *  - if the handlers are in the configuration already, nothing is changed, and the manager is
 *    restarted only if it does not serve them;
 *  - a restart is a step with an undo, which restarts the manager again after the old files have
 *    been restored; both have a deadline.
 */

#include "base/err.h"
#include "base/scope.h"
#include "base/vec.h"
#include "deploy/engine/engine.h"
#include "json/json.h"

#include <stdbool.h>

/* A runtime handler: `kata`, `kata-qemu`, or --handler NAME=CONFIG. */
struct cri_handler {
	const char *name;
	const char *config; /* its configuration.toml, absolute; NULL: the shim's default */
};

/* cri_find() copies the struct; what it points to must outlive the struct cri. */
struct cri_options {
	const char *root;   /* --root DIR; "" for the running system */
	const char *prefix; /* as the manager sees it: without root */
	const struct cri_handler *handlers;
	size_t nhandlers;
	const char *name;   /* --cri; NULL: detect. Callers handle "none": no registration */
	const char *config; /* --cri-config; NULL: that of the process, or the default path */
	const char *socket; /* --cri-socket; NULL: likewise */
	/* The manager of the recorded registration, and its configuration; NULL: there is none. If
	 * it is installed and does not run, it is given some seconds to come back from a restart
	 * before another one is chosen. */
	const char *registered, *registered_config;
	const char *restart_with; /* --restart-with: a command line, split at blanks, no shell */
	unsigned restart_seconds; /* time limit of a restart; 0: that of the manager */
};

struct cri;

/* A manager and how it was detected, for display and JSON. */
struct cri_seen {
	const char *name; /* "containerd", "k3s", ... */
	bool chosen, running;
	char *version; /* or NULL */
	char *config;  /* the root configuration file */
	char *why;     /* "runs as pid 812", "/etc/rancher/k3s exists" */
	char *start;   /* the command that starts it; NULL: it runs, or the command is not known */
};

struct cri_seen_list {
	VEC(struct cri_seen) rows;
};
#define CRI_SEEN_INIT            \
	{                        \
		.rows = VEC_INIT \
	}
void cri_seen_release(struct cri_seen_list *l);
DEFINE_AUTO_STRUCT(cri_seen_list, struct cri_seen_list, cri_seen_release)

/* Finds the manager to register with; the caller frees *out. E_NOT_FOUND: the node has no manager,
 * or none of that name; the message lists the supported ones. E_STATE: two run and o->name is NULL.
 * E_USAGE: a bad option. E_CANCELLED: interrupted while it waited for a restart. */
MUST_CHECK int cri_find(const struct cri_options *o, struct cri **out, struct err *err);
/* Lists all managers of the node. */
MUST_CHECK int cri_list(const struct cri_options *o, struct cri_seen_list *out, struct err *err);
void cri_free(struct cri *c);
DEFINE_AUTO(cri, struct cri *, NULL, cri_free)

const char *cri_name(const struct cri *c);
/* Returns the socket of the manager (of its CRI service), borrowed; NULL: not known. */
const char *cri_socket(const struct cri *c);

/* Returns the state directory of its containerd, which has the bundles of tasks, heap; NULL: it has
 * no containerd of its own, or the path is not known. */
char *cri_state(const struct cri *c);
bool cri_runs(const struct cri *c);
/* If a process of another manager runs on this node, returns the remedy, to name that one; heap.
 * NULL: there is none. */
char *cri_other_runs(const struct cri *c);
/* Returns the command that starts its service, heap; NULL: neither systemd nor OpenRC runs. */
char *cri_start_command(const struct cri *c);

/* Checks that the manager runs, answers, and serves those handlers (strv). Returns the problem as
 * text, heap; NULL if there is none, or if the manager cannot be queried. */
char *cri_problem(const struct cri *c, char *const *handlers);

/* A change for deploy_lay_down() or deploy_uninstall(). */
struct cri_change {
	struct deploy_change change; /* points into own */
	bool restart;                /* the manager will be restarted */
	bool reload; /* with restart: only by a signal, at which it reads its configuration again */
	char *reason; /* why it is restarted or not, for display; owned */
	void *own;
};
#define CRI_CHANGE_INIT     \
	{                   \
		.own = NULL \
	}
void cri_change_release(struct cri_change *c);
DEFINE_AUTO_STRUCT(cri_change, struct cri_change, cri_change_release)

/* Plans a registration and changes nothing: reads the node's files, and has containerd check a
 * copy. recorded: the member "cri" of install.json's "extra", or NULL. Fills out->change.files,
 * out->change.steps (watch, restart, serve) and *record, the new value of that member, owned by
 * out. For a manager that does not run they do nothing, unless it has been started meanwhile; for one
 * below another root there are no steps.
 *
 * E_CONFIG: the current or the new configuration is invalid. E_EXISTS: a handler of that name is
 * not ours. E_UNSUPPORTED: the manager has to be restarted, and no way to do so is known. Other
 * errors are those of its socket: it runs but does not answer, so a restart could not be
 * verified. */
MUST_CHECK int cri_register(struct cri *c, const struct json *recorded, struct cri_change *out,
			    const struct json **record, struct err *err);
/* Plans the removal of registrations whose record was lost together with their prefix, from the
 * files of every manager (o->name: of that one). They are found by our comments and the path of the
 * prefix's shim. If there are none, the change is empty. */
MUST_CHECK int cri_drop_left(const struct cri_options *o, struct cri_change *out, struct err *err);
/* Plans the removal of the recorded registration. It needs the record only: the manager may have
 * been removed, and its files edited. */
MUST_CHECK int cri_unregister(const struct cri_options *o, const struct json *recorded,
			      struct cri_change *out, struct err *err);

/* The kinds of these steps, for deploy_options.kinds. */
extern const struct deploy_step_ops *const cri_step_kinds[];
