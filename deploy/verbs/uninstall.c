// SPDX-License-Identifier: Apache-2.0
/* kata-deploy uninstall: removes what kata-deploy installed, and nothing else. Refuses while pods
 * run. */

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/advice.h"
#include "cli/ask.h"
#include "deploy/cli/memory.h"
#include "deploy/cli/node.h"
#include "deploy/cli/progress.h"
#include "deploy/cli/say.h"
#include "deploy/cli/summary.h"
#include "deploy/cli/unused.h"
#include "deploy/timer/units.h"
#include "deploy/verbs/verbs.h"

#include <stdlib.h>

static struct {
	struct cli_place place;
	struct cli_manager manager;
	bool force, forget;
	struct cli_change change;
	struct cli_talk talk;
} o;

const struct opt uninstall_opts[] = {
	CLI_PLACE(o.place),
	CLI_MANAGER(o.manager),
	OPT_FLAG('f', "force", &o.force, "even if pods are running, which are then lost"),
	OPT_FLAG(0, "forget-trust", &o.forget, "forget which releases were accepted here"),
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
	return err_hint(err, "stop them first (%s lists them), or use --force", advice("status"));
}

/* Returns NULL if the memory cannot be read, which must not stop an uninstall. */
static struct trust *open_memory(const struct deploy *d)
{
	AUTO(str) char *kept = NULL;
	struct trust_options options = memory_options(&o.place, &kept);
	struct err why = ERR_INIT;
	struct trust *t = NULL;

	options.memory_only = true;
	if (trust_open(&options, deploy_state(d), &t, &why) < 0 && !o.forget &&
	    deploy_installed(d)->current)
		log_err(LOG_WARN, &why, "which releases were accepted cannot be remembered");
	return t;
}

/* --- the timer, which must not start a missing program --- */

struct timer {
	struct units_drop drop;
	/* those of the change, and those of drop; behind the steps there is room for look_again() */
	struct deploy_file *files;
	struct deploy_step *steps;
};

static void timer_release(struct timer *t)
{
	units_drop_release(&t->drop);
	free(t->files);
	free(t->steps);
}
DEFINE_AUTO_STRUCT(timer, struct timer, timer_release)

static int timer_add(struct deploy_change *c, struct timer *t, struct err *err)
{
	const struct units_place place = { o.place.prefix, o.place.root };

	if (units_drop(&place, &t->drop, err) < 0)
		return -1;
	t->files = xcalloc(c->nfiles + t->drop.nfiles + 1, sizeof(*t->files));
	t->steps = xcalloc(c->nsteps + t->drop.nsteps + 1, sizeof(*t->steps));
	for (size_t i = 0; i < c->nfiles + t->drop.nfiles; i++)
		t->files[i] = i < c->nfiles ? c->files[i] : t->drop.files[i - c->nfiles];
	for (size_t i = 0; i < c->nsteps + t->drop.nsteps; i++)
		t->steps[i] = i < c->nsteps ? c->steps[i] : t->drop.steps[i - c->nsteps];
	c->files = t->files;
	c->nfiles += t->drop.nfiles;
	c->steps = t->steps;
	c->nsteps += t->drop.nsteps;
	return 0;
}

/* Before anything is removed: a pod may be started until the manager has ended the registration. */
static void look_again(struct deploy_change *c, struct timer *t)
{
	if (!o.force && !o.place.root)
		t->steps[c->nsteps++] =
			(struct deploy_step){ .ops = &unused_step,
					      .name = "check that no pod was started meanwhile",
					      .arg = o.place.prefix };
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
		.memory = o.place.memory,
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

/* Returns the paths of the files outside the prefix that change, heap. */
static char *files_of(const struct registration *reg)
{
	AUTO(strv) char **list = NULL;

	for (size_t i = 0; i < reg->change.nfiles; i++)
		strv_push(&list, reg->change.files[i].path);
	return strv_join(list, ", ");
}

static int ask(const struct registration *reg, bool installed, uint64_t bytes, struct err *err)
{
	AUTO(str)
	char *what = installed ? str_fmt("uninstall kata, which frees %s", say_bytes(bytes))
			       : xstrdup("remove what is left of the registration of kata");
	AUTO(str)
	char *question = str_fmt("%s%s?", what,
				 reg->told.restart && !reg->told.reload
					 ? ", and restart the container manager"
					 : "");

	return ask_yes(question, o.change.yes, err);
}

static void say_memory(bool stays, bool forgotten)
{
	if (stays)
		say("the record of accepted releases stays in %s/" TRUST_KEPT_NAME
		    "; --forget-trust removes it",
		    o.place.memory);
	else if (forgotten)
		say("the record of accepted releases was removed");
}

/* Where nothing is installed: removes the record of accepted releases, if that is wanted. */
static int forget(const struct trust *t, struct err *err)
{
	int forgotten = o.forget ? memory_forget(&o.place, t, err) : 0;

	if (forgotten < 0)
		return -1;
	say_freed("uninstall", forgotten, "nothing was installed", 0);
	say_memory(false, forgotten);
	return 0;
}

/* Where nothing is installed: removes a registration whose record is lost, and the record of
 * accepted releases. */
static int remove_left(struct deploy *d, const struct registration *reg, struct err *err)
{
	AUTO(trust) struct trust *trust = open_memory(d);
	AUTO(str) char *where = reg->change.nfiles ? files_of(reg) : NULL, *sentence = NULL;

	if (!where)
		return forget(trust, err);
	if (ask(reg, false, 0, err) < 0)
		return -1;
	progress_phase("uninstall");
	if (deploy_uninstall(d, &reg->change, err) < 0 ||
	    (o.forget && memory_forget(&o.place, trust, err) < 0))
		return -1;
	progress_end();
	sentence = str_fmt("nothing is installed below %s; its registration was removed from %s",
			   o.place.prefix, where);
	say_done("uninstall", true, sentence);
	return 0;
}

int verb_uninstall(int argc, char **argv, struct err *err)
{
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(registration) struct registration reg = REGISTRATION_OF(&o.place, &o.manager);
	AUTO(memory) struct memory memory = { 0 };
	AUTO(trust) struct trust *trust = NULL;
	AUTO(plan) struct plan p = PLAN_INIT;
	AUTO(timer) struct timer timer = { 0 };
	bool stays = false;
	uint64_t bytes;

	(void)argc, (void)argv;
	if (say_begin(&o.talk, err) < 0 ||
	    node_open(&o.place, o.change.dry_run ? DEPLOY_LOOK : DEPLOY_CHANGE, &d, err) < 0 ||
	    registration_drop(d, &reg, err) < 0 || timer_add(&reg.change, &timer, err) < 0)
		return -1;
	if (!deploy_installed(d)->current && !o.change.dry_run)
		return remove_left(d, &reg, err);
	look_again(&reg.change, &timer);
	trust = open_memory(d);
	if (trust || o.forget)
		memory_leave(&o.place, trust, o.forget, &reg.change, &memory, &stays);
	if (deploy_plan_uninstall(d, &reg.change, &p, err) < 0)
		return -1;
	bytes = deploy_frees(d, &p);
	if (o.change.dry_run)
		return show_plan(d, &reg, &p, bytes, err);
	/* Again after the question, which may be open for long. */
	if (check_unused(err) < 0 || ask(&reg, true, bytes, err) < 0 || check_unused(err) < 0)
		return -1;
	progress_phase("uninstall");
	if (deploy_uninstall(d, &reg.change, err) < 0)
		return -1;
	progress_end();
	say_freed("uninstall", true, "kata is uninstalled", bytes);
	say_memory(stays, o.forget);
	return 0;
}
