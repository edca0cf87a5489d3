// SPDX-License-Identifier: Apache-2.0
/* A sandbox from creation to removal. */

#include "sandbox/sandbox.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "mount/mount.h"
#include "protocols/agent.pb-c.h"
#include "protocols/health.pb-c.h"
#include "sandbox/choice.h"
#include "sandbox/record.h"
#include "sandbox/share.h"
#include "sandbox/virtiofsd.h"
#include "vmm/known.h"
#include "vmm/vsock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { STOP_MS = 5000, KVM_ANSWER_MS = 10000, GRACE_MS = 100, WHY_MS = 1000 };
enum { CALLS_MS = 1000, GOODBYE_MS = 2000 };
enum { VERSION_MS = 5000, VERSION_MAX = 64 };

static void release(struct sandbox *s)
{
	free(s->agent_version);
	free(s->id);
	free(s->namespace);
	free(s->key);
	free(s->state_dir);
	free(s->vm_dir);
	free(s->share_dir);
	fd_close(&s->vmm);
	(void)pthread_mutex_destroy(&s->lock);
	(void)pthread_cond_destroy(&s->changed);
	free(s);
}

/* The shared directory is searched in the guest by the users that a user namespace maps; on the host
 * its parent keeps everybody out. */
static int make_share_dir(const struct sandbox *s, struct err *err)
{
	AUTO(str) char *parent = path_join(SANDBOX_SHARE_DIR, s->key);

	return path_make(parent, 0700, err) < 0 ? -1 : path_make(s->share_dir, 0711, err);
}

int sandbox_new(struct loop *loop, const struct runtime_config *config, const char *namespace,
		const char *id, struct sandbox **out, struct err *err)
{
	struct sandbox *s = NEW(struct sandbox);

	s->loop = loop;
	s->config = config;
	s->id = xstrdup(id);
	s->namespace = xstrdup(namespace);
	s->key = record_key(namespace, id);
	s->state_dir = path_join(SANDBOX_STATE_DIR, s->key);
	s->vm_dir = path_join(SANDBOX_VM_DIR, s->key);
	s->share_dir = str_fmt(SANDBOX_SHARE_DIR "/%s/shared", s->key);
	s->vmm = -1;
	s->virtiofsd = CHILD_NONE;
	s->vm.child = CHILD_NONE;
	(void)pthread_mutex_init(&s->lock, NULL);
	cond_init(&s->changed);
	if (path_exists(s->state_dir))
		err_set(err, E_EXISTS, "sandbox %s exists already (%s)", id, s->state_dir);
	if (!err->code && path_make(s->state_dir, 0700, err) == 0 &&
	    path_make(s->vm_dir, 0700, err) == 0 && make_share_dir(s, err) == 0 &&
	    share_open(s, err) == 0) {
		*out = s;
		return 0;
	}
	release(s);
	return -1;
}

/* --- unexpected ends --- */

/* With the lock held. */
static void kill_vmm(struct sandbox *s)
{
	if (s->vmm >= 0)
		(void)syscall(SYS_pidfd_send_signal, s->vmm, SIGKILL, NULL, 0);
}

/* On the loop. */
static void die(struct sandbox *s, enum err_code code, const char *why)
{
	struct err err = ERR_INIT;
	bool first;

	err_set(&err, code, "%s", why);
	(void)pthread_mutex_lock(&s->lock);
	first = !s->dead && !s->stopping;
	if (first) {
		s->dead = true;
		s->why = err;
		kill_vmm(s);
		(void)pthread_cond_broadcast(&s->changed);
	}
	(void)pthread_mutex_unlock(&s->lock);
	if (!first)
		return;
	log_err(LOG_ERROR, &err, "sandbox ended");
	if (s->client)
		ttrpc_client_shutdown(s->client);
	if (s->on_dead)
		s->on_dead(s->arg, &err);
}

static void on_vm_end(void *arg, uint32_t events)
{
	struct sandbox *s = arg;

	(void)events;
	watch_set(s->vm_watch, 0);
	die(s, E_GONE, "the VM ended");
}

static void after_grace(void *arg)
{
	struct sandbox *s = arg;

	die(s, E_GONE, s->grace_why);
}

