// SPDX-License-Identifier: Apache-2.0
/* A sandbox from creation to removal. */

#include "sandbox/sandbox.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/path.h"
#include "base/str.h"
#include "device/volume.h"
#include "host/user.h"
#include "mount/mount.h"
#include "protocols/agent.pb-c.h"
#include "protocols/health.pb-c.h"
#include "sandbox/copies.h"
#include "sandbox/follow.h"
#include "sandbox/interfaces.h"
#include "sandbox/place.h"
#include "sandbox/ports.h"
#include "sandbox/record.h"

#include <stdlib.h>
#include <string.h>

enum { VERSION_MS = 5000, VERSION_MAX = 64, OOM_PAUSE_MS = 100, OOM_BURST = 16 };

static void release(struct sandbox *s)
{
	network_release(&s->network);
	share_release(&s->share);
	sizing_release(&s->size.sizing);
	vec_each(struct late_limits, late, &s->size.late)
		free(late->id);
	vec_release(&s->size.late);
	(void)pthread_mutex_destroy(&s->size.lock);
	(void)pthread_cond_destroy(&s->size.changed);
	(void)pthread_mutex_destroy(&s->disconnecting);
	(void)pthread_mutex_destroy(&s->swap.lock);
	(void)pthread_mutex_destroy(&s->placing);
	free(s->cpus);
	free(s->mems);
	record_free(s->record);
	free(s->id);
	free(s->namespace);
	free(s->key);
	free(s->state_dir);
	free(s->share_dir);
	free(s);
}

/* In the guest, users that a user namespace maps search the shared directory; on the host its
 * parent directory keeps everybody but root out. */
static int make_share_dir(const struct sandbox *s, struct err *err)
{
	AUTO(str) char *parent = path_join(SANDBOX_SHARE_DIR, s->key);

	return path_make(parent, 0700, err) < 0 ? -1 : path_make(s->share_dir, 0711, err);
}

/* Earlier shims mounted the share in this namespace. */
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

/* Makes all directories or none: after a failure of Create nobody calls `delete`. */
static int make_files(struct sandbox *s, struct err *err)
{
	struct err ignored = ERR_INIT;

	if (path_exists(s->state_dir))
		return err_set(err, E_EXISTS, "sandbox %s exists already (%s)", s->id,
			       s->state_dir);
	if (path_make(s->state_dir, 0700, err) == 0 && path_make(s->vm->dir, 0700, err) == 0 &&
	    make_share_dir(s, err) == 0 && share_open(&s->share, err) == 0)
		return 0;
	(void)!remove_files(s->key, &ignored);
	return -1;
}

/* Loop: the VM has died. */
static void on_dead(void *arg, const struct err *why)
{
	struct sandbox *s = arg;

	ports_stop(s->ports);
	if (s->on_dead)
		s->on_dead(s->arg, why);
}

/* QEMU and virtiofsd were started. */
static int on_launched(void *arg, struct err *err)
{
	struct sandbox *s = arg;

	record_process(s->record, "virtiofsd", s->vm->virtiofsd.pid);
	record_process(s->record, "vmm", s->vm->vmm.child.pid);
	return record_write(s->record, err) < 0 ? -1 : place_vmm(s, err);
}

static struct vm *make_vm(struct sandbox *s)
{
	AUTO(str) char *dir = path_join(SANDBOX_VM_DIR, s->key);
	struct vm *vm = vm_new(s->loop, s->config, dir);

	vm->on_dead = on_dead;
	vm->on_launched = on_launched;
	vm->arg = s;
	return vm;
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
	s->share_dir = str_fmt(SANDBOX_SHARE_DIR "/%s/shared", s->key);
	s->network = (struct network)NETWORK_INIT;
	(void)pthread_mutex_init(&s->disconnecting, NULL);
	(void)pthread_mutex_init(&s->swap.lock, NULL);
	share_init(&s->share, s->share_dir, config);
	(void)pthread_mutex_init(&s->size.lock, NULL);
	cond_init(&s->size.changed);
	s->size.sizing = sizing_for(config);
	(void)pthread_mutex_init(&s->placing, NULL);
	s->record = record_new(s->state_dir, namespace, id);
	s->vm = make_vm(s);
	if (make_files(s, err) == 0) {
		*out = s;
		return 0;
	}
	vm_free(s->vm);
	release(s);
	return -1;
}

