// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Shared by the verbs of kata-deploy: one struct for the values of all options, and groups of
 * option table rows by subject.
 *
 *	const struct opt rollback_opts[] = { CLI_PLACE, CLI_CHANGE, CLI_TALK, OPT_END };
 *
 * A verb is a row of the table in main.c and a file in deploy/verbs/. Its result goes to standard
 * output, as JSON with --json; everything else goes to standard error.
 */

#include "base/err.h"
#include "base/opt.h"
#include "deploy/fetch/fetch.h"
#include "deploy/trust/trust.h"

#include <stdbool.h>

struct cli {
	/* where */
	const char *prefix, *root, *lock;
	/* what */
	char **releases, **components, **without;
	const char *to;
	/* trust */
	char **keys;
	const char *trust_dir, *pin;
	unsigned threshold;
	bool allow_downgrade, allow_expired;
	/* network */
	const char *cacert, *proxy, *cache, *limit_rate;
	bool keep_cache;
	/* container manager */
	const char *cri, *cri_config, *cri_socket, *restart_with;
	unsigned restart_seconds;
	char **handlers;
	bool no_proof;
	/* how */
	bool dry_run, force, yes, check;
	bool upgrade; /* set by the verb: keep the registered handlers */
	bool json, quiet, timings;
	const char *progress_fd;
};

extern struct cli cli;

#define CLI_PREFIX "/opt/kata"

#define CLI_PLACE                                                                              \
	OPT_STR(0, "prefix", "DIR", &cli.prefix, "installation prefix; default: " CLI_PREFIX), \
		OPT_STR(0, "root", "DIR", &cli.root,                                           \
			"work on the system below DIR and touch no other"),                    \
		OPT_STR(0, "lock", "FILE", &cli.lock, "default: /run/lock/kata-deploy.lock")
#define CLI_JSON OPT_FLAG(0, "json", &cli.json, "print the result as JSON")
#define CLI_TALK                                                        \
	CLI_JSON, OPT_FLAG('q', "quiet", &cli.quiet, "no progress"),    \
		OPT_STR(0, "progress-fd", "N", &cli.progress_fd,        \
			"progress as JSON lines to file descriptor N"), \
		OPT_FLAG(0, "timings", &cli.timings, "print how long each phase took")
#define CLI_CHANGE                                                                         \
	OPT_FLAG('n', "dry-run", &cli.dry_run, "print what would change, change nothing"), \
		OPT_FLAG('y', "yes", &cli.yes, "do not ask for confirmation")
#define CLI_SOURCE                                                                                \
	OPT_STRV('r', "release", "URL|DIR|FILE", &cli.releases,                                   \
		 "release, - for a tar on stdin; repeated: mirrors"),                             \
		OPT_STR(0, "cacert", "FILE", &cli.cacert, "certificate authorities for https"),   \
		OPT_STR(0, "proxy", "URL", &cli.proxy, "default: from the environment"),          \
		OPT_STR(0, "limit-rate", "BYTES", &cli.limit_rate, "bytes per second; K, M, G"),  \
		OPT_STR(0, "cache", "DIR", &cli.cache, "download cache; default: " SOURCE_CACHE), \
		OPT_FLAG(0, "keep-cache", &cli.keep_cache, "keep complete downloads in the cache")
#define CLI_PARTS                                              \
	OPT_STRV(0, "components", "NAME,...", &cli.components, \
		 "only these and the required ones"),          \
		OPT_STRV(0, "without", "NAME,...", &cli.without, "all but these")
#define CLI_TRUSTED                                                                             \
	OPT_STRV('k', "key", "FILE", &cli.keys, "trust this public key only; may be repeated"), \
		OPT_UINT(0, "threshold", "K", &cli.threshold,                                   \
			 "number of keys that must have signed"),                               \
		OPT_STR(0, "trust-dir", "DIR", &cli.trust_dir, "default: " TRUST_DIRECTORY),    \
		OPT_STR(0, "pin", "SHA256", &cli.pin, "release.yaml must have this digest"),    \
		OPT_FLAG(0, "allow-downgrade", &cli.allow_downgrade,                            \
			 "accept an older release than the last one"),                          \
		OPT_FLAG(0, "allow-expired", &cli.allow_expired, "accept an expired release")
#define CLI_MANAGER                                                                           \
	OPT_STR(0, "cri", "NAME", &cli.cri, "container manager, or none; default: detected"), \
		OPT_STR(0, "cri-config", "FILE", &cli.cri_config, "its configuration file"),  \
		OPT_STR(0, "cri-socket", "FILE", &cli.cri_socket, "its socket"),              \
		OPT_STR(0, "restart-with", "CMD", &cli.restart_with,                          \
			"command that restarts it; default: its service"),                    \
		OPT_UINT(0, "restart-seconds", "N", &cli.restart_seconds,                     \
			 "time limit for its restart; default: 60")
#define CLI_FORCE(what) OPT_FLAG('f', "force", &cli.force, (what))

/* Output (say.c). */
struct json;
struct plan;
/* Prints a document on standard output, at most one per run; say_has_answered() is true
 * afterwards. */
void say_json(const struct json *j);
bool say_has_answered(void);
/* Prints a line on standard output, unless --json or --quiet. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Prints a plan, for --dry-run. */
void say_plan(const struct plan *p);
/* Prints the result of a change that has no details: {"verb", "changed"} with --json, else the
 * sentence, or "nothing to do" if nothing changed. */
void say_done(const char *verb, bool changed, const char *sentence);
/* "12.3 MiB", in one of four static buffers that are used in turn. */
const char *say_bytes(unsigned long long bytes);

/* The verbs. argv holds the operands only. */
extern const struct opt install_opts[], plan_opts[], rollback_opts[], uninstall_opts[],
	status_opts[], verify_opts[], repair_opts[], gc_opts[], recover_opts[], fetch_opts[],
	doctor_opts[], prove_opts[];
MUST_CHECK int verb_install(int argc, char **argv, struct err *err);
MUST_CHECK int verb_upgrade(int argc, char **argv, struct err *err);
MUST_CHECK int verb_plan(int argc, char **argv, struct err *err);
MUST_CHECK int verb_rollback(int argc, char **argv, struct err *err);
MUST_CHECK int verb_uninstall(int argc, char **argv, struct err *err);
MUST_CHECK int verb_status(int argc, char **argv, struct err *err);
MUST_CHECK int verb_verify(int argc, char **argv, struct err *err);
MUST_CHECK int verb_repair(int argc, char **argv, struct err *err);
MUST_CHECK int verb_gc(int argc, char **argv, struct err *err);
MUST_CHECK int verb_recover(int argc, char **argv, struct err *err);
MUST_CHECK int verb_fetch(int argc, char **argv, struct err *err);
MUST_CHECK int verb_doctor(int argc, char **argv, struct err *err);
MUST_CHECK int verb_prove(int argc, char **argv, struct err *err);
