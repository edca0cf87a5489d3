// SPDX-License-Identifier: Apache-2.0
/* QEMU's start and end. */

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
#include "vmm/vmm.h"
#include "vmm/vsock.h"
#include "json/json.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

enum { LOG_DIAL_MS = 1000 };

/* Why QEMU ended: the last line that it wrote. */
static int explain(const struct vmm_request *r, struct err *err)
{
	AUTO(str) char *path = path_join(r->dir, "qemu.log");
	AUTO(buf) struct buf text = BUF_INIT(1 << 20);
	struct err ignored = ERR_INIT; /* no log: say that it ended, no more */
	AUTO(strv) char **lines = NULL;
	size_t n;

	(void)!file_read(AT_FDCWD, path, 1 << 20, &text, &ignored);
	lines = strv_split(buf_cstr(&text), "\n");
	n = strv_len(lines);
	return err_set(err, E_GONE, "QEMU (%s) ended at its start: %s", r->config->qemu_path,
		       n ? lines[n - 1] : "no output");
}

/* QEMU creates its sockets soon after its start; if it exits before, that is reported. */
static int connect_socket(const struct vmm_request *r, const struct vmm *vmm, const char *name,
			  struct deadline deadline, struct err *err)
{
	AUTO(str) char *path = str_fmt("%s/%s.sock", r->dir, name);

	for (;;) {
		struct pollfd ended = { .fd = vmm->child.pidfd, .events = POLLIN };
		struct err refused = ERR_INIT;
		int fd = fd_unix_connect(path, &refused);

		if (fd >= 0)
			return fd;
		if (refused.sys != ENOENT && refused.sys != ECONNREFUSED) {
			*err = refused;
			return -1;
		}
		if (poll(&ended, 1, 1) > 0)
			return explain(r, err);
		if (deadline_passed(deadline))
			return err_set(err, E_TIMEOUT, "QEMU did not open %s in time", path);
	}
}

/* The fds that QEMU inherits, by the numbers that its command line has. */
struct inherited {
	struct spawn_fd fd[3 + 2 * VMM_DEVICES_MAX + ASSETS];
	size_t n;
};

static void inherit(struct inherited *i, int fd, int target)
{
	i->fd[i->n++] = (struct spawn_fd){ fd, target };
}

static void inherit_devices(struct inherited *list, const struct vmm_request *r)
{
	for (size_t i = 0; i < r->ndevices; i++) {
		if (r->devices[i].kind != VMM_NIC)
			continue;
		inherit(list, r->devices[i].nic.tap, qemu_tap_fd(i));
		if (qemu_uses_vhost_net(r, i))
			inherit(list, r->devices[i].nic.vhost, qemu_vhost_net_fd(i));
	}
}

/* Those whose digests were checked; QEMU's own program is executed by its fd too. */
static void inherit_assets(struct inherited *list, const struct runtime_config *c)
{
	for (size_t i = 0; i < ASSETS; i++) {
		if (c->checked[i])
			inherit(list, c->checked[i], qemu_asset_fd(i));
	}
}

static int launch(const struct vmm_request *r, struct vmm *vmm, struct err *err)
{
	AUTO(strv) char **argv = qemu_command_line(r);
	AUTO(str) char *log = path_join(r->dir, "qemu.log");
	AUTO(fd) int out = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	struct inherited list = { .n = 0 };
	AUTO(str) char *program = str_fmt("/proc/self/fd/%d", qemu_asset_fd(ASSET_HYPERVISOR));
	const int ns[] = { r->netns, -1 };
	struct spawn s = { .argv = argv, .fds = list.fd, .ns = ns, .cwd = "/", .new_group = true };

	if (out < 0)
		return err_sys(err, "make %s", log);
	inherit(&list, out, 1);
	inherit(&list, out, 2);
	if (qemu_has_vsock(r))
		inherit(&list, r->vhost_vsock, QEMU_VHOST_VSOCK_FD);
	inherit_devices(&list, r);
	inherit_assets(&list, r->config);
	if (r->config->checked[ASSET_HYPERVISOR])
		s.program = program;
	s.nfds = list.n;
	return spawn_start(&s, &vmm->child, err);
}

static void qemu_stop(struct vmm *vmm, struct deadline deadline)
{
	struct err ignored = ERR_INIT; /* killed on any failure */
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

static int connect_ports(const struct vmm_request *r, struct vmm *vmm, struct deadline deadline,
			 struct err *err)
{
	vmm->log = connect_socket(r, vmm, "log", deadline, err);
	if (vmm->log < 0)
		return -1;
	vmm->agent = connect_socket(r, vmm, "agent", deadline, err);
	return vmm->agent < 0 ? -1 : 0;
}

static int qemu_dial(struct vmm *vmm, struct deadline deadline, struct err *err)
{
	struct err silent = ERR_INIT;

	if (!vmm->cid)
		return 0;
	vmm->agent = vsock_dial(vmm->cid, VSOCK_AGENT_PORT, vmm->child.pidfd, deadline, err);
	if (vmm->agent < 0)
		return -1;
	vmm->log = vsock_dial(vmm->cid, VSOCK_LOG_PORT, vmm->child.pidfd, deadline_in(LOG_DIAL_MS),
			      &silent);
	if (vmm->log < 0)
		log_err(LOG_WARN, &silent, "cannot connect to the agent's log");
	return 0;
}

static bool qemu_can(const struct vmm *vmm, enum vmm_capability what)
{
	const unsigned growth = VMM_CAN_GROW_CPUS | VMM_CAN_GROW_MEMORY;

	return hotplug_can(vmm->plugs, what & ~growth) && qemu_can_grow(vmm, what & growth);
}

static int qemu_add(struct vmm *vmm, const char *id, const struct vmm_device *d,
		    struct vmm_place *place, struct deadline deadline, struct err *err)
{
	return hotplug_add(vmm->plugs, id, d, place, deadline, err);
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
	int control;

	if (launch(r, vmm, err) < 0 || (r->launched && r->launched(r->arg, err) < 0))
		goto undo;
	control = connect_socket(r, vmm, "qmp", deadline, err);
	if (control < 0)
		goto undo;
	vmm->control = qmp_new(r->loop, control);
	vmm->plugs = hotplug_new(vmm->control, r->config, str_eq(r->accelerator, "kvm"));
	vmm->console = connect_socket(r, vmm, "console", deadline, err);
	if (vmm->console < 0)
		goto undo;
	if (!qemu_has_vsock(r) && connect_ports(r, vmm, deadline, err) < 0)
		goto undo;
	if (qmp_execute(vmm->control, "qmp_capabilities", NULL, deadline, NULL, err) < 0) {
		struct pollfd ended = { .fd = vmm->child.pidfd, .events = POLLIN };

		/* The sockets exist even if QEMU then fails to set up its machine. */
		if (poll(&ended, 1, 1000) > 0) {
			err_clear(err);
			(void)explain(r, err);
		}
		goto undo;
	}
	return 0;
undo:
	qemu_stop(vmm, deadline_in(0));
	return -1;
}

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

/* Its numbers have gaps where processors were unplugged. */
static int take_vcpus(const struct json *list, struct vcpu *vcpus, size_t n, struct err *err)
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
	if (take_vcpus(reply, vcpus, *n, err) < 0)
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
	(void)config; /* there is one */
	return &vmm_qemu;
}
