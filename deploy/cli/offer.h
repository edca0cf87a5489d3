// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A verified release: the path from --release to a layout that may be laid down, the same for
 * install, plan, repair and fetch.
 *
 *	AUTO(offer) struct offer offer = OFFER_OF(&o.wanted, &o.place);
 *	if (offer_open(d, &offer, err) < 0 || offer_stage(d, &offer, "release", err) < 0)
 *		return -1;
 *	...deploy_lay_down(d, &offer.layout, "release", &change, err)
 *
 * Checks in this order: length limits, signatures, parsing, freshness (trust.h), then whether this
 * program and this machine can use it. If there is a channel.yaml, it is read first: it is signed
 * like a release and names the release's directory and digest.
 */

#include "base/err.h"
#include "base/scope.h"
#include "deploy/cli/options.h"
#include "deploy/engine/engine.h"
#include "deploy/fetch/fetch.h"
#include "deploy/release/release.h"
#include "deploy/trust/trust.h"

/* The options about a release. */
struct cli_offer {
	struct cli_source source;
	struct cli_parts parts; /* filled in with those of the last install */
	struct cli_trust trust;
};

struct offer {
	struct cli_offer *wanted;
	const struct cli_place *place; /* settled */
	/* Accept only a release that an installed generation comes from, whatever its age; layout
	 * is then that generation's. */
	bool installed_only;
	struct source *source;
	bool channel; /* one led to the release */
	struct trust *trust;
	struct release release;
	char sha256[65];      /* of release.yaml */
	struct layout layout; /* sealed: the wanted components */
	struct json *memory;  /* for "release" of install.json's extra (node.h) */
	struct source_cost cost;
};
#define OFFER_OF(w, p)                                                                       \
	{                                                                                    \
		.wanted = (w), .place = (p), .release = RELEASE_INIT, .layout = LAYOUT_INIT, \
	}
void offer_release(struct offer *o);
DEFINE_AUTO_STRUCT(offer, struct offer, offer_release)

/* Opens --release, else the recorded origin of the installed release. E_USAGE: neither is known.
 * E_TRUST: a check of trust.h failed, or it cannot be told whether it is newer than the installed
 * one. E_UNSUPPORTED: not for this program or machine. E_STATE: installed_only, and it is another
 * one. */
MUST_CHECK int offer_open(const struct deploy *d, struct offer *o, struct err *err);

/* Fetches into staging/NAME what is missing in the store. */
MUST_CHECK int offer_stage(struct deploy *d, struct offer *o, const char *name, struct err *err);

/* Upper bound of the bytes to download, for plans: the blobs of the components of which the store
 * lacks a file. Patches may make it less. */
uint64_t offer_download(const struct deploy *d, const struct offer *o);
