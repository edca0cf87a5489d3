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
 * applies it and commits. If an error or a crash comes before the commit, the change is rolled
 * back; if it comes after the commit, the change is completed. Both happen at once or, after a
 * crash, when the prefix is next opened with DEPLOY_CHANGE. A function that returns an error has
 * changed nothing, unless the message says that the journal was kept.
 *
 * Not thread safe. A lock, which the kernel releases when its holder ends, excludes other
 * processes.
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

/* A part of a change that is not a file, and that can be undone: restarting a container manager,
 * calling it, starting a test container. */
struct deploy_step_ops {
	const char *kind; /* identifies the step in the journal, for an undo by another process */
	/* Called before anything is changed: checks that the step can be done, and stores in record
	 * what undo needs. May be NULL. */
	int (*prepare)(const struct deploy_step *step, struct json *record, struct err *err);
	int (*apply)(const struct deploy_step *step, const struct json *record, struct err *err);
	/* Idempotent; also called if apply did not run or failed half-way. When an undo that was
	 * interrupted is repeated, the record also has "restored": the CLOCK_BOOTTIME in ms at
	 * which all files had their old contents again. NULL: there is nothing to undo. */
	int (*undo)(void *context, const struct json *record, struct err *err);
	/* For changes that may end the process that makes them (deploy_change.resumes): another
	 * process completes the step from its record, whether apply had begun or not, without
	 * repeating what apply had done. NULL: the step cannot be resumed. */
	int (*resume)(void *context, const struct json *record, struct err *err);
};

struct deploy_step {
	const struct deploy_step_ops *ops;
	const char *name; /* for display */
	const void *arg;  /* for prepare and apply; borrowed until the change is done */
	/* The step runs before the change's files instead of after them. Undo runs in reverse
	 * order: the undo of such a step runs when the old files have been restored. */
	bool before_files;
};

/* A file outside the prefix, such as a container manager's drop-in. Missing directories are
 * created, and removed by the uninstall. The undo restores contents, mode, owner, times and
 * extended attributes of the old file, unless another program wrote to it meanwhile.
 *
 * Symlinks in path are resolved below the node's root, and the file at their end is edited; the
 * engine treats files below etc/ in the same way. Removing a file whose path is itself a symlink
 * removes the symlink only. */
struct deploy_file {
	const char *path; /* absolute */
	const char *data; /* NULL: remove the file */
	size_t len;
	mode_t mode; /* 0: that of the old file, or 0644 for a new one */
	/* The file outlives the installation, or has nothing to do with it: it has a directory of
	 * its own, made with mode 0700, which is removed only together with the file (data NULL),
	 * and only if nothing else is in it. */
	bool outlives;
	/* The contents that data was made from, "" if there was no file: a file that has others by
	 * now is not overwritten, which is E_STATE. NULL: data does not depend on them. */
	const char *base;
};

/* The parts of a change outside the prefix. They are applied after the switch to the new
 * generation, in this order: steps with before_files, files, the other steps. */
struct deploy_change {
	const struct deploy_file *files;
	size_t nfiles;
	const struct deploy_step *steps;
	size_t nsteps;
	const char *extra; /* JSON object to store in install.json; NULL: keep the old one */
	const char *trust; /* text of state/trust.json (trust.h); NULL: keep the old one */
	/* A step may end this process, for instance by restarting the container manager in whose
	 * pod it runs. So once the files are in place, recovery after a crash does not undo the
	 * change: it resumes the remaining steps and commits, and undoes the change only if a step
	 * fails. */
	bool resumes;
};

struct deploy_options {
	const char *prefix;
	const char *root;      /* where the node's / is mounted; NULL: / */
	const char *lock;      /* path of the lock file; may be a directory */
	unsigned lock_seconds; /* how long to wait for another process that holds the lock */
	uint64_t now;          /* seconds since 1970, for install.json */
	/* Step kinds that a journal may need to undo; NULL at the end; may be NULL. */
	const struct deploy_step_ops *const *kinds;
	void *context; /* passed to undo and resume */
	/* Set if recovery undid a change that it should have completed (deploy_change.resumes): the
	 * error that stopped it, or, where an earlier process met that error, E_FAILED. May be
	 * NULL. */
	struct err *undone;
};

/* Ends a process that still waits for the lock, and has begun nothing; ignored by one that has it. */
#define DEPLOY_RETRACT SIGUSR1

enum deploy_access {
	DEPLOY_LOOK, /* takes no lock, recovers nothing and writes nothing */
	DEPLOY_HOLD, /* likewise, but holds the lock, so that nothing changes meanwhile */
	DEPLOY_CHANGE
};

/* Opens a prefix; one that does not exist is opened as an empty one. With DEPLOY_CHANGE it takes
 * the lock and recovers from an interrupted change; a recovery that fails is an error. *out is
 * closed with deploy_close(). o->kinds, context and undone must stay valid until then. E_USAGE: the
 * prefix is not an absolute path below /. E_STATE: another process holds the lock (the message has
 * its pid and its prefix), or install.json is lost. E_LIMIT: the limit of open files is too low to
 * complete or undo a change. */
MUST_CHECK int deploy_open(const struct deploy_options *o, enum deploy_access access,
			   struct deploy **out, struct err *err);
/* Removes staging/, releases the lock. */
void deploy_close(struct deploy *d);
DEFINE_AUTO(deploy, struct deploy *, NULL, deploy_close)

