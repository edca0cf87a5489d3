// SPDX-License-Identifier: Apache-2.0
/*
 * Carrying out a plan. A crash, and what follows from it:
 *
 *	before the journal is written	nothing has changed; kept copies are removed
 *	while applying			no word in the journal: everything is undone
 *	while writing "commit"		incomplete: undone; complete: finished
 *	after the commit		the actions after the commit are repeated
 *	while undoing			undone again, which is idempotent
 *	before the journal is removed	undone or finished again, which is idempotent
 */

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "deploy/engine/engine-internal.h"
#include "deploy/journal/journal.h"
#include "deploy/store/store.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const struct deploy_step_ops *find_step(const struct deploy *d, const char *kind)
{
	for (size_t i = 0; d->kinds && d->kinds[i]; i++) {
		if (str_eq(d->kinds[i]->kind, kind))
			return d->kinds[i];
	}
	return NULL;
}

static int keep_step(struct plan_action *a, struct err *err)
{
	const struct deploy_step *step = a->arg;
	AUTO(json) struct json *record = json_make_object();

	if (step->ops->prepare && step->ops->prepare(step, record, err) < 0)
		return err_wrap(err, "%s", step->name);
	a->record = json_format(record, false);
	return 0;
}

/* Stores what undo will need. Nothing outside state/ has changed yet. */
static int keep(const struct deploy *d, struct plan *p, struct err *err)
{
	vec_each(struct plan_action, a, &p->actions) {
		if (a->kind == PLAN_FILE && a->was && file_keep(d, a, err) < 0)
			return -1;
		if (a->kind == PLAN_STEP && keep_step(a, err) < 0)
			return -1;
	}
	return 0;
}

static int apply_step(const struct plan_action *a, struct err *err)
{
	const struct deploy_step *step = a->arg;
	AUTO(json) struct json *record = json_parse(a->record, strlen(a->record), a->path, err);

	return record ? step->ops->apply(step, record, err) : -1;
}

static int apply(const struct deploy *d, const struct plan_action *a, const struct layout *l,
		 struct err *err)
{
	switch (a->kind) {
	case PLAN_DIR:
		return dir_apply(d, a, err);
	case PLAN_ADOPT:
		return store_adopt(d->root, a->source, a->path, err);
	case PLAN_GENERATION:
		return store_build(d->root, l, err);
	case PLAN_SYNC:
		return store_sync(d->root, err);
	case PLAN_FILE:
		return file_apply(d, a, err);
	case PLAN_LINK:
		return store_link_set(d->root, a->path, a->will, err);
	case PLAN_STEP:
		return apply_step(a, err);
	case PLAN_DROP_TREE:
	case PLAN_DROP_FILE:
	case PLAN_DROP_HOME:
		return 0; /* after the commit */
	}
	bug("plan action %d", (int)a->kind);
}

/* Restores the old target only if the link has the new one: any other target is not ours. */
static int undo_link(const struct deploy *d, const struct plan_action *a, struct err *err)
{
	AUTO(str) char *target = NULL;

	if (store_link_read(d->root, a->path, &target, err) < 0)
		return -1;
	if (str_eq(target, a->was) || !str_eq(target, a->will))
		return 0;
	return store_link_set(d->root, a->path, a->was, err);
}

static int undo_step(const struct deploy *d, const struct plan_action *a, struct err *err)
{
	const struct deploy_step_ops *ops = find_step(d, a->step);
	AUTO(json) struct json *record = json_parse(a->record, strlen(a->record), a->step, err);

	if (!record)
		return -1;
	if (!ops)
		return err_set(err, E_UNSUPPORTED,
			       "this kata-deploy cannot undo a step of kind '%s'", a->step);
	return ops->undo(d->context, record, err);
}

static int undo(const struct deploy *d, const struct plan_action *a, struct err *err)
{
	switch (a->kind) {
	case PLAN_DIR:
		return dir_undo(d, a, err);
	case PLAN_ADOPT:
	case PLAN_GENERATION:
		return path_remove_below(d->root, a->path, err);
	case PLAN_FILE:
		return file_undo(d, a, err);
	case PLAN_LINK:
		return undo_link(d, a, err);
	case PLAN_STEP:
		return undo_step(d, a, err);
	case PLAN_SYNC:
	case PLAN_DROP_TREE:
	case PLAN_DROP_FILE:
	case PLAN_DROP_HOME:
		return 0;
	}
	bug("plan action %d", (int)a->kind);
}

