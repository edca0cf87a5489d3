// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The memory of trust (trust.h) as part of a change: state/trust.json, and the copy that outlives
 * an uninstall. Both are written by the same transaction, so neither is ever ahead of the other.
 *
 *	AUTO(memory) struct memory memory = { 0 };
 *	memory_add(&o.place, trust, &change, &memory);	// change borrows from memory
 *	return deploy_lay_down(d, &layout, "release", &change, err);
 */

#include "base/err.h"
#include "base/scope.h"
#include "deploy/cli/options.h"
#include "deploy/engine/engine.h"
#include "deploy/trust/trust.h"

struct memory {
	char *text, *kept, *path;
	struct deploy_file *files;
};
void memory_release(struct memory *m);
DEFINE_AUTO_STRUCT(memory, struct memory, memory_release)

/* The options of trust_open() that every verb has in common; *path belongs to the caller. */
struct trust_options memory_options(const struct cli_place *place, char **path);

/* Adds both to a change. */
void memory_add(const struct cli_place *place, const struct trust *t, struct deploy_change *c,
		struct memory *m);
/* Adds to an uninstall what becomes of the copy: it stays, with all that is known, or (t NULL, or
 * forget) goes. Sets *stays. */
void memory_leave(const struct cli_place *place, const struct trust *t, bool forget,
		  struct deploy_change *c, struct memory *m, bool *stays);
/* Removes it where nothing is installed (t NULL: all of it, not our entry only). 1, or 0 if there
 * was none. */
MUST_CHECK int memory_forget(const struct cli_place *place, const struct trust *t, struct err *err);

/* A change of nothing but the memory. */
MUST_CHECK int memory_commit(struct deploy *d, const struct cli_place *place, const struct trust *t,
			     struct err *err);
