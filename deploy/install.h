// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The engine: lays releases down below a prefix, switches between them, takes them away, and is
 * never half done.
 *
 *	struct deploy_options o = { .prefix = "/opt/kata", .lock = DEPLOY_LOCK, .now = time(NULL) };
 *	AUTO(deploy) struct deploy *d = NULL;
 *	if (deploy_open(&o, DEPLOY_CHANGE, &d, err) < 0)	// locks; recovers what a crash left
 *		return -1;
 *	AUTO(fd) int dir = deploy_stage(d, "release", err);	// unpack the release here
 *	...
 *	return deploy_lay_down(d, &layout, "release", &change, err);
 *
 * Every verb makes a plan, checks it whole, writes it to the journal, applies it and commits. Until
 * the commit an error or a crash leads back to exactly what was, after it to exactly what was to
 * be: at once, or, after a crash, when the prefix is next opened for a change. When a verb returns
 * an error, nothing has changed, unless the error says that the journal was kept.
 *
 * Not thread safe. Another process is kept out by the lock, which dies with its holder.
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

#define DEPLOY_LOCK "/run/lock/kata-deploy.lock"

struct deploy;
struct deploy_step;

/* Something beyond files that a change does and can undo: a restart, a call to a manager. */
struct deploy_step_ops {
	const char *kind; /* names it in the journal, for an undo in another process */
	/* Before the first change: can it be done? Puts what undo needs into record. May be NULL.
	 */
	int (*prepare)(const struct deploy_step *step, struct json *record, struct err *err);
	int (*apply)(const struct deploy_step *step, const struct json *record, struct err *err);
	/* Idempotent; also called when apply never ran or got half way. */
	int (*undo)(void *context, const struct json *record, struct err *err);
};

struct deploy_step {
	const struct deploy_step_ops *ops;
	const char *name; /* for people */
	const void *arg;
	/* Before the change's files, not after them: what is undone is undone backwards, so its undo
	 * comes when the old files are back. */
	bool before_files;
};

/* A file that is not below the prefix, such as a container manager's drop-in. Missing directories
 * are made and go with the uninstall. The undo restores bytes, mode, owner, times and extended
 * attributes of what was there, unless somebody else wrote to it meanwhile. */
struct deploy_file {
	const char *path; /* absolute */
	const char *data; /* NULL: there is to be no such file */
	size_t len;
	mode_t mode; /* 0: as it was, or 0644 */
};

/* What a change does besides the prefix, after the switch: steps that come before files, files, the
 * other steps. */
struct deploy_change {
	const struct deploy_file *files;
	size_t nfiles;
	const struct deploy_step *steps;
	size_t nsteps;
	const char *extra; /* JSON object to keep in install.json; NULL: the one that is there */
	const char *trust; /* text of state/trust.json (trust.h); NULL: the one that is there */
};

struct deploy_options {
	const char *prefix;
	const char *lock;
	uint64_t now; /* seconds since 1970, for the record */
	/* Those whose undo a journal may ask for; NULL at the end; may be NULL. */
	const struct deploy_step_ops *const *kinds;
	void *context; /* for undo */
};

/* DEPLOY_LOOK takes no lock, recovers nothing and writes nothing. */
enum deploy_access { DEPLOY_LOOK, DEPLOY_CHANGE };

/* E_STATE: somebody else holds the lock (the message names the process); or recovery was needed and
 * failed. A prefix that does not exist is opened as an empty one. */
MUST_CHECK int deploy_open(const struct deploy_options *o, enum deploy_access access,
			   struct deploy **out, struct err *err);
/* Throws staging away. */
void deploy_close(struct deploy *d);
DEFINE_AUTO(deploy, struct deploy *, NULL, deploy_close)

/* Opens for a change, which recovers, and closes again. */
MUST_CHECK int deploy_recover(const struct deploy_options *o, struct err *err);
/* A change was interrupted and not recovered yet (DEPLOY_LOOK). */
bool deploy_is_interrupted(const struct deploy *d);

const struct installed *deploy_installed(const struct deploy *d);
/* fds of the prefix and of its state/, borrowed; -1: there is none. */
int deploy_root(const struct deploy *d);
int deploy_state(const struct deploy *d);
/* What a generation consists of. */
MUST_CHECK int deploy_layout(const struct deploy *d, const char *id, struct layout *out,
			     struct err *err);

/* A new directory staging/NAME for who unpacks a release; returns an fd. Mode 0700. */
MUST_CHECK int deploy_stage(struct deploy *d, const char *name, struct err *err);
/* True if an entry's contents are in the store and whole: it need not be staged. */
bool deploy_has(const struct deploy *d, const struct entry *e);

/* Plans without any change, for --dry-run; what is staged is not looked at. */
MUST_CHECK int deploy_plan_lay_down(struct deploy *d, const struct layout *l,
				    const struct deploy_change *c, struct plan *p, struct err *err);
MUST_CHECK int deploy_plan_rollback(struct deploy *d, const char *to, const struct deploy_change *c,
				    struct plan *p, struct err *err);
MUST_CHECK int deploy_plan_uninstall(struct deploy *d, const struct deploy_change *c,
				     struct plan *p, struct err *err);
MUST_CHECK int deploy_plan_gc(struct deploy *d, char *const *in_use, struct plan *p,
			      struct err *err);

/* Install and upgrade: lays down a sealed layout whose files are in staging/STAGE/ (those that the
 * store has may be missing) and makes it the current one. Nothing to do is success without a write.
 * E_INVALID: a staged file is not what the layout says. E_EXISTS: something that is not ours is in
 * the way. E_LIMIT: not enough space. */
MUST_CHECK int deploy_lay_down(struct deploy *d, const struct layout *l, const char *stage,
			       const struct deploy_change *c, struct err *err);
/* Makes another generation current; NULL: the previous one. E_NOT_FOUND. */
MUST_CHECK int deploy_rollback(struct deploy *d, const char *to, const struct deploy_change *c,
			       struct err *err);
/* Takes everything away but what a person edited below etc/. Nothing installed is success. */
MUST_CHECK int deploy_uninstall(struct deploy *d, const struct deploy_change *c, struct err *err);
/* Removes generations other than the current, the previous and those in_use (ids, strv), and what
 * nothing refers to. */
MUST_CHECK int deploy_gc(struct deploy *d, char *const *in_use, struct err *err);

/* Holds what is there against what was laid down: names and sizes at a glance, or every byte. Calls
 * found for what is not as it should be; returns how much that was. */
enum deploy_depth { DEPLOY_GLANCE, DEPLOY_HASH };
typedef void deploy_found(void *arg, const char *path, const char *what);
MUST_CHECK int deploy_verify(const struct deploy *d, enum deploy_depth depth, deploy_found *found,
			     void *arg, struct err *err);
/* Puts right what verify finds. Contents that are lost come from staging/STAGE/ (NULL: there are
 * none), by the paths of the generation that has them. Each file goes from damaged to whole at
 * once; interrupted, it is run again. E_STATE: something was beyond repair, named in the message.
 */
MUST_CHECK int deploy_repair(struct deploy *d, const char *stage, struct err *err);
