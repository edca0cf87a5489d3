// SPDX-License-Identifier: Apache-2.0
/*
 * Applies and undoes the actions of a plan other than files and directories (file.c). The table
 * PLAN_KINDS of plan.h says which function serves which kind of action, and when.
 */

#include "base/path.h"
#include "base/str.h"
#include "deploy/engine/engine-internal.h"
#include "deploy/store/store.h"

#include <string.h>

int no_action(const struct deploy *d, struct plan_action *a, struct err *err)
{
	(void)d, (void)a, (void)err;
	return 0;
}

int adopt_apply(const struct deploy *d, struct plan_action *a, struct err *err)
{
	return store_adopt(d->root, a->adopt.source, a->path, err);
}

int tree_apply(const struct deploy *d, struct plan_action *a, struct err *err)
{
	return store_build(d->root, a->tree.layout, err);
}

int tree_remove(const struct deploy *d, struct plan_action *a, struct err *err)
{
	return path_remove_below(d->root, a->path, err);
}

int sync_apply(const struct deploy *d, struct plan_action *a, struct err *err)
{
	(void)a;
	return store_sync(d->root, err);
}

/* --- links --- */

int link_apply(const struct deploy *d, struct plan_action *a, struct err *err)
{
	return store_link_set(d->root, a->path, a->will, err);
}

/* Restores the old target only if the link has the new one: another program set any other
 * target. */
int link_undo(const struct deploy *d, struct plan_action *a, struct err *err)
{
	AUTO(str) char *target = NULL;

	if (store_link_read(d->root, a->path, &target, err) < 0)
		return -1;
	if (str_eq(target, a->was) || !str_eq(target, a->will))
		return 0;
	return store_link_set(d->root, a->path, a->was, err);
}

/* --- steps --- */

static const struct deploy_step_ops *find_step(const struct deploy *d, const char *kind)
{
	for (size_t i = 0; d->kinds && d->kinds[i]; i++) {
		if (str_eq(d->kinds[i]->kind, kind))
			return d->kinds[i];
	}
	return NULL;
}

int step_keep(const struct deploy *d, struct plan_action *a, struct err *err)
{
	const struct deploy_step *step = a->step.arg;
	AUTO(json) struct json *record = json_make_object();

	(void)d;
	if (step->ops->prepare && step->ops->prepare(step, record, err) < 0)
		return err_wrap(err, "%s", step->name);
	a->step.record = json_format(record, false);
	return 0;
}

static struct json *parse_record(const struct plan_action *a, struct err *err)
{
	return json_parse(a->step.record, strlen(a->step.record), a->step.kind, err);
}

int step_apply(const struct deploy *d, struct plan_action *a, struct err *err)
{
	const struct deploy_step *step = a->step.arg;
	AUTO(json) struct json *record = parse_record(a, err);

	(void)d;
	return record ? step->ops->apply(step, record, err) : -1;
}

bool step_resumes(const struct deploy *d, const struct plan_action *a)
{
	const struct deploy_step_ops *ops = a->kind == PLAN_STEP ? find_step(d, a->step.kind)
								 : NULL;

	return ops && ops->resume;
}

int step_resume(const struct deploy *d, const struct plan_action *a, struct err *err)
{
	const struct deploy_step_ops *ops = find_step(d, a->step.kind);
	AUTO(json) struct json *record = parse_record(a, err);

	return record && ops->resume(d->context, record, err) == 0 ? 0 : -1;
}

int step_undo(const struct deploy *d, struct plan_action *a, struct err *err)
{
	const struct deploy_step_ops *ops = find_step(d, a->step.kind);
	AUTO(json) struct json *record = parse_record(a, err);

	if (!record)
		return -1;
	if (!ops)
		return err_set(err, E_UNSUPPORTED,
			       "this kata-deploy cannot undo a step of kind '%s'; run recover with "
			       "the one that "
			       "made the change, or a newer one",
			       a->step.kind);
	if (a->step.restored)
		json_put(record, "restored", json_make_u64(a->step.restored));
	return ops->undo ? ops->undo(d->context, record, err) : 0;
}

/* --- the end of an uninstall --- */

int prefix_drop(const struct deploy *d, struct plan_action *a, struct err *err)
{
	static const char *const ours[] = { "generations", "store", "staging" };

	(void)a;
	for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
		if (path_remove_below(d->root, ours[i], err) < 0)
			return -1;
	}
	return prefix_empty_state(d, err);
}
