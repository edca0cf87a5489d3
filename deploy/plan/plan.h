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

/*
 * Every kind of action is one row. Its columns:
 *
 *	name	in the journal and for people
 *	path	what its path may be: NOWHERE (none, or a name for display), BELOW (the prefix),
 *		ANYWHERE (below the prefix, or absolute)
 *	more	what it has besides path, was and will: a member of struct plan_action
 *	when	BEFORE the commit, with an undo; or AFTER it, repeated until it is done
 *	keep	stores what undo needs, before the journal is written
 *	apply	does it
 *	undo	restores the old state, however far apply got; a second time changes nothing
 *
 * The last three are functions of the engine (engine-internal.h).
 */
/*	symbol		name	     path      more	when	keep	    apply	undo */
#define PLAN_KINDS(X)                                                                             \
	/* was/will: "directory" or nothing */                                                    \
	X(PLAN_DIR, "directory", ANYWHERE, dir, BEFORE, no_action, dir_apply, dir_undo)           \
	/* path: the store's; was: nothing; will: the digest */                                   \
	X(PLAN_ADOPT, "adopt", BELOW, adopt, BEFORE, no_action, adopt_apply, tree_remove)         \
	/* path: generations/ID; was: nothing; will: ID */                                        \
	X(PLAN_GENERATION, "generation", BELOW, tree, BEFORE, no_action, tree_apply, tree_remove) \
	/* everything before it is on disk */                                                     \
	X(PLAN_SYNC, "sync", NOWHERE, nothing, BEFORE, no_action, sync_apply, no_action)          \
	/* was, will: digests */                                                                  \
	X(PLAN_FILE, "file", ANYWHERE, file, BEFORE, file_keep, file_apply, file_undo)            \
	/* was, will: targets */                                                                  \
	X(PLAN_LINK, "link", BELOW, nothing, BEFORE, no_action, link_apply, link_undo)            \
	/* a symlink that is removed; was: its target */                                          \
	X(PLAN_UNLINK, "unlink", ANYWHERE, nothing, BEFORE, no_action, unlink_apply, unlink_undo) \
	/* path: its name, for display */                                                         \
	X(PLAN_STEP, "step", NOWHERE, step, BEFORE, step_keep, step_apply, step_undo)             \
	X(PLAN_DROP_TREE, "drop-tree", BELOW, nothing, AFTER, no_action, tree_remove, no_action)  \
	/* and its directory, if that was the last */                                             \
	X(PLAN_DROP_FILE, "drop-file", BELOW, nothing, AFTER, no_action, file_drop, no_action)    \
	/* everything of ours below the prefix */                                                 \
	X(PLAN_DROP_HOME, "drop-home", NOWHERE, nothing, AFTER, no_action, home_drop, no_action)

enum plan_kind {
#define X(sym, name, path, more, when, keep, apply, undo) sym,
	PLAN_KINDS(X)
#undef X
};

/* Members that are marked so are not journaled: they serve to apply it in this process only. */
struct plan_dir {
	mode_t mode; /* of the directory */
	uid_t uid;   /* with which it was there */
	gid_t gid;
};

struct plan_adopt {
	char *source; /* not journaled: the staged file */
};

struct layout;
struct plan_tree {
	const struct layout *layout; /* not journaled: borrowed */
};

struct plan_file {
	/* of the old file: its copy in state/kept/, and its attributes */
	char *kept;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	/* not journaled: the new bytes, or the object that has them; the new mode */
	char *data, *source;
	size_t len;
	mode_t new_mode;
};

struct plan_step {
	char *kind;        /* to find its operations after a crash */
	char *record;      /* JSON object for its undo */
	const void *arg;   /* not journaled */
	uint64_t restored; /* plan.restored, for its undo */
};

struct plan_action {
	enum plan_kind kind; /* says which member of the union is meant */
	char *path;          /* relative to the prefix, or absolute: outside it */
	char *was, *will;
	union {
		struct plan_dir dir;
		struct plan_adopt adopt;
		struct plan_tree tree;
		struct plan_file file;
		struct plan_step step;
	};
};

struct plan {
	char *verb;
	bool made_prefix, made_state; /* directories that go when the change is undone, or, in an
					 uninstall, when it is done */
	bool resumes;                 /* deploy_change.resumes */
	uint64_t restored; /* when an interrupted undo had restored the files; 0: not yet */
	bool frugal; /* of a verb that frees space: not refused for want of it (not journaled) */
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
