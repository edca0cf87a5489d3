// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The memory of trust (trust.h) as part of a change: state/trust.json, and the copy that survives
 * an uninstall. One transaction writes both, so they never differ.
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

/* Returns the options of trust_open() that every verb has in common. They borrow *path, which the
 * caller frees. */
struct trust_options memory_options(const struct cli_place *place, char **path);

/* Adds both files to a change, which borrows from m. */
void memory_add(const struct cli_place *place, const struct trust *t, struct deploy_change *c,
		struct memory *m);
/* Adds the copy to an uninstall: it is kept, with the newest memory, or (t NULL, or forget) our
 * entry is removed. Sets *stays. */
void memory_leave(const struct cli_place *place, const struct trust *t, bool forget,
		  struct deploy_change *c, struct memory *m, bool *stays);
/* Where nothing is installed: removes our entry from the copy, or (t NULL) the whole copy. Returns
 * 1, or 0 if there was nothing to remove. */
MUST_CHECK int memory_forget(const struct cli_place *place, const struct trust *t, struct err *err);

/* Makes a change of the memory only. */
MUST_CHECK int memory_commit(struct deploy *d, const struct cli_place *place, const struct trust *t,
			     struct err *err);
