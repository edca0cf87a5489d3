// SPDX-License-Identifier: Apache-2.0
/* kata-deploy: the table of verbs; runs the verb and prints its error. */

#include "base/fd.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/manual.h"
#include "cli/subverb.h"
#include "deploy/cli/options.h"
#include "deploy/cli/progress.h"
#include "deploy/cli/say.h"
#include "deploy/verbs/packager.h"
#include "deploy/verbs/verbs.h"
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>

static const struct subverb verbs[] = {
	{ "install", "", "install a release, register it, prove it in a VM", install_opts,
	  verb_install, 0, 0 },
	{ "upgrade", "", "install a newer release over the installed one", install_opts,
	  verb_upgrade, 0, 0 },
	{ "plan", "", "show what an install would change", plan_opts, verb_plan, 0, 0 },
	{ "rollback", "", "make the previous release the current one", rollback_opts, verb_rollback,
	  0, 0 },
	{ "status", "", "show what is installed, and what uses it", status_opts, verb_status, 0,
	  0 },
	{ "prove", "", "run a container in a VM and show what it reports", prove_opts, verb_prove,
	  0, 0 },
	{ "verify", "", "compare every byte with what was installed", verify_opts, verb_verify, 0,
	  0 },
	{ "repair", "", "repair what verify finds", repair_opts, verb_repair, 0, 0 },
	{ "gc", "", "remove releases that nothing uses", gc_opts, verb_gc, 0, 0 },
	{ "recover", "", "complete or undo an interrupted change", recover_opts, verb_recover, 0,
	  0 },
	{ "uninstall", "", "remove what was installed, and only that", uninstall_opts,
	  verb_uninstall, 0, 0 },
	{ "doctor", "", "check whether this node can run VM containers", doctor_opts, verb_doctor,
	  0, 0 },
	{ "fetch", "", "copy a release into a directory, for nodes without a network", fetch_opts,
	  verb_fetch, 0, 0 },
	{ "node", "[-- OPTION...]", "keep a node installed and repaired, in a pod of a DaemonSet",
	  node_opts, verb_node, 0, -1 },
	{ "report", "", "publish the node's state in the cluster, and get its turns", report_opts,
	  verb_report, 0, 0 },
	{ "withdraw", "", "have every node of a cluster uninstall, and wait", withdraw_opts,
	  verb_withdraw, 0, 0 },
	{ 0 },
};

static const struct family families[] = {
	{ "release", "build, sign, check and compare releases", release_verbs, verb_release },
	{ "keys", "make, show and rotate signing keys", keys_verbs, verb_keys },
	{ "timer", "upgrade this node automatically, along its channel", timer_verbs, verb_timer },
	{ 0 },
};

static const struct variable variables[] = {
	{ CLI_ENV_RELEASE, "the release, if --release is not given; not recorded" },
	{ CLI_ENV_TRUST, "directory of trusted keys, if --trust-dir is not given and the system "
			 "that is changed has no " TRUST_DIRECTORY },
	{ "NODE_NAME", "the node's name for report, if --node is not given" },
	{ "http_proxy, https_proxy, all_proxy, no_proxy",
	  "proxies, and hosts without one, if --proxy is not given" },
	{ "SSL_CERT_FILE", "certificate authorities for https, if --cacert is not given" },
	{ "SOURCE_DATE_EPOCH", "seconds since 1970: the creation time of a release that is built, "
			       "and with --root the time in records" },
	{ "NO_COLOR", "no colours" },
	{ 0 },
};

static const struct variable files[] = {
	{ CLI_PREFIX "/etc/configuration.toml, " CLI_PREFIX "/etc/config.d/*.toml",
	  "the runtime's configuration; an edited file is kept" },
	{ CLI_PREFIX "/current", "a symlink to the current release, which is in generations/ with "
				 "the others" },
	{ CLI_PREFIX "/state", "what is installed, and the journal of a change in progress" },
	{ TRUST_DIRECTORY, "trusted keys, *.pub and *.channel.pub, or root.json" },
	{ TRUST_KEPT "/" TRUST_KEPT_NAME,
	  "which releases this node has accepted; an uninstall keeps it" },
	{ SOURCE_CACHE, "downloads, until everything is unpacked" },
	{ DEPLOY_LOCK, "the lock of a change" },
	{ "/etc/systemd/system/kata-deploy-upgrade.*", "the units of timer enable" },
	{ 0 },
};

static const struct manual manual = {
	.variables = variables,
	.files = files,
	.name = "kata-deploy",
	.text = "installs kata releases: verified, atomic, reversible",
	.verbs = verbs,
	.families = families,
};

/* Searches the words, since parsing the options may have failed before it came to --json. */
static bool wants_json(char *const *argv)
{
	strv_each(word, argv) {
		if (str_eq(*word, "--"))
			break;
		if (str_eq(*word, "--json"))
			return true;
	}
	return false;
}

/* Prints the error; with --json also as a document, unless the verb has printed one. */
static void complain(char *const *argv, const struct err *err)
{
	(void)fflush(stdout);
	(void)fprintf(stderr, "%skata-deploy: %s\n", log_priority(LOG_ERROR), err->msg);
	if (!wants_json(argv) || say_has_answered())
		return;
	AUTO(json) struct json *j = json_make_object();
	struct json *e = json_make_object();

	json_put(e, "code", json_make_string(err_slug(err->code)));
	json_put(e, "status", json_make_int(err_exit_status(err->code)));
	json_put(e, "message", json_make_string(err->msg));
	json_put(j, "error", e);
	say_json(j);
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;

	fd_fill_standard();
	file_set_umask();
	log_init("kata-deploy", "deploy", log_is_journal(2) ? LOG_JOURNAL : LOG_LOGFMT, 2,
		 LOG_WARN);
	if (manual_run(&manual, argc, argv, &err) == 0 && interrupt_signal())
		err_set(&err, E_CANCELLED, "finished in spite of %s", interrupt_name());
	if (err.code)
		complain(argv, &err);
	progress_end();
	progress_print_timings();
	if (!err.code && fd_end_output(&err))
		complain(argv, &err);
	return err.code ? err_exit_status(err.code) : EXIT_SUCCESS;
}