/* A VM that exits closes its sockets first, but its exit is the better reason to report. */
static void die_unless_the_vm_does(struct sandbox *s, const char *why)
{
	s->grace_why = why;
	if (!s->grace)
		s->grace = loop_timer(s->loop, GRACE_MS, false, after_grace, s);
}

static void on_fs_end(void *arg, uint32_t events)
{
	static const char why[] = "virtiofsd ended while the VM ran";
	struct sandbox *s = arg;

	(void)events;
	watch_set(s->fs_watch, 0);
	if (virtiofsd_failed(&s->virtiofsd))
		die(s, E_GONE, why);
	else
		die_unless_the_vm_does(s, why);
}

static void on_agent_gone(void *arg, const struct err *why)
{
	struct sandbox *s = arg;
	struct err err = *why;

	if (why->code == E_GONE) {
		die_unless_the_vm_does(s, "the agent's connection ended");
		return;
	}
	err_wrap(&err, "the agent broke the protocol");
	die(s, err.code, err.msg);
}

bool sandbox_is_dead(struct sandbox *s)
{
	bool dead;

	(void)pthread_mutex_lock(&s->lock);
	dead = s->dead;
	(void)pthread_mutex_unlock(&s->lock);
	return dead;
}

/* The connection broke during a call: the loop receives the reason at about the same time. */
static void explain(struct sandbox *s, const char *method, struct err *err)
{
	struct deadline soon = deadline_in(WHY_MS);

	(void)pthread_mutex_lock(&s->lock);
	while (!s->dead && !s->stopping && cond_wait_until(&s->changed, &s->lock, soon))
		;
	if (s->dead) {
		err_clear(err);
		err_set(err, s->why.code, "%s: %s", method, s->why.msg);
	}
	(void)pthread_mutex_unlock(&s->lock);
}

static int call_service(struct sandbox *s, const char *service, const char *method,
			const void *request, const ProtobufCMessageDescriptor *reply_type,
			struct deadline deadline, void *reply, struct err *err)
{
	if (ttrpc_call(s->client, service, method, request, reply_type, deadline, reply, err) == 0)
		return 0;
	if (err->code == E_GONE || err->code == E_PROTOCOL)
		explain(s, method, err);
	return -1;
}

/* A call in progress keeps the connection alive; no call begins once the sandbox is stopping. */
static int enter(struct sandbox *s, const char *method, struct err *err)
{
	(void)pthread_mutex_lock(&s->lock);
	if (s->dead)
		err_set(err, s->why.code, "%s: %s", method, s->why.msg);
	else if (s->stopping || !s->client)
		err_set(err, E_GONE, "%s: the VM is being stopped", method);
	else
		s->calls++;
	(void)pthread_mutex_unlock(&s->lock);
	return err->code ? -1 : 0;
}

static void leave(struct sandbox *s)
{
	(void)pthread_mutex_lock(&s->lock);
	s->calls--;
	(void)pthread_cond_broadcast(&s->changed);
	(void)pthread_mutex_unlock(&s->lock);
}

int sandbox_call(struct sandbox *s, const char *method, const void *request,
		 const ProtobufCMessageDescriptor *reply_type, struct deadline deadline,
		 void *reply, struct err *err)
{
	int result;

	if (enter(s, method, err) < 0)
		return -1;
	result = call_service(s, "grpc.AgentService", method, request, reply_type, deadline, reply,
			      err);
	leave(s);
	return result;
}

void sandbox_kill(struct sandbox *s, const struct err *why)
{
	log_err(LOG_ERROR, why, "killing the VM");
	(void)pthread_mutex_lock(&s->lock);
	kill_vmm(s);
	(void)pthread_mutex_unlock(&s->lock);
}

void sandbox_cancel(struct sandbox *s)
{
	(void)pthread_mutex_lock(&s->lock);
	s->cancelled = true;
	kill_vmm(s);
	(void)pthread_mutex_unlock(&s->lock);
}

static int check_cancelled(struct sandbox *s, struct err *err)
{
	bool cancelled;

	(void)pthread_mutex_lock(&s->lock);
	cancelled = s->cancelled;
	(void)pthread_mutex_unlock(&s->lock);
	return cancelled ? err_set(err, E_CANCELLED, "the start was cancelled") : 0;
}

/* --- start --- */