static bool only_state_left(const struct deploy *d)
{
	return !home_has(d, "store") && !home_has(d, "generations") && !home_has(d, "etc");
}

/* Tries to undo every action, even if one fails; in that case the journal is kept. */
int run_undo(struct deploy *d, const struct plan *p, struct err *err)
{
	struct err first = ERR_INIT;

	for (size_t i = p->actions.n; i-- > 0;) {
		struct err now = ERR_INIT;

		if (undo(d, &p->actions.v[i], &now) < 0 && !first.code)
			first = now;
	}
	if (first.code) {
		*err = first;
		return -1;
	}
	/* The undone state is synced before the journal is removed. */
	if (store_sync(d->root, err) < 0 ||
	    home_mark(d, p->made_prefix, p->made_state, MODE_EMPTY, err) < 0)
		return -1;
	return journal_end(d->state, err);
}

static int drop_home(const struct deploy *d, struct err *err)
{
	static const char *const ours[] = { "generations", "store", "staging" };

	for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
		if (path_remove_below(d->root, ours[i], err) < 0)
			return -1;
	}
	return home_empty_state(d, err);
}

static int drop(const struct deploy *d, const struct plan_action *a, struct err *err)
{
	if (a->kind == PLAN_DROP_TREE)
		return path_remove_below(d->root, a->path, err);
	if (a->kind == PLAN_DROP_FILE)
		return file_drop(d, a->path, err);
	return drop_home(d, err);
}

int run_finish(struct deploy *d, const struct plan *p, struct err *err)
{
	bool dropped = false, home = false;

	vec_each(struct plan_action, a, &p->actions) {
		if (!plan_is_after_commit(a->kind))
			continue;
		if (drop(d, a, err) < 0)
			return -1;
		dropped = true;
		home |= a->kind == PLAN_DROP_HOME;
	}
	if (dropped && store_sync(d->root, err) < 0)
		return -1;
	if (home && home_mark(d, p->made_prefix && only_state_left(d), true, MODE_EMPTY, err) < 0)
		return -1;
	return journal_end(d->state, err);
}

static int apply_all(const struct deploy *d, const struct plan *p, const struct layout *l,
		     struct err *err)
{
	/* From here on the directories contain something of value. */
	if (home_mark(d, d->made_prefix, d->made_state, MODE_HOME, err) < 0)
		return -1;
	vec_each(struct plan_action, a, &p->actions) {
		if (apply(d, a, l, err) < 0)
			return err_wrap(err, "%s %s", plan_kind_name(a->kind),
					a->path ? a->path : "");
	}
	return 0;
}

/* Writing "commit" failed, but it may be on disk. Undoing is safe only after "undo" is on disk. */
static int take_back(struct deploy *d, struct err *err)
{
	struct err why = ERR_INIT;

	if (journal_say(d->state, JOURNAL_UNDO, &why) == 0)
		return 0;
	err_hint(err, "run kata-deploy recover, which completes or undoes it");
	return -1;
}

static int back_out(struct deploy *d, const struct plan *p, struct err *err)
{
	struct err why = ERR_INIT;

	if (run_undo(d, p, &why) < 0)
		return err_hint(
			err,
			"undoing it failed too (%s), the journal was kept; run kata-deploy recover",
			why.msg);
	return -1;
}

int run_plan(struct deploy *d, struct plan *p, const struct layout *l, struct err *err)
{
	if (plan_is_empty(p))
		return 0;
	if (home_make(d, err) < 0)
		return -1;
	/* Kept if set: an uninstall decides itself which directories it removes. */
	p->made_prefix |= d->made_prefix;
	p->made_state |= d->made_state;
	if (plan_check(d, p, err) < 0 || keep(d, p, err) < 0)
		return -1;
	if (journal_begin(d->state, p, err) < 0 || apply_all(d, p, l, err) < 0)
		return back_out(d, p, err);
	if (journal_say(d->state, JOURNAL_COMMIT, err) < 0)
		return take_back(d, err) < 0 ? -1 : back_out(d, p, err);
	d->made_prefix = d->made_state = false;
	if (p->actions.v[p->actions.n - 1].kind == PLAN_DROP_HOME) {
		d->made_prefix = p->made_prefix;
		d->made_state = p->made_state;
	}
	if (run_finish(d, p, err) < 0) {
		err_wrap(err, "%s is done, but old files could not be removed", p->verb);
		return err_hint(err, "the journal was kept; run kata-deploy recover");
	}
	return home_load(d, err);
}
