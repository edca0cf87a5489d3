// SPDX-License-Identifier: Apache-2.0
/*
 * The container's side: our binary re-executed, first as the helper that joins and makes
 * namespaces, then, in a process of its own, as what becomes the workload. Reads from top to bottom
 * in the order in which things happen.
 */

#include "container/container-internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "hook/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HOOK_SECONDS = 10 };

struct work {
	struct init_request r;
	struct oci_spec *spec;       /* create: all of it; exec: only its seccomp, or NULL */
	struct oci_process *process; /* what is to run */
	int fds[FD_PASS_MAX];
	size_t n_fds;
	int proc; /* our own /proc, from before the root changed */
};

bool container_is_init(int argc, char **argv)
{
	return argc == 2 && strcmp(argv[0], "kata-container") == 0 && strcmp(argv[1], "init") == 0;
}

/* -------------------------------------------------------------------------------------- the talk
 */

static int tell(int fd, enum init_note note, int value, const char *text, int pass, struct err *err)
{
	struct init_message m = { .note = note, .value = value };

	(void)str_print(m.text, sizeof(m.text), "%s", text);
	return fd_send(fd, &m, sizeof(m), &pass, pass >= 0 ? 1 : 0, err);
}

/* Says why and ends. write(2), since after the start the number is a FIFO's. */
static _Noreturn void give_up(const struct err *why)
{
	struct init_message m = { .note = NOTE_FAILED, .value = (int32_t)why->code };

	(void)str_print(m.text, sizeof(m.text), "%s", why->msg);
	if (write(INIT_SOCKET, &m, sizeof(m)) < 0)
		_exit(126); /* nobody listens */
	_exit(1);
}

static int await_go(struct err *err)
{
	struct init_message m;
	ssize_t n = fd_read_full(INIT_SOCKET, &m, sizeof(m), err);

	if (n < 0)
		return -1;
	if (n != (ssize_t)sizeof(m) || m.note != NOTE_GO)
		return err_set(err, E_GONE, "the creator of this process is gone");
	return 0;
}

static char *receive_text(uint32_t len, struct err *err)
{
	char *text;

	if (len > INIT_JSON_MAX) {
		err_set(err, E_LIMIT, "specification of %u bytes", len);
		return NULL;
	}
	text = xcalloc(len + 1, 1);
	if (fd_read_full(INIT_SOCKET, text, len, err) == (ssize_t)len)
		return text;
	if (!err->code)
		err_set(err, E_GONE, "the creator of this process is gone");
	free(text);
	return NULL;
}

static int receive_work(struct work *w, struct err *err)
{
	ssize_t n = fd_recv(INIT_SOCKET, &w->r, sizeof(w->r), w->fds, &w->n_fds, err);
	AUTO(str) char *json = NULL;
	AUTO(str) char *seccomp = NULL;

	if (n < 0)
		return -1;
	if (n != (ssize_t)sizeof(w->r) || w->r.magic != INIT_MAGIC || (size_t)w->r.n_ns != w->n_fds)
		return err_set(err, E_PROTOCOL, "not a request to a container's first process");
	json = receive_text(w->r.json_len, err);
	seccomp = json ? receive_text(w->r.seccomp_len, err) : NULL;
	if (!seccomp)
		return -1;
	if (w->r.role == INIT_CREATE) {
		w->spec = oci_spec_parse(json, w->r.json_len, "specification", err);
		w->process = w->spec ? w->spec->process : NULL;
	} else {
		w->process = oci_process_parse(json, w->r.json_len, "process", err);
		if (w->process && w->r.seccomp_len)
			w->spec = oci_spec_parse(seccomp, w->r.seccomp_len, "seccomp", err);
	}
	return err->code ? -1 : 0;
}

/* ------------------------------------------------------------------------------------- namespaces
 */

static const struct oci_namespace *find(const struct oci_spec *s, int kind)
{
	for (size_t i = 0; i < s->linux_.n_namespaces; i++) {
		if (str_eq(s->linux_.namespaces[i].type, namespace_kinds[kind].name))
			return &s->linux_.namespaces[i];
	}
	return NULL;
}

static int join_path(const struct oci_namespace *ns, int flag, struct err *err)
{
	AUTO(fd) int fd = open(ns->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, flag) < 0)
		return err_sys(err, "join %s namespace %s", ns->type, ns->path);
	return 0;
}

/* Joins those with a path; flags gets those to make. */
static int join_given(const struct oci_spec *s, int *flags, struct err *err)
{
	*flags = 0;
	for (int i = 0; i < NAMESPACES; i++) {
		const struct oci_namespace *ns = find(s, i);

		if (!ns)
			continue;
		if (str_empty(ns->path))
			*flags |= namespace_kinds[i].flag;
		else if (join_path(ns, namespace_kinds[i].flag, err) < 0)
			return -1;
	}
	return 0;
}

static int join_pinned(struct work *w, struct err *err)
{
	for (size_t i = 0; i < w->n_fds; i++) {
		if (setns(w->fds[i], 0) < 0)
			return err_sys(err, "join a namespace of the container");
		fd_close(&w->fds[i]);
	}
	return 0;
}

/* A sibling, so that our parent is its parent and can wait for it. */
static pid_t clone_sibling(int flags)
{
	return (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD | flags, 0, 0, 0, 0);
}

