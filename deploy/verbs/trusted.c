// SPDX-License-Identifier: Apache-2.0
/* kata-deploy keys show, trust and forget: the keys that this installation trusts. */

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/advice.h"
#include "deploy/cli/memory.h"
#include "deploy/cli/node.h"
#include "deploy/cli/say.h"
#include "deploy/trust/trust.h"
#include "deploy/verbs/packager.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static struct {
	const char *directory, *role;
	bool all;
	struct cli_place place;
	struct cli_change change;
	struct cli_talk talk;
} o;

const struct opt trusted_opts[] = {
	OPT_PATH(0, "trust-dir", "DIR", &o.directory, "trusted keys; default: " TRUST_DIRECTORY),
	CLI_PLACE(o.place),
	CLI_JSON(o.talk),
	OPT_END,
};

const struct opt trust_opts[] = {
	OPT_STR(0, "role", "release|channel", &o.role, "what they may sign; default: release"),
	CLI_PLACE(o.place),
	CLI_JSON(o.talk),
	OPT_END,
};

const struct opt forget_opts[] = {
	OPT_FLAG(0, "all", &o.all, "all remembered keys"),
	CLI_PLACE(o.place),
	CLI_JSON(o.talk),
	OPT_END,
};

static char *roles_of(const struct json *key)
{
	AUTO(strv) char **roles = NULL;

	return json_get_strings(key, "roles", &roles) == 0 ? strv_join(roles, ",") : xstrdup("");
}

static void print_keys(const struct json *keys, const char *origin)
{
	for (size_t i = 0; i < json_count(keys); i++) {
		const struct json *k = json_at(keys, i);
		const char *since = json_get_text(k, "since");
		AUTO(str) char *roles = roles_of(k);

		(void)printf("%s  %-15s  %s%s  %s\n", json_get_text(k, "id"), roles,
			     since ? "remembered on " : origin, since ? since : "",
			     json_get_text(k, "name"));
	}
}

static const char *origin_of(const char *source)
{
	static const struct {
		const char *source, *text;
	} origins[] = {
		{ "root.json", "trust directory, a root" },
		{ "trust.json", "rotated root" },
		{ "directory", "trust directory" },
		{ "built-in", "built in" },
	};

	for (size_t i = 0; i < ARRAY_LEN(origins); i++) {
		if (str_eq(origins[i].source, source))
			return origins[i].text;
	}
	return source;
}

/* Shows the keys that an install without --key would trust, and remembered keys that have no effect
 * because of a root. */
static int show_trusted(struct err *err)
{
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(trust) struct trust *t = NULL;
	AUTO(str) char *kept = NULL, *directory = NULL;
	struct trust_options options;

	if (node_open(&o.place, DEPLOY_LOOK, &d, err) < 0)
		return -1;
	directory = place_trust(&o.place, o.directory, err);
	if (!directory)
		return -1;
	options = memory_options(&o.place, &kept);
	options.directory = directory;
	if (trust_open(&options, deploy_state(d), &t, err) < 0)
		return -1;
	AUTO(json) struct json *report = trust_report(t);
	AUTO(json) struct json *remembered = trust_remembered(t);
	if (o.talk.json) {
		json_put(report, "remembered", json_share(remembered));
		say_json(report);
		return 0;
	}
	print_keys(json_get(report, "keys"), origin_of(json_get_text(report, "source")));
	if (!str_eq(json_get_text(report, "source"), "remembered") && json_count(remembered)) {
		(void)printf("remembered, but without effect because of the root:\n");
		print_keys(remembered, "");
	}
	return 0;
}

static int show_files(int argc, char **argv, struct err *err)
{
	AUTO(json) struct json *list = json_make_array();

	for (int i = 0; i < argc; i++) {
		AUTO(buf) struct buf text = BUF_INIT(MINISIG_TEXT_MAX);
		struct minisig_key key;

		if (file_read(AT_FDCWD, argv[i], MINISIG_TEXT_MAX, &text, err) < 0 ||
		    minisig_key_parse(&key, buf_cstr(&text), text.len, argv[i], err) < 0)
			return -1;
		json_add(list, key_json(&key, argv[i]));
	}
	if (o.talk.json)
		say_json(list);
	for (size_t i = 0; !o.talk.json && i < json_count(list); i++)
		key_print(json_at(list, i));
	return 0;
}

int keys_show(int argc, char **argv, struct err *err)
{
	if (say_begin(&o.talk, err) < 0)
		return -1;
	return argc ? show_files(argc, argv, err) : show_trusted(err);
}

/* --- changes --- */

static int open_memory(struct deploy **d, struct trust **t, struct err *err)
{
	AUTO(str) char *kept = NULL;
	struct trust_options options;

	if (say_begin(&o.talk, err) < 0 || node_open(&o.place, DEPLOY_CHANGE, d, err) < 0)
		return -1;
	if (!deploy_installed(*d)->current) {
		err_set(err, E_STATE, "nothing is installed below %s", o.place.prefix);
		return err_hint(err, "%s remembers the key", advice("install --key FILE.pub"));
	}
	options = memory_options(&o.place, &kept);
	options.memory_only = true;
	return trust_open(&options, deploy_state(*d), t, err);
}

static int finish(struct deploy *d, const struct trust *t, struct err *err)
{
	AUTO(json) struct json *list = trust_remembered(t);

	if (trust_has_learned(t) && memory_commit(d, &o.place, t, err) < 0)
		return -1;
	if (o.talk.json)
		say_json(list);
	else if (json_count(list))
		print_keys(list, "");
	else
		say("no key is remembered");
	return 0;
}

int keys_trust(int argc, char **argv, struct err *err)
{
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(trust) struct trust *t = NULL;
	enum trust_role role = TRUST_RELEASE;

	(void)argc;
	if (role_parse(o.role, &role, err) < 0 || open_memory(&d, &t, err) < 0 ||
	    trust_remember(t, argv, role, err) < 0)
		return -1;
	return finish(d, t, err);
}

int keys_forget(int argc, char **argv, struct err *err)
{
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(trust) struct trust *t = NULL;

	if (o.all == (argc > 0))
		return err_set(err, E_USAGE,
			       "no key to forget is named; give the ids of keys, or --all");
	if (open_memory(&d, &t, err) < 0)
		return -1;
	for (int i = 0; i < argc; i++) {
		if (trust_forget(t, argv[i], err) < 0)
			return -1;
	}
	if (o.all)
		trust_forget_all(t);
	return finish(d, t, err);
}
