// SPDX-License-Identifier: Apache-2.0
/*
 * The last look of an uninstall at who uses the prefix, as a step behind the restart of the manager:
 * until that has ended, the manager may start pods with our handlers, after it no more.
 */

#include "deploy/cli/unused.h"

#include "cli/advice.h"
#include "deploy/use/use.h"
#include "json/json.h"

static int check(const struct json *record, struct err *err)
{
	AUTO(use_list) struct use_list l = USE_LIST_INIT;
	const char *prefix = json_get_text(record, "prefix");

	if (!prefix)
		return err_set(err, E_INVALID, "the record of the check for pods is damaged");
	if (use_find(prefix, &l, err) < 0)
		return -1;
	vec_each(struct use, u, &l.rows) {
		if (!u->sandbox)
			continue;
		err_set(err, E_STATE, "%zu pods were started meanwhile, such as %s",
			use_pods(&l, NULL), u->sandbox);
		return err_hint(err, "stop them first (%s lists them), or use --force",
				advice("status"));
	}
	return 0;
}

static int step_prepare(const struct deploy_step *step, struct json *record, struct err *err)
{
	(void)err;
	json_put(record, "prefix", json_make_string(step->arg));
	return 0;
}

static int step_apply(const struct deploy_step *step, const struct json *record, struct err *err)
{
	(void)step;
	return check(record, err);
}

static int step_resume(void *context, const struct json *record, struct err *err)
{
	(void)context;
	return check(record, err);
}

const struct deploy_step_ops unused_step = { "unused", step_prepare, step_apply, NULL,
					     step_resume };
