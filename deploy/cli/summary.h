// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * What a plan changes, for people: the releases by component, bytes, the differences of files that
 * people know, whether the container manager is restarted. The single actions only with --verbose.
 *
 *	struct summary s = { .d = d, .plan = &p, .was = &was, .is = &is, .prefix = "/opt/kata" };
 *	summary_say(&s);
 */

#include "base/buf.h"
#include "deploy/cri/cri.h"
#include "deploy/engine/engine.h"
#include "deploy/plan/plan.h"
#include "deploy/store/layout.h"
#include "json/json.h"

#include <stdbool.h>
#include <stdint.h>

struct summary {
	const struct deploy *d;
	const struct plan *plan;
	const char *prefix;            /* as it is known to people */
	const char *memory;            /* the directory of a record of ours outside the prefix */
	const struct layout *was, *is; /* NULL: nothing is installed before, or afterwards */
	const struct cri_change *told; /* of the registration; NULL: it stays */
	const uint64_t *fetch;         /* bytes, at most; NULL: nothing can be fetched */
	const uint64_t *frees;         /* bytes; NULL: is not said */
	const char *pods;              /* what happens to them; NULL: is not said */
	size_t npods;
};

enum { SUMMARY_MAX = 64 << 20 };

/* For people, lines. to: at most SUMMARY_MAX. */
void summary_text(const struct summary *s, struct buf *to);
/* plan_json(), the same text as "summary", and "frees". The caller frees it. */
struct json *summary_json(const struct summary *s);
/* One of them on standard output, also with --quiet. */
void summary_say(const struct summary *s);