int sandbox_make_netns(const struct sandbox *s, char **path, struct err *err)
{
	*path = path_join(s->state_dir, "netns"); /* removed with that directory */
	return netns_make(*path, err);
}

/* --- start --- */

/* The message for an entry of kernel_modules, "NAME PARAMETER=VALUE ..."; heap. */
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
	char *nine = str_fmt("trans=virtio,version=9p2000.L,cache=mmap,msize=%lld",
			     (long long)s->config->msize_9p);
	char *options[] = { nine };
	int result;

	share.driver = s->vm->fs == VM_VIRTIOFS ? (char *)"virtio-fs" : (char *)"9p";
	share.source = (char *)VM_SHARE_TAG;
	share.fstype = s->vm->fs == VM_VIRTIOFS ? (char *)"virtiofs" : (char *)"9p";
	share.mount_point = (char *)SHARE_GUEST_DIR "/";
	share.options = options;
	share.n_options = s->vm->fs == VM_VIRTIOFS ? 0 : 1;
	request.storages = storages;
	request.n_storages = s->vm->fs == VM_NO_SHARE ? 0 : 1;
	request.sandbox_id = s->id;
	request.hostname = (char *)(hostname ? hostname : "");
	request.guest_hook_path = s->config->guest_hook_path;
	describe_modules(s->config->kernel_modules, &request);
	result = sandbox_call(s, "CreateSandbox", &request, NULL, deadline, NULL, err);
	release_modules(&request);
	return result;
}

/* Loop. The version is untrusted text: it is cut here, and whoever prints it must escape it. */
static void on_version(void *arg, const void *message, const struct err *why)
{
	const Grpc__VersionCheckResponse *reply = message;
	struct sandbox *s = arg;
	struct err err = ERR_INIT;
	AUTO(str) char *version = NULL;

	if (!reply) {
		log_err(LOG_DEBUG, why, "cannot get the version of the agent");
		return;
	}
	version = xstrndup(reply->agent_version, VERSION_MAX);
	record_agent_version(s->record, version);
	if (record_write(s->record, &err) < 0)
		log_err(LOG_WARN, &err, "cannot record the version of the agent");
}

/* Asks the agent for its version, which is recorded for operators and for the installer's check.
 * Does not wait; an agent that does not answer is no error. */
static void ask_version(struct sandbox *s)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;

	(void)ttrpc_call_async(s->vm->client, "grpc.Health", "Version", &request,
			       &grpc__version_check_response__descriptor, deadline_in(VERSION_MS),
			       on_version, s);
}

/* --- out of memory --- */

static void ask_oom(void *arg);

/* How long to wait before the next event is asked for. A hostile guest may report any number: the
 * pause keeps the queue of the events from filling up. There is none for a few at once, as when
 * several containers of a pod are killed: the report must come before the end of the container. */
static uint64_t oom_pause(struct sandbox *s)
{
	uint64_t now = clock_ms();

	if (s->oom_ms < now)
		s->oom_ms = now;
	s->oom_ms += OOM_PAUSE_MS;
	return s->oom_ms - now > OOM_BURST * OOM_PAUSE_MS ? OOM_PAUSE_MS : 0;
}

static void on_oom(void *arg, const void *reply, const struct err *err)
{
	const Grpc__OOMEvent *event = reply;
	struct sandbox *s = arg;
	uint64_t ms;

	if (err && err->code != E_LIMIT)
		return; /* the connection has ended, and with it the sandbox */
	if (!err && s->on_oom)
		s->on_oom(s->arg, event->container_id);
	ms = err ? VM_AGAIN_MS : oom_pause(s);
	if (ms)
		loop_delay(s->loop, &s->pause, ms, ask_oom, s);
	else
		ask_oom(s);
}

/* Loop: sends GetOOMEvent, which the agent answers at the next OOM kill in any container. */
static void ask_oom(void *arg)
{
	Grpc__GetOOMEventRequest request = GRPC__GET_OOMEVENT_REQUEST__INIT;
	struct sandbox *s = arg;

	if (s->vm->client)
		(void)ttrpc_call_async(s->vm->client, "grpc.AgentService", "GetOOMEvent", &request,
				       &grpc__oomevent__descriptor, DEADLINE_NEVER, on_oom, s);
}

