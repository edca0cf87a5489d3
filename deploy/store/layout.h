// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A layout is the contents of one generation: files and symlinks by path, with digests. It comes
 * from a release's manifest and is stored as state/generations/ID.json.
 *
 *	AUTO(layout) struct layout l = LAYOUT_INIT;
 *	layout_begin(&l, "3.9.0");
 *	layout_add(&l, &(struct entry){ .path = "bin/kata-runtime", ... });
 *	if (layout_seal(&l, err) < 0)			// E_INVALID: it must not be laid down
 *		return -1;
 *
 * A sealed layout is sorted, has an id derived from its contents, and is safe to lay down: every
 * path is relative, clean, ASCII, unique and below one of bin/ share/ libexec/ lib/ etc/; no path
 * lies below a file or a link; no link leads out of the generation; no mode has a bit beyond 0777.
 * Files below etc/ may be edited: they are copied to the prefix's own etc/ (conf.h).
 */

#include "base/err.h"
#include "base/scope.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum entry_type { ENTRY_FILE, ENTRY_LINK };

struct entry {
	char *path;
	enum entry_type type;
	mode_t mode;     /* of a file: laid down as 0555 if it has an x bit, else as 0444 */
	uint64_t size;   /* of a file */
	char sha256[65]; /* of a file */
	char *target;    /* of a link */
	char *component; /* component of the release, or NULL */
};

struct layout {
	char *version;
	char *id;     /* "<version>-<12 hex digits>", once sealed */
	bool rebuilt; /* from its tree (engine/rebuild.c): id is not derived from the contents */
	VEC(struct entry) entries;
};

#define LAYOUT_INIT                 \
	{                           \
		.entries = VEC_INIT \
	}

void layout_begin(struct layout *l, const char *version);
void layout_add(struct layout *l, const struct entry *e); /* strings are copied */
/* Checks and sorts the entries, and sets id unless rebuilt is set. E_INVALID, E_LIMIT. */
MUST_CHECK int layout_seal(struct layout *l, struct err *err);
void layout_release(struct layout *l);
DEFINE_AUTO_STRUCT(layout, struct layout, layout_release)

/* Returns the entry with that path in a sealed layout, borrowed, or NULL. */
const struct entry *layout_find(const struct layout *l, const char *path);
/* True if something lies below the top-level directory dir. */
bool layout_has_top(const struct layout *l, const char *dir);
bool entry_is_exec(const struct entry *e);
/* True if both have the same type, contents or target, and execution bit; paths may differ. */
bool entry_is_same(const struct entry *a, const struct entry *b);
bool entry_is_conf(const struct entry *e); /* a file below etc/ */
uint64_t layout_bytes(const struct layout *l);

/* A sealed layout as JSON text, heap; and its parser, which seals the layout and rejects unknown
 * members, another schema, and an id that does not match the contents. name is for messages. */
char *layout_format(const struct layout *l);
MUST_CHECK int layout_parse(struct layout *l, const char *text, size_t len, const char *name,
			    struct err *err);

/* The top-level directories that get a stable symlink in the prefix; NULL at the end. */
extern const char *const layout_tops[];
