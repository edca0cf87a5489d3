// SPDX-License-Identifier: Apache-2.0
/* A VM with its agent: noticing its unexpected end, calling the agent, and stopping it. */

#include "sandbox/vm-internal.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "protocols/agent.pb-c.h"
#include "protocols/health.pb-c.h"
#include "share/virtiofsd.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	STOP_MS = 5000,
	GRACE_MS = 250,
	WHY_MS = 1000,
	CALLS_MS = 1000,
	GOODBYE_MS = 2000,
	WRITE_BACK_MS = 30000,
	LOGS_MS = 5000,
	LOG_MAX = 1 << 20,
	LOG_KEPT = 1 << 18
};

struct vm *vm_new(struct loop *loop, const struct runtime_config *config, const char *dir)
{
	struct vm *v = NEW(struct vm);

	v->loop = loop;
	v->config = config;
	v->dir = xstrdup(dir);
	v->kill_fd = -1;
	v->virtiofsd = CHILD_NONE;
	v->vmm.child = CHILD_NONE;
	(void)pthread_mutex_init(&v->lock, NULL);
	cond_init(&v->changed);
	disks_init(&v->disks);
	return v;
}

void vm_free(struct vm *v)
{
	if (!v)
		return;
	vm_stop(v);
	disks_release(&v->disks);
	fd_close(&v->kill_fd);
	(void)pthread_mutex_destroy(&v->lock);
	(void)pthread_cond_destroy(&v->changed);
	free(v->dir);
	free(v);
}

/* --- unexpected ends --- */

/* With the lock held. */
static void kill_vmm(struct vm *v)
{
	if (v->kill_fd >= 0)
		(void)syscall(SYS_pidfd_send_signal, v->kill_fd, SIGKILL, NULL, 0);
}

/* Loop: the VM is dead, for that reason. Kills the VMM, fails pending calls and reports it,
 * once. */
static void die(struct vm *v, enum err_code code, const char *why)
{
	struct err err = ERR_INIT;
	bool first;

	err_set(&err, code, "%s", why);
	(void)pthread_mutex_lock(&v->lock);
	first = !v->dead && !v->stopping;
	if (first) {
		v->dead = true;
		v->why = err;
		kill_vmm(v);
		(void)pthread_cond_broadcast(&v->changed);
	}
	(void)pthread_mutex_unlock(&v->lock);
	if (!first)
		return;
	log_err(LOG_ERROR, &err, "sandbox ended");
	if (v->client)
		ttrpc_client_shutdown(v->client);
	if (v->on_dead)
		v->on_dead(v->arg, &err);
}

/* The VMM has ended. It exits with 0 when the guest powers off, and when the guest's kernel
 * panics. */
static void die_of_vmm(struct vm *v)
{
	AUTO(str) char *why = NULL;
	const char *signal;
	int code;

	lines_catch_up(&v->console);
	if (*v->console.panic)
		why = str_fmt("the VM ended: the guest's kernel gave up: %s", v->console.panic);
	else if (!spawn_has_ended(&v->vmm.child, &code))
		why = xstrdup("the VM ended");
	else if (code > 128 && (signal = sigabbrev_np(code - 128)))
		why = str_fmt("the VM ended: its VMM was killed by SIG%s", signal);
	else
		why = str_fmt("the VM ended: its VMM exited with %d", code);
	die(v, E_GONE, why);
}

static void on_vm_end(void *arg, uint32_t events)
{
	struct vm *v = arg;

	(void)events;
	watch_set(v->watch, 0);
	die_of_vmm(v);
}

static void after_grace(void *arg)
{
	struct vm *v = arg;

	die(v, E_GONE, v->grace_why);
}

/* virtiofsd or the agent's connection has ended, for that reason. That may be because the VMM is
 * exiting, which closes its sockets first; then its exit is the better reason, so that gets a
 * moment. */
static void die_unless_the_vm_does(struct vm *v, const char *why)
{
	v->grace_why = why;
	if (!v->grace)
		v->grace = loop_timer(v->loop, GRACE_MS, false, after_grace, v);
}

