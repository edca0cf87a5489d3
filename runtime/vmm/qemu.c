// SPDX-License-Identifier: Apache-2.0
/*
 * QEMU: its command line, its start and its end. Machine q35 (what is plugged later needs it) or
 * microvm; PVH boot of an uncompressed kernel with qboot where that is installed.
 */

#include "vmm/vmm.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "vmm/qmp.h"
#include "vmm/vsock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const char *vmm_guess_accelerator(void)
{
	AUTO(fd) int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	return fd >= 0 ? "kvm" : "tcg";
}

static bool is_microvm(const struct runtime_config *c)
{
	return str_eq(c->machine_type, "microvm");
}

/* Its number in QEMU. */
enum { VHOST_VSOCK_FD = 3, LOG_DIAL_MS = 1000 };

static bool is_vsock(const struct vmm_request *r)
{
	return r->vhost_vsock >= 0;
}

static const char *bus(const struct runtime_config *c)
{
	return is_microvm(c) ? "device" : "pci";
}

/*
 * Parameters for a fast boot: no calibration loops, no patching for one CPU, no waiting after a
 * panic. Without KVM programs are loaded at fixed addresses, so that QEMU can reuse translations;
 * this gives up the guest's ASLR, but TCG guarantees no isolation anyway. The timer check is also
 * disabled there: on a busy host ticks arrive too late, and the guest would reject the timer.
 */
static char *kernel_command_line(const struct vmm_request *r)
{
	const struct runtime_config *c = r->config;
	AUTO(str)
	char *agent = is_vsock(r) ? str_fmt("agent.server_addr=vsock://-1:%d agent.log_vport=%d",
					    VSOCK_AGENT_PORT, VSOCK_LOG_PORT)
				  : xstrdup("agent.server_addr=serial://agent "
					    "agent.log_addr=serial://log");

	return str_fmt("%s panic=-1 noreplace-smp lapic_timer_hz=1000000000 net.ifnames=0 reboot=k "
		       "console=%s %s%s%s%s%s",
		       c->hypervisor_debug ? "debug" : "quiet", c->legacy_serial ? "ttyS0" : "hvc0",
		       agent, str_eq(r->accelerator, "tcg") ? " norandmaps no_timer_check" : "",
		       c->agent_debug ? " agent.log=debug" : "", *c->kernel_params ? " " : "",
		       c->kernel_params);
}

static void add_machine(char ***argv, const struct vmm_request *r)
{
	const struct runtime_config *c = r->config;
	bool kvm = str_eq(r->accelerator, "kvm");

	strv_push(argv, "-machine");
	strv_pushf(argv, "%s,accel=%s,memory-backend=ram%s%s%s", is_microvm(c) ? "microvm" : "q35",
		   r->accelerator, is_microvm(c) ? ",isa-serial=off" : ",vmport=off",
		   *c->machine_accelerators ? "," : "", c->machine_accelerators);
	strv_push(argv, "-cpu");
	/* Under TCG the "fast" string instructions are slow (a byte at a time), so both flags are
	 * removed: a guest with fsrm expects erms too. */
	strv_pushf(argv, "%s%s%s", kvm ? "host" : "max,erms=off,fsrm=off",
		   *c->cpu_features ? "," : "", c->cpu_features);
	strv_push(argv, "-smp");
	strv_pushf(argv, "%u", r->vcpus);
	strv_push(argv, "-m");
	strv_pushf(argv, "%lluM", (unsigned long long)r->memory_mib);
}

static void add_memory(char ***argv, const struct vmm_request *r)
{
	const struct runtime_config *c = r->config;
	const char *shared = r->fs_socket ? "on" : "off"; /* virtiofsd maps the guest's memory */

	strv_push(argv, "-object");
	if (*c->file_mem_backend)
		strv_pushf(argv,
			   "memory-backend-file,id=ram,size=%lluM,mem-path=%s,share=%s,prealloc=%s",
			   (unsigned long long)r->memory_mib, c->file_mem_backend, shared,
			   c->mem_prealloc ? "on" : "off");
	else
		strv_pushf(argv, "memory-backend-memfd,id=ram,size=%lluM,share=%s,prealloc=%s%s",
			   (unsigned long long)r->memory_mib, shared,
			   c->mem_prealloc ? "on" : "off", c->hugepages ? ",hugetlb=on" : "");
}