static int unshare_rest(int flags, struct err *err)
{
	int rest = flags & ~(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWTIME);

	if ((flags & CLONE_NEWUSER) && (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
		return err_sys(err, "become root of the new user namespace");
	if (rest && unshare(rest) < 0)
		return err_sys(err, "make namespaces");
	return 0;
}

/* ------------------------------------------------------------------------------------ the workload
 */

static int set_names(const struct oci_spec *s, struct err *err)
{
	if (!str_empty(s->hostname) && sethostname(s->hostname, strlen(s->hostname)) < 0)
		return err_sys(err, "set hostname %s", s->hostname);
	if (!str_empty(s->domainname) && setdomainname(s->domainname, strlen(s->domainname)) < 0)
		return err_sys(err, "set domain name %s", s->domainname);
	return 0;
}

/* Opens the terminal, sends its master away and makes it ours. */
static int attach_terminal(const struct work *w, int root, struct err *err)
{
	int master = -1, slave;

	if (!w->process->terminal)
		return 0;
	slave = terminal_open(root, w->process, w->r.role == INIT_CREATE, &master, err);
	if (slave < 0)
		return -1;
	AUTO(fd) int ours = master;
	if (tell(INIT_SOCKET, NOTE_CONSOLE, 0, "", ours, err) < 0)
		return -1;
	return terminal_take(slave, err);
}

static int container_hooks(const struct work *w, const struct oci_hook_list *list, const char *name,
			   struct err *err)
{
	struct hook_state state = { "", "/", "created", getpid(), w->spec };

	return hooks_run(list, name, &state, HOOK_SECONDS, NULL, err);
}

static int build_container(struct work *w, int flags, struct err *err)
{
	int root;

	if (unshare_rest(flags, err) < 0 || set_names(w->spec, err) < 0 ||
	    sysctl_apply(w->spec, err) < 0 || rootfs_prepare(w->spec, &root, err) < 0)
		return -1;
	AUTO(fd) int held = root;
	if (attach_terminal(w, held, err) < 0 || rootfs_finish(w->spec, held, err) < 0 ||
	    container_hooks(w, &w->spec->hooks.create_container, "createContainer", err) < 0)
		return -1;
	return rootfs_enter(held, err);
}

/* Blocks until container_start opens the other end. */
static int await_start(struct work *w, struct err *err)
{
	char path[32];
	int fd;

	(void)str_print(path, sizeof(path), "self/fd/%d", w->fds[0]);
	fd = openat(w->proc, path, O_WRONLY | O_CLOEXEC);
	return fd < 0 ? err_sys(err, "open the start FIFO") : fd;
}

static _Noreturn void become(const struct work *w, const struct identity *id, struct err *err)
{
	char **env = identity_environment(w->process);
	char *program;

	if (identity_drop(id, err) == 0) {
		program = identity_program(w->process, env, err);
		if (program) {
			(void)execve(program, w->process->args, env);
			err_sys(err, "run %s", program);
		}
	}
	give_up(err);
}

/* From here on the socket's number belongs to whoever tells why exec failed. */
static int move_talk(int fd, struct err *err)
{
	if (dup3(fd, INIT_SOCKET, O_CLOEXEC) < 0)
		return err_sys(err, "move the start FIFO");
	return 0;
}

static void create_process(struct work *w, int flags, struct err *err)
{
	struct identity id = { w->process, w->r.seccomp ? w->spec->linux_.seccomp : NULL, w->proc,
			       true };
	int fifo;

	if (setsid() < 0) {
		err_sys(err, "start a session");
		return;
	}
	if (build_container(w, flags, err) < 0 || identity_limits(&id, err) < 0 ||
	    tell(INIT_SOCKET, NOTE_READY, 0, "", -1, err) < 0)
		return;
	fifo = await_start(w, err);
	if (fifo < 0 || move_talk(fifo, err) < 0)
		return;
	(void)close(fifo);
	if (container_hooks(w, &w->spec->hooks.start_container, "startContainer", err) == 0)
		become(w, &id, err);
}

static void exec_process(struct work *w, struct err *err)
{
	struct identity id = { w->process, w->spec ? w->spec->linux_.seccomp : NULL, w->proc,
			       false };
	AUTO(fd) int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0 || setsid() < 0) {
		err_sys(err, "enter the container's root");
		return;
	}
	if (attach_terminal(w, root, err) < 0 || identity_limits(&id, err) < 0 ||
	    tell(INIT_SOCKET, NOTE_READY, 0, "", -1, err) < 0)
		return;
	become(w, &id, err);
}

int container_init_main(void)
{
	struct work w = { .proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC) };
	struct err err = ERR_INIT;
	int flags = 0;
	pid_t pid;

	/* Nobody in the container may trace us or look at our fds while we are half inside. */
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)close(INIT_SELF);
	(void)signal(SIGPIPE, SIG_IGN);
	log_init("kata-container", "init", LOG_JSON, -1, LOG_FATAL);
	if (fd_cloexec(INIT_SOCKET, true, &err) < 0 || receive_work(&w, &err) < 0)
		give_up(&err);
	if (w.r.role == INIT_CREATE ? join_given(w.spec, &flags, &err) < 0
				    : join_pinned(&w, &err) < 0)
		give_up(&err);
	/* A time namespace is entered by the children of who makes it. */
	if ((flags & CLONE_NEWTIME) && unshare(CLONE_NEWTIME) < 0) {
		err_sys(&err, "make a time namespace");
		give_up(&err);
	}
	pid = clone_sibling(flags & (CLONE_NEWUSER | CLONE_NEWPID));
	if (pid < 0) {
		err_sys(&err, "make the container's first process");
		give_up(&err);
	}
	if (pid > 0) {
		if (tell(INIT_SOCKET, NOTE_PID, pid, "", -1, &err) < 0)
			give_up(&err);
		_exit(0);
	}
	(void)prctl(PR_SET_DUMPABLE, 0);
	if (await_go(&err) == 0) {
		if (w.r.role == INIT_CREATE)
			create_process(&w, flags, &err);
		else
			exec_process(&w, &err);
	}
	give_up(&err);
}
