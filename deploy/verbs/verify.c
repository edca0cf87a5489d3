// SPDX-License-Identifier: Apache-2.0
/* kata-deploy verify and repair. */

#include "base/mem.h"
#include "base/str.h"
#include "cli/advice.h"
#include "deploy/cli/node.h"
#include "deploy/cli/offer.h"
#include "deploy/cli/progress.h"
#include "deploy/cli/say.h"
#include "deploy/verbs/verbs.h"

static struct {
	struct cli_offer wanted;
	struct cli_place place;
	struct cli_change change;
	struct cli_talk talk;
} o;

const struct opt verify_opts[] = { CLI_PLACE(o.place), CLI_TALK(o.talk), OPT_END };
const struct opt repair_opts[] = {
	CLI_SOURCE(o.wanted.source), CLI_TRUST(o.wanted.trust), CLI_PLACE(o.place),
	CLI_CHANGE(o.change),        CLI_TALK(o.talk),          OPT_END
};

static int verify(const struct deploy *d, struct json *list, struct err *err)
{
	progress_phase("verify");
	int n = deploy_verify(d, DEPLOY_HASH, say_finding, list, err);

	progress_end();
	return n;
}

static void say_found(const char *verb, struct json *list)
{
	AUTO(json) struct json *j = json_make_object();

	json_put(j, "verb", json_make_string(verb));
	json_put(j, "damaged", list);
	if (o.talk.json)
		say_json(j);
}

int verb_verify(int argc, char **argv, struct err *err)
{
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(json) struct json *list = json_make_array();
	int n;

	(void)argc, (void)argv;
	if (say_begin(&o.talk, err) < 0 || node_open(&o.place, DEPLOY_LOOK, &d, err) < 0)
		return -1;
	n = node_need_installed(d, &o.place, err) < 0 ? -1 : verify(d, list, err);
	if (n < 0)
		return -1;
	if (n == 0)
		say("all files are as installed");
	if (n == 0 || o.talk.json)
		say_found("verify", json_share(list));
	if (n == 0)
		return 0;
	err_set(err, E_STATE, "%d files differ from what was installed", n);
	return err_hint(err, "run %s", advice("repair"));
}

/* Stages the files of the installed release, to replace lost contents. */
static int stage_installed(struct deploy *d, struct offer *offer, struct err *err)
{
	offer->installed_only = true;
	return offer_open(d, offer, err) < 0 ? -1 : offer_stage(d, offer, "release", err);
}

/* Repairs names and links from the store; only lost objects need the release. */
int verb_repair(int argc, char **argv, struct err *err)
{
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(offer) struct offer offer = OFFER_OF(&o.wanted, &o.place);
	AUTO(json) struct json *list = json_make_array();
	struct err without = ERR_INIT;
	int n;

	(void)argc, (void)argv;
	if (say_begin(&o.talk, err) < 0 ||
	    node_open(&o.place, o.change.dry_run ? DEPLOY_LOOK : DEPLOY_CHANGE, &d, err) < 0)
		return -1;
	n = node_need_installed(d, &o.place, err) < 0 ? -1 : verify(d, list, err);
	if (n < 0)
		return -1;
	if (n && !o.change.dry_run && deploy_repair(d, NULL, &without) < 0) {
		if (stage_installed(d, &offer, err) < 0)
			return err_wrap(err, "%s", without.msg);
		progress_phase("repair");
		if (deploy_repair(d, "release", err) < 0)
			return -1;
	}
	progress_end();
	if (o.talk.json)
		say_found("repair", json_share(list));
	else
		say(n == 0             ? "nothing to do"
		    : o.change.dry_run ? "%d files to repair"
				       : "%d files were repaired",
		    n);
	return 0;
}
