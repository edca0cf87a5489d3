// SPDX-License-Identifier: Apache-2.0
/* vmm_qemu: starts QEMU with the fds that it inherits, and ends it. */

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "vmm/qemu/cmdline.h"
#include "vmm/qemu/hotplug.h"
#include "vmm/qemu/qmp.h"
#include "vmm/qemu/resize.h"
#include "vmm/selinux.h"
#include "vmm/vmm.h"
#include "vmm/vsock.h"
#include "json/json.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LOG_DIAL_MS = 1000, ENDED_MS = 1000 };

/* Sets E_GONE with the last line that QEMU wrote before it ended. Returns -1. */
static int explain(const struct vmm_request *r, struct err *err)
{
	AUTO(str) char *path = path_join(r->dir, "qemu.log");
	AUTO(buf) struct buf text = BUF_INIT(1 << 20);
	struct err ignored = ERR_INIT; /* without a log there is no reason to report */
	AUTO(strv) char **lines = NULL;
	size_t n;

	(void)!file_read(AT_FDCWD, path, 1 << 20, &text, &ignored);
	lines = strv_split(buf_cstr(&text), "\n");
	n = strv_len(lines);
	return err_set(err, E_GONE, "QEMU (%s) ended at its start: %s", r->config->qemu_path,
		       n ? lines[n - 1] : "no output");
}

/* The fds that QEMU inherits, with the numbers that its command line has (cmdline.h). */
struct inherited {
	struct spawn_fd fd[8 + 2 * VMM_DEVICES_MAX + ASSETS];
	size_t n;
	int own[4 + VMM_DEVICES_MAX]; /* those of them to be closed here after the start */
	size_t nown;
};

static void close_own(struct inherited *i)
{
	while (i->nown)
		fd_close(&i->own[--i->nown]);
}

static void inherit(struct inherited *i, int fd, int target)
{
	i->fd[i->n++] = (struct spawn_fd){ fd, target };
}

static void inherit_own(struct inherited *i, int fd, int target)
{
	inherit(i, fd, target);
	i->own[i->nown++] = fd;
}

/* Makes a connection, one end of which QEMU inherits as target. Returns our end, or -1. */
static int connect_as(struct inherited *list, int target, struct err *err)
{
	int ends[2];

	if (fd_socketpair(SOCK_STREAM, ends, err) < 0)
		return -1;
	inherit_own(list, ends[1], target);
	return ends[0];
}

static int inherit_connections(struct inherited *list, const struct vmm_request *r, struct vmm *vmm,
			       int *qmp, struct err *err)
{
	*qmp = connect_as(list, QEMU_QMP_FD, err);
	vmm->console = *qmp < 0 ? -1 : connect_as(list, QEMU_CONSOLE_FD, err);
	if (vmm->console < 0 || qemu_has_vsock(r))
		return vmm->console < 0 ? -1 : 0;
	vmm->log = connect_as(list, QEMU_LOG_FD, err);
	vmm->agent = vmm->log < 0 ? -1 : connect_as(list, QEMU_AGENT_FD, err);
	return vmm->agent < 0 ? -1 : 0;
}

static int inherit_devices(struct inherited *list, const struct vmm_request *r, struct err *err)
{
	for (size_t i = 0; i < r->ndevices; i++) {
		if (r->devices[i].kind == VMM_FS_VHOST_USER) {
			int fd = fd_unix_connect(r->devices[i].fs.source, err);

			if (fd < 0)
				return -1;
			inherit_own(list, fd, qemu_fs_fd(i));
		}
		if (r->devices[i].kind != VMM_NIC)
			continue;
		inherit(list, r->devices[i].nic.tap, qemu_tap_fd(i));
		if (qemu_uses_vhost_net(r, i))
			inherit(list, r->devices[i].nic.vhost, qemu_vhost_net_fd(i));
	}
	return 0;
}

/* Files whose digests were checked are opened by their fds. QEMU's own program may be one of
 * them. */
static void inherit_assets(struct inherited *list, const struct runtime_config *c)
{
	for (size_t i = 0; i < ASSETS; i++) {
		if (c->checked[i])
			inherit(list, c->checked[i], qemu_asset_fd(i));
	}
}

struct spawn_args {
	const struct spawn *spawn;
	const char *label;
	struct child *child;
	struct err *err;
	int result;
};

/* Loop. */
static void spawn_on_loop(void *arg)
{
	struct spawn_args *a = arg;

	a->result = selinux_label(NULL, a->label, a->err) < 0
			    ? -1
			    : spawn_start(a->spawn, a->child, a->err);
	if (a->label)
		selinux_unlabel(NULL);
}