/* --- start and stop --- */

/* Has the agent of the VM that was booted make this sandbox and its network. */
static int adopt(struct sandbox *s, const char *hostname, struct deadline deadline, struct err *err)
{
	if (create_sandbox(s, hostname, deadline, err) < 0 ||
	    interfaces_set_up(s, deadline, err) < 0)
		return -1;
	s->follower = follow_start(s, err);
	if (err->code)
		return -1;
	ask_version(s);
	loop_post(s->loop, ask_oom, s);
	return 0;
}

/* Finds the interfaces, records them and connects them: what is recorded first is undone even if
 * this process dies meanwhile. */
static int connect_network(struct sandbox *s, const char *netns, struct err *err)
{
	if (network_scan(&s->network, s->config, netns, err) < 0)
		return -1;
	vec_each(const struct endpoint, e, &s->network.endpoints.list)
		record_interface(s->record, &s->network, e);
	return record_write(s->record, err) < 0 ? -1 : network_connect(&s->network, err);
}

/* Boots a VM that has a card for each interface. */
static int get_vm(struct sandbox *s, const char *label, struct deadline deadline, struct err *err)
{
	size_t n = s->network.endpoints.list.n;
	AUTO(mem) struct vmm_device *cards = xcalloc(n, sizeof(*cards));
	gid_t kvm;
	bool may_kvm = host_user_may_use("/dev/kvm", &kvm);
	const struct spawn_user user = {
		.uid = s->user, .gid = s->user, .groups = &kvm, .ngroups = kvm != (gid_t)-1
	};
	const struct vm_wanted wanted = { .size = s->size.now,
					  .most = s->size.most,
					  .netns = s->config->new_netns_off ? -1 : s->network.netns,
					  .user = s->user ? &user : NULL,
					  .label = s->config->selinux_off ? NULL : label,
					  .no_kvm = s->user && !may_kvm,
					  .share = &s->share,
					  .devices = cards,
					  .ndevices = n };

	for (size_t i = 0; i < n; i++)
		cards[i] = network_device(&s->network.endpoints.list.v[i]);
	if (vm_get(s->vm, &wanted, deadline, err) < 0)
		return err_wrap(err, "start the VM");
	network_hand_over(&s->network);
	s->size.most = s->vm->vmm.ops->most(&s->vm->vmm);
	return 0;
}

struct ports_opened {
	struct sandbox *sandbox;
	struct ports *ports;
};

static void start_ports(void *arg)
{
	const struct ports_opened *o = arg;

	o->sandbox->ports = o->ports;
	ports_start(o->ports);
}

/* Forwards connections to the pod's localhost. A failure is logged: the pod works without. */
static void open_localhost(struct sandbox *s, struct deadline deadline)
{
	struct ports_opened o = { .sandbox = s };
	struct err err = ERR_INIT;

	o.ports = ports_open(s->loop, s->vm, s->network.netns, deadline, &err);
	if (o.ports)
		loop_call(s->loop, start_ports, &o);
	else
		log_err(LOG_WARN, &err, "ports of this pod cannot be forwarded");
}

struct starting {
	struct sandbox *sandbox;
	const struct sandbox_wanted *wanted;
	struct deadline deadline;
};

/* Moving a process to another control group takes tens of milliseconds, in which the kernel waits
 * for a grace period of all processors. So at each of these points something else runs in parallel:
 * the functions are called by parallel_each() for PLACE and for BESIDE. */
enum { PLACE, BESIDE, BOTH };

/* Before the VM is booted. */
static int prepare(void *arg, size_t i, struct err *err)
{
	const struct starting *g = arg;

	return i == PLACE ? place_enter(g->sandbox, g->wanted, err)
			  : connect_network(g->sandbox, g->wanted->netns, err);
}

/* Once the agent answers. */
static int set_up(void *arg, size_t i, struct err *err)
{
	const struct starting *g = arg;

	return i == PLACE ? sandbox_place_vcpus(g->sandbox, g->deadline, err)
			  : adopt(g->sandbox, g->wanted->hostname, g->deadline, err);
}

int sandbox_start(struct sandbox *s, const struct sandbox_wanted *wanted, struct deadline deadline,
		  struct err *err)
{
	struct starting g = { s, wanted, deadline };