static void on_fs_end(void *arg, uint32_t events)
{
	static const char why[] = "virtiofsd ended while the VM ran";
	struct vm *v = arg;

	(void)events;
	watch_set(v->fs_watch, 0);
	if (virtiofsd_failed(&v->virtiofsd))
		die(v, E_GONE, why);
	else
		die_unless_the_vm_does(v, why);
}

static void on_agent_gone(void *arg, const struct err *why)
{
	struct vm *v = arg;
	struct err err = *why;

	if (why->code == E_GONE) {
		die_unless_the_vm_does(v, "the agent's connection ended");
		return;
	}
	err_wrap(&err, "the agent broke the protocol");
	die(v, err.code, err.msg);
}

static void on_agent_silent(void *arg)
{
	struct vm *v = arg;
	AUTO(str)
	char *why =
		str_fmt("the agent has answered nothing for %lld seconds (health_timeout): the VM "
			"is stopped, or its kernel hangs",
			(long long)v->config->health_timeout_s);

	die(v, E_TIMEOUT, why);
}

bool vm_is_dead(struct vm *v)
{
	bool dead;

	(void)pthread_mutex_lock(&v->lock);
	dead = v->dead;
	(void)pthread_mutex_unlock(&v->lock);
	return dead;
}

/* --- calls --- */

/* The connection broke during a call. Waits a second at most until the loop knows why the VM is
 * dead, and replaces the error by that. */
static void explain(struct vm *v, const char *method, struct err *err)
{
	struct deadline soon = deadline_in(WHY_MS);

	(void)pthread_mutex_lock(&v->lock);
	while (!v->dead && !v->stopping && cond_wait_until(&v->changed, &v->lock, soon))
		;
	if (v->dead) {
		err_clear(err);
		err_set(err, v->why.code, "%s: %s", method, v->why.msg);
	}
	(void)pthread_mutex_unlock(&v->lock);
}

static int call_service(struct vm *v, const char *service, const char *method, const void *request,
			const ProtobufCMessageDescriptor *reply_type, struct deadline deadline,
			void *reply, struct err *err)
{
	if (ttrpc_call(v->client, service, method, request, reply_type, deadline, reply, err) == 0)
		return 0;
	if (err->code == E_GONE || err->code == E_PROTOCOL)
		explain(v, method, err);
	return -1;
}

/* Begins a call. vm_stop() waits for calls in progress before it closes the connection, and no call
 * begins once it has begun. */
static int enter(struct vm *v, const char *method, struct err *err)
{
	(void)pthread_mutex_lock(&v->lock);
	if (v->dead)
		err_set(err, v->why.code, "%s: %s", method, v->why.msg);
	else if (v->stopping || !v->client)
		err_set(err, E_GONE, "%s: the VM is being stopped", method);
	else
		v->calls++;
	(void)pthread_mutex_unlock(&v->lock);
	return err->code ? -1 : 0;
}

static void leave(struct vm *v)
{
	(void)pthread_mutex_lock(&v->lock);
	v->calls--;
	(void)pthread_cond_broadcast(&v->changed);
	(void)pthread_mutex_unlock(&v->lock);
}

int vm_call(struct vm *v, const char *method, const void *request,
	    const ProtobufCMessageDescriptor *reply_type, struct deadline deadline, void *reply,
	    struct err *err)
{
	int result;

	if (enter(v, method, err) < 0)
		return -1;
	result = call_service(v, "grpc.AgentService", method, request, reply_type, deadline, reply,
			      err);
	leave(v);
	return result;
}

int vm_plug_disk(struct vm *v, const char *path, bool readonly, struct disk **out,
		 struct deadline deadline, struct err *err)
{
	int result;

	if (enter(v, "plug in a disk", err) < 0)
		return -1;
	result = disks_plug(&v->disks, &v->vmm, path, readonly, out, deadline, err);
	leave(v);
	return result;
}

