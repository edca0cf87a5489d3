// SPDX-License-Identifier: Apache-2.0
#pragma once

/* What the files of the engine share; deploy/engine/engine.h is its API. */

#include "deploy/engine/engine.h"

/*
 * MODE_EMPTY marks a directory that the engine created and that holds nothing of value: the prefix,
 * the directories above it and state/, before their first journal and after their last. A later run
 * may remove a directory with this mark; MODE_SETTLED takes the mark away. mkdir itself sets the mark, so after a crash
 * it is always clear whether the engine may remove the directory.
 */
enum { MODE_EMPTY = 01700, MODE_SETTLED = 0755 };

struct deploy {
	char *prefix;
	char *top; /* where the node's / is (deploy_options.root), without a final slash: "", DIR */
	int root;  /* fd of the prefix; -1: it does not exist */
	int state; /* fd of state/; -1: it does not exist */
	int lock;  /* holds the flock; -1 with DEPLOY_LOOK */
	enum deploy_access access;
	bool made_prefix, made_state; /* this process created them, and has not committed yet */
	char **made_parents;          /* the same for directories above the prefix; strv */
	uint64_t now;
	const struct deploy_step_ops *const *kinds;
	void *context;
	struct err *undone; /* may be NULL */
	struct installed in;
};

/* prefix.c: the directories prefix and state/, and state/install.json */
enum { STATE_MAX = 64 << 20 }; /* bytes of a document in state/ */
/* Opens the prefix and state/, as far as they exist. */
MUST_CHECK int prefix_open(struct deploy *d, struct err *err);
/* Creates those that do not exist, with MODE_EMPTY. */
MUST_CHECK int prefix_make(struct deploy *d, struct err *err);
/* Reads install.json into d->in, which is empty if the file does not exist. */
MUST_CHECK int prefix_load(struct deploy *d, struct err *err);
/* Sets the mode of the prefix, of state/, or of both. */
MUST_CHECK int prefix_mark(const struct deploy *d, bool prefix, bool state, mode_t mode,
			   struct err *err);
/* Removes temporary files, and state/, the prefix and directories above it that have MODE_EMPTY. For
 * a prefix without a journal. */
MUST_CHECK int prefix_settle(struct deploy *d, struct err *err);
/* Removes everything in state/ except the journal. */
MUST_CHECK int prefix_empty_state(const struct deploy *d, struct err *err);
/* Returns 1 if the prefix has releases, but neither a journal nor install.json; else 0. */
MUST_CHECK int prefix_is_lost(const struct deploy *d, struct err *err);
/* Lists a directory of the prefix, sorted; appends nothing if the directory does not exist. The
 * caller frees *names. */
MUST_CHECK int prefix_list(const struct deploy *d, const char *path, char ***names,
			   struct err *err);
/* Appends the remedy to run the verb recover, for damage that rebuild.c repairs. Returns -1. */
int hint_recover(struct err *err);
/* path_look() below the prefix; 0 if that does not exist. */
MUST_CHECK int prefix_look(const struct deploy *d, const char *path, struct err *err);
/* Returns 1 if one of the paths (NULL at the end) exists, 0 if none does. */
MUST_CHECK int prefix_look_any(const struct deploy *d, const char *const *paths, struct err *err);

/* Returns 1 if a directory has no other name than this one, else 0. */
MUST_CHECK int dir_has_only(int fd, const char *path, const char *name, struct err *err);

/* Directories above the prefix that prefix_make() made. They are actions of the plan like other
 * directories outside, but the prefix is still below them when such an action is applied or undone:
 * only the mark is set or taken away, and prefix_settle() removes them. */
bool parent_is(const struct deploy *d, const char *path);
MUST_CHECK int parent_keep(const char *path, struct err *err);
/* Sets the mark, if nothing is in the directory but the way to the prefix, which has the mark: callers
 * begin with the deepest. */
MUST_CHECK int parent_leave(const struct deploy *d, const char *path, struct err *err);

/* file.c: files and directories by path, relative to the prefix or absolute */

