// SPDX-License-Identifier: Apache-2.0
/* kata-deploy gc and recover. */

#include "base/path.h"
#include "base/str.h"
#include "cli/ask.h"
#include "deploy/cli/node.h"
#include "deploy/cli/progress.h"
#include "deploy/cli/say.h"
#include "deploy/cli/summary.h"
#include "deploy/trust/trust.h"
#include "deploy/verbs/verbs.h"
#include "json/json.h"

#include <fcntl.h>

static struct {
	struct cli_place place;
	struct cli_change change;
	struct cli_talk talk;
} o;

const struct opt gc_opts[] = { CLI_PLACE(o.place), CLI_CHANGE(o.change), CLI_VERBOSE(o.talk),
			       CLI_TALK(o.talk), OPT_END };
const struct opt recover_opts[] = { CLI_PLACE(o.place), CLI_TALK(o.talk), OPT_END };

int verb_gc(int argc, char **argv, struct err *err)
{
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(plan) struct plan p = PLAN_INIT;
	AUTO(strv) char **ids = NULL;
	struct summary s = { .plan = &p };
	uint64_t bytes;

	(void)argc, (void)argv;
	if (say_begin(&o.talk, err) < 0 ||
	    node_open(&o.place, o.change.dry_run ? DEPLOY_LOOK : DEPLOY_CHANGE, &d, err) < 0 ||
	    node_in_use(&o.place, &ids, err) < 0 || deploy_plan_gc(d, ids, &p, err) < 0)
		return -1;
	bytes = deploy_frees(d, &p);
	s.d = d;
	s.frees = &bytes;
	s.prefix = o.place.prefix;
	if (o.change.dry_run) {
		summary_say(&s);
		return 0;
	}
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

/* Sets a damaged trust.json aside, since it would stop every install. */
static int settle_trust(struct json *lost, struct err *err)
{
	AUTO(deploy) struct deploy *d = NULL;
	struct err why = ERR_INIT;

	if (node_open(&o.place, DEPLOY_CHANGE, &d, err) < 0)
		return -1;
	if (trust_check_memory(deploy_state(d), &why) == 0)
		return 0;
	if (why.code != E_INVALID) {
		*err = why;
		return -1;
	}
	if (deploy_set_aside(d, "trust.json", NULL, err) < 0)
		return -1;
	AUTO(str) char *kept = path_join(o.place.memory, TRUST_KEPT_NAME);
	int there = path_look(AT_FDCWD, kept, err);
	if (there < 0)
		return -1;
	say_finding(lost, "state/trust.json",
		    there ? "was damaged; its copy outside the prefix has the highest serials, but "
			    "the remembered keys are lost: give --key once more"
			  : "was damaged; the highest serials are lost: the next install accepts "
			    "every release that its keys have signed, older ones too");
	return 0;
}

static bool is_interrupted(void)
{
	AUTO(deploy) struct deploy *d = NULL;
	struct err ignored = ERR_INIT; /* a damaged prefix is an error that recover mends */

	return node_open(&o.place, DEPLOY_LOOK, &d, &ignored) == 0 && deploy_is_interrupted(d);
}

int verb_recover(int argc, char **argv, struct err *err)
{
	AUTO(json) struct json *lost = json_make_array(), *j = json_make_object();
	struct err undone = ERR_INIT;
	bool interrupted;

	(void)argc, (void)argv;
	if (say_begin(&o.talk, err) < 0)
		return -1;
	interrupted = is_interrupted();
	if (node_recover(&o.place, say_finding, lost, &undone, err) < 0 ||
	    settle_trust(lost, err) < 0)
		return -1;
	if (undone.code)
		say("the interrupted change was undone: %s", undone.msg);
	else if (interrupted)
		say("the interrupted change was recovered");
	else if (!json_count(lost))
		say("nothing to do");
	json_put(j, "verb", json_make_string("recover"));
	json_put(j, "changed", json_make_bool(interrupted || json_count(lost)));
	json_put(j, "undone", json_make_string(undone.code ? undone.msg : NULL));
	json_put(j, "lost", json_share(lost));
	if (say_how()->json)
		say_json(j);
	return 0;
}
