// SPDX-License-Identifier: Apache-2.0
/*
 * The parent's side of making a process: our binary is re-executed as the helper, which clones the
 * container's process as our child. A container must not be able to write to the binary through
 * /proc/PID/exe (CVE-2019-5736), so /proc/PID/exe leads through a read-only mount that is in no
 * mount namespace. While the fd of a detached mount is open, the mount is in an anonymous mount
 * namespace, where a process with its own user namespace could change its flags; so the fd is
 * closed before anything is executed through it. The helper shares the pages of the running
 * program. If the kernel has no detached mounts or denies them, a sealed memfd is used, which costs
 * its size in memory and, in a VM without KVM, a new translation.
 */

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "container/core.h"
#include "container/init.h"
#include "container/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

/* --- our own binary --- */

/* Returns an fd of our binary, or -1 if the kernel has no detached mounts (before 5.12) or denies
 * them. */
static int readonly_view(void)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	AUTO(fd)
	int tree = (int)syscall(SYS_open_tree, AT_FDCWD, "/proc/self/exe",
				OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (tree < 0 ||
	    syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -1;
	/* Closing the tree destroys its anonymous namespace; the file opened through it keeps the
	 * mount. */
	return open(path_of_fd(tree).path, O_PATH | O_CLOEXEC);
}

static int sealed_copy(struct err *err)
{
	AUTO(fd) int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int made = memfd_create("init", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	ssize_t n;

	if (made < 0 && errno == EINVAL) /* before Linux 6.3 all of them are executable */
		made = memfd_create("init", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	AUTO(fd) int copy = made;
	if (self < 0 || copy < 0)
		return err_sys(err, "copy our own program");
	do
		n = sendfile(copy, self, NULL, 1 << 24);
	while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0 || fchmod(copy, 0500) < 0)
		return err_sys(err, "copy our own program");
	if (fcntl(copy, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return err_sys(err, "seal the copy of our own program");
	return STEAL(copy, -1);
}

/* Made once, kept for the life of this process; borrowed. */
static int own_binary(struct err *err)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static int binary = -1;

	(void)pthread_mutex_lock(&lock);
	if (binary < 0)
		binary = readonly_view();
	if (binary < 0)
		binary = sealed_copy(err);
	(void)pthread_mutex_unlock(&lock);
	return binary;
}

/* --- the helper --- */

static void add_text(struct buf *to, const char *text)
{
	buf_add(to, text, strlen(text) + 1);
}

/* The format is described in init.h. */
static int pack_orders(const struct launch *l, struct buf *to, struct err *err)
{
	const struct container *c = l->c;

	add_text(to, c->id);
	add_text(to, c->bundle);
	add_text(to, c->root);
	add_text(to, l->exec ? ORDER_EXEC : ORDER_CREATE);
	add_text(to, c->seccomp ? ORDER_SECCOMP : ORDER_NO_SECCOMP);
	add_text(to, c->cgroup->ops->unified ? ORDER_CGROUP_V2 : ORDER_CGROUP_V1);
	for (size_t i = 0; i < c->cgroup->n; i++) {
		const struct cgroup_hierarchy *h = &c->cgroup->v[i];
		AUTO(str) char *controllers = strv_join(h->controllers, ",");
		AUTO(str)
		char *entry = str_fmt("%s\n%s\n%s", h->name, *controllers ? controllers : "none",
				      h->folder);

		add_text(to, entry);
	}
	add_text(to, "");
	return oci_spec_pack(l->spec, to, err);
}

static int send_orders(struct launch *l, struct err *err)
{
	AUTO(buf) struct buf orders = BUF_INIT(OCI_DOCUMENT_MAX);

	if (pack_orders(l, &orders, err) < 0)
		return -1;
	return wire_send(l->sock, WIRE_ORDERS, orders.data, orders.len, -1, l->deadline, err);
}

static int spawn_helper(struct launch *l, struct child *helper, struct err *err)
{
	struct spawn_fd fds[5 + NS_COUNT];
	struct spawn s = { .program = "/proc/self/fd/4", .fds = fds };
	int binary = own_binary(err), ends[2];
	char *const argv[] = { program_invocation_short_name, (char[]){ "init" }, NULL };

	if (binary < 0 || fd_socketpair(SOCK_STREAM, ends, err) < 0)
		return -1;
	l->sock = ends[0];
	AUTO(fd) int theirs = ends[1];
	if (l->stdio->in >= 0)
		fds[s.nfds++] = (struct spawn_fd){ l->stdio->in, 0 };
	if (l->stdio->out >= 0)
		fds[s.nfds++] = (struct spawn_fd){ l->stdio->out, 1 };
	if (l->stdio->err >= 0)
		fds[s.nfds++] = (struct spawn_fd){ l->stdio->err, 2 };
	fds[s.nfds++] = (struct spawn_fd){ theirs, INIT_SOCK };
	fds[s.nfds++] = (struct spawn_fd){ binary, INIT_EXE };
	for (int k = 0; l->exec && k < NS_COUNT; k++) {
		if (l->c->ns[k] >= 0)
			fds[s.nfds++] = (struct spawn_fd){ l->c->ns[k], INIT_NS + k };
	}
	s.argv = argv;
	return spawn_start(&s, helper, err);
}

static bool makes_user_namespace(const struct launch *l)
{
	const struct oci_namespace *ns = l->exec ? NULL : oci_namespace(l->spec, "user");

	return ns && str_empty(ns->path);
}

static int receive_pid(struct launch *l, struct err *err)
{
	AUTO(buf) struct buf body = BUF_INIT(sizeof(uint32_t));
	uint32_t pid;

	if (wire_recv(l->sock, WIRE_PID, &body, NULL, l->deadline, err) < 0)
		return -1;
	if (body.len != sizeof(pid))
		return err_set(err, E_PROTOCOL, "a malformed pid from the container's init");
	memcpy(&pid, body.data, sizeof(pid));
	return spawn_adopt((pid_t)pid, &l->child, err);
}

int launch_start(struct launch *l, struct err *err)
{
	struct child helper = CHILD_NONE;
	int r;

	l->sock = -1;
	l->child = CHILD_NONE;
	r = spawn_helper(l, &helper, err);
	if (r == 0)
		r = send_orders(l, err);
	if (r == 0 && makes_user_namespace(l)) {
		r = wire_recv(l->sock, WIRE_MAPS, NULL, NULL, l->deadline, err);
		if (r == 0)
			r = ns_write_maps(helper.pid, &l->spec->linux_, err);
		if (r == 0)
			r = wire_send(l->sock, WIRE_GO, NULL, 0, -1, l->deadline, err);
	}
	if (r == 0)
		r = receive_pid(l, err);
	/* The helper has ended or is about to. */
	spawn_abandon(&helper);
	return r;
}

static int set_oom_score(pid_t pid, const struct oci_process *p, struct err *err)
{
	AUTO(str) char *path = str_fmt("/proc/%d/oom_score_adj", (int)pid);
	AUTO(str) char *value = NULL;

	if (!p->oom_score_adj.set)
		return 0;
	if (p->oom_score_adj.v < -1000 || p->oom_score_adj.v > 1000)
		return err_set(err, E_INVALID, "oomScoreAdj %lld", (long long)p->oom_score_adj.v);
	value = str_fmt("%lld", (long long)p->oom_score_adj.v);
	return file_write(AT_FDCWD, path, value, err);
}

int launch_go(struct launch *l, struct err *err)
{
	uint32_t pid = (uint32_t)l->child.pid;

	if (rlimits_check(l->spec->process, err) < 0 ||
	    (!l->exec && cgroup_add(l->c->cgroup, l->child.pid, err) < 0) ||
	    set_oom_score(l->child.pid, l->spec->process, err) < 0)
		return -1;
	return wire_send(l->sock, WIRE_GO, &pid, sizeof(pid), -1, l->deadline, err);
}

int launch_console(struct launch *l, int *console, struct err *err)
{
	*console = -1;
	if (!l->spec->process->terminal)
		return 0;
	if (wire_recv(l->sock, WIRE_CONSOLE, NULL, console, l->deadline, err) < 0)
		return -1;
	return *console < 0 ? err_set(err, E_PROTOCOL, "no terminal from the container's init") : 0;
}

int launch_ready(struct launch *l, struct err *err)
{
	if (wire_recv(l->sock, WIRE_READY, NULL, NULL, l->deadline, err) < 0 ||
	    (l->exec && cgroup_add_beside(l->c->cgroup, l->child.pid, l->c->pid, err) < 0))
		return -1;
	return rlimits_apply(l->child.pid, l->spec->process, err);
}
