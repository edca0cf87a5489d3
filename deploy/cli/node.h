// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The node that a verb works on: its prefix, the registration with its container manager, and the
 * record kept with the install. o: the options of the verb (options.h).
 *
 *	AUTO(deploy) struct deploy *d = NULL;
 *	AUTO(registration) struct registration reg = REGISTRATION_OF(&o.place, &o.manager);
 *	if (node_open(&o.place, DEPLOY_CHANGE, &d, err) < 0 ||
 *	    registration_add(d, release, &expect, &reg, err) < 0)
 *		return -1;
 *	return deploy_lay_down(d, &layout, "release", &reg.change, err);
 *
 * The verbs store one object in install.json as "extra":
 *
 *	"cri"		the record of the registration (cri.h)
 *	"options"	the options about the manager (--cri ...), the defaults of later changes
 *	"release"	"from": absolute paths or URLs of its sources; "proxy", "cacert": how they
 *			are reached; "components", "without": as given; "version", "serial",
 *			"expires": of release.yaml; "sha256": its digest; "waived": the checks that
 *			were waived
 */

#include "base/err.h"
#include "base/scope.h"
#include "deploy/cli/options.h"
#include "deploy/cri/cri.h"
#include "deploy/engine/engine.h"
#include "deploy/prove/prove.h"
#include "deploy/use/use.h"
#include "json/json.h"

/* Settles place and opens the prefix; the caller closes *out. E_USAGE: --root or --prefix is wrong.
 * E_PERMISSION: a change of the running system by a user other than root. Other errors as
 * deploy_open(). */
MUST_CHECK int node_open(struct cli_place *place, enum deploy_access access, struct deploy **out,
			 struct err *err);

/* For node_open(): a look during which nothing changes, if the user can take the lock; root can. */
enum deploy_access node_may_hold(void);

/* The same as node_open() for deploy_recover(). undone: deploy_options.undone. */
MUST_CHECK int node_recover(struct cli_place *place, deploy_found *found, void *arg,
			    struct err *undone, struct err *err);

/* E_STATE, with the remedy: no release is installed. */
MUST_CHECK int node_need_installed(const struct deploy *d, const struct cli_place *place,
				   struct err *err);

/* Reads the layout of the current generation into out, which stays empty if nothing is
 * installed. */
MUST_CHECK int node_layout(const struct deploy *d, struct layout *out, struct err *err);

/* Finds the users of the installed generations (use.h); with --root none. */
MUST_CHECK int node_uses(const struct cli_place *place, struct use_list *out, struct err *err);

/* Returns the ids of the generations in use, strv, which the caller frees; with --root none. */
MUST_CHECK int node_in_use(const struct cli_place *place, char ***ids, struct err *err);

/* Fills in which manager has the registration, and the options that locate the manager from those
 * recorded by an earlier change, unless another manager is named. The handlers are only filled in
 * with keep_handlers: an install has its own, an upgrade keeps the recorded ones. The options point
 * into *doc, which the caller frees. */
MUST_CHECK int node_recall_manager(const struct deploy *d, struct cli_manager *manager,
				   struct json **doc, struct err *err);

/* Finds the container manager: that of the command line, or else of the recorded options, or else
 * by detection (while the one that has the registration is restarted: that one). The caller frees
 * *out, then *doc. */
MUST_CHECK int node_manager(const struct deploy *d, const struct cli_place *place,
			    struct cli_manager *manager, struct json **doc, struct cri **out,
			    struct err *err);
/* E_STATE: the manager does not run; the message has the command that starts it. */
MUST_CHECK int node_need_running(const struct cri *c, struct err *err);

/* Returns the first handler in the record of a registration (may be NULL), borrowed, or NULL. */
const char *node_handler(const struct json *record);

/* Checks --handler and --no-default-handlers. E_USAGE. */
MUST_CHECK int node_check_handlers(const struct cli_manager *manager, struct err *err);

/* Finds a member of "extra": *out is borrowed from *doc, which the caller frees, or NULL. */
MUST_CHECK int node_recall(const struct deploy *d, const char *member, struct json **doc,
			   const struct json **out, struct err *err);

/* Finds a string of "release", heap; an absent one is NULL. E_INVALID: the member is no string. */
MUST_CHECK int node_recall_text(const struct deploy *d, const char *key, char **out,
				struct err *err);
/* Appends a list of strings of "release" to *out; an absent list adds nothing. E_INVALID: the
 * member is not a list of strings. */
MUST_CHECK int node_recall_release(const struct deploy *d, const char *list, char ***out,
				   struct err *err);

/* The part of a change outside the prefix: the registration with the manager, and the proof. */
struct registration {
	const struct cli_place *place;
	struct cli_manager *manager; /* recorded options are filled in */
	struct deploy_change change; /* for the engine; borrows from the other members */
	struct cri *cri;             /* NULL: no manager */
	struct cri_change told;      /* the manager's part of the change */
	struct deploy_step *steps;
	struct prove proof;
	char *extra;
	char *state;      /* cri_state(), for the proof */
	struct json *doc; /* recorded options; the options point into it */
};
#define REGISTRATION_OF(p, m)                                          \
	{                                                              \
		.place = (p), .manager = (m), .told = CRI_CHANGE_INIT, \
	}
void registration_release(struct registration *reg);
DEFINE_AUTO_STRUCT(registration, struct registration, registration_release)

/* Plans the registration and the proof. There is no registration, but a warning, if no_proof is set,
 * no manager is named, and cri_find() finds none or two. release: the new member "release" of
 * "extra", borrowed; NULL: keep the old one. proof: versions that the proof must find in a VM; NULL:
 * no proof. Errors as cri_find() and cri_register(); E_UNSUPPORTED: the manager cannot run the proof;
 * E_STATE: it does not run, in a container that it has started itself (--host). */
MUST_CHECK int registration_add(const struct deploy *d, const struct json *release,
				const struct prove_expect *proof, struct registration *reg,
				struct err *err);
/* E_STATE: the proof needs the container manager, which does not run; the message has the command
 * that starts it. To call before anything is fetched, since the proof itself comes last. Logs a
 * warning if there will be no proof (cli_manager.proof_if_can). */
MUST_CHECK int registration_can_prove(const struct deploy *d, struct registration *reg,
				      struct err *err);
/* Plans the removal of the registration, by its record. Without a record (nothing is installed, or
 * the record was lost), of every registration of this prefix that any manager's files have. */
MUST_CHECK int registration_drop(const struct deploy *d, struct registration *reg, struct err *err);