int vm_unplug_disk(struct vm *v, struct disk *disk, struct deadline deadline, struct err *err)
{
	int result;

	if (enter(v, "unplug a disk", err) < 0)
		return -1;
	result = disks_unplug(&v->disks, &v->vmm, disk, deadline, err);
	leave(v);
	return result;
}

int vm_plug_nic(struct vm *v, const char *id, const struct vmm_device *card,
		struct deadline deadline, struct err *err)
{
	struct vmm_address ignored; /* the agent finds the card by its hardware address */
	int result;

	if (enter(v, "plug in a network card", err) < 0)
		return -1;
	result = v->vmm.ops->add(&v->vmm, id, card, &ignored, deadline, err);
	leave(v);
	return result;
}

int vm_unplug_nic(struct vm *v, const char *id, struct deadline deadline, struct err *err)
{
	int result;

	if (enter(v, "unplug a network card", err) < 0)
		return -1;
	result = v->vmm.ops->remove(&v->vmm, id, deadline, err);
	leave(v);
	return result;
}

int vm_grow_disk(struct vm *v, struct disk *disk, uint64_t bytes, struct deadline deadline,
		 struct err *err)
{
	int result;

	if (enter(v, "grow a disk", err) < 0)
		return -1;
	result = disks_grow(&v->vmm, disk, bytes, deadline, err);
	leave(v);
	return result;
}

/* Has the guest bring processors online, so that all run, and, if asked, memory: DIMMs need that,
 * virtio-mem does not. If the answer is lost, the guest may have done so. */
static int bring_online(struct vm *v, unsigned all, bool memory, struct deadline deadline,
			struct err *err)
{
	const unsigned vcpus = all - v->vcpus;
	Grpc__OnlineCPUMemRequest request = GRPC__ONLINE_CPUMEM_REQUEST__INIT;

	request.wait = true;
	request.nb_cpus = vcpus;
	request.all_cpus = all;
	request.cpu_only = !memory;
	if (call_service(v, "grpc.AgentService", "OnlineCPUMem", &request, NULL, deadline, NULL,
			 err) < 0)
		return err_wrap(err, "bring %u processors online", vcpus);
	v->vcpus = all;
	return 0;
}

int vm_resize(struct vm *v, const struct vmm_size *wanted, struct vmm_size *got,
	      struct deadline deadline, struct err *err)
{
	bool memory = !v->config->virtio_mem;
	int result;

	if (enter(v, "resize", err) < 0)
		return -1;
	health_excuse(&v->health, true);
	result = v->vmm.ops->resize(&v->vmm, wanted, got, deadline, err);
	if (result == 0 && (got->vcpus > v->vcpus || memory))
		result = bring_online(v, got->vcpus, memory, deadline, err);
	health_excuse(&v->health, false);
	leave(v);
	return result;
}

bool vm_answers(struct vm *v, struct deadline deadline)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;
	struct err why = ERR_INIT;
	bool answers;

	if (enter(v, "Check", &why) < 0)
		return false;
	answers = call_service(v, "grpc.Health", "Check", &request,
			       &grpc__health_check_response__descriptor, deadline, NULL, &why) == 0;
	leave(v);
	return answers;
}

void vm_kill(struct vm *v, const struct err *why)
{
	log_err(LOG_ERROR, why, "killing the VM");
	(void)pthread_mutex_lock(&v->lock);
	kill_vmm(v);
	(void)pthread_mutex_unlock(&v->lock);
}

/* With the lock held: an fd of the VMM's directory in /proc, or -1. Its pid is still its own if it
 * exists after that directory was opened. */
static int open_vmm(const struct vm *v)
{
	AUTO(str) char *path = str_fmt("/proc/%d", (int)v->vmm_pid);
	AUTO(fd) int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (v->kill_fd < 0 || syscall(SYS_pidfd_send_signal, v->kill_fd, 0, NULL, 0) < 0)
		return -1;
	return STEAL(dir, -1);
}

