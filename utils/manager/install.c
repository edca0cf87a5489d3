// SPDX-License-Identifier: Apache-2.0
/*
 * kata-manager install: checks the machine, shows the plan, runs kata-deploy, which asks for
 * confirmation. On a machine without a container manager it first offers to install the
 * distribution's containerd. It never changes the default runtime.
 */

#include "utils/manager/manager.h"

#include "base/str.h"
#include "cli/ask.h"
#include "utils/manager/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How distributions install containerd. */
static const struct {
	const char *program;
	const char *command;
} packagers[] = {
	{ "/usr/bin/apt-get", "apt-get install -y --no-install-recommends containerd" },
	{ "/usr/bin/dnf", "dnf install -y containerd" },
	{ "/usr/bin/zypper", "zypper --non-interactive install containerd" },
	{ "/usr/bin/pacman", "pacman -S --noconfirm containerd" },
	{ "/sbin/apk", "apk add containerd" },
};

static int run(const char *command, struct err *err)
{
	AUTO(strv) char **argv = strv_split(command, " ");
	int status;

	if (run_here(argv, &status, err) < 0)
		return -1;
	return status == 0
		       ? 0
		       : err_set(err, E_FAILED, "'%s' ended with status %d; see what it printed",
				 command, status);
}

static int offer_containerd(struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(packagers); i++) {
		if (access(packagers[i].program, X_OK) < 0)
			continue;
		(void)fprintf(stderr,
			      "There is no container manager on this machine. containerd would be "
			      "installed "
			      "with:\n    %s\n",
			      packagers[i].command);
		if (ask_yes("install it?", options.yes, err) < 0)
			return err_hint(err, "install containerd or docker, then try again");
		return run(packagers[i].command, err);
	}
	err_set(err, E_NOT_FOUND, "there is no container manager on this machine");
	return err_hint(err, "install containerd or docker, then try again");
}

static bool is_true(const struct json *j, const char *key)
{
	const struct json *value = json_get(j, key);

	return value && json_kind(value) == JSON_IS_BOOL && json_bool(value);
}

/* E_STATE: the manager does not run, which the proof at the end would find out too late. */
static int check_runs(const struct json *manager, struct err *err)
{
	const char *name = json_get_text(manager, "name"), *start = json_get_text(manager, "start");

	if (options.no_proof || is_true(manager, "running") ||
	    (engine.cri ? !str_eq(name, engine.cri) : !is_true(manager, "chosen")))
		return 0;
	err_set(err, E_STATE, "%s is installed, but does not run", name);
	return err_hint(err, "start it%s%s, or use --no-proof", start ? ": " : "",
			start ? start : "");
}

/* Shows the managers of this machine; *any: it has one. E_STATE: the one to be used does not
 * run. */
static int show_managers(bool *any, struct err *err)
{
	char *words[] = { (char *)"doctor", NULL };
	AUTO(json) struct json *j = engine_ask(words, err);
	const struct json *list;

	if (!j)
		return -1;
	list = json_get(j, "managers");
	*any = list && json_count(list);
	for (size_t i = 0; *any && i < json_count(list); i++) {
		const struct json *m = json_at(list, i);
		const char *name = json_get_text(m, "name"), *version = json_get_text(m, "version"),
			   *why = json_get_text(m, "why");

		(void)fprintf(stderr, "%s %s%s%s%s%s\n", is_true(m, "chosen") ? "using" : "found",
			      name ? name : "?", version ? " " : "", version ? version : "",
			      why ? ": " : "", why ? why : "");
	}
	for (size_t i = 0; *any && i < json_count(list); i++) {
		if (check_runs(json_at(list, i), err) < 0)
			return -1;
	}
	return 0;
}

/* Shows the plan as text, or why there is none. */
static int show_plan(struct err *err)
{
	AUTO(strv) char **words = NULL;
	AUTO(json) struct json *j = NULL;
	const struct json *download;
	const char *reason;

	/* Not the verb plan: the user may have given any option of the verb install. */
	strv_push(&words, "install");
	strv_push(&words, "--dry-run");
	engine_add_release(&words);
	j = engine_ask(words, err);
	if (!j || engine_check(j, err) < 0)
		return -1;
	download = json_get(j, "download");
	reason = json_get_text(j, "reason");
	(void)fprintf(stderr, "kata %s would be installed below %s: ",
		      json_get_text(j, "version") ? json_get_text(j, "version") : "?",
		      engine.prefix ? engine.prefix : "/opt/kata");
	(void)fprintf(
		stderr, "%lld MiB to download at most; restart of the container manager: %s%s%s\n",
		download && json_kind(download) == JSON_IS_INT ? (long long)json_int(download) >> 20
							       : 0LL,
		is_true(j, "restart") ? "yes" : "no", reason ? ", " : "", reason ? reason : "");
	(void)fputs("the default runtime is not changed; containers select kata by its name\n",
		    stderr);
	return 0;
}

int manager_install(int argc, char **argv, struct err *err)
{
	AUTO(strv) char **words = NULL;
	bool any = false;

	(void)argc;
	engine.more = argv;
	if (show_managers(&any, err) < 0)
		return -1;
	if (!any && !engine.cri && offer_containerd(err) < 0)
		return -1;
	if (show_plan(err) < 0)
		return -1;
	strv_push(&words, "install");
	/* kata-deploy shows the keys that it will trust, then asks. */
	if (options.yes)
		strv_push(&words, "--yes");
	if (options.json)
		strv_push(&words, "--json");
	if (options.no_proof)
		strv_push(&words, "--no-proof");
	engine_add_release(&words);
	return engine_run(words, err);
}
