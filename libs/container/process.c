// SPDX-License-Identifier: Apache-2.0
/*
 * The last steps before the program is executed, from root with all privileges to the user of the
 * specification; the same for init and for additional processes. The order matters: each step needs
 * privileges that a later one drops.
 */

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "container/init.h"
#include "container/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The possessor may do everything; the owner view, read, search and link. */
#define KEYRING_RIGHTS 0x3f1b0000

/*
 * Changes to the working directory, beneath the root. A missing one is made for init. getcwd(2)
 * must then give a path inside the root: a directory reached through a leaked fd of the host is
 * unreachable from it (CVE-2024-21626).
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

/* --- the program --- */

/* Called with each candidate for the program; returns 0 to stop, else an errno. */
typedef int (*try_fn)(const char *file, const struct oci_process *o);

/* Tries candidates in the order of PATH. As with execvp, EACCES takes precedence over ENOENT. */
static int search(const struct oci_process *o, try_fn try)
{
	const char *path = strv_env_get(o->env, "PATH");
	AUTO(strv)
	char **dirs = strv_split(
		path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ":");
	int result = ENOENT;

	strv_each(dir, dirs) {
		AUTO(str) char *full = path_join(*dir, o->args[0]);
		int failure = try(full, o);

		if (failure == 0)
			return 0;
		/* A directory of that name is not a match. */
		if (failure != ENOENT && failure != ENOTDIR && failure != EISDIR)
			result = failure;
		if (failure != ENOENT && failure != ENOTDIR && failure != EISDIR &&
		    failure != EACCES)
			break;
	}
	return result;
}

/* Docker's client matches these texts to return exit status 126 or 127. */
static int program_error(const char *name, int failure, struct err *err)
{
	if (failure == ENOENT && !strchr(name, '/'))
		return err_set(err, E_NOT_FOUND, "exec: \"%s\": executable file not found in $PATH",
			       name);
	errno = failure;
	return err_sys(err, failure == ENOENT ? "exec: \"%s\": stat %s" : "exec: \"%s\"", name,
		       name);
}

static int find(const struct oci_process *o, try_fn try, struct err *err)
{
	const char *name = o->args[0];
	int failure = strchr(name, '/') ? try(name, o) : *name ? search(o, try) : ENOENT;

	return failure ? program_error(name, failure, err) : 0;
}

static int may_run(const char *file, const struct oci_process *o)
{
	struct stat st;

	(void)o;
	if (stat(file, &st) < 0)
		return errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	if (!S_ISREG(st.st_mode))
		return EACCES;
	return faccessat(AT_FDCWD, file, X_OK, AT_EACCESS) < 0 ? errno : 0;
}

/*
 * A missing program, or one that the user may not execute, is reported by create, not by start. The
 * check changes only groups, file-system ids and effective capabilities.
 */
static int program_check(const struct init *in, const struct process *p, struct err *err)
{
	const struct oci_process *o = in->spec->process;
	struct user_view view;
	int r;

	if (user_view_enter(&o->user, &p->caps, &view, err) < 0)
		return -1;
	r = find(o, may_run, err);
	user_view_leave(&view);
	return r;
}

/* --- steps --- */

/*
 * Keys of the session belong to the container, as with runc, instead of to all processes of the
 * guest that have the same user. By the name additional processes join the container's keyring; its
 * owner needs the right to search it for that.
 */
static int join_keyring(const struct init *in, struct err *err)
{
	AUTO(str) char *name = str_fmt("_ses.%s", in->id);
	long ring = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name);

	if (ring < 0 && (errno == ENOSYS || errno == EPERM)) {
		wire_note(in->sock, "no session keyring: errno %d", errno);
		return 0;
	}
	if (ring < 0 || syscall(SYS_keyctl, KEYCTL_SETPERM, (int)ring, KEYRING_RIGHTS) < 0)
		return err_sys(err, "join the session keyring %s", name);
	return 0;
}

int process_prepare(struct init *in, struct process *p, struct err *err)
{
	struct oci_process *o = in->spec->process;

	if (!strv_len(o->args))
		return err_set(err, E_INVALID, "no program to run: args is empty");
	capabilities_parse(in, &p->caps);
	if (join_keyring(in, err) < 0 || seccomp_build(in, &p->filter, err) < 0 ||
	    enter_cwd(in, err) < 0)
		return -1;
	if (!str_empty(o->apparmor_profile) || !str_empty(o->selinux_label))
		wire_note(in->sock, "AppArmor and SELinux are not applied in the guest");
	/* containerd lists an image's variables and then those that a pod sets instead of them;
	 * getenv(3) returns the first. */
	strv_env_unique(o->env);
	user_set_home(o);
	return program_check(in, p, err);
}

static int try_exec(const char *file, const struct oci_process *o)
{
	static char *const no_env[] = { NULL };

	(void)execve(file, o->args, o->env ? o->env : no_env);
	return errno;
}

int process_exec(struct init *in, struct process *p, struct err *err)
{
	struct oci_process *o = in->spec->process;

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(err, "become undumpable");
	/* All fds above the streams are ours, the socket included: make them close-on-exec. This is
	 * done before the seccomp filter, which may not allow close_range. */
	if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return err_sys(err, "mark fds close-on-exec");
	if (capabilities_bound(&p->caps, err) < 0)
		return -1;
	/* Without no_new_privs, loading a filter needs CAP_SYS_ADMIN. */
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
	return find(o, try_exec, err);
}
