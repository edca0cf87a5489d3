// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The install engine: lays releases down below a prefix, switches between them and uninstalls them.
 * Every change is a transaction.
 *
 *	struct deploy_options o = { .prefix = "/opt/kata", .lock = DEPLOY_LOCK, .now = time(NULL) };
 *	AUTO(deploy) struct deploy *d = NULL;
 *	if (deploy_open(&o, DEPLOY_CHANGE, &d, err) < 0)	// locks; recovers what a crash left
 *		return -1;
 *	AUTO(fd) int dir = deploy_stage(d, "release", err);	// unpack the release here
 *	...
 *	return deploy_lay_down(d, &layout, "release", &change, err);
 *
 * Every function that changes something makes a plan, checks all of it, writes it to the journal,
 * applies it and commits. An error or a crash before the commit is rolled back, after it the change
 * is completed: at once, or, after a crash, when the prefix is next opened for a change. If a
 * function returns an error, nothing has changed, unless the error says that the journal was kept.
 *
 * Not thread safe. Other processes are excluded by a lock that ends with its process.
 */

#include "base/err.h"
#include "base/scope.h"
#include "deploy/plan/plan.h"
#include "deploy/store/installed.h"
#include "deploy/store/layout.h"
#include "json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define DEPLOY_PREFIX "/opt/kata" /* the default */
#define DEPLOY_LOCK   "/run/lock/kata-deploy.lock"

struct deploy;
struct deploy_step;

/* A part of a change other than files that can be undone: a restart, a call to a manager. */
struct deploy_step_ops {
	const char *kind; /* identifies it in the journal, for an undo by another process */
	/* Before the first change: checks that it can be done, and stores in record what undo
	 * needs. May be NULL. */
	int (*prepare)(const struct deploy_step *step, struct json *record, struct err *err);
	int (*apply)(const struct deploy_step *step, const struct json *record, struct err *err);
	/* Idempotent; also called if apply did not run or failed half-way. If an undo was interrupted
	 * the record has "restored" too: the CLOCK_BOOTTIME in ms at which all files were as before. */
	int (*undo)(void *context, const struct json *record, struct err *err);
	/* For changes that may end the process that makes them (deploy_change.resumes): another one
	 * completes the step from its record, whether apply had begun or not, and does not do again
	 * what was done. NULL: it cannot. */
	int (*resume)(void *context, const struct json *record, struct err *err);
};

struct deploy_step {
	const struct deploy_step_ops *ops;
	const char *name; /* for display */
	const void *arg;
	/* Runs before the change's files instead of after them. Undo runs in reverse order, so its
	 * undo runs when the old files are restored. */
	bool before_files;
};

/* A file outside the prefix, such as a container manager's drop-in. Missing directories are
 * created, and removed by the uninstall. The undo restores contents, mode, owner, times and
 * extended attributes of the old file, unless another program wrote to it meanwhile.
 *
 * A symlink is followed as the node follows it, and what it leads to is edited; so it is with files
 * below etc/. The removal of a file whose path is a symlink removes the symlink. */
struct deploy_file {
	const char *path; /* absolute */
	const char *data; /* NULL: remove the file */
	size_t len;
	mode_t mode; /* 0: as it was, or 0644 */
	/* It outlives the installation: its directory is private, and no uninstall removes it
	 * unless the file is removed (data NULL) and nothing else is in there. */
	bool outlives;
};

/* The parts of a change outside the prefix, done after the switch: steps with before_files, files,
 * the other steps. */
struct deploy_change {
	const struct deploy_file *files;
	size_t nfiles;
	const struct deploy_step *steps;
	size_t nsteps;
	const char *extra; /* JSON object to store in install.json; NULL: keep the old one */
	const char *trust; /* text of state/trust.json (trust.h); NULL: keep the old one */
	/* A restart may end this process, as in a pod of the manager that is restarted. Once the
	 * files are in place a crash is not undone: the recovery goes on with the steps that are
	 * left, and commits; it undoes only if one of them fails. */
	bool resumes;
};

struct deploy_options {
	const char *prefix;
	const char *root; /* the directory that the node has as /; NULL: / */
	const char *lock;
	unsigned lock_seconds; /* another process that has it is waited for, so long at most */
	uint64_t now;          /* seconds since 1970, for the record */
	/* Step kinds that a journal may need to undo; NULL at the end; may be NULL. */
	const struct deploy_step_ops *const *kinds;
	void *context; /* for undo */
	/* Set if a recovery undid a change that it was to go on with (deploy_change.resumes): why, or,
	 * if another process knew that, only that. May be NULL. */
	struct err *undone;
};

/* DEPLOY_LOOK takes no lock, recovers nothing and writes nothing. */
enum deploy_access { DEPLOY_LOOK, DEPLOY_CHANGE };

