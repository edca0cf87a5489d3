// SPDX-License-Identifier: Apache-2.0
/*
 * kata-deploy rollback: makes another generation current. The registration has paths through the
 * link `current`, so the container manager is neither reconfigured nor restarted, and running pods
 * are not affected.
 */

#include "base/str.h"
#include "cli/advice.h"
#include "cli/ask.h"
#include "deploy/cli/node.h"
#include "deploy/cli/progress.h"
#include "deploy/cli/say.h"
#include "deploy/cli/summary.h"
#include "deploy/timer/past.h"
#include "deploy/verbs/verbs.h"

static struct {
	const char *to;
	struct cli_place place;
	struct cli_change change;
	struct cli_talk talk;
} o;

const struct opt rollback_opts[] = {
	OPT_STR(0, "to", "ID", &o.to, "a generation or version; default: the previous one"),
	CLI_PLACE(o.place),
	CLI_CHANGE(o.change),
	CLI_VERBOSE(o.talk),
	CLI_TALK(o.talk),
	OPT_END,
};

/* Finds the generation of --to; a version selects its newest generation. *id NULL: the previous
 * one. */
static int find_target(const struct deploy *d, const char **id, struct err *err)
{
	const struct installed *in = deploy_installed(d);

	*id = NULL;
	if (node_need_installed(d, &o.place, err) < 0)
		return -1;
	if (!o.to)
		return 0;
	if (installed_find(in, o.to))
		*id = o.to;
	vec_each(struct generation, g, &in->generations) {
		if (!installed_find(in, o.to) && str_eq(g->version, o.to))
			*id = g->id;
	}
	if (*id)
		return 0;
	err_set(err, E_NOT_FOUND, "there is no generation or version %s", o.to);
	return err_hint(err, "%s lists the generations", advice("status"));
}

static int show_plan(struct deploy *d, const char *to, struct err *err)
{
	AUTO(layout) struct layout was = LAYOUT_INIT, is = LAYOUT_INIT;
	AUTO(use_list) struct use_list uses = USE_LIST_INIT;
	AUTO(plan) struct plan p = PLAN_INIT;
	struct summary s = {
		.d = d,
		.plan = &p,
		.prefix = o.place.prefix,
		.was = &was,
		.is = &is,
		.pods = "not affected",
	};

	if (deploy_plan_rollback(d, to, NULL, &p, err) < 0 || node_layout(d, &was, err) < 0 ||
	    deploy_layout(d, to ? to : deploy_installed(d)->previous, &is, err) < 0 ||
	    node_uses(&o.place, &uses, err) < 0)
		return -1;
	s.npods = use_pods(&uses, NULL);
	summary_say(&s);
	return 0;
}

/* Asks for confirmation, unless nothing would change, or the rollback will fail. */
static int ask(const struct deploy *d, const char *to, struct err *err)
{
	const struct installed *in = deploy_installed(d);
	const struct generation *g = installed_find(in, to ? to : in->previous);
	AUTO(str) char *question = NULL;

	if (!g || str_eq(g->id, in->current))
		return 0;
	question = str_fmt("make kata %s the current release?", g->version);
	return ask_yes(question, o.change.yes, err);
}

/* Holds the current release on a node that upgrades itself, which would install it again in the
 * next window. Done before the rollback: if that fails, holding the current release has no
 * effect. */
static int hold(const struct deploy *d, const char *to, struct err *err)
{
	const struct installed *in = deploy_installed(d);
	const struct generation *now = installed_find(in, in->current);
	AUTO(timer_past) struct timer_past past = TIMER_PAST_INIT;
	AUTO(json) struct json *doc = NULL;
	const struct json *release;
	const char *version, *sha256;
	int there = timer_past_look(deploy_state(d), err);

	if (there <= 0 || str_eq(to ? to : in->previous, in->current))
		return there < 0 ? -1 : 0;
	if (node_recall(d, "release", &doc, &release, err) < 0)
		return -1;
	version = release ? json_get_text(release, "version") : NULL;
	sha256 = release ? json_get_text(release, "sha256") : NULL;
	/* After an earlier rollback the record describes the release that is held already. */
	if (!version || !sha256 || !now || !str_eq(version, now->version))
		return 0;
	if (timer_past_load(deploy_state(d), &past, err) < 0)
		return -1;
	timer_past_hold(&past, sha256, version, place_now(&o.place), "it was rolled back by hand");
	return timer_past_save(deploy_state(d), &past, err);
}

int verb_rollback(int argc, char **argv, struct err *err)
{
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(str) char *was = NULL, *sentence = NULL;
	const char *to;

	(void)argc, (void)argv;
	if (say_begin(&o.talk, err) < 0 ||
	    node_open(&o.place, o.change.dry_run ? DEPLOY_LOOK : DEPLOY_CHANGE, &d, err) < 0 ||
	    find_target(d, &to, err) < 0)
		return -1;
	if (o.change.dry_run)
		return show_plan(d, to, err);
	str_set(&was, deploy_installed(d)->current);
	if (ask(d, to, err) < 0 || hold(d, to, err) < 0)
		return -1;
	progress_phase("commit");
	if (deploy_rollback(d, to, NULL, err) < 0)
		return -1;
	progress_end();
	sentence = str_fmt("current is %s; it was %s", deploy_installed(d)->current, was);
	say_done("rollback", !str_eq(was, deploy_installed(d)->current), sentence);
	return 0;
}
