// SPDX-License-Identifier: Apache-2.0
/*
 * Our own binary, re-executed: first as the helper that enters or makes the namespaces (stage 1),
 * then as the process that becomes the container's (stage 2, cloned with CLONE_PARENT: a child of
 * our parent). The order of the steps is in stage_one() and stage_two().
 */

#include "container/init.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "container/container.h"
#include "container/namespace.h"
#include "container/wire.h"
#include "hook/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

bool container_is_init(int argc, char **argv)
{
	struct stat st;

	return argc == 2 && str_eq(argv[1], "init") && fstat(INIT_SOCK, &st) == 0 &&
	       S_ISSOCK(st.st_mode);
}

/* The next NUL-terminated text of the orders, or NULL. */
static const char *next_text(const char **at, const char *end)
{
	const char *text = *at;
	const char *nul = memchr(text, '\0', (size_t)(end - text));

	if (!nul)
		return NULL;
	*at = nul + 1;
	return text;
}

static int read_orders(struct init *in, struct err *err)
{
	AUTO(buf) struct buf orders = BUF_INIT(OCI_DOCUMENT_MAX);
	const char *text[ORDER_TEXTS], *mount, *at, *end;

	if (wire_recv(in->sock, WIRE_ORDERS, &orders, NULL, DEADLINE_NEVER, err) < 0)
		return -1;
	at = buf_cstr(&orders);
	end = at + orders.len;
	for (size_t i = 0; i < ORDER_TEXTS; i++) {
		text[i] = next_text(&at, end);
		if (!text[i])
			return err_set(err, E_PROTOCOL, "the orders are cut");
	}
	while ((mount = next_text(&at, end)) != NULL && *mount)
		strv_push(&in->cgroup_mounts, mount);
	in->spec = oci_spec_unpack(at, (size_t)(end - at), err);
	if (!in->spec)
		return -1;
	if (!in->spec->process)
		return err_set(err, E_INVALID, "the specification has no process");
	in->id = xstrdup(text[0]);
	in->bundle = xstrdup(text[1]);
	in->root = xstrdup(text[2]);
	in->exec = str_eq(text[3], ORDER_EXEC);
	in->seccomp = str_eq(text[4], ORDER_SECCOMP);
	in->cgroup_v2 = str_eq(text[5], ORDER_CGROUP_V2);
	return 0;
}

static int wait_go(struct init *in, struct err *err)
{
	AUTO(buf) struct buf body = BUF_INIT(sizeof(uint32_t));
	uint32_t pid;

	if (wire_recv(in->sock, WIRE_GO, &body, NULL, DEADLINE_NEVER, err) < 0)
		return -1;
	if (body.len == sizeof(pid)) {
		memcpy(&pid, body.data, sizeof(pid));
		in->pid = (pid_t)pid;
	}
	return 0;
}

/* --- stage 1 --- */

/* From here on we are root in the user namespace only. */
static int become_root(struct err *err)
{
	/* setgroups may be denied there; our own are root's anyway. */
	(void)!setgroups(0, NULL);
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return err_sys(err, "become root of the user namespace");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(err, "become undumpable");
	return 0;
}

static int make_user_namespace(struct init *in, struct err *err)
{
	if (unshare(CLONE_NEWUSER) < 0)
		return err_sys(err, "make a user namespace");
	if (wire_send(in->sock, WIRE_MAPS, NULL, 0, -1, DEADLINE_NEVER, err) < 0 ||
	    wait_go(in, err) < 0)
		return -1;
	return become_root(err);
}

/* A new cgroup namespace is made in stage 2, when we are in the group that becomes its root. */
static int namespaces_of_init(struct init *in, struct err *err)
{
	struct ns_plan plan;
	int make, r = 0;

	if (ns_plan_make(&in->spec->linux_, &plan, err) < 0)
		return -1;
	make = plan.make & ~(CLONE_NEWUSER | CLONE_NEWCGROUP);
	if (!(make & CLONE_NEWNS))
		r = err_set(err, E_UNSUPPORTED, "a container needs a mount namespace of its own");
	if (r == 0)
		r = ns_join(plan.join, err);
	if (r == 0 && plan.join[NS_USER] >= 0)
		r = become_root(err);
	if (r == 0 && (plan.make & CLONE_NEWUSER))
		r = make_user_namespace(in, err);
	if (r == 0 && unshare(make) < 0)
		r = err_sys(err, "make namespaces");
	ns_plan_release(&plan);
	return r;
}

/* The namespaces are inherited as fds with fixed numbers. */
static int namespaces_of_exec(const struct init *in, struct err *err)
{
	int fds[NS_COUNT];
	int r;

	for (int k = 0; k < NS_COUNT; k++)
		fds[k] = ns_own(&in->spec->linux_, (enum ns_kind)k) ? INIT_NS + k : -1;
	r = ns_join(fds, err);
	if (r == 0 && fds[NS_USER] >= 0)
		r = become_root(err);
	(void)close_range(INIT_NS, ~0U, 0);
	return r;
}

