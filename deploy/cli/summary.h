// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Summarizes a plan for people: the changes of a release by component, bytes, the differences of
 * files that people edit, whether the container manager is restarted. With --verbose also the
 * single actions.
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
	const char *prefix;            /* as the user gave it */
	const char *memory;            /* cli_place.memory: its files are not shown */
	const struct layout *was, *is; /* before and after the change; NULL: nothing is installed */
	const struct cri_change *told; /* of the registration; NULL: it is not changed */
	const uint64_t *fetch;         /* bytes to fetch at most; NULL: nothing is fetched */
	const uint64_t *frees;         /* bytes that are freed; NULL: omit */
	const char *pods;              /* how running pods are affected; NULL: omit */
	size_t npods;                  /* their number */
};

enum { SUMMARY_MAX = 64 << 20 };

/* Appends lines of text to a buf of at most SUMMARY_MAX bytes. */
void summary_text(const struct summary *s, struct buf *to);
/* Returns plan_json() with the text as "summary", and "frees"; the caller frees it. */
struct json *summary_json(const struct summary *s);
/* Prints one of them on standard output, also with --quiet. */
void summary_say(const struct summary *s);
