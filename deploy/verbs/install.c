// SPDX-License-Identifier: Apache-2.0
/*
 * kata-deploy install, upgrade and plan: verify a release, fetch what is missing, make it current
 * and register it with the container manager; or change nothing.
 */

#include "deploy/cli/install.h"
#include "base/str.h"
#include "cli/advice.h"
#include "cli/ask.h"
#include "deploy/cli/progress.h"
#include "deploy/cli/say.h"
#include "deploy/cli/summary.h"
#include "deploy/verbs/verbs.h"

#include <stdlib.h>

static struct install_options o;

const struct opt install_opts[] = {
	CLI_SOURCE(o.wanted.source),
	CLI_PARTS(o.wanted.parts),
	CLI_TRUST(o.wanted.trust),
	CLI_PLACE(o.place),
	CLI_MANAGER(o.manager),
	CLI_HANDLERS(o.manager),
	CLI_CHANGE(o.change),
	CLI_VERBOSE(o.talk),
	CLI_TALK(o.talk),
	OPT_END,
};

const struct opt plan_opts[] = {
	CLI_SOURCE(o.wanted.source),
	CLI_PARTS(o.wanted.parts),
	CLI_TRUST(o.wanted.trust),
	CLI_PLACE(o.place),
	CLI_MANAGER(o.manager),
	CLI_HANDLERS(o.manager),
	OPT_FLAG('v', "verbose", &o.talk.verbose, "each single action too"),
	CLI_TALK(o.talk),
	OPT_END,
};

/* --- keys --- */

static void print_keys(const struct json *keys)
{
	for (size_t i = 0; i < json_count(keys); i++) {
		const struct json *k = json_at(keys, i);

		say_note("  %s  %s  %s", json_get_text(k, "id"), json_get_text(k, "key"),
			 json_get_text(k, "name"));
	}
}

/* Prints what an install does with the keys of --key: with a plan, and before the question. */
static void print_learning(const struct install *in)
{
	AUTO(json) struct json *report = trust_report(in->offer.trust);
	AUTO(json) struct json *kept = trust_remembered(in->offer.trust);

	switch (trust_learning(in->offer.trust)) {
	case TRUST_LEARNS_NOTHING:
		return;
	case TRUST_REMEMBERS:
		say_note("from now on this installation trusts, without --key:");
		print_keys(json_get(report, "keys"));
		return;
	case TRUST_PASSES:
		say_note(json_count(kept)
				 ? "the keys of --key are trusted in this run only; %s adds "
				   "one to those that this installation remembers:"
				 : "the keys of --key are trusted in this run only; this "
				   "installation has a root, %s changes it:",
			 advice(json_count(kept) ? "keys trust" : "keys rotate"));
		print_keys(kept);
		return;
	}
}

/* --- plan --- */

/* Counts the running pods of the installed generations. */
static int count_pods(size_t *pods, struct err *err)
{
	AUTO(use_list) struct use_list uses = USE_LIST_INIT;

	if (node_uses(&o.place, &uses, err) < 0)
		return -1;
	*pods = use_pods(&uses, NULL);
	return 0;
}

/* Fills out, which borrows *was. */
static int summarize(const struct install *in, const struct plan *p, const uint64_t *fetch,
		     struct layout *was, struct summary *out, struct err *err)
{
	*out = (struct summary){
		.d = in->d,
		.plan = p,
		.prefix = o.place.prefix,
		.memory = o.place.memory,
		.is = &in->offer.layout,
		.told = &in->reg.told,
		.fetch = fetch,
		.pods = "not affected",
	};

	if (node_layout(in->d, was, err) < 0 || count_pods(&out->npods, err) < 0)
		return -1;
	out->was = was->id ? was : NULL;
	return 0;
}

static void plan_say_json(const struct install *in, const struct summary *s)
{
	AUTO(json) struct json *j = summary_json(s);

	json_put(j, "version", json_make_string(in->offer.release.version));
	json_put(j, "download", json_make_u64(*s->fetch));
	json_put(j, "pods", json_make_u64(s->npods));
	json_put(j, "restart", json_make_bool(in->reg.told.restart && !in->reg.told.reload));
	json_put(j, "reason", json_make_string(in->reg.told.reason));
	json_put(j, "trust", trust_report(in->offer.trust));
	say_json(j);
}

static int show_plan(struct install *in, struct err *err)
{
	AUTO(plan) struct plan p = PLAN_INIT;
	AUTO(layout) struct layout was = LAYOUT_INIT;
	uint64_t fetch = offer_download(in->d, &in->offer);
	struct summary s;

	if (in->needed &&
	    deploy_plan_lay_down(in->d, &in->offer.layout, &in->reg.change, &p, err) < 0)
		return -1;
	if (summarize(in, &p, &fetch, &was, &s, err) < 0)
		return -1;
	progress_end();
	if (o.talk.json) {
		plan_say_json(in, &s);
		return 0;
	}
	print_learning(in);
	if (in->needed)
		summary_say(&s);
	else
		say("nothing to do: kata %s is installed", in->offer.release.version);
	return 0;
}

