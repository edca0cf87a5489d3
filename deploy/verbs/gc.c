// SPDX-License-Identifier: Apache-2.0
/* kata-deploy gc and recover. */

#include "base/str.h"
#include "cli/ask.h"
#include "deploy/cli/node.h"
#include "deploy/cli/progress.h"
#include "deploy/cli/say.h"
#include "deploy/verbs/verbs.h"

static struct {
	struct cli_place place;
	struct cli_change change;
	struct cli_talk talk;
} o;

const struct opt gc_opts[] = { CLI_PLACE(o.place), CLI_CHANGE(o.change), CLI_TALK(o.talk),
			       OPT_END };
const struct opt recover_opts[] = { CLI_PLACE(o.place), CLI_TALK(o.talk), OPT_END };

/* Generations in use by pods of the running system; none with --root. */
static int in_use(char ***ids, struct err *err)
{
	AUTO(use_list) struct use_list l = USE_LIST_INIT;

	if (node_uses(&o.place, &l, err) < 0)
		return -1;
	*ids = use_generations(&l);
	return 0;
}

int verb_gc(int argc, char **argv, struct err *err)
{
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(plan) struct plan p = PLAN_INIT;
	AUTO(strv) char **ids = NULL;
	uint64_t bytes;

	(void)argc, (void)argv;
	if (say_begin(&o.talk, err) < 0 ||
	    node_open(&o.place, o.change.dry_run ? DEPLOY_LOOK : DEPLOY_CHANGE, &d, err) < 0 ||
	    in_use(&ids, err) < 0 || deploy_plan_gc(d, ids, &p, err) < 0)
		return -1;
	if (o.change.dry_run) {
		say_plan_to_free(&p, deploy_frees(d, &p));
		return 0;
	}
	bytes = deploy_frees(d, &p);
	if (!plan_is_empty(&p) &&
	    ask_yes("remove the releases that nothing uses?", o.change.yes, err) < 0)
		return -1;
	progress_phase("gc");
	if (deploy_gc(d, ids, err) < 0)
		return -1;
	progress_end();
	say_freed("gc", !plan_is_empty(&p), "unused releases were removed", bytes);
	return 0;
}

int verb_recover(int argc, char **argv, struct err *err)
{
	AUTO(deploy) struct deploy *d = NULL;
	bool interrupted;

	(void)argc, (void)argv;
	if (say_begin(&o.talk, err) < 0 || node_open(&o.place, DEPLOY_LOOK, &d, err) < 0)
		return -1;
	interrupted = deploy_is_interrupted(d);
	deploy_close(STEAL(d, NULL));
	/* Opening for a change recovers; it also removes leftovers of a crash without a journal. */
	if (node_open(&o.place, DEPLOY_CHANGE, &d, err) < 0)
		return -1;
	say_done("recover", interrupted, "the interrupted change was recovered");
	return 0;
}
