// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A verified release, as the source offers it: from --release to a layout that may be laid down.
 * The verbs install, plan, repair and fetch use it.
 *
 *	AUTO(offer) struct offer offer = OFFER_OF(&o.wanted, &o.place);
 *	if (offer_open(d, &offer, err) < 0 || offer_stage(d, &offer, "release", err) < 0)
 *		return -1;
 *	...deploy_lay_down(d, &offer.layout, "release", &change, err)
 *
 * The order of checks: length limits, signatures, parsing, freshness (trust.h), then whether this
 * program and this machine can use the release. If the source has a channel.yaml, that is read
 * first: it is signed like a release, and names the release's directory and digest.
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
	struct cli_parts parts; /* if none are given, those of the last install are filled in */
	struct cli_trust trust;
};

struct offer {
	struct cli_offer *wanted;
	const struct cli_place *place; /* after place_settle() */
	/* Accept only the release that an installed generation comes from, whatever its age; layout
	 * is then that of the generation. */
	bool installed_only;
	struct source *source;
	bool channel; /* a channel.yaml led to the release */
	struct trust *trust;
	struct release release;
	char sha256[65];      /* of release.yaml */
	struct layout layout; /* sealed: the wanted components */
	char *proxy, *cacert; /* recorded ones, with the recorded sources */
	struct json *memory;  /* the new member "release" of install.json's extra (node.h) */
	struct source_cost cost;
};
#define OFFER_OF(w, p)                                                                       \
	{                                                                                    \
		.wanted = (w), .place = (p), .release = RELEASE_INIT, .layout = LAYOUT_INIT, \
	}
void offer_release(struct offer *o);
DEFINE_AUTO_STRUCT(offer, struct offer, offer_release)

/* Reads and verifies the release of --release, or else of the recorded source of the installed
 * release. E_USAGE: neither is known. E_TRUST: a check of trust.h failed, or the release and the
 * installed one have the same serial, so that neither is newer. E_UNSUPPORTED: it is not for this
 * program or machine. E_STATE: installed_only, and it is another release. Other errors as
 * source_open() and source_document(). */
MUST_CHECK int offer_open(const struct deploy *d, struct offer *o, struct err *err);

/* Fetches into staging/NAME what the store lacks. */
MUST_CHECK int offer_stage(struct deploy *d, struct offer *o, const char *name, struct err *err);

/* Returns an upper bound of the bytes to download, for plans: the sizes of the blobs that have a
 * file which the store lacks. Patches may make it less. */
uint64_t offer_download(const struct deploy *d, const struct offer *o);