int vm_set_score(struct vm *v, int64_t score, struct err *err)
{
	AUTO(str) char *text = str_fmt("%lld", (long long)score);
	AUTO(fd) int dir = -1;

	(void)pthread_mutex_lock(&v->lock);
	dir = open_vmm(v);
	(void)pthread_mutex_unlock(&v->lock);
	return dir < 0 ? 0 : file_write(dir, "oom_score_adj", text, err);
}

void vm_cancel(struct vm *v)
{
	(void)pthread_mutex_lock(&v->lock);
	v->cancelled = true;
	kill_vmm(v);
	(void)pthread_mutex_unlock(&v->lock);
}

int vm_check_cancelled(struct vm *v, struct err *err)
{
	bool cancelled;

	(void)pthread_mutex_lock(&v->lock);
	cancelled = v->cancelled;
	(void)pthread_mutex_unlock(&v->lock);
	return cancelled ? err_set(err, E_CANCELLED, "the start was cancelled") : 0;
}

/* --- watches --- */

/* What QEMU and virtiofsd write has no other bound: what a guest makes them report would fill the
 * host's /run. The end is kept, since it has the reason if one of them fails. */
static void on_logs(void *arg)
{
	static const char *const names[] = { "qemu.log", "virtiofsd.log" };
	const struct vm *v = arg;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO(str) char *path = path_join(v->dir, names[i]);
		struct err err = ERR_INIT;
		int cut = file_keep_end(path, LOG_MAX, LOG_KEPT, &err);

		if (cut < 0)
			log_err(LOG_WARN, &err, "a log of the VM may become too long");
		else if (cut)
			log_warn("a log of the VM was too long: only its end is left",
				 LOG_S("path", path));
	}
}

static void attach(void *arg)
{
	struct vm *v = arg;

	v->watch = loop_watch(v->loop, v->vmm.child.pidfd, EPOLLIN, on_vm_end, v);
	lines_start(&v->console, v->loop, v->vmm.console, "guest console");
	v->logs = loop_timer(v->loop, LOGS_MS, true, on_logs, v);
	if (v->virtiofsd.pid > 0)
		v->fs_watch = loop_watch(v->loop, v->virtiofsd.pidfd, EPOLLIN, on_fs_end, v);
}

static void attach_agent(void *arg)
{
	struct vm *v = arg;
	struct ttrpc_client *client = ttrpc_client_new(v->loop, STEAL(v->vmm.agent, -1),
						       on_agent_gone, v);

	(void)pthread_mutex_lock(&v->lock);
	v->client = client;
	(void)pthread_mutex_unlock(&v->lock);
	if (v->vmm.log >= 0)
		lines_start(&v->log, v->loop, v->vmm.log, "guest agent");
}

static void detach(void *arg)
{
	struct vm *v = arg;
	struct ttrpc_client *client;

	(void)pthread_mutex_lock(&v->lock);
	client = STEAL(v->client, NULL);
	(void)pthread_mutex_unlock(&v->lock);
	guest_clock_stop(&v->clock);
	health_stop(&v->health);
	watch_remove(STEAL(v->grace, NULL));
	watch_remove(STEAL(v->watch, NULL));
	watch_remove(STEAL(v->fs_watch, NULL));
	watch_remove(STEAL(v->logs, NULL));
	lines_stop(&v->console);
	lines_stop(&v->log);
	ttrpc_client_free(client);
}

/* The agent has answered for the first time. */
static void attend_agent(void *arg)
{
	struct vm *v = arg;

	if (v->client)
		guest_clock_start(&v->clock, v->loop, v->client);
	if (v->client && v->config->health_timeout_s)
		health_start(&v->health, v->loop, v->client,
			     (uint64_t)v->config->health_timeout_s * 1000, on_agent_silent, v);
}

void vm_watch(struct vm *v)
{
	(void)pthread_mutex_lock(&v->lock);
	v->running = true;
	(void)pthread_mutex_unlock(&v->lock);
	loop_call(v->loop, attach, v);
}