/* The new process is a child of our parent, in the pid namespace that was entered or made. */
static pid_t clone_sibling(void)
{
	return (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);
}

/* --- stage 2 --- */

static int run_hooks(const struct init *in, const struct oci_hook_list *list, const char *name,
		     const char *status, struct err *err)
{
	struct hook_state state = { in->id, in->bundle, status, in->pid, in->spec };

	return hooks_run(list, name, &state, HOOK_DEFAULT_SECONDS, NULL, err);
}

static int set_names(const struct init *in, struct err *err)
{
	const struct oci_spec *s = in->spec;

	if (!str_empty(s->hostname)) {
		if (!ns_own(&s->linux_, NS_UTS))
			return err_set(err, E_INVALID, "a hostname without a uts namespace");
		if (sethostname(s->hostname, strlen(s->hostname)) < 0)
			return err_sys(err, "set the hostname");
	}
	if (!str_empty(s->domainname) && ns_own(&s->linux_, NS_UTS) &&
	    setdomainname(s->domainname, strlen(s->domainname)) < 0)
		return err_sys(err, "set the domain name");
	return 0;
}

static bool new_cgroup_namespace(const struct init *in)
{
	const struct oci_namespace *ns = oci_namespace(in->spec, "cgroup");

	return ns && str_empty(ns->path);
}

static int ready(struct init *in, struct err *err)
{
	if (wire_send(in->sock, WIRE_READY, NULL, 0, -1, DEADLINE_NEVER, err) < 0)
		return -1;
	return wire_recv(in->sock, WIRE_START, NULL, NULL, DEADLINE_NEVER, err);
}

/* Sets the container up, up to the point where init waits for container_start(). */
static int build_container(struct init *in, struct process *p, struct err *err)
{
	if (new_cgroup_namespace(in) && unshare(CLONE_NEWCGROUP) < 0)
		return err_sys(err, "make a cgroup namespace");
	if (set_names(in, err) < 0 || rootfs_build(in, err) < 0)
		return -1;
	/* prestart and createRuntime hooks: our parent runs them. */
	if (wire_send(in->sock, WIRE_HOOKS, NULL, 0, -1, DEADLINE_NEVER, err) < 0 ||
	    wait_go(in, err) < 0)
		return -1;
	if (run_hooks(in, &in->spec->hooks.create_container, "createContainer", "creating", err) <
	    0)
		return -1;
	if (sysctls_apply(&in->spec->linux_, err) < 0 || rootfs_seal(in, err) < 0 ||
	    rootfs_enter(in, err) < 0)
		return -1;
	if (process_prepare(in, p, err) < 0 || rootfs_readonly(in, err) < 0)
		return -1;
	if (ready(in, err) < 0)
		return -1;
	return run_hooks(in, &in->spec->hooks.start_container, "startContainer", "created", err);
}

static int enter_container(struct init *in, struct process *p, struct err *err)
{
	if (in->spec->process->terminal) {
		AUTO(fd) int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (terminal_open(in, root, false, err) < 0)
			return -1;
	}
	if (process_prepare(in, p, err) < 0)
		return -1;
	return ready(in, err);
}

static _Noreturn void stage_two(struct init *in)
{
	struct err err = ERR_INIT;
	struct process p = { .filter = NULL };
	int r = wait_go(in, &err);

	if (r == 0 && setsid() < 0)
		r = err_sys(&err, "start a session");
	if (r == 0)
		r = in->exec ? enter_container(in, &p, &err) : build_container(in, &p, &err);
	if (r == 0)
		r = process_exec(in, &p, &err);
	/* This fails if the parent has ended, which may be the cause of the error. */
	wire_error(in->sock, &err);
	_exit(127);
}

static int stage_one(struct init *in, struct err *err)
{
	uint32_t pid;
	pid_t sibling;

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(err, "become undumpable");
	if (read_orders(in, err) < 0)
		return -1;
	if (!in->exec && trees_open(in, err) < 0)
		return -1;
	if ((in->exec ? namespaces_of_exec(in, err) : namespaces_of_init(in, err)) < 0)
		return -1;
	sibling = clone_sibling();
	if (sibling == 0)
		stage_two(in);
	if (sibling < 0)
		return err_sys(err, "make the container's process");
	/* The pid in our own pid namespace, which is our parent's: only our children are in the new
	 * one. */
	pid = (uint32_t)sibling;
	return wire_send(in->sock, WIRE_PID, &pid, sizeof(pid), -1, DEADLINE_NEVER, err);
}

int container_init_main(void)
{
	struct init in = { .sock = INIT_SOCK, .root_fd = -1 };
	struct err err = ERR_INIT;

	/* The streams belong to the container: never log to them. */
	(void)log_set_fd(-1);
	fd_close(&(int){ INIT_EXE });
	if (fd_cloexec(in.sock, true, &err) < 0 || stage_one(&in, &err) < 0) {
		wire_error(in.sock, &err);
		_exit(127);
	}
	_exit(0);
}
