// SPDX-License-Identifier: Apache-2.0
/*
 * kata-deploy timer: a node that upgrades itself along its channel. The unit starts `timer run`: an
 * upgrade without questions, which holds releases that have failed here. It has no option that
 * weakens verification or skips the proof, which is only left out for a manager that can run none: its
 * administrator has installed without a proof already.
 */

#include "base/interrupt.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utc.h"
#include "cli/advice.h"
#include "deploy/cli/install.h"
#include "deploy/cli/progress.h"
#include "deploy/cli/say.h"
#include "deploy/timer/past.h"
#include "deploy/timer/units.h"
#include "deploy/verbs/verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static struct install_options o;
static struct units units;

static const struct opt enable_opts[] = {
	OPT_STR(0, "window", "CALENDAR", &units.window, "as OnCalendar; default: " UNITS_WINDOW),
	OPT_STR(0, "jitter", "SPAN", &units.jitter, "up to so much later; default: " UNITS_JITTER),
	CLI_PLACE(o.place),
	CLI_TALK(o.talk),
	OPT_END,
};

static const struct opt unit_opts[] = {
	OPT_STR(0, "window", "CALENDAR", &units.window, "default: " UNITS_WINDOW),
	OPT_STR(0, "jitter", "SPAN", &units.jitter, "default: " UNITS_JITTER),
	OPT_PATH(0, "program", "FILE", &units.program, "kata-deploy, as the system has it"),
	CLI_PLACE(o.place),
	OPT_END,
};

static const struct opt plain_opts[] = { CLI_PLACE(o.place), CLI_TALK(o.talk), OPT_END };
static const struct opt status_opts_[] = { CLI_PLACE(o.place), CLI_JSON(o.talk), OPT_END };

static const struct opt run_opts[] = {
	CLI_SOURCE(o.wanted.source),
	CLI_PLACE(o.place),
	CLI_TALK(o.talk),
	OPT_END,
};

/* --- enable, disable, unit --- */

static int settle(struct err *err)
{
	if (place_settle(&o.place, err) < 0)
		return -1;
	units.place = (struct units_place){ o.place.prefix, o.place.root };
	return 0;
}

/* Creates the history (past.h): from now on the verb rollback holds the release that it leaves. */
static int begin_past(struct err *err)
{
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(timer_past) struct timer_past past = TIMER_PAST_INIT;

	int there = node_open(&o.place, DEPLOY_LOOK, &d, err) < 0
			    ? -1
			    : timer_past_look(deploy_state(d), err);

	if (there < 0)
		return -1;
	if (!deploy_installed(d)->current || there)
		return 0;
	deploy_close(STEAL(d, NULL));
	return node_open(&o.place, DEPLOY_CHANGE, &d, err) < 0 ||
			       timer_past_save(deploy_state(d), &past, err) < 0
		       ? -1
		       : 0;
}

/* Returns the name of the variable with the proxy that libcurl takes for a URL; NULL: there is none.
 * HTTP_PROXY does not count for it: a CGI program has one of its client's. */
static const char *proxy_variable(const char *url)
{
	static const char *const secure[] = { "https_proxy", "HTTPS_PROXY", "all_proxy",
					      "ALL_PROXY", NULL };
	static const char *const plain[] = { "http_proxy", "all_proxy", "ALL_PROXY", NULL };
	const char *const *names = strncasecmp(url, "https://", 8) == 0  ? secure
				   : strncasecmp(url, "http://", 7) == 0 ? plain
									 : NULL;

	for (; names && *names; names++) {
		if (!str_empty(getenv(*names)))
			return *names;
	}
	return NULL;
}

/* The service of the timer does not get the environment of the install. Only the variable's name is
 * printed: its value may have a password. */
static int warn_of_proxy(struct err *err)
{
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(strv) char **from = NULL;
	AUTO(str) char *proxy = NULL;
	const char *name = NULL;

	if (node_open(&o.place, DEPLOY_LOOK, &d, err) < 0 ||
	    node_recall_text(d, "proxy", &proxy, err) < 0 ||
	    node_recall_release(d, "from", &from, err) < 0)
		return -1;
	strv_each(url, from)
		name = name ? name : proxy_variable(*url);
	if (!name || proxy)
		return 0;
	AUTO(str)
	char *text = str_fmt("the timer does not know the proxy of the environment; %s records it "
			     "once, or a drop-in of " UNITS_NAME ".service with Environment= sets "
			     "the variable",
			     advice("upgrade --proxy URL"));

	log_warn(text, LOG_S("variable", name));
	return 0;
}