/* A file as the *at() system calls take it: its directory and its name there. */
struct file_at {
	int dir; /* owned; -1: not open */
	const char *name;
};
void file_at_release(struct file_at *at);
DEFINE_AUTO_STRUCT(file_at, struct file_at, file_at_release)
#define FILE_AT_INIT     \
	{                \
		-1, NULL \
	}
/* Returns 1 with the directory of path open, 0 if that directory does not exist. at->name points
 * into path. */
MUST_CHECK int file_at_open(const struct deploy *d, const char *path, struct file_at *at,
			    struct err *err);
struct file_info {
	char sha256[65];
	mode_t mode;
	uid_t uid;
	gid_t gid;
	uint64_t size;
};
/* Returns 1 and the digest and attributes of a file, 0 if it does not exist. E_EXISTS: path is not
 * a regular file. */
MUST_CHECK int file_inspect(const struct deploy *d, const char *path, struct file_info *f,
			    struct err *err);

/* Returns path with its symlinks resolved below the node's root, heap; path itself if it has none.
 * NULL with E_STATE: a symlink leads to a missing file, or in a circle. */
char *file_real(const struct deploy *d, const char *path, struct err *err);
/* Returns 1 and the target (heap) if path is a symlink, otherwise 0 and NULL. */
MUST_CHECK int file_is_link(const struct deploy *d, const char *path, char **target,
			    struct err *err);

/* The functions of the table PLAN_KINDS (plan.h): file.c has those of files and directories,
 * action.c the others. */
typedef int action_fn(const struct deploy *d, struct plan_action *a, struct err *err);
action_fn no_action;
action_fn file_keep, file_apply, file_undo, file_drop, dir_apply, dir_undo;
action_fn adopt_apply, tree_apply, tree_remove, sync_apply, link_apply, link_undo;
action_fn unlink_apply, unlink_undo;
action_fn step_keep, step_apply, step_undo, prefix_drop;
/* True if a is a step that another process can complete (deploy_step_ops.resume). */
bool step_resumes(const struct deploy *d, const struct plan_action *a);
MUST_CHECK int step_resume(const struct deploy *d, const struct plan_action *a, struct err *err);

/* open.c */
/* Reads state/generations/ID.json, whether install.json lists ID or not. E_NOT_FOUND, E_INVALID. */
MUST_CHECK int layout_load(const struct deploy *d, const char *id, struct layout *out,
			   struct err *err);
/* Undoes, resumes or finishes an interrupted change, as its journal says. */
MUST_CHECK int recover_journal(struct deploy *d, struct err *err);

/* rebuild.c: deploy_recover() for a prefix that is open. */
MUST_CHECK int rebuild_state(struct deploy *d, deploy_found *found, void *arg, struct err *err);

/* reserve.c: state/reserve/ */
/* Returns the size in bytes that the reserve needs for what is installed. */
uint64_t reserve_size(const struct deploy *d);
/* Removes the reserve, so that a change can use the space. */
MUST_CHECK int reserve_release(const struct deploy *d, struct err *err);
/* Creates the reserve for what is installed, if it does not exist. If that fails, nothing of it is
 * left. */
MUST_CHECK int reserve_settle(struct deploy *d, struct err *err);

/* check.c: checks permissions and space for every action of a plan, before any is applied. */
MUST_CHECK int plan_check(const struct deploy *d, const struct plan *p, struct err *err);

/* run.c */
/* Checks, journals, applies and commits a plan; undoes it if that fails. */
MUST_CHECK int run_plan(struct deploy *d, struct plan *p, struct err *err);
/* Undoes a journaled plan, then removes the journal. */
MUST_CHECK int run_undo(struct deploy *d, const struct plan *p, struct err *err);
/* Applies the actions after the commit, then removes the journal. */
MUST_CHECK int run_finish(struct deploy *d, const struct plan *p, struct err *err);
/* After JOURNAL_FORWARD: resumes the remaining steps, commits and finishes; if a step fails, undoes
 * the plan. */
MUST_CHECK int run_forward(struct deploy *d, struct plan *p, struct err *err);

/* change.c: adds to the plan that next is written to install.json, if the file differs from it. */
MUST_CHECK int plan_record(const struct deploy *d, struct plan *p, const struct installed *next,
			   struct err *err);
