// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * state/install.json: the installed generations. It is the last file written before the commit of a
 * change; without it nothing is installed. docs/design/deploy-store.md describes its members.
 */

#include "base/err.h"
#include "base/scope.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>

struct generation {
	char *id, *version;
	uint64_t since; /* when it was laid down, seconds since 1970 */
	uint64_t files, bytes;
	uint64_t verity; /* how many of its new objects fs-verity protects */
	char *unguarded; /* why not all of them: the kernel's error, or NULL */
};

struct installed {
	char *current, *previous; /* ids, or NULL */
	bool made_prefix;         /* we created the directory of the prefix */
	char **made_dirs;         /* directories outside the prefix that we created, absolute
				   * as the node sees them, strv */
	char *extra;              /* JSON object, opaque here (cli/node.h), or NULL */
	VEC(struct generation) generations;
};

#define INSTALLED_INIT                  \
	{                               \
		.generations = VEC_INIT \
	}

void installed_release(struct installed *in);
DEFINE_AUTO_STRUCT(installed, struct installed, installed_release)

/* The generation of that id, or NULL. */
struct generation *installed_find(const struct installed *in, const char *id);
void installed_add(struct installed *in, const struct generation *g); /* strings are copied */
void installed_drop(struct installed *in, const char *id);

char *installed_format(const struct installed *in); /* heap text */
/* E_INVALID, E_UNSUPPORTED (a newer schema). */
MUST_CHECK int installed_parse(struct installed *in, const char *text, size_t len, struct err *err);