static int run_enable(int argc, char **argv, struct err *err)
{
	bool changed;

	(void)argc, (void)argv;
	if (say_begin(&o.talk, err) < 0 || settle(err) < 0 || units_check(&units, err) < 0 ||
	    units_enable(&units, &changed, err) < 0 || begin_past(err) < 0 ||
	    warn_of_proxy(err) < 0)
		return -1;
	AUTO(str)
	char *sentence = str_fmt("%s.timer is enabled: %s, and up to %s later", UNITS_NAME,
				 units.window ? units.window : UNITS_WINDOW,
				 units.jitter ? units.jitter : UNITS_JITTER);
	say_done("timer enable", changed, sentence);
	return 0;
}

static int run_disable(int argc, char **argv, struct err *err)
{
	bool changed;

	(void)argc, (void)argv;
	if (say_begin(&o.talk, err) < 0 || settle(err) < 0 ||
	    units_disable(&units.place, &changed, err) < 0)
		return -1;
	say_done("timer disable", changed, UNITS_NAME ".timer is disabled");
	return 0;
}

static int run_unit(int argc, char **argv, struct err *err)
{
	AUTO(str) char *text = NULL;

	(void)argc;
	if (settle(err) < 0 || units_check(&units, err) < 0)
		return -1;
	text = units_text(&units, argv[0], err);
	if (!text)
		return -1;
	(void)fputs(text, stdout);
	return 0;
}

/* --- status, unhold --- */

static struct json *state_json(const struct units_state *s, const struct timer_past *past)
{
	struct json *j = json_make_object();

	json_put(j, "enabled", json_make_bool(s->enabled));
	json_put(j, "running", json_make_bool(s->running));
	json_put(j, "unit", json_make_string(s->file));
	json_put(j, "window", json_make_string(s->window));
	json_put(j, "jitter", json_make_string(s->jitter));
	json_put(j, "next", json_make_string(s->next));
	json_put(j, "other", json_make_string(s->other));
	json_put(j, "last", past->last ? json_share(past->last) : json_make_null());
	json_put(j, "held", past->held ? json_share(past->held) : json_make_array());
	return j;
}

static void when_print(const struct json *j, char text[UTC_SIZE])
{
	uint64_t when = 0;

	(void)!json_u64(json_get(j, "when"), &when);
	utc_print(when, text);
}

static void say_past(const struct timer_past *past)
{
	char when[UTC_SIZE];

	if (past->last) {
		const char *version = json_get_text(past->last, "version");
		const char *message = json_get_text(past->last, "message");

		when_print(past->last, when);
		say("last run  %sZ: %s%s%s%s%s", when, json_get_text(past->last, "result"),
		    *version ? ", kata " : "", version, *message ? ": " : "", message);
	} else {
		say("last run  none");
	}
	for (size_t i = 0; past->held && i < json_count(past->held); i++) {
		const struct json *h = json_at(past->held, i);

		when_print(h, when);
		say("held      kata %s since %sZ: %s", json_get_text(h, "version"), when,
		    json_get_text(h, "why"));
	}
	if (past->held && json_count(past->held))
		say("          a newer release is tried; %s tries these again",
		    advice("timer unhold"));
}

static int run_status(int argc, char **argv, struct err *err)
{
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(timer_past) struct timer_past past = TIMER_PAST_INIT;
	AUTO(units_state) struct units_state s = { 0 };

	(void)argc, (void)argv;
	if (say_begin(&o.talk, err) < 0 || node_open(&o.place, DEPLOY_LOOK, &d, err) < 0 ||
	    settle(err) < 0 || units_look(&units.place, &s, err) < 0 ||
	    timer_past_load(deploy_state(d), &past, err) < 0)
		return -1;
	if (o.talk.json) {
		AUTO(json) struct json *j = state_json(&s, &past);

		say_json(j);
		return 0;
	}
	if (s.enabled)
		say("timer     enabled: %s, and up to %s later", s.window ? s.window : "(unknown)",
		    s.jitter ? s.jitter : "0");
	else
		say("timer     not enabled%s%s", s.other ? ", it is that of " : "",
		    s.other ? s.other : "");
	if (s.enabled)
		say("next      %s", s.next ? s.next : "not known");
	say_past(&past);
	return 0;
}

