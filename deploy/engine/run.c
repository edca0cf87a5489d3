// SPDX-License-Identifier: Apache-2.0
/*
 * Carries out a plan, and recovers from a crash. When the crash comes, and what recovery does:
 *
 *	before the journal is written	nothing has changed: it removes the kept copies
 *	while applying			no word in the journal: it undoes everything
 *	after "forward"			it resumes the remaining steps and commits; if a step fails
 *					it undoes everything
 *	while writing "commit"		word incomplete: it undoes everything; complete: it finishes
 *	after the commit		it repeats the actions after the commit
 *	while undoing			it repeats the undo, which is idempotent
 *	after "back"			likewise; steps get the time at which the files were restored
 *	before the journal is removed	it repeats undo or finish, which are idempotent
 */

#include "base/fd.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "cli/advice.h"
#include "deploy/engine/engine-internal.h"
#include "deploy/journal/journal.h"
#include "deploy/store/store.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const struct {
	action_fn *keep, *apply, *undo;
} kinds[] = {
#define X(sym, name, path, more, when, keep, apply, undo) { keep, apply, undo },
	PLAN_KINDS(X)
#undef X
};

/* Stores what undo will need. Changes nothing outside state/. */
static int keep(const struct deploy *d, struct plan *p, struct err *err)
{
	vec_each(struct plan_action, a, &p->actions) {
		if (kinds[a->kind].keep(d, a, err) < 0)
			return -1;
	}
	return 0;
}

/* True if the journal has everything that applying a needs: for a step with resume, or a
 * removal. */
static bool can_resume(const struct deploy *d, const struct plan_action *a)
{
	return a->kind == PLAN_STEP ? step_resumes(d, a)
				    : !a->will && (a->kind == PLAN_FILE || a->kind == PLAN_DIR ||
						   a->kind == PLAN_LINK || a->kind == PLAN_UNLINK);
}

/* Returns the first step such that it and every later action before the commit can be resumed; NULL
 * if there is none. */
static const struct plan_action *first_resumed(const struct deploy *d, const struct plan *p)
{
	const struct plan_action *first = NULL;

	if (!p->resumes)
		return NULL;
	vec_each(const struct plan_action, a, &p->actions) {
		if (plan_is_after_commit(a->kind))
			continue;
		if (!can_resume(d, a))
			first = NULL;
		else if (!first && a->kind == PLAN_STEP)
			first = a;
	}
	return first;
}

/* Applies the actions before the commit, or those after it. */
static int apply(const struct deploy *d, const struct plan *p, bool after, struct err *err)
{
	const struct plan_action *resumed = after ? NULL : first_resumed(d, p);

	vec_each(struct plan_action, a, &p->actions) {
		if (plan_is_after_commit(a->kind) != after)
			continue;
		if (a == resumed && (store_sync(d->root, err) < 0 ||
				     journal_say(d->state, JOURNAL_FORWARD, err) < 0))
			return -1;
		if ((!after && interrupt_check(err) < 0) || kinds[a->kind].apply(d, a, err) < 0)
			return err_wrap(err, "%s %s", plan_kind_name(a->kind),
					a->path ? a->path : "");
	}
	return 0;
}

/* True if the plan removes everything; that action is always the last. */
static bool drops_prefix(const struct plan *p)
{
	return p->actions.n && p->actions.v[p->actions.n - 1].kind == PLAN_DROP_HOME;
}

/* Writes "back" before a step that runs before the files is undone. That undo may end this process;
 * the process that repeats it must know that the old files are back, and since when. */
static int say_back(const struct deploy *d, const struct plan *p, const struct plan_action *a,
		    bool *said, struct err *err)
{
	if (!p->resumes || p->restored || *said || a->kind != PLAN_STEP || step_resumes(d, a))
		return 0;
	*said = true;
	return journal_say(d->state, JOURNAL_BACK, err);
}

/* Tries to undo every action, even after one failed; then the journal is kept. */
int run_undo(struct deploy *d, const struct plan *p, struct err *err)
{
	struct err first = ERR_INIT;
	bool said = false;

	for (size_t i = p->actions.n; i-- > 0;) {
		struct err now = ERR_INIT;

		struct plan_action *a = &p->actions.v[i];

		if (a->kind == PLAN_STEP)
			a->step.restored = p->restored;
		if ((say_back(d, p, a, &said, &now) < 0 || kinds[a->kind].undo(d, a, &now) < 0) &&
		    !first.code)
			first = now;
	}
	if (first.code) {
		*err = first;
		return -1;
	}
	/* The undone state is synced before the journal is removed. */
	if (store_sync(d->root, err) < 0 ||
	    prefix_mark(d, p->made_prefix, p->made_state, MODE_EMPTY, err) < 0)
		return -1;
	return journal_end(d->state, err);
}

/* Marks what an uninstall leaves empty. */
static int leave_prefix(const struct deploy *d, const struct plan *p, struct err *err)
{
	/* With the files of others it keeps its mode too. */
	int prefix = p->made_prefix ? dir_has_only(d->root, d->prefix, "state", err) : 0;

	if (prefix < 0 || prefix_mark(d, prefix, true, MODE_EMPTY, err) < 0)
		return -1;
	vec_each(struct plan_action, a, &p->actions) {
		if (prefix && a->kind == PLAN_DIR && !a->will && parent_is(d, a->path) &&
		    parent_leave(d, a->path, err) < 0)
			return -1;
	}
	return 0;
}

