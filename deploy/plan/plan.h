// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A change of a node as data: an array of actions in order of execution, each with the data for its
 * undo. The same array is shown (--dry-run), checked, journaled, applied and undone.
 *
 * Actions up to the commit can be undone; those after it (PLAN_DROP_*) only remove what is no
 * longer needed, and are repeated after a crash until they are done.
 *
 * Undo does not need to know how far an action got. An action records the old and the new state;
 * undo restores the old state where it finds the new one, and changes nothing otherwise.
 */

#include "base/buf.h"
#include "base/err.h"
#include "base/scope.h"
#include "base/vec.h"
#include "json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*	symbol			name		after the commit?	its path, was, will */
#define PLAN_KINDS(X)                                                                            \
	X(PLAN_DIR, "directory", false) /* was/will: "directory" or nothing */                   \
	X(PLAN_ADOPT, "adopt", false)   /* path: the store's; was: nothing; will: the digest */  \
	X(PLAN_GENERATION, "generation", false) /* path: generations/ID; was: nothing */         \
	X(PLAN_SYNC, "sync", false)             /* sync: everything before is on disk */         \
	X(PLAN_FILE, "file", false)             /* was, will: digests */                         \
	X(PLAN_LINK, "link", false)             /* was, will: targets */                         \
	X(PLAN_STEP, "step", false)             /* path: its name; kind and record of its own */ \
	X(PLAN_DROP_TREE, "drop-tree", true)                                                     \
	X(PLAN_DROP_FILE, "drop-file", true) /* and its directory, if that was the last */       \
	X(PLAN_DROP_HOME, "drop-home", true) /* everything of ours below the prefix */

enum plan_kind {
#define X(sym, name, after) sym,
	PLAN_KINDS(X)
#undef X
};

struct plan_action {
	enum plan_kind kind;
	char *path; /* relative to the prefix, or absolute: outside it */
	char *was, *will;
	/* PLAN_FILE: attributes of the old file, and its copy in state/kept/; PLAN_DIR: mode. */
	mode_t mode;
	uid_t uid;
	gid_t gid;
	char *kept;
	/* PLAN_STEP */
	char *step;   /* its kind, to find its operations after a crash */
	char *record; /* JSON object for its undo */
	/* Only for applying it in this process, not journaled. */
	char *data; /* PLAN_FILE: the new bytes */
	size_t len;
	mode_t new_mode;
	char *source; /* PLAN_ADOPT: the staged file */
	const void *arg;
};

struct plan {
	char *verb;
	bool made_prefix, made_state; /* directories that go when the change is undone, or, in an
					 uninstall, when it is done */
	VEC(struct plan_action) actions;
};

#define PLAN_INIT                   \
	{                           \
		.actions = VEC_INIT \
	}

void plan_begin(struct plan *p, const char *verb);
/* Appends an action; strings are copied. The result is valid until the next add. */
struct plan_action *plan_add(struct plan *p, enum plan_kind kind, const char *path, const char *was,
			     const char *will);
void plan_action_release(struct plan_action *a);
void plan_release(struct plan *p);
DEFINE_AUTO_STRUCT(plan, struct plan, plan_release)

bool plan_is_after_commit(enum plan_kind kind);
const char *plan_kind_name(enum plan_kind kind);
/* True if nothing would change. */
bool plan_is_empty(const struct plan *p);

/* As text, one line per action; and as a JSON document: {"verb", "changes", "actions": [...]}. */
void plan_print(const struct plan *p, struct buf *to);
struct json *plan_json(const struct plan *p);

/* One action in the journal's form, and back. E_INVALID. */
struct json *plan_action_json(const struct plan_action *a);
MUST_CHECK int plan_action_parse(struct plan_action *a, const struct json *j, struct err *err);