/* With --lock-wait, as kata-deploy node plans: while another change writes the manager's
 * configuration or restarts it, a plan would find faults that are none. */
int verb_plan(int argc, char **argv, struct err *err)
{
	AUTO(install) struct install in = INSTALL_OF("plan", &o);
	enum deploy_access access = o.place.lock_wait ? node_may_hold() : DEPLOY_LOOK;

	(void)argc, (void)argv;
	return install_prepare(&in, access, err) < 0 ? -1 : show_plan(&in, err);
}

/* --- install --- */

static void say_result(const struct install *in, bool changed)
{
	AUTO(json) struct json *j = json_make_object();
	struct json *cost = json_make_object();

	json_put(j, "verb", json_make_string(in->verb));
	json_put(j, "changed", json_make_bool(changed));
	json_put(j, "version", json_make_string(in->offer.release.version));
	json_put(j, "generation", json_make_string(in->offer.layout.id));
	json_put(j, "restarted",
		 json_make_bool(changed && in->reg.told.restart && !in->reg.told.reload));
	json_put(j, "proof", prove_json(prove_last()));
	json_put(cost, "received", json_make_u64(in->offer.cost.received));
	json_put(cost, "unpacked", json_make_u64(in->offer.cost.unpacked));
	json_put(cost, "blobs", json_make_u64(in->offer.cost.blobs));
	json_put(cost, "patches", json_make_u64(in->offer.cost.patches));
	json_put(j, "cost", cost);
	json_put(j, "trust", trust_report(in->offer.trust));
	json_put(j, "timings", progress_timings());
	say_json(j);
}

static void say_installed(const struct install *in, bool changed)
{
	const struct prove_report *proof = prove_last();

	progress_end();
	if (o.talk.json) {
		say_result(in, changed);
		return;
	}
	if (!changed) {
		say("nothing to do: kata %s is installed", in->offer.release.version);
		return;
	}
	say("kata %s is installed as %s", in->offer.release.version, in->offer.layout.id);
	if (in->reg.cri)
		say("%s%s%s", cri_name(in->reg.cri),
		    in->reg.told.reload    ? " was reloaded by SIGHUP and serves it"
		    : in->reg.told.restart ? " was restarted and serves it"
					   : " is configured, not restarted: ",
		    in->reg.told.restart ? "" : in->reg.told.reason);
	if (proof && !proof->pod)
		say("proved with a container, not with a pod: %s", proof->why);
	if (proof)
		say("proved in a VM: kernel %s, agent %s, %s of memory, after %llu ms",
		    proof->kernel, proof->agent, say_bytes(proof->memory),
		    (unsigned long long)proof->ms);
}

static int ask(const struct install *in, struct err *err)
{
	AUTO(str)
	char *question = str_fmt("install kata %s%s%s?", in->offer.release.version,
				 in->reg.told.reload    ? " and reload "
				 : in->reg.told.restart ? " and restart "
							: "",
				 in->reg.told.restart && in->reg.cri ? cri_name(in->reg.cri) : "");

	/* Before the question, so that it gets a line of its own. */
	progress_end();
	print_learning(in);
	return ask_yes(question, o.change.yes, err);
}

static int install(const char *verb, struct err *err)
{
	AUTO(install) struct install in = INSTALL_OF(verb, &o);

	if (install_prepare(&in, o.change.dry_run ? DEPLOY_LOOK : DEPLOY_CHANGE, err) < 0)
		return -1;
	if (o.change.dry_run)
		return show_plan(&in, err);
	if (!in.needed) {
		if (install_learn(&in, err) < 0)
			return -1;
		say_installed(&in, false);
		return 0;
	}
	if (registration_can_prove(in.d, &in.reg, err) < 0 || ask(&in, err) < 0 ||
	    install_fetch(&in, err) < 0 || install_commit(&in, err) < 0)
		return -1;
	say_installed(&in, true);
	return 0;
}

int verb_install(int argc, char **argv, struct err *err)
{
	(void)argc, (void)argv;
	return install("install", err);
}

/* As install, but a release must be installed, or an interrupted change may install one. */
int verb_upgrade(int argc, char **argv, struct err *err)
{
	AUTO(deploy) struct deploy *d = NULL;

	(void)argc, (void)argv;
	if (node_open(&o.place, DEPLOY_LOOK, &d, err) < 0)
		return -1;
	if (!deploy_is_interrupted(d) && node_need_installed(d, &o.place, err) < 0)
		return -1;
	o.manager.keep_handlers = true;
	return install("upgrade", err);
}
