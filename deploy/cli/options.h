// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Options that several verbs have in common, in groups by subject: a struct for the values and a
 * macro for the rows of the option table. A verb has a struct of the groups that it takes:
 *
 *	static struct {
 *		struct cli_place place;
 *		struct cli_change change;
 *		struct cli_talk talk;
 *	} o;
 *	const struct opt gc_opts[] = {
 *		CLI_PLACE(o.place), CLI_CHANGE(o.change), CLI_TALK(o.talk), OPT_END
 *	};
 *
 * A function takes the groups that it needs, so its parameters show on which options it depends.
 */

#include "base/err.h"
#include "base/opt.h"
#include "deploy/engine/engine.h"
#include "deploy/fetch/fetch.h"
#include "deploy/trust/trust.h"

#include <stdbool.h>

#define CLI_PREFIX DEPLOY_PREFIX

/* Environment variables with defaults for --release and --trust-dir. The container image of a
 * release sets them. */
#define CLI_ENV_RELEASE "KATA_DEPLOY_RELEASE"
#define CLI_ENV_TRUST   "KATA_DEPLOY_TRUST_DIR"

/* The place that a verb works on. To be settled by place_settle() before the first use. */
struct cli_place {
	const char *prefix; /* as the system below root sees it */
	const char *root;   /* NULL: the running system */
	const char *host;   /* where the running system's / is mounted; NULL: at / */
	const char *lock;   /* NULL: the default */
	unsigned lock_wait; /* seconds */
	const char *memory; /* directory of the copy of trust's memory that survives an uninstall */
	char *own_prefix, *own_root, *own_memory; /* memory of the settled paths */
	bool entered;                             /* host is this process's root directory */
};
#define CLI_PLACE(g)                                                                            \
	OPT_PATH(0, "prefix", "DIR", &(g).prefix, "installation prefix; default: " CLI_PREFIX), \
		OPT_PATH(0, "root", "DIR", &(g).root,                                           \
			 "work on the system below DIR and touch no other"),                    \
		OPT_PATH(0, "host", "DIR", &(g).host,                                           \
			 "work on the running system, mounted below DIR"),                      \
		OPT_PATH(0, "lock", "FILE", &(g).lock, "default: /run/lock/kata-deploy.lock"),  \
		OPT_UINT(0, "lock-wait", "SECONDS", &(g).lock_wait,                             \
			 "wait so long for another kata-deploy; default: 0"),                   \
		OPT_PATH(0, "trust-memory", "DIR", &(g).memory,                                 \
			 "kept by uninstall; default: " TRUST_KEPT)

/* Sets the defaults; cleans the prefix, so that "/opt/kata/" and "/opt//kata" become "/opt/kata";
 * makes root absolute, and NULL if it is /. Idempotent. E_USAGE: a path is wrong.
 *
 * With --host, in a container, it makes DIR the root directory of this process: absolute paths then
 * are the host's, as its container manager knows them. The working directory stays, so relative
 * paths are the container's. E_PERMISSION: that needs CAP_SYS_CHROOT. */
MUST_CHECK int place_settle(struct cli_place *p, struct err *err);
/* Returns the path given, or if that is NULL the standard path, resolved below root; heap. NULL:
 * the standard path has a dangling symlink below root. */
char *place_path(const struct cli_place *p, const char *given, const char *standard,
		 struct err *err);
/* Returns the directory of trusted keys, heap: given, or else TRUST_DIRECTORY below root, or, if
 * that does not exist, the value of CLI_ENV_TRUST. So keys of the node take precedence over those
 * of a container image. NULL: as place_path(), or the directory cannot be seen. */
char *place_trust(const struct cli_place *p, const char *given, struct err *err);
/* Returns the time in seconds since 1970, for records and for trust. With --root that is
 * SOURCE_DATE_EPOCH, if it is set, so that image builds are reproducible. */
uint64_t place_now(const struct cli_place *p);

/* The source of a release, and the network. */
struct cli_source {
	char **releases;
	const char *cacert, *proxy, *cache, *limit_rate;
	bool keep_cache;
};
#define CLI_SOURCE(g)                                                                            \
	OPT_PATHS('r', "release", "URL|DIR|FILE", &(g).releases,                                 \
		  "release, - for a tar on stdin; repeated: mirrors"),                           \
		OPT_PATH(0, "cacert", "FILE", &(g).cacert, "certificate authorities for https"), \
		OPT_STR(0, "proxy", "URL", &(g).proxy, "default: from the environment"),         \
		OPT_STR(0, "limit-rate", "BYTES", &(g).limit_rate, "bytes per second; K, M, G"), \
		OPT_PATH(0, "cache", "DIR", &(g).cache,                                          \
			 "default: " SOURCE_CACHE ", or in --root"),                             \
		OPT_FLAG(0, "keep-cache", &(g).keep_cache, "keep complete downloads in the cache")

