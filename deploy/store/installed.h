// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * state/install.json: the installed generations. It is the last file below the prefix that a change
 * writes; without it nothing is installed. docs/design/deploy-store.md describes its members.
 */

#include "base/err.h"
#include "base/scope.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { INSTALLED_MAX = 1000 }; /* generations; a document with more is not read */

struct generation {
	char *id, *version;
	uint64_t since; /* when it was laid down, seconds since 1970 */
	uint64_t files, bytes;
	uint64_t verity; /* how many of the objects that it added fs-verity protects */
	char *unguarded; /* why fs-verity does not protect all: the kernel's error, or NULL */
};

struct installed {
	char *current, *previous; /* ids, or NULL */
	bool made_prefix;         /* the engine created the directory of the prefix */
	char **made_dirs; /* directories outside the prefix that the engine created: absolute
				   * paths as the node sees them, strv */
	char *extra;      /* JSON object, opaque here (cli/node.h), or NULL */
	VEC(struct generation) generations;
};

#define INSTALLED_INIT                  \
	{                               \
		.generations = VEC_INIT \
	}

void installed_release(struct installed *in);
DEFINE_AUTO_STRUCT(installed, struct installed, installed_release)

/* Returns the generation with that id, borrowed until the next add or drop, or NULL. */
struct generation *installed_find(const struct installed *in, const char *id);
void installed_add(struct installed *in, const struct generation *g); /* strings are copied */
void installed_drop(struct installed *in, const char *id);

char *installed_format(const struct installed *in); /* JSON text, heap */
/* The mode of the file: only root may read it if a URL in extra has a user or a password. */
mode_t installed_mode(const struct installed *in);
/* Fills an empty struct installed. E_INVALID: not such a document. E_UNSUPPORTED: a newer
 * schema. */
MUST_CHECK int installed_parse(struct installed *in, const char *text, size_t len, struct err *err);