static void attach(void *arg)
{
	struct sandbox *s = arg;

	s->vm_watch = loop_watch(s->loop, s->vm.child.pidfd, EPOLLIN, on_vm_end, s);
	lines_start(&s->console, s->loop, s->vm.console, "guest console");
	if (s->virtiofsd.pid > 0)
		s->fs_watch = loop_watch(s->loop, s->virtiofsd.pidfd, EPOLLIN, on_fs_end, s);
}

static void attach_agent(void *arg)
{
	struct sandbox *s = arg;
	struct ttrpc_client *client = ttrpc_client_new(s->loop, STEAL(s->vm.agent, -1),
						       on_agent_gone, s);

	(void)pthread_mutex_lock(&s->lock);
	s->client = client;
	(void)pthread_mutex_unlock(&s->lock);
	if (s->vm.log >= 0)
		lines_start(&s->agent_log, s->loop, s->vm.log, "guest agent");
}

static void detach(void *arg)
{
	struct sandbox *s = arg;
	struct ttrpc_client *client;

	(void)pthread_mutex_lock(&s->lock);
	client = STEAL(s->client, NULL);
	(void)pthread_mutex_unlock(&s->lock);
	watch_remove(STEAL(s->grace, NULL));
	watch_remove(STEAL(s->pause, NULL));
	watch_remove(STEAL(s->vm_watch, NULL));
	watch_remove(STEAL(s->fs_watch, NULL));
	lines_stop(&s->console);
	lines_stop(&s->agent_log);
	ttrpc_client_free(client);
}

static void revive(void *arg)
{
	struct sandbox *s = arg;

	(void)pthread_mutex_lock(&s->lock);
	s->stopping = s->stopped = s->dead = false;
	(void)pthread_mutex_unlock(&s->lock);
}

static int first_answer(struct sandbox *s, struct deadline deadline, struct err *err)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;

	if (s->vm.ops->dial(&s->vm, deadline, err) == 0) {
		loop_call(s->loop, attach_agent, s);
		if (call_service(s, "grpc.Health", "Check", &request,
				 &grpc__health_check_response__descriptor, deadline, NULL,
				 err) == 0)
			return 0;
	}
	err_wrap(err, "the agent in the VM did not answer");
	return err_hint(err,
			"set enable_debug in [hypervisor.qemu] and look for 'guest console' in "
			"the log");
}

