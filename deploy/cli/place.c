// SPDX-License-Identifier: Apache-2.0
/* Settles the options of the place that a verb works on: --prefix, --root, --host. */

#include "base/mem.h"
#include "base/path.h"
#include "base/process.h"
#include "base/str.h"
#include "cli/advice.h"
#include "deploy/cli/options.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Enters --host. Of the host only the needed directories are mounted there; /proc is one of
 * them. */
static int settle_host(struct cli_place *p, struct err *err)
{
	AUTO(str) char *proc = NULL;

	if (!p->host || p->entered)
		return 0;
	if (p->root)
		return err_set(err, E_USAGE, "--host and --root exclude each other; give one");
	proc = str_fmt("%s/proc/1/root", p->host);
	if (access(proc, F_OK) < 0) {
		err_sys(err, "look at the processes of the host in %s/proc", p->host);
		return err_hint(err, "mount the host's /proc there, and give CAP_SYS_PTRACE and an "
				     "AppArmor profile that lets it be used");
	}
	if (chroot(p->host) < 0) {
		err_sys(err, "make --host %s the root directory", p->host);
		return err_hint(err, "it takes CAP_SYS_CHROOT");
	}
	process_see_host();
	p->entered = true;
	return 0;
}

static int settle_root(struct cli_place *p, struct err *err)
{
	struct stat st;

	if (!p->root || p->own_root)
		return 0;
	p->own_root = realpath(p->root, NULL);
	if (!p->own_root) {
		err_sys(err, "open --root '%s'", p->root);
		return err_hint(err, "make that directory first");
	}
	if (stat(p->own_root, &st) < 0 || !S_ISDIR(st.st_mode))
		return err_set(err, E_USAGE,
			       "--root %s is not a directory; name that of another system's files",
			       p->own_root);
	p->root = str_eq(p->own_root, "/") ? NULL : p->own_root;
	return 0;
}

char *place_path(const struct cli_place *p, const char *given, const char *standard,
		 struct err *err)
{
	if (given || !p->root)
		return xstrdup(given ? given : standard);
	return path_from_root(p->root, standard, err);
}

char *place_trust(const struct cli_place *p, const char *given, struct err *err)
{
	AUTO(str) char *path = place_path(p, given, TRUST_DIRECTORY, err);
	const char *fallback = getenv(CLI_ENV_TRUST);

	int there = 1;

	/* Not also if it cannot be seen: the keys of the node take precedence. */
	if (path && !given && !str_empty(fallback))
		there = path_look(AT_FDCWD, path, err);
	if (there == 0)
		str_set(&path, fallback);
	return there < 0 ? NULL : STEAL(path, NULL);
}

/* A directory of --trust-memory is a path of this system, like the file of --lock. */
static int settle_memory(struct cli_place *p, struct err *err)
{
	AUTO(str) char *path = NULL, *here = NULL;

	if (p->own_memory)
		return 0;
	path = place_path(p, p->memory, TRUST_KEPT, err);
	if (!path)
		return -1;
	here = *path == '/' ? NULL : getcwd(NULL, 0);
	AUTO(str) char *whole = here ? path_join(here, path) : xstrdup(path);
	p->memory = p->own_memory = path_clean(whole);
	return 0;
}

/* Cleans the prefix, since it becomes part of records and of the registration. */
static int settle_prefix(struct cli_place *p, struct err *err)
{
	AUTO(strv) char **parts = NULL;

	if (!p->prefix)
		p->prefix = CLI_PREFIX;
	if (p->own_prefix)
		return 0;
	if (*p->prefix != '/') {
		err_set(err, E_USAGE, "--prefix '%s' is not an absolute path", p->prefix);
		return err_hint(err, "give a path from the root, such as " CLI_PREFIX);
	}
	/* The meaning of ".." depends on symlinks, which may change. */
	parts = strv_split(p->prefix, "/");
	if (strv_has(parts, "..")) {
		err_set(err, E_USAGE, "--prefix '%s' has '..' in it", p->prefix);
		return err_hint(err, "give the path of the directory itself");
	}
	p->own_prefix = path_clean(p->prefix);
	if (str_eq(p->own_prefix, "/")) {
		err_set(err, E_USAGE, "--prefix '%s' is the root directory", p->prefix);
		return err_hint(err, "choose a directory below it, such as " CLI_PREFIX);
	}
	p->prefix = p->own_prefix;
	return 0;
}

/* Commands in messages are to work on the same place. */
static void advise(const struct cli_place *p, const char *memory)
{
	advice_option("--prefix", str_eq(p->prefix, CLI_PREFIX) ? NULL : p->prefix);
	advice_option("--root", p->root);
	advice_option("--host", p->host);
	advice_option("--lock", p->lock);
	advice_option("--trust-memory", memory);
}

int place_settle(struct cli_place *p, struct err *err)
{
	const char *memory = p->own_memory ? NULL : p->memory;
	bool first = !p->own_prefix;

	if (settle_host(p, err) < 0 || settle_root(p, err) < 0 || settle_memory(p, err) < 0 ||
	    settle_prefix(p, err) < 0)
		return -1;
	if (first)
		advise(p, memory);
	return 0;
}

uint64_t place_now(const struct cli_place *p)
{
	const char *epoch = p->root ? getenv("SOURCE_DATE_EPOCH") : NULL;
	struct err ignored = ERR_INIT; /* not a number: ignored */
	uint64_t now;

	if (epoch && str_u64(epoch, 10, 1, INT64_MAX, "SOURCE_DATE_EPOCH", &now, &ignored) == 0)
		return now;
	return (uint64_t)time(NULL);
}
