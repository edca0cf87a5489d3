// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Registers our runtime in the configuration of a container manager. Each manager is a back end in
 * its own small file; back ends differ in where the configuration is and what it contains, which is
 * data.
 *
 *	struct cri_options o = { .root = "", .prefix = "/opt/kata", .handlers = handlers };
 *	AUTO(cri) struct cri *c = NULL;
 *	if (cri_find(&o, &c, err) < 0)			// detected, or as --cri says
 *		return -1;
 *	AUTO(cri_change) struct cri_change change = CRI_CHANGE_INIT;
 *	if (cri_register(c, recorded, &change, err) < 0)
 *		return -1;
 *	change.change				// files, then steps, for deploy_lay_down()
 *
 * Rules that hold for all of them (the reasons are in docs/design/registration.md)
 *  - where the manager merges drop-in files, ours is a separate file, replaced as a whole by
 *    rename, and its `version` is that of the root file;
 *  - at most one span of another's file is ours: an element of imports; or, where a drop-in would
 *    hide existing settings (containerd 1, k3s' templates), lines between two comments at its end;
 *    or the runtimes of daemon.json. Every edit is recorded in install.json ("extra") for its undo;
 *  - containerd's new configuration is checked with its own `config dump` (where the binary exists)
 *    on a copy, before the live file is touched, and must differ from the current one in our
 *    handlers only;
 *  - a handler of the same name that is not ours is an error; one that leads to our shim is kept;
 *  - nothing changes if the handlers are already there: no restart, unless the manager does not
 *    serve what its configuration lists;
 *  - a restart is a step with an undo: the old files are restored first, then the manager is
 *    restarted again; both have a deadline.
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
	const char *config; /* configuration.toml, absolute; NULL: the shim's own default */
};

/* cri_find() copies the struct; what it points to must outlive the struct cri. */
struct cri_options {
	const char *root;   /* --root DIR; "" for the running system */
	const char *prefix; /* as the manager sees it, without root */
	const struct cri_handler *handlers;
	size_t nhandlers;
	const char *name;         /* --cri; NULL: detect. "none": no registration */
	const char *config;       /* --cri-config; NULL: the back end's */
	const char *socket;       /* --cri-socket */
	const char *restart_with; /* --restart-with: a command line, split at blanks, no shell */
	unsigned restart_seconds; /* time limit of a restart; 0: 60 */
};

struct cri;

/* One row for display and JSON: a manager and how it was detected. */
struct cri_seen {
	const char *name; /* "containerd", "k3s", ... */
	bool chosen, running;
	char *version; /* or NULL */
	char *config;  /* the root configuration file */
	char *why;     /* "runs as pid 812", "/etc/rancher/k3s exists" */
	char *start;   /* the command that starts it, if it does not run; NULL: not known */
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

/* E_NOT_FOUND: no manager was found, or none of that name; the message lists what was looked for.
 * E_STATE: two run and none was named. E_USAGE: a bad option. */
MUST_CHECK int cri_find(const struct cri_options *o, struct cri **out, struct err *err);
MUST_CHECK int cri_list(const struct cri_options *o, struct cri_seen_list *out, struct err *err);
void cri_free(struct cri *c);
DEFINE_AUTO(cri, struct cri *, NULL, cri_free)

const char *cri_name(const struct cri *c);
/* Socket of the manager (its CRI service), borrowed; NULL: not known. */
const char *cri_socket(const struct cri *c);

bool cri_runs(const struct cri *c);
/* The command that starts its service on this system, heap; NULL: neither systemd nor OpenRC runs. */
char *cri_start_command(const struct cri *c);

/* Checks its health: it runs, answers, and serves those handlers (strv). Returns the problem as
 * text (heap), NULL if there is none or it cannot be queried. */
char *cri_problem(const struct cri *c, char *const *handlers);

/* The change for deploy_lay_down() or deploy_uninstall(); owns what change points to. */
struct cri_change {
	struct deploy_change change;
	bool restart; /* the manager has to be restarted */
	bool reload;  /* with restart: it only has to read its configuration again, by a signal */
	char *reason; /* why it is restarted or not, for the plan */
	void *own;
};
#define CRI_CHANGE_INIT     \
	{                   \
		.own = NULL \
	}
void cri_change_release(struct cri_change *c);
DEFINE_AUTO_STRUCT(cri_change, struct cri_change, cri_change_release)

/* recorded: the member "cri" of install.json's "extra", or NULL. Fills change.files, change.steps
 * (watch, restart, serve) and *record, the new value of that member (owned by the change). Reads
 * the node's files, has containerd check a copy, and changes nothing. A manager that does not run,
 * or is below another root, gets files and no steps.
 *
 * E_CONFIG: its current or new configuration is invalid. E_EXISTS: a handler of that name is not
 * ours. E_UNSUPPORTED: it has to be restarted and no way to restart it is known. E_STATE, or the
 * error of its socket: it runs but does not answer, so a restart could not be verified. */
MUST_CHECK int cri_register(struct cri *c, const struct json *recorded, struct cri_change *out,
			    const struct json **record, struct err *err);
/* Removes registrations whose record was lost together with their prefix, from the files of every
 * manager (o->name: of that one), found by our marks and the prefix's shim. Without any, the change
 * is empty. The next registration below that prefix would adopt them. */
MUST_CHECK int cri_drop_left(const struct cri_options *o, struct cri_change *out, struct err *err);
/* Removes the registration, from the record alone: also when the manager is gone or its files were
 * edited. */
MUST_CHECK int cri_unregister(const struct cri_options *o, const struct json *recorded,
			      struct cri_change *out, struct err *err);

/* The kinds of steps above, for deploy_options.kinds: their undo after a crash. */
extern const struct deploy_step_ops *const cri_step_kinds[];
