// SPDX-License-Identifier: Apache-2.0
/*
 * From root with all rights inside the container to the program that was asked for: the last steps,
 * the same for init and for further processes. Order matters: each step needs a right that a later
 * one gives up.
 */

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "container/init.h"
#include "container/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Changes to the working directory, beneath the root. A missing one is made for init. What the
 * kernel then calls our directory must be a path inside: one that is not reachable from the root
 * (an fd of the host's that leaked) has no such name.
 */
static int enter_cwd(const struct init *in, struct err *err)
{
	const char *cwd = in->spec->process->cwd;
	AUTO(fd) int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char name[4096];

	if (root < 0)
		return err_sys(err, "open the root");
	if (str_empty(cwd) || *cwd != '/')
		return err_set(err, E_INVALID, "the working directory '%s' is not absolute",
			       cwd ? cwd : "");
	AUTO(fd)
	int dir = in->exec ? path_open(root, cwd, PATH_IN_ROOT, O_PATH | O_DIRECTORY, 0, err)
			   : path_mkdirs(root, cwd, PATH_IN_ROOT, 0755, err);
	if (dir < 0)
		return err_wrap(err, "working directory");
	if (fchdir(dir) < 0)
		return err_sys(err, "change to working directory %s", cwd);
	if (!getcwd(name, sizeof(name)) || *name != '/')
		return err_set(err, E_PERMISSION, "working directory %s is outside of the root",
			       cwd);
	return 0;
}

int process_prepare(struct init *in, struct process *p, struct err *err)
{
	struct oci_process *o = in->spec->process;

	if (!strv_len(o->args))
		return err_set(err, E_INVALID, "no program to run: args is empty");
	if (capabilities_parse(in, &p->caps, err) < 0 || seccomp_build(in, &p->filter, err) < 0 ||
	    rlimits_apply(o, err) < 0 || enter_cwd(in, err) < 0)
		return -1;
	if (!str_empty(o->apparmor_profile) || !str_empty(o->selinux_label))
		wire_note(in->sock, "AppArmor and SELinux are not applied in the guest");
	user_set_home(o);
	return 0;
}

/* Candidates in the order of PATH. As with execvp, EACCES is remembered over ENOENT. */
static int search(const char *name, char *const *argv, char *const *env)
{
	const char *path = strv_env_get(env, "PATH");
	AUTO(strv)
	char **dirs = strv_split(
		path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ":");
	int result = ENOENT;

	strv_each(dir, dirs) {
		AUTO(str) char *full = path_join(*dir, name);

		(void)execve(full, argv, env);
		if (errno != ENOENT && errno != ENOTDIR)
			result = errno;
		if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
			break;
	}
	return result;
}

static int run(const struct oci_process *o, struct err *err)
{
	static char *const no_env[] = { NULL };
	char *const *env = o->env ? o->env : no_env;
	int failure;

	if (strchr(o->args[0], '/')) {
		(void)execve(o->args[0], o->args, env);
		failure = errno;
	} else {
		failure = *o->args[0] ? search(o->args[0], o->args, env) : ENOENT;
	}
	errno = failure;
	err_sys(err, "exec %s", o->args[0]);
	if (failure == ENOENT && !strchr(o->args[0], '/'))
		err_hint(err, "it is not in PATH");
	return -1;
}

int process_exec(struct init *in, struct process *p, struct err *err)
{
	struct oci_process *o = in->spec->process;

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(err, "become undumpable");
	/* Whatever is open above the streams is ours, the socket included: it closes on exec.
	 * Before the filter, which need not know this call. */
	if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return err_sys(err, "mark fds close-on-exec");
	if (capabilities_bound(&p->caps, err) < 0)
		return -1;
	/* Without no_new_privs a filter can only be loaded while we are privileged. */
	if (!o->no_new_privileges && seccomp_install(p->filter, err) < 0)
		return -1;
	if (user_become(&o->user, err) < 0 || capabilities_apply(&p->caps, err) < 0)
		return -1;
	if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		return err_sys(err, "reset keepcaps");
	if (o->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(err, "set no_new_privs");
	if (o->no_new_privileges && seccomp_install(p->filter, err) < 0)
		return -1;
	return run(o, err);
}
