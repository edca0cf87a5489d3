// SPDX-License-Identifier: Apache-2.0
/*
 * vm_get(): boots a VM whose agent answers. Accelerator, transport and share are chosen and tried;
 * if an attempt fails, vm_get() goes on with the next best combination.
 */

#include "sandbox/vm-internal.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "protocols/agent.pb-c.h"
#include "share/choice.h"
#include "share/virtiofsd.h"
#include "vmm/probe.h"
#include "vmm/vsock.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* A guest of a KVM that works answers in a second, and in ten more for each TiB of memory, of which it
 * describes every page, or for some hundred processors, which it wakes one after the other. Without
 * KVM it takes several times as long. */
enum { KVM_ANSWER_MS = 10000, KVM_GIB_MS = 50, KVM_VCPU_MS = 50, TCG_FACTOR = 3 };

/* The VMM was started. From here on other threads can kill it, through v->kill_fd. */
static int on_launched(void *arg, struct err *err)
{
	struct vm *v = arg;
	int fd = fcntl(v->vmm.child.pidfd, F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return err_sys(err, "duplicate an fd");
	(void)pthread_mutex_lock(&v->lock);
	fd_close(&v->kill_fd);
	v->kill_fd = fd;
	v->vmm_pid = v->vmm.child.pid;
	(void)pthread_mutex_unlock(&v->lock);
	if (vm_check_cancelled(v, err) < 0)
		return -1;
	return v->on_launched ? v->on_launched(v->arg, err) : 0;
}

/* One combination of accelerator, transport and share to try. */
struct attempt {
	const char *accelerator;
	bool unproved; /* that is KVM, and not yet known to work on this machine */
	bool vsock;
	bool doubtful; /* vsock is not yet known to work on this machine */
	bool by_9p;    /* use 9p: virtio-fs was found unsafe */
	bool refuted;  /* the guest has not confirmed what the kernel's file says of virtio-fs */
};

static int choose_share(struct vm *v, const struct attempt *a, struct err *err)
{
	struct share_choice choice = { SHARE_9P, "the guest does not store what it reads" };

	if (!a->by_9p && share_choose(v->config, a->accelerator, &choice, err) < 0)
		return -1;
	v->fs = str_eq(choice.fs, SHARE_NONE)       ? VM_NO_SHARE
		: str_eq(choice.fs, SHARE_VIRTIOFS) ? VM_VIRTIOFS
						    : VM_9P;
	log_info("share chosen", LOG_S("share", choice.fs), LOG_S("why", choice.why),
		 LOG_S("accelerator", a->accelerator));
	return 0;
}

/* With 9p QEMU itself reads, writes and makes files of any user, so it must be root. */
static int check_user(const struct vm *v, const struct vm_wanted *wanted, struct err *err)
{
	if (!wanted->user || v->fs != VM_9P)
		return 0;
	err_set(err, E_CONFIG, "%s: rootless = true: virtio-9p needs a VMM that is root",
		v->config->file);
	return err_hint(err, "set shared_fs = \"virtio-fs\", or rootless = false");
}

/* After a failed start: if virtiofsd has failed, adds that to the error. The VMM ends with it, and
 * its own message does not have the reason. */
static void blame_virtiofsd(struct vm *v, struct err *err)
{
	if (virtiofsd_failed(&v->virtiofsd)) {
		err_wrap(err, "virtiofsd ended (see %s/virtiofsd.log)", v->dir);
		virtiofsd_forget();
	}
	virtiofsd_stop(&v->virtiofsd);
}

/* The share's device, if fs is not NULL, then the wanted ones; heap. */
static struct vmm_device *list_devices(const struct vm_wanted *wanted, const struct vmm_device *fs,
				       size_t *n)
{
	struct vmm_device *list = xcalloc(wanted->ndevices + 1, sizeof(*list));

	*n = 0;
	if (fs)
		list[(*n)++] = *fs;
	for (size_t i = 0; i < wanted->ndevices; i++)
		list[(*n)++] = wanted->devices[i];
	return list;
}

/* Starts virtiofsd, if it is used, and the VMM. */
static int start_vmm(struct vm *v, const struct vmm_request *request,
		     const struct vm_wanted *wanted, struct deadline deadline, struct err *err)
{
	const struct share *share = wanted->share;
	AUTO(str) char *socket = path_join(v->dir, "vhost-fs.sock");
	AUTO(str) char *log = path_join(v->dir, "virtiofsd.log");
	struct vmm_device fs = { .kind = VMM_FS_9P, .fs = { VM_SHARE_TAG, share->dir } };
	AUTO(mem) struct vmm_device *devices = NULL;
	struct vmm_request r = *request;

	if (v->fs == VM_VIRTIOFS) {
		(void)unlink(socket);
		if (virtiofsd_start(share, socket, log, &v->virtiofsd, err) < 0)
			return -1;
		fs = (struct vmm_device){ .kind = VMM_FS_VHOST_USER,
					  .fs = { VM_SHARE_TAG, socket } };
	}
	devices = list_devices(wanted, v->fs == VM_NO_SHARE ? NULL : &fs, &r.ndevices);
	r.devices = devices;
	r.mountns = v->fs == VM_9P ? share->mountns.ns : -1;
	/* Records the pid at once, so that `delete` finds the VMM whenever this process dies. */
	r.launched = on_launched;
	r.arg = v;
	if (vmm_for(v->config)->start(&r, &v->vmm, deadline, err) < 0) {
		blame_virtiofsd(v, err);
		return -1;
	}
	return 0;
}

uint64_t vm_answer_ms(const struct runtime_config *c, const char *accelerator, bool unproved,
		      const struct vmm_size *size)
{
	uint64_t ms = (uint64_t)c->dial_timeout_s * 1000;
	uint64_t with_kvm = KVM_ANSWER_MS + size->memory_mib / 1024 * KVM_GIB_MS +
			    (uint64_t)size->vcpus * KVM_VCPU_MS;

	if (!str_eq(accelerator, "kvm"))
		return ms * TCG_FACTOR;
	return unproved && ms > with_kvm ? with_kvm : ms;
}

/* The deadline for the agent's first answer. A doubtful attempt leaves half of the time for the
 * next. */
static struct deadline answer_by(const struct vm *v, const struct attempt *a,
				 const struct vmm_size *size, struct deadline deadline)
{
	uint64_t ms = vm_answer_ms(v->config, a->accelerator, a->unproved, size);
	struct deadline d = deadline_min(deadline, deadline_in(ms));
	int left = deadline_left(deadline);

	if (a->doubtful && left > 0)
		d = deadline_min(d, deadline_in((uint64_t)left / 2));
	return d;
}

/* Reserves a CID for a guest to be reached over vsock. If that fails and vsock is not configured,
 * the attempt uses a serial port instead. */
static int reserve_cid(struct vm *v, struct attempt *a, uint32_t *cid, int *vhost, struct err *err)
{
	*vhost = a->vsock ? vsock_open(cid, err) : -1;
	if (*vhost >= 0 || !a->vsock)
		return 0;
	if (*v->config->transport)
		return -1;
	log_err(LOG_WARN, err, "no vsock, using a serial port for the agent");
	err_clear(err);
	a->vsock = a->doubtful = false;
	return 0;
}

/* virtio-fs without KVM is safe only if the guest's kernel stores the pages that it reads
 * (choice.h). The kernel's file says that it does; the agent must confirm it. */
static int check_share(struct vm *v, struct attempt *a, struct deadline deadline, struct err *err)
{
	Grpc__GuestDetailsRequest request = GRPC__GUEST_DETAILS_REQUEST__INIT;
	Grpc__GuestDetailsResponse *details = NULL;
	bool stores;

	if (v->fs != VM_VIRTIOFS || !str_eq(a->accelerator, "tcg"))
		return 0;
	if (vm_call(v, "GetGuestDetails", &request, &grpc__guest_details_response__descriptor,
		    deadline, &details, err) < 0)
		return -1;
	stores = details->file_pages;
	protobuf_c_message_free_unpacked(&details->base, NULL);
	if (stores)
		return 0;
	a->refuted = !*v->config->shared_fs;
	return share_refuse(v->config, err);
}

/* One attempt: boots a VM and waits for its agent's answer. On failure everything is stopped. */
static int boot(struct vm *v, const struct vm_wanted *wanted, struct attempt *a,
		struct deadline deadline, struct err *err)
{
	struct vmm_request request = { .loop = v->loop,
				       .config = v->config,
				       .dir = v->dir,
				       .accelerator = a->accelerator,
				       .netns = wanted->netns,
				       .user = wanted->user,
				       .label = wanted->label,
				       .size = wanted->size,
				       .most = wanted->most };
	AUTO(fd) int vhost = -1; /* keeps the CID until QEMU has opened it too */

	if (vm_check_cancelled(v, err) < 0)
		return -1;
	if (choose_share(v, a, err) < 0 || check_user(v, wanted, err) < 0 ||
	    reserve_cid(v, a, &request.cid, &vhost, err) < 0)
		return -1;
	request.vhost_vsock = vhost;
	if (start_vmm(v, &request, wanted, deadline, err) < 0)
		return -1;
	vm_watch(v);
	if (vm_connect(v, answer_by(v, a, &wanted->size, deadline), err) == 0 &&
	    check_share(v, a, deadline, err) == 0)
		return 0;
	vm_stop(v);
	return -1;
}

/* True if vsock is configured, or if the host has it and it is not known to fail. */
static bool begin_with_vsock(const struct vm *v, const char *settled)
{
	return str_eq(v->config->transport, "vsock") ||
	       (!str_eq(settled, "serial") && vsock_is_there());
}

/* Selects the next combination after a failure; false if none is left. vsock is given up before
 * KVM, since a serial port is as good. */
static bool choose_next(struct attempt *a, bool accelerator_settled, bool may_vsock)
{
	if (a->refuted) {
		a->refuted = false;
		a->by_9p = true;
		return true;
	}
	if (a->vsock && a->doubtful) {
		a->vsock = a->doubtful = false;
		return true;
	}
	if (accelerator_settled || str_eq(a->accelerator, "tcg"))
		return false;
	a->accelerator = "tcg";
	a->vsock = may_vsock;
	return true;
}

/* A failure costs memory of the host's kernel, and keeps what the host unmounts busy. */
static void narrow_share(const struct vm *v, const struct share *share)
{
	struct err err = ERR_INIT;

	if (v->fs == VM_VIRTIOFS && share_narrow(share, &err) < 0)
		log_err(LOG_WARN, &err, "the share keeps copies of the host's mounts");
}

/* Even if /dev/kvm opens, KVM may not run a guest; and /dev/vhost-vsock may not reach one. */
int vm_get(struct vm *v, const struct vm_wanted *wanted, struct deadline deadline, struct err *err)
{
	const char *accelerator = vmm_settled(VMM_ACCELERATOR, v->config->accelerator);
	const char *transport = vmm_settled(VMM_TRANSPORT, v->config->transport);
	bool vsock = begin_with_vsock(v, transport), doubtful = vsock && !transport;
	struct attempt a = { .accelerator = accelerator ? accelerator : vmm_guess_accelerator(),
			     .unproved = !accelerator,
			     .vsock = vsock,
			     .doubtful = doubtful };

	if (wanted->no_kvm && str_eq(v->config->accelerator, "kvm")) {
		err_set(err, E_PERMISSION, "%s: rootless = true: no user but root may use /dev/kvm",
			v->config->file);
		return err_hint(err, "give it to a group: chgrp kvm /dev/kvm; chmod 660 /dev/kvm; "
				     "and by a rule of udev, so that it stays");
	}
	if (vmm_may_insist(v->config->accelerator, v->config->file, err) < 0)
		return -1;
	/* Not remembered for the machine: only this VMM's user may not use KVM. */
	if (wanted->no_kvm)
		a.accelerator = accelerator = "tcg";
	if (wanted->ndevices >= VMM_DEVICES_MAX)
		return err_set(err, E_LIMIT, "%zu devices; a VM can be given %d", wanted->ndevices,
			       VMM_DEVICES_MAX - 1);
	while (boot(v, wanted, &a, deadline, err) < 0) {
		struct attempt failed = a;

		if (err->code == E_CANCELLED || !choose_next(&a, accelerator != NULL, vsock))
			return -1;
		a.doubtful = a.vsock && doubtful;
		log_err(LOG_WARN, err, "the VM did not start, falling back",
			LOG_S("accelerator", failed.accelerator),
			LOG_S("transport", failed.vsock ? "vsock" : "serial"));
		err_clear(err);
		vm_reset(v);
	}
	narrow_share(v, wanted->share);
	if (!accelerator)
		vmm_remember(VMM_ACCELERATOR, a.accelerator);
	v->vcpus = wanted->size.vcpus;
	if (doubtful)
		vmm_remember(VMM_TRANSPORT, a.vsock ? "vsock" : "serial");
	return 0;
}
