// SPDX-License-Identifier: Apache-2.0
/* kata-deploy uninstall: removes what was installed, and only that; refuses while pods run. */

#include "base/str.h"
#include "cli/ask.h"
#include "deploy/cli/node.h"
#include "deploy/cli/progress.h"
#include "deploy/cli/say.h"
#include "deploy/cli/summary.h"
#include "deploy/verbs/verbs.h"

static struct {
	struct cli_place place;
	struct cli_manager manager;
	bool force;
	struct cli_change change;
	struct cli_talk talk;
} o;

const struct opt uninstall_opts[] = {
	CLI_PLACE(o.place),
	CLI_MANAGER(o.manager),
	OPT_FLAG('f', "force", &o.force, "even if pods are running, which are then lost"),
	CLI_CHANGE(o.change),
	CLI_VERBOSE(o.talk),
	CLI_TALK(o.talk),
	OPT_END,
};

static int check_unused(struct err *err)
{
	AUTO(use_list) struct use_list l = USE_LIST_INIT;
	size_t pods;

	if (o.force)
		return 0;
	if (node_uses(&o.place, &l, err) < 0)
		return -1;
	if (!l.rows.n)
		return 0;
	pods = use_pods(&l, NULL);
	if (pods)
		err_set(err, E_STATE, "%zu running pods use the installed release, such as %s",
			pods, l.rows.v[0].sandbox ? l.rows.v[0].sandbox : l.rows.v[0].path);
	else
		err_set(err, E_STATE, "process %d (%s) uses %s", (int)l.rows.v[0].pid,
			l.rows.v[0].process, l.rows.v[0].path);
	return err_hint(err, "stop them first (kata-deploy status lists them), or use --force");
}

static int show_plan(const struct deploy *d, const struct registration *reg, const struct plan *p,
		     uint64_t bytes, struct err *err)
{
	AUTO(use_list) struct use_list uses = USE_LIST_INIT;
	AUTO(layout) struct layout was = LAYOUT_INIT;
	struct summary s = {
		.d = d,
		.plan = p,
		.prefix = o.place.prefix,
		.told = &reg->told,
		.frees = &bytes,
		.pods = o.force ? "which are lost" : "which keep it from being uninstalled",
	};

	if (node_uses(&o.place, &uses, err) < 0 || node_layout(d, &was, err) < 0)
		return -1;
	s.was = was.id ? &was : NULL;
	s.npods = use_pods(&uses, NULL);
	s.pods = s.npods ? s.pods : NULL;
	summary_say(&s);
	return 0;
}

static int ask(const struct registration *reg, uint64_t bytes, struct err *err)
{
	AUTO(str)
	char *question = str_fmt("uninstall kata, which frees %s%s?", say_bytes(bytes),
				 reg->told.restart && !reg->told.reload
					 ? ", and restart the container manager"
					 : "");

	return ask_yes(question, o.change.yes, err);
}

int verb_uninstall(int argc, char **argv, struct err *err)
{
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(registration) struct registration reg = REGISTRATION_OF(&o.place, &o.manager);
	AUTO(plan) struct plan p = PLAN_INIT;
	uint64_t bytes;
	bool installed;

	(void)argc, (void)argv;
	if (say_begin(&o.talk, err) < 0 ||
	    node_open(&o.place, o.change.dry_run ? DEPLOY_LOOK : DEPLOY_CHANGE, &d, err) < 0 ||
	    registration_drop(d, &reg, err) < 0 ||
	    deploy_plan_uninstall(d, &reg.change, &p, err) < 0)
		return -1;
	bytes = deploy_frees(d, &p);
	if (o.change.dry_run)
		return show_plan(d, &reg, &p, bytes, err);
	installed = deploy_installed(d)->current;
	if ((!installed || !deploy_installed(d)->extra) && registration_check_left(&reg, err) < 0)
		return -1;
	if (installed && (check_unused(err) < 0 || ask(&reg, bytes, err) < 0))
		return -1;
	progress_phase("uninstall");
	if (deploy_uninstall(d, &reg.change, err) < 0)
		return -1;
	progress_end();
	say_freed("uninstall", installed, "kata is uninstalled", bytes);
	return 0;
}