static void add_device(char ***argv, const char *kind, const char *spec)
{
	strv_push(argv, kind);
	strv_push(argv, spec);
}

static void add_socket(char ***argv, const struct vmm_request *r, const char *name)
{
	strv_push(argv, "-chardev");
	strv_pushf(argv, "socket,id=%s,path=%s/%s.sock,server=on,wait=off", name, r->dir, name);
}

static void add_agent(char ***argv, const struct vmm_request *r)
{
	if (is_vsock(r)) {
		strv_push(argv, "-device");
		strv_pushf(argv, "vhost-vsock-%s,id=vsock0,vhostfd=%d,guest-cid=%u", bus(r->config),
			   VHOST_VSOCK_FD, r->cid);
		return;
	}
	add_socket(argv, r, "agent");
	add_device(argv, "-device", "virtserialport,chardev=agent,name=agent");
	add_socket(argv, r, "log");
	add_device(argv, "-device", "virtserialport,chardev=log,name=log");
}

static void add_devices(char ***argv, const struct vmm_request *r)
{
	const struct runtime_config *c = r->config;

	strv_push(argv, "-device");
	strv_pushf(argv, "virtio-serial-%s,id=serial0", bus(c));
	add_agent(argv, r);
	add_socket(argv, r, "console");
	add_device(argv, "-device",
		   c->legacy_serial ? "isa-serial,chardev=console" : "virtconsole,chardev=console");
	strv_push(argv, "-object");
	strv_pushf(argv, "rng-random,id=rng0,filename=%s", c->entropy_source);
	strv_push(argv, "-device");
	strv_pushf(argv, "virtio-rng-%s,rng=rng0", bus(c));
	for (int64_t i = 0; i < c->pcie_root_ports; i++) {
		strv_push(argv, "-device");
		strv_pushf(argv, "pcie-root-port,id=rp%lld,bus=pcie.0,chassis=0,slot=%lld",
			   (long long)i, (long long)i);
	}
	if (r->fs_socket) {
		strv_push(argv, "-chardev");
		strv_pushf(argv, "socket,id=fs,path=%s", r->fs_socket);
		strv_push(argv, "-device");
		strv_pushf(argv, "vhost-user-fs-%s,chardev=fs,tag=kataShared", bus(c));
	} else {
		strv_push(argv, "-fsdev");
		strv_pushf(argv, "local,id=fs,path=%s,security_model=none,multidevs=remap",
			   r->share_dir);
		strv_push(argv, "-device");
		strv_pushf(argv, "virtio-9p-%s,fsdev=fs,mount_tag=kataShared", bus(c));
	}
}

static char **command_line(const struct vmm_request *r)
{
	static const char qboot[] = "/usr/share/qemu/qboot.rom";
	const struct runtime_config *c = r->config;
	AUTO(str) char *append = kernel_command_line(r);
	char **argv = NULL;

	strv_push(&argv, c->qemu_path);
	strv_push(&argv, "-name");
	strv_pushf(&argv, "sandbox-%s", path_basename(r->dir));
	add_machine(&argv, r);
	add_memory(&argv, r);
	strv_push(&argv, "-qmp");
	strv_pushf(&argv, "unix:%s/qmp.sock,server=on,wait=off", r->dir);
	add_devices(&argv, r);
	if (*c->firmware || access(qboot, R_OK) == 0)
		add_device(&argv, "-bios", *c->firmware ? c->firmware : qboot);
	add_device(&argv, "-kernel", c->kernel);
	add_device(&argv, "-initrd", c->initrd);
	add_device(&argv, "-append", append);
	if (*c->seccomp_sandbox)
		add_device(&argv, "-sandbox", c->seccomp_sandbox);
	strv_push(&argv, "-nodefaults");
	strv_push(&argv, "-no-user-config");
	strv_push(&argv, "-no-reboot");
	add_device(&argv, "-display", "none");
	add_device(&argv, "-vga", "none");
	return argv;
}

