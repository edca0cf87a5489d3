// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A plan is a change of a node as data: an array of actions in order of execution, each with the
 * data for its undo. The same array is shown (--dry-run), checked, journaled, applied and undone.
 *
 * Actions up to the commit can be undone; those after it (PLAN_DROP_*) only remove what is no
 * longer needed, and are repeated after a crash until they are done.
 *
 * Undo need not know how far an action got. An action records the old and the new state; undo
 * restores the old state where it finds the new one, and changes nothing otherwise.
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
 * The kinds of actions, one in a row. The columns:
 *
 *	name	in the journal, in a plan's JSON and in messages
 *	path	which paths are allowed: NOWHERE (none, or a name for display), BELOW (relative,
 *		below the prefix), ANYWHERE (relative or absolute)
 *	more	the member of struct plan_action that it has besides path, was and will
 *	when	BEFORE the commit, with an undo; or AFTER it, repeated until it succeeds
 *	keep	stores what undo needs, before the journal is written
 *	apply	makes the change
 *	undo	restores the old state, however far apply got; repeating it changes nothing
 *
 * The last three are functions of the engine (engine-internal.h).
 */
/*	symbol		name	     path      more	when	keep	    apply	undo */
#define PLAN_KINDS(X)                                                                             \
	/* was/will: "directory" or nothing */                                                    \
	X(PLAN_DIR, "directory", ANYWHERE, dir, BEFORE, no_action, dir_apply, dir_undo)           \
	/* path: the object; was: nothing; will: its digest */                                    \
	X(PLAN_ADOPT, "adopt", BELOW, adopt, BEFORE, no_action, adopt_apply, tree_remove)         \
	/* path: generations/ID; was: nothing; will: ID */                                        \
	X(PLAN_GENERATION, "generation", BELOW, tree, BEFORE, no_action, tree_apply, tree_remove) \
	/* syncs what the actions before it wrote */                                              \
	X(PLAN_SYNC, "sync", NOWHERE, nothing, BEFORE, no_action, sync_apply, no_action)          \
	/* was, will: digests */                                                                  \
	X(PLAN_FILE, "file", ANYWHERE, file, BEFORE, file_keep, file_apply, file_undo)            \
	/* was, will: targets */                                                                  \
	X(PLAN_LINK, "link", BELOW, nothing, BEFORE, no_action, link_apply, link_undo)            \
	/* removes a symlink; was: its target */                                                  \
	X(PLAN_UNLINK, "unlink", ANYWHERE, nothing, BEFORE, no_action, unlink_apply, unlink_undo) \
	/* path: the step's name, for display */                                                  \
	X(PLAN_STEP, "step", NOWHERE, step, BEFORE, step_keep, step_apply, step_undo)             \
	X(PLAN_DROP_TREE, "drop-tree", BELOW, nothing, AFTER, no_action, tree_remove, no_action)  \
	/* removes its directory too, if that is empty then */                                    \
	X(PLAN_DROP_FILE, "drop-file", BELOW, nothing, AFTER, no_action, file_drop, no_action)    \
	/* everything that the engine has below the prefix, but etc/ */                           \
	X(PLAN_DROP_HOME, "drop-home", NOWHERE, nothing, AFTER, no_action, prefix_drop, no_action)

enum plan_kind {
#define X(sym, name, path, more, when, keep, apply, undo) sym,
	PLAN_KINDS(X)
#undef X
};

/* Members marked "not journaled" serve apply in this process only. */
struct plan_dir {
	mode_t mode; /* of the new directory; of the old one, if it is removed */
	uid_t uid;   /* of a directory that is removed */
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
	char *kind;        /* deploy_step_ops.kind, to find the operations after a crash */
	char *record;      /* JSON object for undo and resume */
	const void *arg;   /* not journaled: the struct deploy_step */
	uint64_t restored; /* not journaled: plan.restored, for undo */
};

struct plan_action {
	enum plan_kind kind; /* selects the member of the union */
	char *path;          /* relative to the prefix; or absolute, outside it */
	char *was, *will;    /* the old and the new state; NULL: nothing */
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
	/* The prefix and state/ are removed when the change is undone; for an uninstall: when it is
	 * finished. */
	bool made_prefix, made_state;
	bool resumes; /* deploy_change.resumes */
	/* CLOCK_BOOTTIME in ms at which an interrupted undo had restored the files; 0: it had not;
	 * 1: before this boot. */
	uint64_t restored;
	bool frugal; /* not journaled: the verb frees space and is not refused for lack of it */
	VEC(struct plan_action) actions;
};

#define PLAN_INIT                   \
	{                           \
		.actions = VEC_INIT \
	}

void plan_begin(struct plan *p, const char *verb);
/* Appends an action; strings are copied. The result is borrowed until the next plan_add(). */
struct plan_action *plan_add(struct plan *p, enum plan_kind kind, const char *path, const char *was,
			     const char *will);
void plan_action_release(struct plan_action *a);
void plan_release(struct plan *p);
DEFINE_AUTO_STRUCT(plan, struct plan, plan_release)

bool plan_is_after_commit(enum plan_kind kind);
const char *plan_kind_name(enum plan_kind kind);
/* True if nothing would change. */
bool plan_is_empty(const struct plan *p);

/* Appends the plan as text, one line for each action. */
void plan_print(const struct plan *p, struct buf *to);
/* Returns the plan as JSON, {"verb", "changes", "actions": [...]}; the caller frees it. */
struct json *plan_json(const struct plan *p);

/* One action as the journal has it, and its parser. The caller frees the JSON, and releases a even
 * after an error. E_INVALID: not such an action, or its path is not allowed. */
struct json *plan_action_json(const struct plan_action *a);
MUST_CHECK int plan_action_parse(struct plan_action *a, const struct json *j, struct err *err);
