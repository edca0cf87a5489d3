// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The steps of an install, for the verbs install, upgrade and plan, and for a node that upgrades
 * itself.
 *
 *	static struct install_options o;		// filled in by opt_parse()
 *	AUTO(install) struct install in = INSTALL_OF("upgrade", &o);
 *	if (install_prepare(&in, DEPLOY_CHANGE, err) < 0)	// verified; nothing has changed
 *		return -1;
 *	if (!in.needed)
 *		return install_learn(&in, err);
 *	return install_fetch(&in, err) < 0 || install_commit(&in, err) < 0 ? -1 : 0;
 *
 * A step that fails has changed nothing, or has undone it, unless the error says that the journal
 * was kept.
 */

#include "base/err.h"
#include "base/scope.h"
#include "deploy/cli/memory.h"
#include "deploy/cli/node.h"
#include "deploy/cli/offer.h"
#include "deploy/cli/options.h"

#include <stdbool.h>

struct install_options {
	struct cli_offer wanted;
	struct cli_place place;
	struct cli_manager manager;
	struct cli_change change;
	struct cli_talk talk;
};

struct install {
	const char *verb;
	struct install_options *o;
	struct deploy *d;
	struct offer offer;
	struct registration reg;
	struct memory memory;
	bool needed; /* set by install_prepare(): something would change */
};
#define INSTALL_OF(is, options)                                                 \
	{                                                                       \
		.verb = (is), .o = (options),                                   \
		.offer = OFFER_OF(&(options)->wanted, &(options)->place),       \
		.reg = REGISTRATION_OF(&(options)->place, &(options)->manager), \
	}
void install_release(struct install *in);
DEFINE_AUTO_STRUCT(install, struct install, install_release)

/* Opens the prefix, verifies the release and plans the change, without changing anything. For a
 * first install with DEPLOY_CHANGE also E_STATE: the container manager, which is needed for the
 * proof, does not run. Other errors are those of node_open(), offer_open() and
 * registration_add(). */
MUST_CHECK int install_prepare(struct install *in, enum deploy_access access, struct err *err);
/* To call if nothing is needed: stores the highest serials (trust.h). Otherwise this node would
 * accept an older channel tomorrow. */
MUST_CHECK int install_learn(struct install *in, struct err *err);
/* Fetches into staging what the store lacks. */
MUST_CHECK int install_fetch(struct install *in, struct err *err);
/* Lays the release down, registers it and proves it, as one transaction. */
MUST_CHECK int install_commit(struct install *in, struct err *err);
