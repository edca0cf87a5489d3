// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The node that a verb works on: its prefix, the registration with its container manager, and the
 * record kept with the install. o: the options of the verb (options.h).
 *
 *	AUTO(deploy) struct deploy *d = NULL;
 *	AUTO(registration) struct registration reg = REGISTRATION_OF(&o.place, &o.manager);
 *	if (node_open(&o.place, DEPLOY_CHANGE, &d, err) < 0 || registration_add(d, &memory, &reg, err) < 0)
 *		return -1;
 *	return deploy_lay_down(d, &layout, "release", &reg.change, err);
 *
 * install.json keeps one object for us as "extra":
 *
 *	"cri"		the registration's record (cri.h)
 *	"options"	the options about the manager, --cri and so on: defaults for later changes
 *			that do not say otherwise
 *	"release"	"from": where it came from, absolute; "components", "without": as asked for;
 *			"version", "serial", "expires": of release.yaml; "sha256": its digest
 */

#include "base/err.h"
#include "base/scope.h"
#include "deploy/cli/options.h"
#include "deploy/cri/cri.h"
#include "deploy/engine/engine.h"
#include "deploy/prove/prove.h"
#include "deploy/use/use.h"
#include "json/json.h"

/* Opens the prefix. E_USAGE: --root or --prefix is wrong. E_PERMISSION: a change of the running
 * system without privilege. Else as deploy_open(). */
MUST_CHECK int node_open(struct cli_place *place, enum deploy_access access, struct deploy **out,
			 struct err *err);

/* Likewise deploy_recover(). undone: deploy_options.undone. */
MUST_CHECK int node_recover(struct cli_place *place, deploy_found *found, void *arg,
			    struct err *undone, struct err *err);

/* E_STATE, with what to do: no release is installed. */
MUST_CHECK int node_need_installed(const struct deploy *d, const struct cli_place *place,
				   struct err *err);

/* The layout of the current generation; an empty one if nothing is installed. *out: initialized. */
MUST_CHECK int node_layout(const struct deploy *d, struct layout *out, struct err *err);

/* The users of the installed generations; none below --root. */
MUST_CHECK int node_uses(const struct cli_place *place, struct use_list *out, struct err *err);

/* The generations that pods use, strv; none below --root. */
MUST_CHECK int node_in_use(const struct cli_place *place, char ***ids, struct err *err);

/* Options that locate the manager default to those recorded by an earlier change, unless another
 * manager is named. The handlers are given anew with each install; an upgrade keeps them. The
 * options point into *doc, which the caller frees. */
MUST_CHECK int node_recall_manager(const struct deploy *d, struct cli_manager *manager,
				   struct json **doc, struct err *err);

/* Finds the container manager: from the command line, else from the options recorded by an earlier
 * change, else by detection. The caller frees *doc, after *out. */
MUST_CHECK int node_manager(const struct deploy *d, const struct cli_place *place,
			    struct cli_manager *manager, struct json **doc, struct cri **out,
			    struct err *err);

/* The first handler in the record of a registration, borrowed; NULL: there is none. */
const char *node_handler(const struct json *record);

/* Checks --handler before anything is fetched. E_USAGE. */
MUST_CHECK int node_check_handlers(const struct cli_manager *manager, struct err *err);

/* A member of "extra", borrowed from *doc, which the caller frees; NULL: there is none. */
MUST_CHECK int node_recall(const struct deploy *d, const char *member, struct json **doc,
			   const struct json **out, struct err *err);

/* Appends a list of strings of "release" to *out; an absent list adds nothing. E_INVALID: it is
 * something else. */
MUST_CHECK int node_recall_release(const struct deploy *d, const char *list, char ***out,
				   struct err *err);

/* What a change does outside the prefix. change borrows from the other members. */
struct registration {
	const struct cli_place *place;
	struct cli_manager *manager; /* recorded options are filled in */
	struct deploy_change change;
	struct cri *cri; /* NULL: no manager */
	struct cri_change told;
	struct deploy_step *steps;
	struct prove proof;
	char *extra;
	char *state;      /* the manager's, for the proof */
	struct json *doc; /* recorded options; the options point into it */
};
#define REGISTRATION_OF(p, m)                                          \
	{                                                              \
		.place = (p), .manager = (m), .told = CRI_CHANGE_INIT, \
	}
void registration_release(struct registration *reg);
DEFINE_AUTO_STRUCT(registration, struct registration, registration_release)

/* release: the new member "release" of "extra", borrowed; NULL: keep the old one. proof: what the
 * proof must find in a VM; NULL: no proof. */
MUST_CHECK int registration_add(const struct deploy *d, const struct json *release,
				const struct prove_expect *proof, struct registration *reg,
				struct err *err);
/* E_STATE: a proof is wanted, and the container manager does not run; the message says how to start
 * it. Called before anything is fetched, since the proof would be the last to find out. */
MUST_CHECK int registration_can_prove(const struct deploy *d, struct registration *reg,
				      struct err *err);
/* Undoes the registration by its record. Where there is none (nothing is installed, or the record was
 * lost), whatever is left with any manager. */
MUST_CHECK int registration_drop(const struct deploy *d, struct registration *reg, struct err *err);