/* From here on other threads may kill the VMM through a pidfd of their own. */
static int on_launched(void *arg, struct err *err)
{
	struct sandbox *s = arg;
	int fd = fcntl(s->vm.child.pidfd, F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return err_sys(err, "duplicate an fd");
	(void)pthread_mutex_lock(&s->lock);
	fd_close(&s->vmm);
	s->vmm = fd;
	(void)pthread_mutex_unlock(&s->lock);
	return check_cancelled(s, err) < 0 ? -1 : record_write(s, err);
}

/* One combination of accelerator, transport and share to try. */
struct attempt {
	const char *accelerator;
	bool vsock;
	bool doubtful; /* vsock, not yet known to work */
	bool by_9p;    /* use 9p: virtio-fs was found unsafe */
	bool refuted;  /* the guest does not confirm what the kernel file says */
};

static int choose_share(struct sandbox *s, const struct attempt *a, struct err *err)
{
	struct share_choice choice = { SHARE_9P, "the guest does not store what it reads" };

	if (!a->by_9p && share_choose(s->config, a->accelerator, &choice, err) < 0)
		return -1;
	s->virtiofs = str_eq(choice.fs, SHARE_VIRTIOFS);
	log_info("share chosen", LOG_S("share", choice.fs), LOG_S("why", choice.why),
		 LOG_S("accelerator", a->accelerator));
	return 0;
}

/* A failing virtiofsd also ends the VMM, whose own error says less about the reason. */
static void blame_virtiofsd(struct sandbox *s, struct err *err)
{
	if (virtiofsd_failed(&s->virtiofsd))
		err_wrap(err, "virtiofsd ended (see %s/virtiofsd.log)", s->vm_dir);
	spawn_kill(&s->virtiofsd);
}

/* Starts virtiofsd, if it is used, and the VMM. */
static int start_vm(struct sandbox *s, const struct vmm_request *request, struct deadline deadline,
		    struct err *err)
{
	AUTO(str) char *fs_socket = path_join(s->vm_dir, "vhost-fs.sock");
	struct vmm_request r = *request;

	if (s->virtiofs) {
		(void)unlink(fs_socket);
		if (virtiofsd_start(s, fs_socket, err) < 0)
			return -1;
		r.fs_socket = fs_socket;
	} else {
		r.share_dir = s->share_dir;
	}
	/* Recorded right after its launch, so that `delete` finds it whenever this process dies. */
	r.launched = on_launched;
	r.arg = s;
	if (vmm_qemu.start(&r, &s->vm, deadline, err) < 0) {
		blame_virtiofsd(s, err);
		return -1;
	}
	return 0;
}

/* The deadline for the agent's first answer; a doubtful attempt leaves time for the next one. */
static struct deadline answer_by(const struct sandbox *s, const struct attempt *a,
				 struct deadline deadline)
{
	struct deadline d = deadline_min(deadline,
					 deadline_in((uint64_t)s->config->dial_timeout_s * 1000));
	int left = deadline_left(deadline);

	if (str_eq(a->accelerator, "kvm"))
		d = deadline_min(d, deadline_in(KVM_ANSWER_MS));
	if (a->doubtful && left > 0)
		d = deadline_min(d, deadline_in((uint64_t)left / 2));
	return d;
}

/* Allocates the CID of a guest reached over vsock. If that fails, the serial port is used. */
static int take_number(struct sandbox *s, struct attempt *a, uint32_t *cid, int *vhost,
		       struct err *err)
{
	*vhost = a->vsock ? vsock_open(cid, err) : -1;
	if (*vhost >= 0 || !a->vsock)
		return 0;
	if (*s->config->transport)
		return -1;
	log_err(LOG_WARN, err, "no vsock, using a serial port for the agent");
	err_clear(err);
	a->vsock = a->doubtful = false;
	return 0;
}

/* The agent must confirm what the kernel's file says about storing pages. */
static int check_share(struct sandbox *s, struct attempt *a, struct deadline deadline,
		       struct err *err)
{
	Grpc__GuestDetailsRequest request = GRPC__GUEST_DETAILS_REQUEST__INIT;
	Grpc__GuestDetailsResponse *details = NULL;
	bool stores;

	if (!s->virtiofs || !str_eq(a->accelerator, "tcg"))
		return 0;
	if (sandbox_call(s, "GetGuestDetails", &request, &grpc__guest_details_response__descriptor,
			 deadline, &details, err) < 0)
		return -1;
	stores = details->file_pages;
	protobuf_c_message_free_unpacked(&details->base, NULL);
	if (stores)
		return 0;
	a->refuted = !*s->config->shared_fs;
	return share_refuse(s->config, err);
}

/* Boots a VM until its agent answers. On failure everything is stopped. */
static int boot(struct sandbox *s, const struct vmm_request *r, struct attempt *a,
		struct deadline deadline, struct err *err)
{
	struct vmm_request request = *r;
	AUTO(fd) int vhost = -1; /* keeps the CID until QEMU has opened it too */

	if (check_cancelled(s, err) < 0)
		return -1;
	request.accelerator = a->accelerator;
	if (choose_share(s, a, err) < 0 || take_number(s, a, &request.cid, &vhost, err) < 0)
		return -1;
	request.vhost_vsock = vhost;
	if (start_vm(s, &request, deadline, err) < 0)
		return -1;
	(void)pthread_mutex_lock(&s->lock);
	s->vm_running = true;
	(void)pthread_mutex_unlock(&s->lock);
	loop_call(s->loop, attach, s);
	if (first_answer(s, answer_by(s, a, deadline), err) == 0 &&
	    check_share(s, a, deadline, err) == 0)
		return 0;
	sandbox_stop(s);
	return -1;
}

/* Use vsock if it is configured, or if the host has it and it is not known to fail. */
static bool begin_with_vsock(const struct sandbox *s, const char *settled)
{
	return str_eq(s->config->transport, "vsock") ||
	       (!str_eq(settled, "serial") && vsock_is_there());
}

/* Selects the next combination after a failure; false: there is none. vsock is given up before KVM,
 * since a serial port costs nothing. */
static bool try_else(struct attempt *a, bool accelerator_settled, bool may_vsock)
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

/* Tries combinations until one works: a /dev/kvm that opens may still not run a guest, and a
 * /dev/vhost-vsock may not reach it. */
static int boot_somehow(struct sandbox *s, const struct vmm_request *r, struct deadline deadline,
			struct err *err)
{
	const char *accelerator = vmm_settled(VMM_ACCELERATOR, s->config->accelerator);
	const char *transport = vmm_settled(VMM_TRANSPORT, s->config->transport);
	bool vsock = begin_with_vsock(s, transport), doubtful = vsock && !transport;
	struct attempt a = { .accelerator = accelerator ? accelerator : vmm_guess_accelerator(),
			     .vsock = vsock,
			     .doubtful = doubtful };

	while (boot(s, r, &a, deadline, err) < 0) {
		struct attempt failed = a;

		if (err->code == E_CANCELLED || !try_else(&a, accelerator != NULL, vsock))
			return -1;
		a.doubtful = a.vsock && doubtful;
		log_err(LOG_WARN, err, "the VM did not start, falling back",
			LOG_S("accelerator", failed.accelerator),
			LOG_S("transport", failed.vsock ? "vsock" : "serial"));
		err_clear(err);
		loop_call(s->loop, revive, s);
	}
	if (!accelerator)
		vmm_remember(VMM_ACCELERATOR, a.accelerator);
	if (doubtful)
		vmm_remember(VMM_TRANSPORT, a.vsock ? "vsock" : "serial");
	return 0;
}

/* "NAME PARAMETER=VALUE ...", heap. */
static Grpc__KernelModule *describe_module(const char *entry)
{
	Grpc__KernelModule *m = NEW(Grpc__KernelModule);
	char **words = strv_split(entry, " \t");

	grpc__kernel_module__init(m);
	m->name = words ? words[0] : xstrdup("");
	m->n_parameters = words ? strv_len(words) - 1 : 0;
	m->parameters = xcalloc(m->n_parameters + 1, sizeof(*m->parameters));
	for (size_t i = 0; i < m->n_parameters; i++)
		m->parameters[i] = words[i + 1];
	free(words);
	return m;
}

static void describe_modules(char *const *entries, Grpc__CreateSandboxRequest *request)
{
	request->kernel_modules = xcalloc(strv_len(entries) + 1, sizeof(*request->kernel_modules));
	strv_each(entry, entries)
		request->kernel_modules[request->n_kernel_modules++] = describe_module(*entry);
}

static void release_modules(Grpc__CreateSandboxRequest *request)
{
	for (size_t i = 0; i < request->n_kernel_modules; i++)
		protobuf_c_message_free_unpacked(&request->kernel_modules[i]->base, NULL);
	free(request->kernel_modules);
}

static int create_sandbox(struct sandbox *s, const char *hostname, struct deadline deadline,
			  struct err *err)
{
	Grpc__CreateSandboxRequest request = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	Grpc__Storage share = GRPC__STORAGE__INIT, *storages[] = { &share };
	AUTO(str)
	char *nine = str_fmt("trans=virtio,version=9p2000.L,cache=mmap,nodev,msize=%lld",
			     (long long)s->config->msize_9p);
	char *options[] = { nine };
	int result;

	share.driver = s->virtiofs ? (char *)"virtio-fs" : (char *)"9p";
	share.source = (char *)"kataShared";
	share.fstype = s->virtiofs ? (char *)"virtiofs" : (char *)"9p";
	share.mount_point = (char *)GUEST_SHARE_DIR "/";
	share.options = options;
	share.n_options = s->virtiofs ? 0 : 1;
	request.storages = storages;
	request.n_storages = 1;
	request.sandbox_id = s->id;
	request.hostname = (char *)(hostname ? hostname : "");
	request.guest_hook_path = s->config->guest_hook_path;
	describe_modules(s->config->kernel_modules, &request);
	result = sandbox_call(s, "CreateSandbox", &request, NULL, deadline, NULL, err);
	release_modules(&request);
	return result;
}

/* On the loop. The version is untrusted: it is cut here, and escaped where it is written. */
static void on_version(void *arg, const void *message, const struct err *why)
{
	const Grpc__VersionCheckResponse *reply = message;
	struct sandbox *s = arg;
	struct err err = ERR_INIT;

	if (!reply) {
		log_err(LOG_DEBUG, why, "cannot get the version of the agent");
		return;
	}
	s->agent_version = xstrndup(reply->agent_version, VERSION_MAX);
	if (record_write(s, &err) < 0)
		log_err(LOG_WARN, &err, "cannot record the version of the agent");
}

/* Recorded for operators and for the installer's check. Asynchronous; an agent that does not report
 * it is no error. */
static void learn_version(struct sandbox *s)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;

	(void)ttrpc_call_async(s->client, "grpc.Health", "Version", &request,
			       &grpc__version_check_response__descriptor, deadline_in(VERSION_MS),
			       on_version, s);
}