int vm_connect(struct vm *v, struct deadline deadline, struct err *err)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;

	if (v->vmm.ops->dial(&v->vmm, deadline, err) == 0) {
		loop_call(v->loop, attach_agent, v);
		if (call_service(v, "grpc.Health", "Check", &request,
				 &grpc__health_check_response__descriptor, deadline, NULL,
				 err) == 0) {
			loop_call(v->loop, attend_agent, v);
			return 0;
		}
	}
	err_wrap(err, "the agent in the VM did not answer");
	if (strstr(err->msg, "dm-verity device corrupted"))
		return err_hint(err,
				"%s is not what its root hash says (kernel_verity_params, or "
				"%s" ROOT_IMAGE_PARAMS
				"); `kata-deploy verify` finds what was changed",
				v->config->image, v->config->image);
	return err_hint(err,
			"set enable_debug in [hypervisor.qemu] and look for 'guest console' in "
			"the log");
}

static void reset(void *arg)
{
	struct vm *v = arg;

	(void)pthread_mutex_lock(&v->lock);
	v->stopping = v->stopped = v->dead = false;
	(void)pthread_mutex_unlock(&v->lock);
}

void vm_reset(struct vm *v)
{
	loop_call(v->loop, reset, v);
}

/* --- stop --- */

/* True if the caller is to stop the VM. False if none runs or, after waiting for that, another flow
 * has stopped it. */
static bool begin_stop(struct vm *v)
{
	bool first;

	(void)pthread_mutex_lock(&v->lock);
	first = v->running && !v->stopping;
	v->stopping |= first;
	while (!first && v->stopping && !v->stopped)
		(void)cond_wait_until(&v->changed, &v->lock, DEADLINE_NEVER);
	(void)pthread_mutex_unlock(&v->lock);
	return first;
}

/* With the lock held. */
static void await_calls_until(struct vm *v, struct deadline deadline)
{
	while (v->calls && cond_wait_until(&v->changed, &v->lock, deadline))
		;
}

/* Waits until no flow is in a call. If some are after a second, the agent's connection is shut
 * down, which fails requests to the agent; after another second the VMM is killed, which fails
 * those to it. */
static void await_calls(struct vm *v)
{
	(void)pthread_mutex_lock(&v->lock);
	await_calls_until(v, deadline_in(CALLS_MS));
	if (v->calls)
		ttrpc_client_shutdown(v->client);
	await_calls_until(v, deadline_in(CALLS_MS));
	if (v->calls)
		kill_vmm(v);
	while (v->calls)
		(void)cond_wait_until(&v->changed, &v->lock, DEADLINE_NEVER);
	(void)pthread_mutex_unlock(&v->lock);
}

/* Makes the guest write its data back. With disks plugged in that may take time, and the data exist
 * nowhere else; without, an agent that does not answer soon is not waited for. */
static void say_goodbye(struct vm *v)
{
	Grpc__DestroySandboxRequest request = GRPC__DESTROY_SANDBOX_REQUEST__INIT;
	uint64_t ms = disks_are_plugged(&v->disks) ? WRITE_BACK_MS : GOODBYE_MS;
	struct err err = ERR_INIT;

	if (v->client && !vm_is_dead(v) &&
	    call_service(v, "grpc.AgentService", "DestroySandbox", &request, NULL, deadline_in(ms),
			 NULL, &err) < 0)
		log_err(LOG_DEBUG, &err, "the agent did not confirm DestroySandbox");
}

static void end_stop(struct vm *v)
{
	(void)pthread_mutex_lock(&v->lock);
	v->stopped = true;
	v->running = false;
	fd_close(&v->kill_fd);
	(void)pthread_cond_broadcast(&v->changed);
	(void)pthread_mutex_unlock(&v->lock);
}

void vm_stop(struct vm *v)
{
	if (!begin_stop(v))
		return;
	await_calls(v);
	say_goodbye(v);
	loop_call(v->loop, detach, v);
	v->vmm.ops->stop(&v->vmm, deadline_in(STOP_MS));
	virtiofsd_stop(&v->virtiofsd);
	end_stop(v);
}
