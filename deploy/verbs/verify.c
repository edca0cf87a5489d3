// SPDX-License-Identifier: Apache-2.0
/* kata-deploy verify and repair. */

#include "base/mem.h"
#include "base/str.h"
#include "deploy/cli/cli.h"
#include "deploy/cli/node.h"
#include "deploy/cli/offer.h"
#include "deploy/cli/progress.h"

const struct opt verify_opts[] = { CLI_PLACE, CLI_TALK, OPT_END };
const struct opt repair_opts[] = {
	CLI_SOURCE, CLI_TRUSTED, CLI_PLACE, CLI_CHANGE, CLI_TALK, OPT_END
};

/* On standard output, or into the document. */
static void found(void *arg, const char *path, const char *what)
{
	struct json *j = json_make_object();

	say("%s: %s", path, what);
	json_put(j, "path", json_make_string(path));
	json_put(j, "what", json_make_string(what));
	json_add(arg, j);
}

static int verify(const struct deploy *d, struct json *list, struct err *err)
{
	progress_phase("verify");
	int n = deploy_verify(d, DEPLOY_HASH, found, list, err);

	progress_end();
	return n;
}

static int nothing_installed(struct err *err)
{
	return err_set(err, E_STATE, "nothing is installed below %s", node_prefix());
}

static void say_found(const char *verb, struct json *list)
{
	AUTO(json) struct json *j = json_make_object();

	json_put(j, "verb", json_make_string(verb));
	json_put(j, "damaged", list);
	if (cli.json)
		say_json(j);
}

int verb_verify(int argc, char **argv, struct err *err)
{
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(json) struct json *list = json_make_array();
	int n;

	(void)argc, (void)argv;
	if (progress_open(err) < 0 || node_open(DEPLOY_LOOK, &d, err) < 0)
		return -1;
	n = deploy_installed(d)->current ? verify(d, list, err) : nothing_installed(err);
	if (n < 0)
		return -1;
	if (n == 0)
		say("all files are as installed");
	if (n == 0 || cli.json)
		say_found("verify", json_share(list));
	if (n == 0)
		return 0;
	err_set(err, E_STATE, "%d files differ from what was installed", n);
	return err_hint(err, "run kata-deploy repair");
}

/* Stages the current release, for lost contents. Another release would be an upgrade. */
static int stage_current(struct deploy *d, struct offer *o, struct err *err)
{
	if (offer_open(d, o, err) < 0)
		return -1;
	if (!installed_find(deploy_installed(d), o->layout.id)) {
		err_set(err, E_STATE, "the source has kata %s, but another release is installed",
			o->release.version);
		return err_hint(err, "name the installed release with --release, or upgrade");
	}
	return offer_stage(d, o, "release", err);
}

/* Names and links are restored from the store; a release is needed only for lost objects. */
int verb_repair(int argc, char **argv, struct err *err)
{
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(offer) struct offer o = OFFER_INIT;
	AUTO(json) struct json *list = json_make_array();
	struct err without = ERR_INIT;
	int n;

	(void)argc, (void)argv;
	if (progress_open(err) < 0 ||
	    node_open(cli.dry_run ? DEPLOY_LOOK : DEPLOY_CHANGE, &d, err) < 0)
		return -1;
	n = deploy_installed(d)->current ? verify(d, list, err) : nothing_installed(err);
	if (n < 0)
		return -1;
	if (n && !cli.dry_run && deploy_repair(d, NULL, &without) < 0) {
		if (stage_current(d, &o, err) < 0)
			return err_wrap(err, "%s", without.msg);
		progress_phase("repair");
		if (deploy_repair(d, "release", err) < 0)
			return -1;
	}
	progress_end();
	if (cli.json)
		say_found("repair", json_share(list));
	else
		say(n == 0        ? "nothing to do"
		    : cli.dry_run ? "%d files to repair"
				  : "%d files were repaired",
		    n);
	return 0;
}