int sandbox_start(struct sandbox *s, struct sandbox_size size, int netns, const char *hostname,
		  struct deadline deadline, struct err *err)
{
	struct vmm_request r = { .config = s->config,
				 .dir = s->vm_dir,
				 .netns = netns,
				 .vcpus = size.vcpus,
				 .memory_mib = size.memory_mib };

	if (boot_somehow(s, &r, deadline, err) < 0)
		return err_wrap(err, "start the VM");
	if (create_sandbox(s, hostname, deadline, err) < 0)
		return -1;
	learn_version(s);
	return 0;
}

/* --- stop, clean --- */

/* True: the caller must stop the VM. False: there is none, or another flow has stopped it. */
static bool begin_stop(struct sandbox *s)
{
	bool first;

	(void)pthread_mutex_lock(&s->lock);
	first = s->vm_running && !s->stopping;
	s->stopping |= first;
	while (!first && s->stopping && !s->stopped)
		(void)cond_wait_until(&s->changed, &s->lock, DEADLINE_NEVER);
	(void)pthread_mutex_unlock(&s->lock);
	return first;
}

/* Waits until no flow is in a call: calls end soon, at the latest when the connection is closed. */
static void await_calls(struct sandbox *s)
{
	struct deadline soon = deadline_in(CALLS_MS);

	(void)pthread_mutex_lock(&s->lock);
	while (s->calls && cond_wait_until(&s->changed, &s->lock, soon))
		;
	if (s->calls)
		ttrpc_client_shutdown(s->client);
	while (s->calls)
		(void)cond_wait_until(&s->changed, &s->lock, DEADLINE_NEVER);
	(void)pthread_mutex_unlock(&s->lock);
}

