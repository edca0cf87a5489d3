// SPDX-License-Identifier: Apache-2.0
/* kata-manager: a front end of kata-deploy with few options, for a single machine. */

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/manual.h"
#include "cli/subverb.h"
#include "utils/manager/engine.h"
#include "utils/manager/manager.h"

#include <stdio.h>
#include <stdlib.h>

struct manager_options options;

#define PLACE                                                                                    \
	OPT_PATH(0, "prefix", "DIR", &engine.prefix, "installation prefix; default: /opt/kata"), \
		OPT_FLAG(0, "json", &options.json, "print the result as JSON")
#define CHANGE PLACE, OPT_FLAG('y', "yes", &options.yes, "do not ask; needed without a terminal")
#define RELEASE                                                                                 \
	OPT_PATHS('r', "release", "URL|DIR|FILE", &engine.releases, "the release"),             \
		OPT_PATHS('k', "key", "FILE", &engine.keys, "trust this public key only"),      \
		OPT_STR(0, "cri", "NAME", &engine.cri, "container manager; default: detected"), \
		OPT_FLAG(0, "no-proof", &options.no_proof, "do not run a container as a proof")

static const struct opt install_opts[] = { RELEASE, CHANGE, OPT_END };
/* Arguments after "--" are passed on to kata-deploy. */
static const struct opt change_opts[] = { CHANGE, OPT_END };
static const struct opt look_opts[] = { PLACE, OPT_END };
static const struct opt try_opts[] = {
	OPT_STR(0, "with", "CLIENT", &options.with, "nerdctl, docker or ctr; default: which works"),
	PLACE,
	OPT_END,
};
static const struct opt remove_opts[] = {
	OPT_FLAG('f', "force", &options.force, "even if containers are running"),
	CHANGE,
	OPT_END,
};

/* Runs a verb of kata-deploy with the given options. */
static int pass(const char *verb, struct err *err)
{
	AUTO(strv) char **words = NULL;

	strv_push(&words, verb);
	if (options.json)
		strv_push(&words, "--json");
	if (options.yes)
		strv_push(&words, "--yes");
	if (options.force)
		strv_push(&words, "--force");
	if (options.to) {
		strv_push(&words, "--to");
		strv_push(&words, options.to);
	}
	engine_add_place(&words);
	strv_each(word, engine.more)
		strv_push(&words, *word);
	return engine_run(words, err);
}

static int upgrade(int argc, char **argv, struct err *err)
{
	AUTO(strv) char **words = NULL;

	(void)argc;
	engine.more = argv;
	strv_push(&words, "upgrade");
	if (options.json)
		strv_push(&words, "--json");
	if (options.yes)
		strv_push(&words, "--yes");
	if (options.no_proof)
		strv_push(&words, "--no-proof");
	engine_add_release(&words);
	return engine_run(words, err);
}

static int switch_to(int argc, char **argv, struct err *err)
{
	options.to = argv[0];
	engine.more = argv + (argc > 1 && str_eq(argv[1], "--") ? 2 : 1);
	return pass("rollback", err);
}

static int rollback(int argc, char **argv, struct err *err)
{
	(void)argc;
	engine.more = argv;
	return pass("rollback", err);
}

static int remove_all(int argc, char **argv, struct err *err)
{
	(void)argc;
	engine.more = argv;
	return pass("uninstall", err);
}

static int status(int argc, char **argv, struct err *err)
{
	(void)argc, (void)argv;
	return pass("status", err);
}

static int doctor(int argc, char **argv, struct err *err)
{
	(void)argc, (void)argv;
	return pass("doctor", err);
}

static const struct subverb verbs[] = {
	{ "install", "[-- OPTION...]", "set up this machine and prove it with a container in a VM",
	  install_opts, manager_install, 0, -1 },
	{ "try", "[IMAGE [COMMAND...]]", "run a container in a VM; without IMAGE show a proof",
	  try_opts, manager_try, 0, SUBVERB_COMMAND },
	{ "switch", "VERSION [-- OPTION...]", "make another installed release the current one",
	  change_opts, switch_to, 1, -1 },
	{ "upgrade", "[-- OPTION...]", "install the newest release", install_opts, upgrade, 0, -1 },
	{ "rollback", "[-- OPTION...]", "go back to the previous release", change_opts, rollback, 0,
	  -1 },
	{ "remove", "[-- OPTION...]", "remove what was installed", remove_opts, remove_all, 0, -1 },
	{ "status", "", "show what is installed, and what uses it", look_opts, status, 0, 0 },
	{ "doctor", "", "check whether this machine can run containers in VMs", look_opts, doctor,
	  0, 0 },
	{ 0 },
};
static const struct family no_families[] = { { 0 } };
static const struct manual manual = {
	.name = "kata-manager",
	.text = "runs containers in VMs on this machine; kata-deploy does the work",
	.verbs = verbs,
	.families = no_families,
};

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;

	fd_fill_standard();
	file_set_umask();
	log_init("kata-manager", "manager", LOG_LOGFMT, 2, LOG_WARN);
	(void)!manual_run(&manual, argc, argv, &err);
	if (fd_end_output(&err))
		(void)fprintf(stderr, "kata-manager: %s\n", err.msg);
	return err.code ? err_exit_status(err.code) : EXIT_SUCCESS;
}