static int run_unhold(int argc, char **argv, struct err *err)
{
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(timer_past) struct timer_past past = TIMER_PAST_INIT;
	struct err why = ERR_INIT;
	size_t n;

	if (say_begin(&o.talk, err) < 0 || node_open(&o.place, DEPLOY_CHANGE, &d, err) < 0)
		return -1;
	/* A damaged history is replaced by an empty one. */
	if (timer_past_load(deploy_state(d), &past, &why) < 0 &&
	    (why.code != E_INVALID || argc > 0)) {
		*err = why;
		return -1;
	}
	n = timer_past_unhold(&past, argc > 0 ? argv[0] : NULL);
	if (argc > 0 && !n) {
		err_set(err, E_NOT_FOUND, "kata %s is not held", argv[0]);
		return err_hint(err, "%s lists held releases", advice("timer status"));
	}
	if ((n || why.code) && timer_past_save(deploy_state(d), &past, err) < 0)
		return -1;
	say_done("timer unhold", n || why.code, "held releases are tried again in the next window");
	return 0;
}

/* --- run --- */

struct run {
	struct install in;
	struct timer_past past;
	const char *result;
};

static void run_release(struct run *r)
{
	timer_past_release(&r->past);
	install_release(&r->in);
}
DEFINE_AUTO_STRUCT(run, struct run, run_release)

static const char *version_of_current(const struct deploy *d)
{
	const struct generation *g = installed_find(deploy_installed(d),
						    deploy_installed(d)->current);

	return g ? g->version : "of an unknown version";
}

/* After a failed commit: holds the release, and adds to the error what is installed now. */
static int hold(struct run *r, struct err *err)
{
	const char *version = r->in.offer.release.version;

	if (interrupt_signal() || !timer_past_blames(err))
		return err_wrap(err, "kata %s was not installed", version);
	timer_past_hold(&r->past, r->in.offer.sha256, version, place_now(&o.place), err->msg);
	return err_wrap(
		err,
		"kata %s failed on this node; kata %s %s, and kata %s is held until there is a "
		"newer release (%s tries it again)",
		version, version_of_current(r->in.d),
		deploy_is_interrupted(r->in.d) ? "was current" : "is current again", version,
		advice("timer unhold"));
}

/* Removes old releases, which would otherwise accumulate on a node that upgrades itself. */
static void collect(struct run *r)
{
	AUTO(strv) char **ids = NULL;
	struct err why = ERR_INIT;

	if (node_in_use(&o.place, &ids, &why) < 0 || deploy_gc(r->in.d, ids, &why) < 0)
		log_err(LOG_WARN, &why, "cannot remove old releases");
}

static int upgrade(struct run *r, struct err *err)
{
	const struct release *release = &r->in.offer.release;
	AUTO(str) char *was = xstrdup(version_of_current(r->in.d));

	log_info("upgrading", LOG_S("from", was), LOG_S("to", release->version));
	if (registration_can_prove(r->in.d, &r->in.reg, err) < 0 || install_fetch(&r->in, err) < 0)
		return -1;
	if (install_commit(&r->in, err) < 0)
		return hold(r, err);
	r->result = "upgraded";
	/* The channel does not offer older releases again. */
	(void)timer_past_unhold(&r->past, NULL);
	log_info("upgraded, running pods keep the release that they were started from",
		 LOG_S("from", was), LOG_S("to", release->version),
		 LOG_S("kernel", prove_last() ? prove_last()->kernel : "(no proof)"));
	collect(r);
	return 0;
}

/* Upgrades, unless the newest release is installed or held. */
static int decide(struct run *r, struct err *err)
{
	const struct json *held = timer_past_held(&r->past, r->in.offer.sha256);

	if (!r->in.offer.channel) {
		AUTO(str)
		char *text = str_fmt("there is no channel at the source of the installed release, "
				     "which never leads to a newer one; %s names another source",
				     advice("upgrade --release URL|DIR|FILE"));

		log_warn(text);
	}
	if (r->in.needed && !held)
		return upgrade(r, err);
	r->result = r->in.needed ? "held" : "current";
	if (r->in.needed) {
		AUTO(str)
		char *text = str_fmt("the newest release is held; %s tries it again",
				     advice("timer unhold"));

		log_warn(text, LOG_S("version", r->in.offer.release.version),
			 LOG_S("why", json_get_text(held, "why")));
	} else
		log_info("the newest release is installed",
			 LOG_S("version", r->in.offer.release.version));
	return install_learn(&r->in, err);
}

