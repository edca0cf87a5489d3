// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Reads the signature files next to a document: NAME.minisig, NAME.1.minisig, and so on. */

#include "base/buf.h"
#include "base/scope.h"
#include "deploy/trust/trust.h"

/* list is for trust_signatures() and trust_rotate(); it refers to names and texts. */
struct signatures {
	struct trust_signature list[TRUST_SIGNATURES_MAX];
	char *names[TRUST_SIGNATURES_MAX];
	struct buf texts[TRUST_SIGNATURES_MAX];
	size_t n;
};
#define SIGNATURES_INIT \
	{               \
		.n = 0  \
	}
void signatures_release(struct signatures *s);
DEFINE_AUTO_STRUCT(signatures, struct signatures, signatures_release)

/* Reads the signatures of document, a path relative to dir, up to the first name that does not
 * exist; at most TRUST_SIGNATURES_MAX. *s is SIGNATURES_INIT before; that none exist is no error. */
MUST_CHECK int signatures_read(int dir, const char *document, struct signatures *s,
			       struct err *err);