/* A disk has a queue for each processor that the VM booted with, and each queue takes QEMU a file: 16
 * disks of a guest with 64 are more than systemd's default limit, 1024.
 *
 * QEMU must end with the shim, even if the shim is killed. The kernel kills it when the thread that
 * started it ends (parent_death_signal), so the loop's thread, which lasts longest, starts it. */
static int execute(const struct vmm_request *r, struct vmm *vmm, const struct inherited *list,
		   struct err *err)
{
	AUTO(strv) char **argv = qemu_command_line(r);
	AUTO(str) char *program = str_fmt("/proc/self/fd/%d", qemu_asset_fd(ASSET_HYPERVISOR));
	int ns[3] = { -1, -1, -1 }, n = 0;
	struct spawn s = { .argv = argv,
			   .fds = list->fd,
			   .nfds = list->n,
			   .ns = ns,
			   .cwd = "/",
			   .user = r->user,
			   .new_group = true,
			   .many_files = true,
			   .any_processor = true,
			   .parent_death_signal = SIGKILL };
	struct spawn_args a = { &s, r->label, &vmm->child, err, -1 };

	if (r->netns >= 0)
		ns[n++] = r->netns;
	if (r->mountns >= 0)
		ns[n] = r->mountns;
	if (r->config->checked[ASSET_HYPERVISOR])
		s.program = program;
	loop_call(r->loop, spawn_on_loop, &a);
	return a.result;
}

/* Starts the process. *qmp is our end of the connection for QMP. */
static int launch(const struct vmm_request *r, struct vmm *vmm, int *qmp, struct err *err)
{
	AUTO(str) char *log = path_join(r->dir, "qemu.log");
	AUTO(fd) int out = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	struct inherited list = { .n = 0 };
	int result;

	if (out < 0)
		return err_sys(err, "make %s", log);
	inherit(&list, out, 1);
	inherit(&list, out, 2);
	if (qemu_has_vsock(r))
		inherit(&list, r->vhost_vsock, QEMU_VHOST_VSOCK_FD);
	inherit_assets(&list, r->config);
	result = inherit_connections(&list, r, vmm, qmp, err) < 0 ||
				 inherit_devices(&list, r, err) < 0
			 ? -1
			 : execute(r, vmm, &list, err);
	close_own(&list);
	return result;
}

static void qemu_stop(struct vmm *vmm, struct deadline deadline)
{
	struct err ignored = ERR_INIT; /* it is killed in any case */
	int code;

	if (vmm->control && vmm->child.pid > 0 &&
	    qmp_execute(vmm->control, "quit", NULL, deadline, NULL, &ignored) == 0)
		(void)!spawn_wait(&vmm->child, deadline, &code, &ignored);
	spawn_kill(&vmm->child);
	hotplug_free(STEAL(vmm->plugs, NULL));
	qmp_free(STEAL(vmm->control, NULL));
	qemu_growth_free(STEAL(vmm->growth, NULL));
	fd_close(&vmm->console);
	fd_close(&vmm->log);
	fd_close(&vmm->agent);
	free(vmm->dir);
	vmm->dir = NULL;
}

static int qemu_dial(struct vmm *vmm, struct deadline deadline, struct err *err)
{
	struct err no_log = ERR_INIT;

	if (!vmm->cid)
		return 0;
	vmm->agent = vsock_dial(vmm->cid, VSOCK_AGENT_PORT, vmm->child.pidfd, deadline, err);
	if (vmm->agent < 0)
		return -1;
	vmm->log = vsock_dial(vmm->cid, VSOCK_LOG_PORT, vmm->child.pidfd, deadline_in(LOG_DIAL_MS),
			      &no_log);
	if (vmm->log < 0)
		log_err(LOG_WARN, &no_log, "cannot connect to the agent's log");
	return 0;
}

static bool qemu_can(const struct vmm *vmm, enum vmm_capability what)
{
	return hotplug_can(vmm->plugs, what);
}

static int qemu_add(struct vmm *vmm, const char *id, const struct vmm_device *d,
		    struct vmm_address *address, struct deadline deadline, struct err *err)
{
	return hotplug_add(vmm->plugs, id, d, address, deadline, err);
}

static int qemu_remove(struct vmm *vmm, const char *id, struct deadline deadline, struct err *err)
{
	return hotplug_remove(vmm->plugs, id, deadline, err);
}

