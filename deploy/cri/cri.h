// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Registration: telling a container manager that our runtime exists. One table of back ends, each a
 * small file; what differs between them is where files go and what they say, which is data.
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
 *  - where the manager merges files, ours is a file of its own with our own name, complete,
 *    replaced by rename, and its `version` is the root file's;
 *  - at most one span of a foreign file is ours: an element of imports; or, where a drop-in would
 *    silence what is there (containerd 1, k3s' templates), lines between two comments at its end;
 *    or the runtimes of daemon.json. What was done is recorded in install.json ("extra"), so that
 *    the undo needs no guess;
 *  - the would-be configuration is checked by the manager's own `config dump` (where the binary
 *    exists) on a copy, before the live file is touched, and must be the one of now but for our
 *    handlers;
 *  - a handler of the same name that is not ours is an error; one that leads to our shim stays as
 *    it is;
 *  - nothing changes if the handlers are there already: no restart, unless the manager does not
 *    serve what its files say;
 *  - a restart is a step with an undo: the old files come back first, then the manager restarts
 *    again, and both are watched by a deadline.
 */

#include "base/err.h"
#include "base/scope.h"
#include "base/vec.h"
#include "deploy/install.h"
#include "json/json.h"

#include <stdbool.h>

/* A runtime handler: `kata`, `kata-qemu`, or --handler NAME=CONFIG. */
struct cri_handler {
	const char *name;
	const char *config; /* configuration.toml, absolute; NULL: the shim's own default */
};

/* Copied by cri_find(); what it points to has to live as long as the struct cri. */
struct cri_options {
	const char *root;   /* --root DIR; "" for the running system */
	const char *prefix; /* as the manager will see it, without root */
	const struct cri_handler *handlers;
	size_t nhandlers;
	const char *name;         /* --cri; NULL: detect. "none": no registration */
	const char *config;       /* --cri-config; NULL: the back end's */
	const char *socket;       /* --cri-socket */
	const char *restart_with; /* --restart-with: a command line, split at blanks, no shell */
	unsigned restart_seconds; /* for the watchdog; 0: 60 */
};

struct cri;

/* One row for people and JSON: which managers are here and why we think so. */
struct cri_seen {
	const char *name; /* "containerd", "k3s", ... */
	bool chosen, running;
	char *version; /* or NULL */
	char *config;  /* the root configuration file */
	char *why;     /* "runs as pid 812", "/etc/rancher/k3s exists" */
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

/* E_NOT_FOUND: no manager was found, or none of that name; says what was looked for. E_STATE: two
 * run and none was named. */
MUST_CHECK int cri_find(const struct cri_options *o, struct cri **out, struct err *err);
MUST_CHECK int cri_list(const struct cri_options *o, struct cri_seen_list *out, struct err *err);
void cri_free(struct cri *c);
DEFINE_AUTO(cri, struct cri *, NULL, cri_free)

const char *cri_name(const struct cri *c);
/* Socket of the manager (its CRI service), or NULL. */
const char *cri_socket(const struct cri *c);

/* What is wrong with it, as far as it can be asked: it does not run, does not answer, does not
 * serve one of those handlers (strv). Heap; NULL: nothing. */
char *cri_ailment(const struct cri *c, char *const *handlers);

/* What deploy_lay_down() and deploy_uninstall() are to do; owns what change points to. */
struct cri_change {
	struct deploy_change change;
	bool restart; /* the manager has to be restarted */
	bool reload;  /* with restart: it only has to read its configuration again, by a signal */
	char *reason; /* why, or why not: for the plan */
	void *own;
};
#define CRI_CHANGE_INIT     \
	{                   \
		.own = NULL \
	}
void cri_change_release(struct cri_change *c);
DEFINE_AUTO_STRUCT(cri_change, struct cri_change, cri_change_release)

/* recorded: what is in install.json's "extra" under "cri" from before, or NULL. Fills change.files,
 * change.steps (watch, restart, serve) and *record, the new value of that member (owned by the
 * change). Looks at the node, asks the manager about a copy, and changes nothing. A manager that
 * does not run, or is below another root, gets its files and no steps.
 *
 * E_CONFIG: its configuration is wrong, as it is or as it would be. E_EXISTS: a handler of that
 * name is somebody else's. E_UNSUPPORTED: it has to be restarted and nobody knows how. E_STATE and
 * what the socket says: it runs, but does not answer, so that it could not be seen to come back. */
MUST_CHECK int cri_register(struct cri *c, const struct json *recorded, struct cri_change *out,
			    const struct json **record, struct err *err);
/* The file of a manager in which an install below that prefix left something whose record is lost,
 * heap; NULL: none is known. A registration takes it over, so that uninstall can take it out. */
char *cri_leftover(const struct cri_options *o);
/* The way back, from the record alone: also when the manager is gone or its files were edited. */
MUST_CHECK int cri_unregister(const struct cri_options *o, const struct json *recorded,
			      struct cri_change *out, struct err *err);

/* The kinds of steps above, for deploy_options.kinds: their undo after a crash. */
extern const struct deploy_step_ops *const cri_step_kinds[];
