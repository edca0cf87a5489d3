// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Shared by the engine's own files. */

#include "deploy/engine/engine.h"

/*
 * MODE_EMPTY marks a directory that we created and that holds nothing of value: the prefix and
 * state/ before their first journal and after their last. A later run may remove one with this
 * mark. The mark is set by mkdir itself, so there is no moment at which a directory exists without
 * a known owner.
 */
enum { MODE_EMPTY = 01700, MODE_HOME = 0755 };

struct deploy {
	char *prefix;
	char *top; /* the root of the node as a path without a final slash: "" or DIR */
	int root;  /* -1: there is no prefix */
	int state; /* -1: there is no state/ */
	int lock;
	enum deploy_access access;
	bool made_prefix, made_state; /* by this process, not committed yet */
	uint64_t now;
	const struct deploy_step_ops *const *kinds;
	void *context;
	struct err *undone; /* may be NULL */
	struct installed in;
};

/* home.c */
enum { STATE_MAX = 64 << 20 }; /* of a document in state/ */
MUST_CHECK int home_open(struct deploy *d, struct err *err);
MUST_CHECK int home_make(struct deploy *d, struct err *err);
MUST_CHECK int home_load(struct deploy *d, struct err *err); /* install.json */
MUST_CHECK int home_mark(const struct deploy *d, bool prefix, bool state, mode_t mode,
			 struct err *err);
MUST_CHECK int home_settle(struct deploy *d, struct err *err);
/* Removes everything in state/ except the journal. */
MUST_CHECK int home_empty_state(const struct deploy *d, struct err *err);
/* There are releases and no record of them. */
bool home_is_lost(const struct deploy *d);
/* Lists a directory of the prefix, sorted; empty if there is no such directory. */
MUST_CHECK int home_list(const struct deploy *d, const char *path, char ***names, struct err *err);
/* "run kata-deploy recover": what rebuild.c can mend. Returns -1. */
int hint_recover(struct err *err);
bool home_has(const struct deploy *d, const char *path);

/* file.c: files and directories by path, below the prefix or absolute */
struct spot {
	int dir; /* owned; -1 */
	const char *name;
};
void spot_release(struct spot *s);
DEFINE_AUTO_STRUCT(spot, struct spot, spot_release)
#define SPOT_INIT        \
	{                \
		-1, NULL \
	}
/* Opens the directory of path: 1; 0: there is no such directory. name points into path. */
MUST_CHECK int spot_find(const struct deploy *d, const char *path, struct spot *s, struct err *err);
struct spot_file {
	char sha256[65];
	mode_t mode;
	uid_t uid;
	gid_t gid;
	uint64_t size;
};
/* 1 and its attributes; 0: there is none; E_EXISTS: not a regular file. */
MUST_CHECK int spot_look(const struct deploy *d, const char *path, struct spot_file *f,
			 struct err *err);

/* The file that path means, heap: path itself, or, where a symlink is on the way, what that leads to
 * as the node sees it. NULL, E_STATE: to nothing, or in a circle. */
char *file_real(const struct deploy *d, const char *path, struct err *err);
/* 1: path is a symlink, and its target, heap; 0: it is not. */
MUST_CHECK int file_is_link(const struct deploy *d, const char *path, char **target,
			    struct err *err);

/* The functions of the table PLAN_KINDS: file.c has those of files and directories, action.c the
 * others. */
typedef int action_fn(const struct deploy *d, struct plan_action *a, struct err *err);
action_fn no_action;
action_fn file_keep, file_apply, file_undo, file_drop, dir_apply, dir_undo;
action_fn adopt_apply, tree_apply, tree_remove, sync_apply, link_apply, link_undo;
action_fn unlink_apply, unlink_undo;
action_fn step_keep, step_apply, step_undo, home_drop;
/* A step that can be completed by another process than the one that began it. */
bool step_resumes(const struct deploy *d, const struct plan_action *a);
MUST_CHECK int step_resume(const struct deploy *d, const struct plan_action *a, struct err *err);

/* open.c */
/* state/generations/ID.json. E_NOT_FOUND, E_INVALID. */
MUST_CHECK int layout_load(const struct deploy *d, const char *id, struct layout *out,
			   struct err *err);
/* Undoes or finishes an interrupted change. */
MUST_CHECK int recover_journal(struct deploy *d, struct err *err);

/* rebuild.c: what deploy_recover does with an open prefix. */
MUST_CHECK int rebuild_state(struct deploy *d, deploy_found *found, void *arg, struct err *err);

/* reserve.c */
/* Bytes that it takes for what is installed. */
uint64_t reserve_size(const struct deploy *d);
MUST_CHECK int reserve_release(const struct deploy *d, struct err *err);
/* Makes it for what is installed, if there is none. If it fails, there is none. */
MUST_CHECK int reserve_settle(struct deploy *d, struct err *err);

/* check.c */
MUST_CHECK int plan_check(const struct deploy *d, const struct plan *p, struct err *err);

/* run.c */
MUST_CHECK int run_plan(struct deploy *d, struct plan *p, struct err *err);
MUST_CHECK int run_undo(struct deploy *d, const struct plan *p, struct err *err);
MUST_CHECK int run_finish(struct deploy *d, const struct plan *p, struct err *err);
/* After JOURNAL_FORWARD: what is left of the steps, the commit and the rest; or undoes it. */
MUST_CHECK int run_forward(struct deploy *d, struct plan *p, struct err *err);

/* change.c: plans writing next to install.json, if that differs from its contents. */
MUST_CHECK int plan_record(const struct deploy *d, struct plan *p, const struct installed *next,
			   struct err *err);