/* E_STATE: another process holds the lock (the message names it). E_LIMIT: too few files may be
 * opened for a change to end. A failed recovery is an error. A
 * prefix that does not exist is opened as an empty one. E_USAGE: the prefix is not an absolute path
 * below /. */
MUST_CHECK int deploy_open(const struct deploy_options *o, enum deploy_access access,
			   struct deploy **out, struct err *err);
/* Removes staging/, releases the lock. */
void deploy_close(struct deploy *d);
DEFINE_AUTO(deploy, struct deploy *, NULL, deploy_close)

/* Recovers as every change does, and rebuilds what is lost or damaged in state/ from the store and
 * the generations. Calls found (may be NULL) for each thing that was, with what is lost for good;
 * returns their number. Damaged files go to state/damaged/. E_STATE: nothing can be rebuilt. */
typedef void deploy_found(void *arg, const char *path, const char *what);
MUST_CHECK int deploy_recover(const struct deploy_options *o, deploy_found *found, void *arg,
			      struct err *err);
/* Moves state/NAME to state/damaged/. */
MUST_CHECK int deploy_set_aside(struct deploy *d, const char *name, struct err *err);
/* True if a change was interrupted and not recovered yet (DEPLOY_LOOK). */
bool deploy_is_interrupted(const struct deploy *d);

const struct installed *deploy_installed(const struct deploy *d);
/* fds of the prefix and of its state/, borrowed; -1: there is none. */
int deploy_root(const struct deploy *d);
int deploy_state(const struct deploy *d);
/* The layout of a generation. E_NOT_FOUND. */
MUST_CHECK int deploy_layout(const struct deploy *d, const char *id, struct layout *out,
			     struct err *err);

/* Creates the directory staging/NAME, mode 0700, to unpack a release into; returns an fd. */
MUST_CHECK int deploy_stage(struct deploy *d, const char *name, struct err *err);
/* Whether so many bytes and files fit into it, before they are fetched. E_LIMIT. */
MUST_CHECK int deploy_room(const struct deploy *d, uint64_t bytes, uint64_t files, struct err *err);
/* True if an entry's contents are in the store with the right size: it need not be staged. */
bool deploy_has(const struct deploy *d, const struct entry *e);

/* Make a plan without any change, for --dry-run; staged files are not checked. */
MUST_CHECK int deploy_plan_lay_down(struct deploy *d, const struct layout *l,
				    const struct deploy_change *c, struct plan *p, struct err *err);
MUST_CHECK int deploy_plan_rollback(struct deploy *d, const char *to, const struct deploy_change *c,
				    struct plan *p, struct err *err);
MUST_CHECK int deploy_plan_uninstall(struct deploy *d, const struct deploy_change *c,
				     struct plan *p, struct err *err);
MUST_CHECK int deploy_plan_gc(struct deploy *d, char *const *in_use, struct plan *p,
			      struct err *err);

/* Bytes on disk that a gc or an uninstall would free. */
uint64_t deploy_frees(const struct deploy *d, const struct plan *p);

/* Install and upgrade: lays down a sealed layout whose files are in staging/STAGE/ (those in the
 * store may be missing) and makes it the current generation. If nothing is to be done it succeeds
 * without a write. E_INVALID: a staged file differs from the layout. E_EXISTS: a file that is not
 * ours is in the way. E_LIMIT: not enough space. */
MUST_CHECK int deploy_lay_down(struct deploy *d, const struct layout *l, const char *stage,
			       const struct deploy_change *c, struct err *err);
/* Makes generation to (NULL: the previous one) current. E_NOT_FOUND. E_STATE: it is damaged. */
/* Like gc and uninstall it needs no space but what was reserved (state/reserve/). */
MUST_CHECK int deploy_rollback(struct deploy *d, const char *to, const struct deploy_change *c,
			       struct err *err);
/* Removes everything except edited files below etc/. If nothing is installed, only the change
 * outside is made. */
MUST_CHECK int deploy_uninstall(struct deploy *d, const struct deploy_change *c, struct err *err);
/* Removes generations other than the current, the previous and those in_use (ids, strv), and
 * objects of the store that no generation refers to. */
MUST_CHECK int deploy_gc(struct deploy *d, char *const *in_use, struct err *err);

/* Compares the files with what was laid down: names and sizes, or (DEPLOY_HASH) every byte. Calls
 * found for each difference; returns their number. */
enum deploy_depth { DEPLOY_GLANCE, DEPLOY_HASH };
MUST_CHECK int deploy_verify(const struct deploy *d, enum deploy_depth depth, deploy_found *found,
			     void *arg, struct err *err);
/* Repairs what verify finds. Lost contents are taken from staging/STAGE/ (NULL: none there), under
 * the path they have in a generation. Each file is replaced atomically; after an interruption run
 * it again. E_STATE: a file, named in the message, could not be repaired. */
MUST_CHECK int deploy_repair(struct deploy *d, const char *stage, struct err *err);