/* Makes the guest write back its data; waits only briefly for its answer. */
static void say_goodbye(struct sandbox *s)
{
	Grpc__DestroySandboxRequest request = GRPC__DESTROY_SANDBOX_REQUEST__INIT;
	struct err err = ERR_INIT;

	if (s->client && !sandbox_is_dead(s) &&
	    call_service(s, "grpc.AgentService", "DestroySandbox", &request, NULL,
			 deadline_in(GOODBYE_MS), NULL, &err) < 0)
		log_err(LOG_DEBUG, &err, "the agent did not confirm DestroySandbox");
}

static void end_stop(struct sandbox *s)
{
	(void)pthread_mutex_lock(&s->lock);
	s->stopped = true;
	s->vm_running = false;
	fd_close(&s->vmm);
	(void)pthread_cond_broadcast(&s->changed);
	(void)pthread_mutex_unlock(&s->lock);
}

void sandbox_stop(struct sandbox *s)
{
	if (!begin_stop(s))
		return;
	await_calls(s);
	say_goodbye(s);
	loop_call(s->loop, detach, s);
	s->vm.ops->stop(&s->vm, deadline_in(STOP_MS));
	spawn_kill(&s->virtiofsd);
	end_stop(s);
}

static int remove_files(const char *key, struct err *err)
{
	const char *const dirs[] = { SANDBOX_SHARE_DIR, SANDBOX_VM_DIR, SANDBOX_STATE_DIR };

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		AUTO(str) char *path = path_join(dirs[i], key);

		if (mount_detach_below(path, err) < 0 || path_remove_tree(path, err) < 0)
			return -1;
	}
	return 0;
}

void sandbox_free(struct sandbox *s)
{
	struct err err = ERR_INIT;

	sandbox_stop(s);
	if (remove_files(s->key, &err) < 0)
		log_err(LOG_WARN, &err, "cannot remove the files of the sandbox");
	release(s);
}

int sandbox_clean(const char *namespace, const char *id, struct err *err)
{
	AUTO(str) char *key = NULL;

	if (str_check_id(id, "sandbox id", err) < 0 ||
	    str_check_id(namespace, "namespace", err) < 0)
		return -1;
	key = record_key(namespace, id);
	record_kill(key);
	return remove_files(key, err);
}