/* --- start --- */

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
static int connect_socket(const struct vmm_request *r, const struct vm *vm, const char *name,
			  struct deadline deadline, struct err *err)
{
	AUTO(str) char *path = str_fmt("%s/%s.sock", r->dir, name);

	for (;;) {
		struct pollfd ended = { .fd = vm->child.pidfd, .events = POLLIN };
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

static int launch(const struct vmm_request *r, struct vm *vm, struct err *err)
{
	AUTO(strv) char **argv = command_line(r);
	AUTO(str) char *log = path_join(r->dir, "qemu.log");
	AUTO(fd) int out = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	struct spawn_fd fds[] = { { out, 1 }, { out, 2 }, { r->vhost_vsock, VHOST_VSOCK_FD } };
	const int ns[] = { r->netns, -1 };
	struct spawn s = { .argv = argv,
			   .fds = fds,
			   .nfds = is_vsock(r) ? 3 : 2,
			   .ns = ns,
			   .cwd = "/",
			   .new_group = true };

	if (out < 0)
		return err_sys(err, "make %s", log);
	return spawn_start(&s, &vm->child, err);
}

static void qemu_stop(struct vm *vm, struct deadline deadline)
{
	struct err ignored = ERR_INIT; /* killed on any failure */
	int code;

	if (vm->control >= 0 && vm->child.pid > 0 &&
	    qmp_execute(vm->control, "quit", deadline, &ignored) == 0)
		(void)!spawn_wait(&vm->child, deadline, &code, &ignored);
	spawn_kill(&vm->child);
	fd_close(&vm->control);
	fd_close(&vm->console);
	fd_close(&vm->log);
	fd_close(&vm->agent);
	free(vm->dir);
	vm->dir = NULL;
}

static int connect_ports(const struct vmm_request *r, struct vm *vm, struct deadline deadline,
			 struct err *err)
{
	vm->log = connect_socket(r, vm, "log", deadline, err);
	if (vm->log < 0)
		return -1;
	vm->agent = connect_socket(r, vm, "agent", deadline, err);
	return vm->agent < 0 ? -1 : 0;
}

static int qemu_dial(struct vm *vm, struct deadline deadline, struct err *err)
{
	struct err silent = ERR_INIT;

	if (!vm->cid)
		return 0;
	vm->agent = vsock_dial(vm->cid, VSOCK_AGENT_PORT, vm->child.pidfd, deadline, err);
	if (vm->agent < 0)
		return -1;
	vm->log = vsock_dial(vm->cid, VSOCK_LOG_PORT, vm->child.pidfd, deadline_in(LOG_DIAL_MS),
			     &silent);
	if (vm->log < 0)
		log_err(LOG_WARN, &silent, "cannot connect to the agent's log");
	return 0;
}

static int qemu_start(const struct vmm_request *r, struct vm *vm, struct deadline deadline,
		      struct err *err)
{
	*vm = (struct vm){ .ops = &vmm_qemu,
			   .child = CHILD_NONE,
			   .dir = xstrdup(r->dir),
			   .cid = is_vsock(r) ? r->cid : 0,
			   .agent = -1,
			   .console = -1,
			   .log = -1,
			   .control = -1 };
	if (launch(r, vm, err) < 0 || (r->launched && r->launched(r->arg, err) < 0))
		goto undo;
	vm->control = connect_socket(r, vm, "qmp", deadline, err);
	if (vm->control < 0)
		goto undo;
	vm->console = connect_socket(r, vm, "console", deadline, err);
	if (vm->console < 0)
		goto undo;
	if (!is_vsock(r) && connect_ports(r, vm, deadline, err) < 0)
		goto undo;
	if (qmp_open(vm->control, deadline, err) < 0) {
		struct pollfd ended = { .fd = vm->child.pidfd, .events = POLLIN };

		/* The sockets exist even if QEMU then fails to set up its machine. */
		if (poll(&ended, 1, 1000) > 0) {
			err_clear(err);
			(void)explain(r, err);
		}
		goto undo;
	}
	return 0;
undo:
	qemu_stop(vm, deadline_in(0));
	return -1;
}

const struct vmm_ops vmm_qemu = { "qemu", qemu_start, qemu_dial, qemu_stop };