int run_finish(struct deploy *d, const struct plan *p, struct err *err)
{
	if (apply(d, p, true, err) < 0)
		return -1;
	if (p->actions.n && plan_is_after_commit(p->actions.v[p->actions.n - 1].kind) &&
	    store_sync(d->root, err) < 0)
		return -1;
	if (drops_prefix(p) && leave_prefix(d, p, err) < 0)
		return -1;
	return journal_end(d->state, err);
}

static int apply_all(const struct deploy *d, const struct plan *p, struct err *err)
{
	/* From here on the directories contain something of value: take the mark away. */
	if (prefix_mark(d, d->made_prefix, d->made_state, MODE_SETTLED, err) < 0)
		return -1;
	return apply(d, p, false, err);
}

/* Writing "commit" failed, but the word may be on disk. Undo is safe only once "undo" is on
 * disk. */
static int take_back(struct deploy *d, struct err *err)
{
	struct err why = ERR_INIT;

	if (journal_say(d->state, JOURNAL_UNDO, &why) == 0)
		return 0;
	err_hint(err, "run %s, which completes or undoes it", advice("recover"));
	return -1;
}

/* Undoes a plan whose application failed with err; returns -1. A signal that cancelled the plan, or
 * ended a program that the plan had started, does not cancel the undo. */
static int back_out(struct deploy *d, const struct plan *p, struct err *err)
{
	struct err why = ERR_INIT;
	int rc;

	interrupt_shield(true);
	rc = run_undo(d, p, &why);
	interrupt_shield(false);
	if (rc < 0)
		return err_hint(err, "undoing it failed too (%s), the journal was kept; run %s",
				why.msg, advice("recover"));
	if (interrupt_signal() && err->code != E_CANCELLED) {
		err->code = E_CANCELLED;
		err_hint(err, "interrupted by %s", interrupt_name());
	}
	if (err->code == E_CANCELLED)
		err_hint(err, "undone");
	return -1;
}

static int resume(const struct deploy *d, struct plan_action *a, struct err *err)
{
	struct file_info now;
	int there;

	if (a->kind == PLAN_STEP)
		return step_resume(d, a, err);
	/* The file may have been removed before the crash. */
	there = a->kind == PLAN_FILE ? file_inspect(d, a->path, &now, err) : 1;
	return there <= 0 ? there : kinds[a->kind].apply(d, a, err);
}

static int resume_all(const struct deploy *d, const struct plan *p, struct err *err)
{
	const struct plan_action *first = first_resumed(d, p);

	if (!first)
		return err_set(err, E_UNSUPPORTED, "this kata-deploy cannot go on with it");
	vec_each(struct plan_action, a, &p->actions) {
		if (a < first || plan_is_after_commit(a->kind))
			continue;
		if (resume(d, a, err) < 0)
			return err_wrap(err, "%s", a->path ? a->path : a->step.kind);
	}
	return 0;
}

int run_forward(struct deploy *d, struct plan *p, struct err *err)
{
	struct err why = ERR_INIT;

	if (resume_all(d, p, &why) == 0)
		return journal_say(d->state, JOURNAL_COMMIT, err) < 0 ? -1 : run_finish(d, p, err);
	log_err(LOG_WARN, &why, "an interrupted change cannot go on, and is undone",
		LOG_S("verb", p->verb));
	if (d->undone && !d->undone->code)
		*d->undone = why;
	return journal_say(d->state, JOURNAL_UNDO, err) < 0 ? -1 : run_undo(d, p, err);
}

int run_plan(struct deploy *d, struct plan *p, struct err *err)
{
	if (plan_is_empty(p))
		return 0;
	if (prefix_make(d, err) < 0)
		return -1;
	/* An uninstall has set made_prefix already, if it removes that directory. */
	p->made_prefix |= d->made_prefix;
	p->made_state |= d->made_state;
	if (interrupt_check(err) < 0 || plan_check(d, p, err) < 0 || reserve_release(d, err) < 0 ||
	    keep(d, p, err) < 0)
		return -1;
	/* If only the sync failed, there is a journal. Without one nothing has begun. */
	if (journal_begin(d->state, p, err) < 0)
		return deploy_is_interrupted(d) ? back_out(d, p, err) : -1;
	if (apply_all(d, p, err) < 0 || interrupt_check(err) < 0)
		return back_out(d, p, err);
	if (journal_say(d->state, JOURNAL_COMMIT, err) < 0)
		return take_back(d, err) < 0 ? -1 : back_out(d, p, err);
	d->made_prefix = d->made_state = false;
	strv_free(STEAL(d->made_parents, NULL));
	if (drops_prefix(p)) {
		d->made_prefix = p->made_prefix;
		d->made_state = p->made_state;
	}
	if (run_finish(d, p, err) < 0) {
		err_wrap(err, "%s is done, but old files could not be removed", p->verb);
		return err_hint(err, "the journal was kept; run %s", advice("recover"));
	}
	return prefix_load(d, err);
}