	s->size.now = sizing_now(&s->size.sizing);
	s->size.most = s->config->static_size ? s->size.now : sizing_most(s->config);
	if (parallel_each(BOTH, prepare, &g, err) < 0 || place_take_user(s, err) < 0 ||
	    get_vm(s, wanted->label, deadline, err) < 0)
		return -1;
	(void)pthread_mutex_lock(&s->placing);
	s->placed = true;
	(void)pthread_mutex_unlock(&s->placing);
	if (parallel_each(BOTH, set_up, &g, err) < 0)
		return -1;
	if (share_is_none(&s->share) && copies_begin(s, s->size.now.memory_mib, err) < 0)
		return -1;
	if (wanted->localhost && s->network.netns >= 0)
		open_localhost(s, deadline);
	return 0;
}

int sandbox_use_volume(struct sandbox *s, const char *path, struct err *err)
{
	record_volume(s->record, path);
	return record_write(s->record, err) < 0 ? -1 : volume_mark(path, s->key, s->state_dir, err);
}

int sandbox_call(struct sandbox *s, const char *method, const void *request,
		 const ProtobufCMessageDescriptor *reply_type, struct deadline deadline,
		 void *reply, struct err *err)
{
	return vm_call(s->vm, method, request, reply_type, deadline, reply, err);
}

static void stop_ports(void *arg)
{
	struct sandbox *s = arg;

	ports_stop(s->ports);
}

static void drop_pause(void *arg)
{
	struct sandbox *s = arg;

	watch_remove(STEAL(s->pause, NULL));
}

/* Of interfaces that are disconnected nothing is to be undone. */
static void forget_interfaces(struct sandbox *s)
{
	struct err err = ERR_INIT;

	vec_each(const struct endpoint, e, &s->network.endpoints.list) {
		if (!e->connected)
			record_forget_interface(s->record, e->tap);
	}
	if (s->network.endpoints.list.n && record_write(s->record, &err) < 0)
		log_err(LOG_WARN, &err, "cannot record that the network is disconnected");
}

/* Leaves the namespace as it was before, since it may be used for another VM next. It may also have
 * been removed meanwhile. After a failure the next call tries again, or `delete`, by the record. */
static void disconnect_network(struct sandbox *s)
{
	struct err err = ERR_INIT;
	bool done;

	(void)pthread_mutex_lock(&s->disconnecting);
	follow_stop(STEAL(s->follower, NULL));
	done = network_disconnect(&s->network, &err) == 0;
	if (!done)
		log_err(LOG_WARN, &err, "cannot disconnect the network");
	forget_interfaces(s);
	if (done) {
		endpoints_release(&s->network.endpoints);
		/* Or the namespace would stay as long as the shim. */
		fd_close(&s->network.netns);
	}
	(void)pthread_mutex_unlock(&s->disconnecting);
}

/* At the end. */
static int stop_part(void *arg, size_t i, struct err *err)
{
	struct sandbox *s = arg;

	(void)err;
	if (i == PLACE)
		place_move_back(s);
	else
		vm_stop(s->vm);
	return 0;
}

void sandbox_stop(struct sandbox *s)
{
	struct err none = ERR_INIT;

	loop_call(s->loop, stop_ports, s);
	(void)!parallel_each(BOTH, stop_part, s, &none);
	place_leave(s);
	disconnect_network(s);
	loop_call(s->loop, drop_pause, s);
}

void sandbox_free(struct sandbox *s)
{
	struct err err = ERR_INIT;

	sandbox_stop(s);
	copies_end(s);
	vm_free(s->vm);
	record_undo_volumes(s->record);
	ports_free(s->ports);
	if (remove_files(s->key, &err) < 0)
		log_err(LOG_WARN, &err, "cannot remove the files of the sandbox");
	release(s);
}

int sandbox_clean(const char *namespace, const char *id, struct err *err)
{
	AUTO(str) char *key = NULL, *dir = NULL;

	if (str_check_id(id, "sandbox id", err) < 0 ||
	    str_check_id(namespace, "namespace", err) < 0)
		return -1;
	key = record_key(namespace, id);
	dir = path_join(SANDBOX_STATE_DIR, key);
	record_undo(dir, key);
	return remove_files(key, err);
}