/* The components of a release. */
struct cli_parts {
	char **components, **without;
};
#define CLI_PARTS(g)                                           \
	OPT_STRV(0, "components", "NAME,...", &(g).components, \
		 "only these and the required ones"),          \
		OPT_STRV(0, "without", "NAME,...", &(g).without, "all but these")

/* The verification of a release. */
struct cli_trust {
	char **keys, **channel_keys;
	const char *directory, *pin;
	unsigned threshold;
	bool allow_downgrade, allow_expired, without_channel;
};
#define CLI_TRUST(g)                                                                             \
	OPT_PATHS('k', "key", "FILE", &(g).keys, "trust this public key only; may be repeated"), \
		OPT_PATHS(0, "channel-key", "FILE", &(g).channel_keys,                           \
			  "public key for channels only; may be repeated"),                      \
		OPT_UINT(0, "threshold", "K", &(g).threshold,                                    \
			 "number of keys that must have signed"),                                \
		OPT_PATH(0, "trust-dir", "DIR", &(g).directory, "default: " TRUST_DIRECTORY),    \
		OPT_STR(0, "pin", "SHA256", &(g).pin, "release.yaml must have this digest"),     \
		OPT_FLAG(0, "allow-downgrade", &(g).allow_downgrade,                             \
			 "accept an older release than the last one"),                           \
		OPT_FLAG(0, "allow-expired", &(g).allow_expired, "accept an expired release"),   \
		OPT_FLAG(0, "without-channel", &(g).without_channel,                             \
			 "accept a source without the followed channel")

/* The container manager, and the handlers to register with it. */
struct cli_manager {
	const char *name, *config, *socket, *restart_with;
	unsigned restart_seconds;
	char **handlers;    /* NAME=CONFIG */
	bool only_handlers; /* register handlers only, without kata and kata-qemu */
	bool keep_handlers; /* set by a verb: if handlers is empty, use the recorded ones */
	bool no_proof;
	bool proof_if_can; /* set by a verb: no proof where the manager cannot run one */
	/* Of the record, not options: cri_options. */
	const char *registered, *registered_config;
};
#define CLI_MANAGER(g)                                                                         \
	OPT_STR(0, "cri", "NAME", &(g).name, "container manager, or none; default: detected"), \
		OPT_PATH(0, "cri-config", "FILE", &(g).config, "its configuration file"),      \
		OPT_PATH(0, "cri-socket", "FILE", &(g).socket, "its socket"),                  \
		OPT_STR(0, "restart-with", "CMD", &(g).restart_with,                           \
			"command that restarts it; default: its service"),                     \
		OPT_UINT(0, "restart-seconds", "N", &(g).restart_seconds,                      \
			 "limit for its restart; default: 60, k3s, rke2: 300")
#define CLI_HANDLERS(g)                                                \
	OPT_STRV(0, "handler", "NAME=CONFIG", &(g).handlers,           \
		 "an additional handler with its own configuration"),  \
		OPT_FLAG(0, "no-default-handlers", &(g).only_handlers, \
			 "register those of --handler only"),          \
		OPT_FLAG(0, "no-proof", &(g).no_proof, "do not run a container as a proof")

/* How a change is made. */
struct cli_change {
	bool dry_run, yes;
};
#define CLI_CHANGE(g)                                                                      \
	OPT_FLAG('n', "dry-run", &(g).dry_run, "print what would change, change nothing"), \
		OPT_FLAG('y', "yes", &(g).yes, "do not ask; needed without a terminal")

/* The output; say.h. */
struct cli_talk {
	bool json, quiet, timings, verbose;
	const char *progress_fd;
};
#define CLI_JSON(g) OPT_FLAG(0, "json", &(g).json, "print the result as JSON")
#define CLI_VERBOSE(g) \
	OPT_FLAG('v', "verbose", &(g).verbose, "with --dry-run: each single action too")
#define CLI_TALK(g)                                                     \
	CLI_JSON(g), OPT_FLAG('q', "quiet", &(g).quiet, "no progress"), \
		OPT_STR(0, "progress-fd", "N", &(g).progress_fd,        \
			"progress as JSON lines to file descriptor N"), \
		OPT_FLAG(0, "timings", &(g).timings, "print how long each phase took")
