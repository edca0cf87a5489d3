// SPDX-License-Identifier: Apache-2.0
/* Who the workload is and what it may: limits, directory, ids, capabilities, filter, environment.
 */

#include "container/container-internal.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static int set_rlimits(const struct oci_process *p, struct err *err)
{
	static const struct {
		const char *name;
		int resource;
	} known[] = {
		{ "RLIMIT_AS", RLIMIT_AS },
		{ "RLIMIT_CORE", RLIMIT_CORE },
		{ "RLIMIT_CPU", RLIMIT_CPU },
		{ "RLIMIT_DATA", RLIMIT_DATA },
		{ "RLIMIT_FSIZE", RLIMIT_FSIZE },
		{ "RLIMIT_LOCKS", RLIMIT_LOCKS },
		{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
		{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
		{ "RLIMIT_NICE", RLIMIT_NICE },
		{ "RLIMIT_NOFILE", RLIMIT_NOFILE },
		{ "RLIMIT_NPROC", RLIMIT_NPROC },
		{ "RLIMIT_RSS", RLIMIT_RSS },
		{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
		{ "RLIMIT_RTTIME", RLIMIT_RTTIME },
		{ "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
		{ "RLIMIT_STACK", RLIMIT_STACK },
	};

	for (size_t i = 0; i < p->n_rlimits; i++) {
		const struct oci_rlimit *r = &p->rlimits[i];
		struct rlimit limit = { r->soft, r->hard };
		size_t k = 0;

		while (k < ARRAY_LEN(known) && !str_eq(known[k].name, r->type))
			k++;
		if (k == ARRAY_LEN(known))
			return err_set(err, E_INVALID, "unknown rlimit '%s'",
				       r->type ? r->type : "");
		if (setrlimit((__rlimit_resource_t)known[k].resource, &limit) < 0)
			return err_sys(err, "set %s", r->type);
	}
	return 0;
}

static int set_oom_score(const struct identity *id, struct err *err)
{
	char text[16];

	if (!id->process->oom_score_adj.set)
		return 0;
	(void)str_print(text, sizeof(text), "%d", (int)id->process->oom_score_adj.v);
	return file_write(id->proc, "self/oom_score_adj", text, err);
}

/* A directory that is reached through a leaked fd lies outside: getcwd tells. */
static int enter_directory(const struct identity *id, struct err *err)
{
	const char *cwd = id->process->cwd;
	char real[PATH_MAX];

	if (id->make_cwd) {
		AUTO(fd) int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		AUTO(fd) int made = path_mkdirs(root, cwd, PATH_IN_ROOT, 0755, err);

		if (made < 0 && err->sys != EROFS)
			return err_wrap(err, "working directory %s", cwd);
		err_clear(err);
	}
	if (chdir(cwd) < 0)
		return err_sys(err, "working directory %s", cwd);
	if (!getcwd(real, sizeof(real)) || real[0] != '/')
		return err_set(err, E_INVALID, "working directory %s is outside of the container",
			       cwd);
	return 0;
}

int identity_limits(const struct identity *id, struct err *err)
{
	if (set_oom_score(id, err) < 0 || set_rlimits(id->process, err) < 0)
		return -1;
	return enter_directory(id, err);
}

/* Lets a workload that is not root open its own /dev/stdout. */
static void own_stdio(uid_t uid)
{
	for (int fd = 0; fd <= 2; fd++) {
		struct stat st;

		if (uid && fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)))
			(void)!fchown(fd, uid, (gid_t)-1);
	}
}

static int set_ids(const struct oci_process *p, struct err *err)
{
	const struct oci_user *u = &p->user;

	(void)umask(u->umask.set ? (mode_t)u->umask.v & 0777 : 0022);
	own_stdio(u->uid);
	if (setgroups(u->n_additional_gids, u->additional_gids) < 0 && errno != EPERM)
		return err_sys(err, "set supplementary groups");
	if (setresgid(u->gid, u->gid, u->gid) < 0)
		return err_sys(err, "become group %u", u->gid);
	if (setresuid(u->uid, u->uid, u->uid) < 0)
		return err_sys(err, "become user %u", u->uid);
	return 0;
}

int identity_drop(const struct identity *id, struct err *err)
{
	const struct oci_process *p = id->process;
	const struct oci_capabilities *caps = p->capabilities;

	if (p->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(err, "set no_new_privs");
	/* Without no_new_privs a filter needs CAP_SYS_ADMIN, which is about to go. */
	if (id->seccomp && !p->no_new_privileges && seccomp_apply(id->seccomp, err) < 0)
		return -1;
	if (caps && capability_bounding(caps, err) < 0)
		return -1;
	if (caps && prctl(PR_SET_KEEPCAPS, 1) < 0)
		return err_sys(err, "keep capabilities");
	if (set_ids(p, err) < 0)
		return -1;
	if (caps && capability_apply(caps, err) < 0)
		return -1;
	if (caps && prctl(PR_SET_KEEPCAPS, 0) < 0)
		return err_sys(err, "stop keeping capabilities");
	if (id->seccomp && p->no_new_privileges && seccomp_apply(id->seccomp, err) < 0)
		return -1;
	return 0;
}

/* The home directory of a user in the container's own /etc/passwd, or "/". */
static char *home_of(uid_t uid)
{
	struct err ignored = ERR_INIT; /* no passwd file: "/" */
	AUTO(buf) struct buf text = BUF_INIT(1 << 20);
	AUTO(fd) int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* Non-blocking: it may be a FIFO. */
	AUTO(fd)
	int fd = path_open(root, "/etc/passwd", PATH_IN_ROOT, O_RDONLY | O_NONBLOCK, 0, &ignored);
	AUTO(strv) char **lines = NULL;

	if (fd < 0 || file_read_fd(fd, "/etc/passwd", 1 << 20, &text, &ignored) < 0)
		return xstrdup("/");
	lines = strv_split(buf_cstr(&text), "\n");
	strv_each(line, lines) {
		char *rest = *line, *field[7] = { NULL };
		struct err bad = ERR_INIT;
		uint64_t id;

		for (int i = 0; i < 7; i++)
			field[i] = strsep(&rest, ":");
		if (field[5] && *field[5] &&
		    str_u64(field[2], 10, 0, UINT32_MAX, "uid", &id, &bad) == 0 && id == uid)
			return xstrdup(field[5]);
	}
	return xstrdup("/");
}

char **identity_environment(const struct oci_process *p)
{
	char **env = strv_dup(p->env);

	if (!strv_env_get(env, "HOME")) {
		AUTO(str) char *home = home_of(p->user.uid);

		strv_env_set(&env, "HOME", home);
	}
	if (p->terminal && !strv_env_get(env, "TERM"))
		strv_env_set(&env, "TERM", "xterm");
	return env;
}

char *identity_program(const struct oci_process *p, char *const *env, struct err *err)
{
	const char *name = p->args[0], *path = strv_env_get(env, "PATH");
	AUTO(strv) char **dirs = NULL;

	if (strchr(name, '/'))
		return xstrdup(name);
	dirs = strv_split(
		path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ":");
	strv_each(dir, dirs) {
		AUTO(str) char *full = path_join(*dir, name);
		struct stat st;

		if (stat(full, &st) == 0 && S_ISREG(st.st_mode) && access(full, X_OK) == 0)
			return STEAL(full, NULL);
	}
	err_set(err, E_NOT_FOUND, "run \"%s\": executable file not found in $PATH", name);
	return NULL;
}
