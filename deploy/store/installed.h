// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * state/install.json: what is installed. Written last before the commit of every change; a prefix
 * without it has nothing installed. docs/design/deploy-store.md describes its members.
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
	uint64_t verity; /* of the objects that came with it: guarded by fs-verity */
	char *unguarded; /* why not all of them: the kernel's answer, or NULL */
};

struct installed {
	char *current, *previous; /* ids, or NULL */
	bool made_prefix;         /* the prefix's directory was made by us */
	char **made_dirs;         /* absolute: directories for foreign files that we made, strv */
	char *extra;              /* JSON object of the registration's, or NULL */
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
