// SPDX-License-Identifier: Apache-2.0
/* kata-deploy doctor: prints the findings, then the remedies, the most urgent first. */

#include "deploy/doctor/doctor.h"

#include "base/str.h"
#include "deploy/cli/memory.h"
#include "deploy/cli/node.h"
#include "deploy/cli/say.h"
#include "deploy/verbs/verbs.h"

#include <stdlib.h>
#include <unistd.h>

static struct {
	const char *trust_dir;
	struct cli_place place;
	struct cli_manager manager;
	struct cli_talk talk;
} o;

const struct opt doctor_opts[] = {
	OPT_PATH(0, "prefix", "DIR", &o.place.prefix, "installation prefix; default: " CLI_PREFIX),
	OPT_PATH(0, "trust-dir", "DIR", &o.trust_dir, "default: " TRUST_DIRECTORY),
	OPT_STR(0, "cri", "NAME", &o.manager.name, "container manager; default: detected"),
	OPT_PATH(0, "cri-config", "FILE", &o.manager.config, "its configuration file"),
	CLI_JSON(o.talk),
	OPT_END,
};

/* Returns the managers; an empty list if they cannot be listed: the finding "manager" has the
 * reason. */
static struct json *managers(void)
{
	AUTO(cri_seen_list) struct cri_seen_list seen = CRI_SEEN_INIT;
	struct cri_options options = { .root = "",
				       .prefix = o.place.prefix,
				       .name = o.manager.name,
				       .config = o.manager.config };
	struct json *list = json_make_array();
	struct err ignored = ERR_INIT;

	if (cri_list(&options, &seen, &ignored) < 0)
		return list;
	vec_each(struct cri_seen, s, &seen.rows) {
		struct json *j = json_make_object();

		json_put(j, "name", json_make_string(s->name));
		json_put(j, "chosen", json_make_bool(s->chosen));
		json_put(j, "running", json_make_bool(s->running));
		json_put(j, "version", json_make_string(s->version));
		json_put(j, "config", json_make_string(s->config));
		json_put(j, "why", json_make_string(s->why));
		json_put(j, "start", json_make_string(s->start));
		json_add(list, j);
	}
	return list;
}

static struct json *document(const struct diagnosis *d)
{
	struct json *j = json_make_object(), *list = json_make_array();

	vec_each(struct finding, f, &d->findings) {
		struct json *row = json_make_object();

		json_put(row, "name", json_make_string(f->name));
		json_put(row, "state", json_make_string(finding_state_name(f->state)));
		json_put(row, "text", json_make_string(f->text));
		if (f->remedy)
			json_put(row, "remedy", json_make_string(f->remedy));
		json_add(list, row);
	}
	json_put(j, "managers", managers());
	json_put(j, "fit", json_make_bool(diagnosis_is_fit(d)));
	json_put(j, "findings", list);
	return j;
}

/* Green, none, yellow, red; only on a terminal and without NO_COLOR. */
static const char *colour(enum finding_state state)
{
	static const char *const codes[] = { "\033[32m", "", "\033[33m", "\033[31m" };

	return isatty(1) && !getenv("NO_COLOR") ? codes[state] : "";
}

static void print_remedies(const struct diagnosis *d, enum finding_state state, unsigned *n)
{
	vec_each(struct finding, f, &d->findings) {
		if (f->state == state && f->remedy)
			say("%u. %s (%s)", ++*n, f->remedy, f->name);
	}
}

static void print(const struct diagnosis *d)
{
	unsigned n = 0;

	vec_each(struct finding, f, &d->findings) {
		const char *on = colour(f->state);

		say("%s%-8s%s %-10s %s", on, finding_state_name(f->state), *on ? "\033[0m" : "",
		    f->name, f->text);
	}
	say("\n%s", diagnosis_is_fit(d) ? "this node can run containers in VMs"
					: "this node cannot run containers in VMs yet");
	for (int state = FINDING_BAD; state > FINDING_GOOD; state--)
		print_remedies(d, (enum finding_state)state, &n);
}

/* Takes the recorded options about the manager, as the next install will. Errors are left to other
 * verbs. */
static void recall(struct json **doc)
{
	AUTO(deploy) struct deploy *d = NULL;
	struct err ignored = ERR_INIT;

	if (node_open(&o.place, DEPLOY_LOOK, &d, &ignored) == 0 &&
	    node_recall_manager(d, &o.manager, doc, &ignored) < 0)
		err_clear(&ignored);
}

int verb_doctor(int argc, char **argv, struct err *err)
{
	AUTO(diagnosis) struct diagnosis d = DIAGNOSIS_INIT;
	AUTO(json) struct json *doc = NULL;
	AUTO(str) char *trust = NULL, *kept = NULL;
	struct doctor_options options = { 0 };

	(void)argc, (void)argv;
	if (say_begin(&o.talk, err) < 0 || place_settle(&o.place, err) < 0)
		return -1;
	trust = place_trust(&o.place, o.trust_dir, err);
	if (!trust)
		return -1;
	recall(&doc);
	options.trust_dir = trust;
	options.trust_kept = memory_options(&o.place, &kept).kept;
	options.prefix = o.place.prefix;
	options.cri = str_eq(o.manager.name, "none") ? NULL : o.manager.name;
	options.cri_config = o.manager.config;
	doctor_examine(&options, &d);
	if (o.talk.json) {
		AUTO(json) struct json *j = document(&d);

		say_json(j);
	} else {
		print(&d);
	}
	return diagnosis_is_fit(&d) ? 0
				    : err_set(err, E_UNSUPPORTED,
					      "this node cannot run containers in VMs yet; follow "
					      "the remedies of its findings");
}