/* Records the end of a run, also of one that failed (rc). A run whose end cannot be recorded fails:
 * a held release would be tried again. */
static int record(struct run *r, int rc, struct err *err)
{
	struct err why = ERR_INIT;

	if (!r->in.d || deploy_state(r->in.d) < 0)
		return rc;
	timer_past_ended(&r->past, r->result, r->in.offer.release.version, place_now(&o.place),
			 rc < 0 ? err->msg : NULL);
	if (timer_past_save(deploy_state(r->in.d), &r->past, &why) == 0)
		return rc;
	if (rc < 0)
		log_err(LOG_ERROR, &why, "cannot record the failure");
	else
		*err = why;
	return -1;
}

static void say_run(const struct run *r)
{
	bool changed = str_eq(r->result, "upgraded");
	AUTO(json) struct json *j = json_make_object();

	json_put(j, "verb", json_make_string("timer run"));
	json_put(j, "changed", json_make_bool(changed));
	json_put(j, "result", json_make_string(r->result));
	json_put(j, "version", json_make_string(r->in.offer.release.version));
	json_put(j, "proof", prove_json(prove_last()));
	progress_end();
	if (o.talk.json)
		say_json(j);
	else
		say("kata %s: %s", r->in.offer.release.version, r->result);
}

/* Reads the history before anything else, so that a damaged one is not overwritten. */
static int prepare(struct run *r, struct err *err)
{
	AUTO(deploy) struct deploy *d = NULL;

	if (node_open(&o.place, DEPLOY_LOOK, &d, err) < 0)
		return -1;
	if (!deploy_is_interrupted(d) && node_need_installed(d, &o.place, err) < 0)
		return -1;
	return timer_past_load(deploy_state(d), &r->past, err);
}

/* Prepares the upgrade, which takes the lock, maybe after a long wait. Then the history is read
 * again: a rollback may have held a release meanwhile. */
static int prepare_upgrade(struct run *r, struct err *err)
{
	struct err why = ERR_INIT;
	int rc = install_prepare(&r->in, DEPLOY_CHANGE, err);

	if (!r->in.d)
		return rc;
	timer_past_release(&r->past);
	r->past = (struct timer_past)TIMER_PAST_INIT;
	if (timer_past_load(deploy_state(r->in.d), &r->past, &why) == 0)
		return rc;
	/* Not to be overwritten. */
	deploy_close(STEAL(r->in.d, NULL));
	if (rc == 0)
		*err = why;
	return -1;
}

static int run_run(int argc, char **argv, struct err *err)
{
	AUTO(run) struct run r = { .in = INSTALL_OF("upgrade", &o), .result = "failed" };
	int rc;

	(void)argc, (void)argv;
	/* systemd's journal gets all messages; --quiet is for other outputs. */
	log_set_level(o.talk.quiet && !log_is_journal(2) ? LOG_WARN : LOG_INFO);
	o.manager.keep_handlers = true;
	o.manager.proof_if_can = true;
	o.change.yes = true;
	if (prepare(&r, err) < 0)
		return -1;
	rc = prepare_upgrade(&r, err);
	if (rc == 0)
		rc = decide(&r, err);
	if (record(&r, rc, err) < 0)
		return -1;
	say_run(&r);
	return 0;
}

const struct subverb timer_verbs[] = {
	{ "enable", "", "upgrade in a maintenance window, through systemd", enable_opts, run_enable,
	  0, 0 },
	{ "disable", "", "stop upgrading automatically", plain_opts, run_disable, 0, 0 },
	{ "status", "", "show the window, the last run, and what is held", status_opts_, run_status,
	  0, 0 },
	{ "run", "", "what the timer starts: upgrade, or roll back and hold", run_opts, run_run, 0,
	  0 },
	{ "unhold", "[VERSION]", "try releases again that failed here", plain_opts, run_unhold, 0,
	  1 },
	{ "unit", "timer|service", "print a unit, as packages have it", unit_opts, run_unit, 1, 1 },
	{ 0 },
};

int verb_timer(int argc, char **argv, struct err *err)
{
	return subverb_run(timer_verbs, argc, argv, err);
}