static int qemu_grow(struct vmm *vmm, const char *id, uint64_t bytes, struct deadline deadline,
		     struct err *err)
{
	return hotplug_grow(vmm->plugs, id, bytes, deadline, err);
}

static int qemu_start(const struct vmm_request *r, struct vmm *vmm, struct deadline deadline,
		      struct err *err)
{
	*vmm = (struct vmm){ .ops = &vmm_qemu,
			     .child = CHILD_NONE,
			     .dir = xstrdup(r->dir),
			     .cid = qemu_has_vsock(r) ? r->cid : 0,
			     .growth = qemu_growth_new(r),
			     .agent = -1,
			     .console = -1,
			     .log = -1 };
	int qmp = -1;

	if (launch(r, vmm, &qmp, err) < 0 || (r->launched && r->launched(r->arg, err) < 0))
		goto undo;
	vmm->control = qmp_new(r->loop, STEAL(qmp, -1));
	vmm->plugs = hotplug_new(vmm->control, r->config, str_eq(r->accelerator, "kvm"));
	if (qmp_execute(vmm->control, "qmp_capabilities", NULL, deadline, NULL, err) < 0) {
		struct pollfd ended = { .fd = vmm->child.pidfd, .events = POLLIN };

		/* The connections of a process that exits are closed before it has ended. */
		if (poll(&ended, 1, err->code == E_TIMEOUT ? 0 : ENDED_MS) > 0) {
			err_clear(err);
			(void)explain(r, err);
		}
		goto undo;
	}
	return 0;
undo:
	fd_close(&qmp);
	qemu_stop(vmm, deadline_in(0));
	return -1;
}

/* --- threads of processors --- */

struct vcpu {
	int64_t index, thread;
};

static bool get_number(const struct json *from, const char *name, int64_t *out)
{
	const struct json *number = json_kind(from) == JSON_IS_OBJECT ? json_get(from, name) : NULL;

	if (!number || json_kind(number) != JSON_IS_INT)
		return false;
	*out = json_int(number);
	return *out >= 0 && *out <= INT32_MAX;
}

static int by_index(const void *a, const void *b)
{
	const struct vcpu *x = a, *y = b;

	return (x->index > y->index) - (x->index < y->index);
}

/* Reads the answer of query-cpus-fast, and sorts it by index. */
static int read_vcpus(const struct json *list, struct vcpu *vcpus, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		const struct json *cpu = json_at(list, i);

		if (!get_number(cpu, "cpu-index", &vcpus[i].index) ||
		    !get_number(cpu, "thread-id", &vcpus[i].thread) || !vcpus[i].thread)
			return err_set(err, E_PROTOCOL,
				       "QEMU describes a processor in an unknown form");
	}
	qsort(vcpus, n, sizeof(*vcpus), by_index);
	return 0;
}

static int qemu_vcpu_threads(struct vmm *vmm, pid_t **threads, size_t *n, struct deadline deadline,
			     struct err *err)
{
	AUTO(json) struct json *reply = NULL;
	AUTO(mem) struct vcpu *vcpus = NULL;

	if (qmp_execute(vmm->control, "query-cpus-fast", NULL, deadline, &reply, err) < 0)
		return err_wrap(err, "ask QEMU for the threads of its processors");
	*n = reply && json_kind(reply) == JSON_IS_ARRAY ? json_count(reply) : 0;
	vcpus = xcalloc(*n + 1, sizeof(*vcpus));
	if (read_vcpus(reply, vcpus, *n, err) < 0)
		return -1;
	*threads = xcalloc(*n + 1, sizeof(**threads));
	for (size_t i = 0; i < *n; i++)
		(*threads)[i] = (pid_t)vcpus[i].thread;
	return 0;
}

const struct vmm_ops vmm_qemu = {
	.name = "qemu",
	.start = qemu_start,
	.dial = qemu_dial,
	.vcpu_threads = qemu_vcpu_threads,
	.will = hotplug_will,
	.can = qemu_can,
	.most = qemu_most,
	.resize = qemu_resize,
	.add = qemu_add,
	.remove = qemu_remove,
	.grow = qemu_grow,
	.stop = qemu_stop,
};

bool vmm_can(const struct vmm *vmm, enum vmm_capability what)
{
	return vmm->ops->can(vmm, what);
}

const struct vmm_ops *vmm_for(const struct runtime_config *config)
{
	(void)config; /* QEMU is the only one */
	return &vmm_qemu;
}