/* Called for each thing that was found lost, damaged or different: its path, relative to the
 * prefix, and a description. Both are valid during the call only. */
typedef void deploy_found(void *arg, const char *path, const char *what);
/* Opens the prefix, recovers from an interrupted change, rebuilds lost or damaged files of state/
 * from the store and the generations, and closes the prefix. Calls found (may be NULL) for each
 * file that was lost or damaged; returns how many there were. Damaged files are moved to
 * state/damaged/. E_STATE: no generation is complete enough to rebuild state/ from. */
MUST_CHECK int deploy_recover(const struct deploy_options *o, deploy_found *found, void *arg,
			      struct err *err);
/* Moves state/NAME to state/damaged/, beside what was moved there earlier: the first free name of
 * NAME, NAME.1, NAME.2 ... is taken. *to (to may be NULL) gets its path relative to the prefix,
 * heap; NULL if state/NAME does not exist, which is a success. E_LIMIT: no name is free. */
MUST_CHECK int deploy_set_aside(struct deploy *d, const char *name, char **to, struct err *err);
/* True if a change was interrupted and has not been recovered yet, also if that cannot be seen: not
 * after DEPLOY_CHANGE. */
bool deploy_is_interrupted(const struct deploy *d);

/* What is installed, borrowed: valid until the next change. */
const struct installed *deploy_installed(const struct deploy *d);
/* fds of the prefix and of its state/, borrowed; -1: the directory does not exist. */
int deploy_root(const struct deploy *d);
int deploy_state(const struct deploy *d);
/* Reads the layout of a generation; the caller releases it. E_NOT_FOUND: no such generation.
 * E_STATE, E_INVALID: its file is lost or damaged. */
MUST_CHECK int deploy_layout(const struct deploy *d, const char *id, struct layout *out,
			     struct err *err);

/* Creates the directory staging/NAME, mode 0700, to unpack a release into; returns an fd, which the
 * caller closes. */
MUST_CHECK int deploy_stage(struct deploy *d, const char *name, struct err *err);
/* Checks that so many bytes and files fit below the prefix, before they are fetched. E_LIMIT: they
 * do not. E_PERMISSION: programs may not be executed there. */
MUST_CHECK int deploy_room(const struct deploy *d, uint64_t bytes, uint64_t files, struct err *err);
/* True if the store has the contents of an entry, undamaged: the entry need not be staged. */
bool deploy_has(const struct deploy *d, const struct entry *e);

/* These fill a plan without changing anything, for --dry-run; staged files are not checked. in_use
 * and c may be NULL: nothing in use, nothing outside the prefix. */
MUST_CHECK int deploy_plan_lay_down(struct deploy *d, const struct layout *l,
				    const struct deploy_change *c, struct plan *p, struct err *err);
MUST_CHECK int deploy_plan_rollback(struct deploy *d, const char *to, const struct deploy_change *c,
				    struct plan *p, struct err *err);
MUST_CHECK int deploy_plan_uninstall(struct deploy *d, const struct deploy_change *c,
				     struct plan *p, struct err *err);
MUST_CHECK int deploy_plan_gc(struct deploy *d, char *const *in_use, struct plan *p,
			      struct err *err);

/* Returns how many bytes on disk the plan of a gc or an uninstall would free. */
uint64_t deploy_frees(const struct deploy *d, const struct plan *p);

/* Install and upgrade: lays down a sealed layout whose files are in staging/STAGE/ (those in the
 * store may be missing) and makes it the current generation. If nothing would change it succeeds
 * without writing anything. E_INVALID: a staged file differs from the layout. E_EXISTS: a file that
 * is not ours is in the way. E_LIMIT: not enough space. */
MUST_CHECK int deploy_lay_down(struct deploy *d, const struct layout *l, const char *stage,
			       const struct deploy_change *c, struct err *err);
/* Makes generation to (NULL: the previous one) current. Like gc and uninstall it needs no space
 * beyond that of state/reserve/. E_NOT_FOUND: no such generation. E_STATE: it is damaged. */
MUST_CHECK int deploy_rollback(struct deploy *d, const char *to, const struct deploy_change *c,
			       struct err *err);
/* Removes everything below the prefix except edited files below etc/, and makes the change c
 * outside the prefix. If nothing is installed, only the latter. */
MUST_CHECK int deploy_uninstall(struct deploy *d, const struct deploy_change *c, struct err *err);
/* Removes generations other than the current, the previous and those in_use (ids, strv), and
 * objects of the store that no generation refers to. */
MUST_CHECK int deploy_gc(struct deploy *d, char *const *in_use, struct err *err);

/* Compares the installed files with the layouts of their generations: names and sizes
 * (DEPLOY_GLANCE), or every byte (DEPLOY_HASH). Calls found (may be NULL) for each difference;
 * returns how many there are. */
enum deploy_depth { DEPLOY_GLANCE, DEPLOY_HASH };
MUST_CHECK int deploy_verify(const struct deploy *d, enum deploy_depth depth, deploy_found *found,
			     void *arg, struct err *err);
/* Repairs what deploy_verify() finds. Lost contents are taken from staging/STAGE/ (NULL: nothing is
 * staged), from the path that they have in a generation. Each file is replaced atomically; after an
 * interruption call it again. E_STATE: no intact copy of a file, named in the message, is left. */
MUST_CHECK int deploy_repair(struct deploy *d, const char *stage, struct err *err);
