// SPDX-License-Identifier: Apache-2.0
/*
 * Create. task_create() at the end of the file calls, in this order: begin() puts the container
 * into the list, create() makes it, and commit() makes it visible; on any failure undo() removes
 * it. create() loads specification and configuration (load.c), then create_sandbox() makes the VM
 * and its first container, or create_in_pod() another container in the VM of a pod.
 */

#include "shim/shim.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "hook/hook.h"
#include "oci/message.h"
#include "protocols/agent.pb-c.h"
#include "protocols/events.pb-c.h"
#include "sandbox/copies.h"

#include <stdlib.h>
#include <unistd.h>

static int nobody_waits(struct err *err)
{
	return err_set(err, E_CANCELLED, "the caller of Create is gone");
}

/* The title is not the shim's name, so that a count of shims by name gives one for each pod. */
static int start_holder(const struct container *c, const char *netns, struct netns_holder *out,
			struct err *err)
{
	AUTO(str) char *title = str_fmt("kata-container %s", c->id);

	return netns_holder_start(netns, title, out, err);
}

/* Starts the holder of a container in a pod, whose pid containerd reports as the
 * container's. */
static void represent(struct container *c)
{
	const char *netns = c->shim->sandbox->network.path;
	struct netns_holder holder = NETNS_HOLDER_NONE;
	struct err err = ERR_INIT;

	/* The namespace may be unmounted already. Then the container has the VMM's pid, and
	 * runs. */
	if (netns && start_holder(c, netns, &holder, &err) < 0)
		log_err(LOG_WARN, &err, "no process stands for the container");
	(void)pthread_mutex_lock(&c->shim->lock);
	c->holder = holder;
	c->pid = holder.child.pid > 0 ? holder.child.pid : 0;
	(void)pthread_mutex_unlock(&c->shim->lock);
}

/* True if the container is to share the pid namespace of another container of the pod: the
 * specification names that namespace by the pid of the other's holder. *target is the id of
 * the other container, heap, or NULL for the sandbox container. */
static bool shares_pids(struct container *c, char **target)
{
	const char *path = spec_namespace_path(c->spec, "pid");
	struct shim *s = c->shim;

	*target = NULL;
	if (!path)
		return false;
	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->containers.n; i++) {
		const struct container *other = s->containers.v[i];
		AUTO(str) char *theirs = str_fmt("/proc/%d/ns/pid", (int)container_pid(other));

		if (other->holder.child.pid > 0 && other != c && str_eq(path, theirs))
			*target = xstrdup(other->id);
	}
	(void)pthread_mutex_unlock(&s->lock);
	return true;
}

static void guest_release(struct guest *g)
{
	oci_spec_free(g->spec);
	storages_release(&g->storages);
	copies_release(&g->copies);
}
DEFINE_AUTO_STRUCT(guest, struct guest, guest_release)

#define GUEST_INIT                               \
	{                                        \
		NULL, STORAGES_INIT, COPIES_INIT \
	}

static int create_container(struct container *c, const struct guest *guest,
			    struct deadline deadline, struct err *err)
{
	Grpc__CreateContainerRequest request = GRPC__CREATE_CONTAINER_REQUEST__INIT;
	AUTO(str) char *target = NULL;
	int result;

	guest->spec->process->terminal = c->init->terminal;
	request.container_id = c->id;
	request.exec_id = c->id;
	request.sandbox_pidns = c->kind == KIND_IN_POD && shares_pids(c, &target);
	if (target)
		spec_share_pids(guest->spec, target);
	request.oci = oci_spec_to_message(guest->spec);
	devices_describe(&c->devices, &guest->storages, &request);
	c->in_guest = true; /* perhaps even if the call fails */
	result = sandbox_call(c->shim->sandbox, "CreateContainer", &request, NULL, deadline, NULL,
			      err);
	protobuf_c_message_free_unpacked(&request.oci->base, NULL);
	return result;
}

/* A hook without a time limit of its own has until Create's deadline. */
static unsigned seconds_left(struct deadline deadline)
{
	int ms = deadline_left(deadline);

	return ms > 1000 ? (unsigned)ms / 1000 : 1;
}

static int run_host_hooks(struct container *c, pid_t pid, struct deadline deadline, struct err *err)
{
	struct hook_state state = { c->id, c->bundle, "creating", pid, c->spec };

	if (hooks_run(&c->spec->hooks.prestart, "prestart", &state, seconds_left(deadline), NULL,
		      err) < 0)
		return -1;
	return hooks_run(&c->spec->hooks.create_runtime, "createRuntime", &state,
			 seconds_left(deadline), NULL, err);
}

/* A hook finds the network namespace by the pid in its state. The container's own processes are in
 * the guest, so that pid is a holder's. netns NULL: the container's network namespace is the
 * shim's. */
static int host_hooks(struct container *c, const char *netns, struct deadline deadline,
		      struct err *err)
{
	struct netns_holder holder = NETNS_HOLDER_NONE;
	bool any = c->spec->hooks.prestart.n || c->spec->hooks.create_runtime.n;
	pid_t pid = c->holder.child.pid;
	int result;

	if (any && netns && pid <= 0) {
		if (start_holder(c, netns, &holder, err) < 0)
			return err_wrap(err, "hooks");
		pid = holder.child.pid;
	}
	result = run_host_hooks(c, pid > 0 ? pid : getpid(), deadline, err);
	netns_holder_stop(&holder);
	return result;
}

static int find_devices(struct container *c, struct oci_spec *guest, struct err *err)
{
	struct devices *d = &c->devices;

	if (devices_find(d, c->spec, err) < 0 || devices_find_volumes(d, guest, err) < 0 ||
	    devices_check(d, c->shim->config, err) < 0)
		return -1;
	devices_leave_out(d, guest);
	vec_each(const struct device, device, &d->list) {
		if (device->volume && sandbox_use_volume(c->shim->sandbox, device->volume, err) < 0)
			return err_wrap(err, "volume %s", device->volume);
	}
	return 0;
}

static int reserve_swap(struct container *c, struct deadline deadline, struct err *err)
{
	const struct oci_resources *r = c->spec->linux_.resources;
	/* A container without a limit counts as if it had the memory of a VM. */
	uint64_t most = (uint64_t)c->shim->config->memory_mib << 20;
	uint64_t bytes = r ? limits_swap(r, most) : 0;

	if (sandbox_use_swap(c->shim->sandbox, bytes, deadline, err) < 0)
		return err_wrap(err, "swap space of %s", c->id);
	c->swap = bytes;
	return 0;
}

/* Makes the guest's specification, and finds the container's disks. Root file system and sources of
 * mounts are shared with the guest on the way. */
static int translate(struct container *c, struct guest *guest, struct err *err)
{
	AUTO(str) char *root = NULL;

	guest->spec = oci_spec_copy(c->spec);
	if (container_give_rootfs(c, guest, &root, err) < 0 ||
	    find_devices(c, guest->spec, err) < 0 || spec_for_guest(c, guest, err) < 0)
		return -1;
	str_set(&guest->spec->root_path, root);
	return 0;
}

/* Sets s->sandbox. From then on container_abandon() can cancel a Create that waits for the VM. */
static int make_sandbox(struct container *c, struct err *err)
{
	struct shim *s = c->shim;
	struct sandbox *sb;
	bool abandoned;

	if (sandbox_new(s->loop, s->config, s->inv->namespace, s->inv->id, &sb, err) < 0)
		return -1;
	sb->on_dead = shim_sandbox_died;
	sb->on_oom = shim_out_of_memory;
	sb->arg = s;
	s->manage = shim_manage(s, sb->state_dir, err);
	if (!s->manage) {
		sandbox_free(sb);
		return -1;
	}
	(void)pthread_mutex_lock(&s->lock);
	s->sandbox = sb;
	abandoned = c->abandoned;
	(void)pthread_mutex_unlock(&s->lock);
	return abandoned ? nobody_waits(err) : 0;
}

/* The size that the VM boots with: for a single container its own limits, for a pod those of the
 * whole pod, as far as annotations have them. */
static int set_size(struct container *c, struct err *err)
{
	struct sizing *z = &c->shim->sandbox->size.sizing;
	struct limits l = { 0 };

	if (c->kind == KIND_POD)
		return sizing_read_pod(z, c->spec, err);
	if (c->spec->linux_.resources)
		limits_update(&l, c->spec->linux_.resources);
	sizing_put(z, c->id, &l);
	return 0;
}

/* A container with a VM of its own, or the sandbox container of a pod. */
static int create_sandbox(struct container *c, const CreateRequest *r, struct deadline deadline,
			  struct err *err)
{
	struct shim *s = c->shim;
	struct sandbox_wanted wanted = { .netns = spec_namespace_path(c->spec, "network"),
					 .hostname = c->spec->hostname,
					 .localhost = c->kind == KIND_POD,
					 .cgroup = c->spec->linux_.cgroups_path };
	AUTO(str) char *own_netns = NULL, *cpus = NULL, *mems = NULL;
	AUTO(guest) struct guest guest = GUEST_INIT;

	shim_cpus(s, &cpus, &mems);
	wanted.label = c->spec->process ? c->spec->process->selinux_label : NULL;
	wanted.cpus = cpus;
	wanted.mems = mems;
	if (container_mount_rootfs(c, r, err) < 0 || make_sandbox(c, err) < 0 ||
	    set_size(c, err) < 0)
		return -1;
	if (!wanted.netns && !s->config->new_netns_off) {
		if (sandbox_make_netns(s->sandbox, &own_netns, err) < 0)
			return -1;
		wanted.netns = own_netns;
	}
	if (host_hooks(c, wanted.netns, deadline, err) < 0)
		return -1;
	/* What the guest is to see is shared before the VM starts; disks need a running VM. */
	if (share_configured(&s->sandbox->share, err) < 0 || translate(c, &guest, err) < 0)
		return -1;
	if (sandbox_start(s->sandbox, &wanted, deadline, err) < 0)
		return -1;
	shim_score(s);
	if (devices_plug(&c->devices, s->sandbox->vm, deadline, err) < 0 ||
	    reserve_swap(c, deadline, err) < 0 ||
	    copies_send(s->sandbox, &guest.copies, deadline, err) < 0)
		return -1;
	if (process_open_io(c->init, &c->init->io, err) < 0)
		return -1;
	return create_container(c, &guest, deadline, err);
}

/* Another container in the VM of a pod. */
static int create_in_pod(struct container *c, const CreateRequest *r, struct deadline deadline,
			 struct err *err)
{
	AUTO(guest) struct guest guest = GUEST_INIT;
	struct limits_change change;

	shim_score(c->shim);
	represent(c);
	if (container_mount_rootfs(c, r, err) < 0 ||
	    host_hooks(c, c->shim->sandbox->network.path, deadline, err) < 0)
		return -1;
	if (translate(c, &guest, err) < 0 ||
	    devices_plug(&c->devices, c->shim->sandbox->vm, deadline, err) < 0 ||
	    reserve_swap(c, deadline, err) < 0 || shim_place(c->shim, deadline, err) < 0 ||
	    sandbox_grow(c->shim->sandbox, c->id, c->spec->linux_.resources, false, &change,
			 deadline, err) < 0 ||
	    copies_send(c->shim->sandbox, &guest.copies, deadline, err) < 0 ||
	    process_open_io(c->init, &c->init->io, err) < 0)
		return -1;
	return create_container(c, &guest, deadline, err);
}

static void publish_create(const struct container *c, const CreateRequest *r)
{
	Containerd__Events__TaskCreate event = CONTAINERD__EVENTS__TASK_CREATE__INIT;
	Containerd__Events__TaskIO io = CONTAINERD__EVENTS__TASK_IO__INIT;

	io.stdin = r->stdin;
	io.stdout = r->stdout;
	io.stderr = r->stderr;
	io.terminal = r->terminal;
	event.container_id = r->id;
	event.bundle = r->bundle;
	event.rootfs = r->rootfs;
	event.n_rootfs = r->n_rootfs;
	event.io = &io;
	event.pid = (uint32_t)container_pid(c);
	events_publish(c->shim->events, "/tasks/create", &event.base);
}

static struct process *describe_init(struct container *c, const CreateRequest *r)
{
	struct process *p = process_new(c, "");

	p->terminal = r->terminal;
	str_set(&p->in, r->stdin);
	str_set(&p->out, r->stdout);
	str_set(&p->err, r->stderr);
	return p;
}

/* With the lock held: checks whether this shim may create a container of that id. The shim's own id
 * names a single container or a pod's sandbox container, the first in either case; any other id is
 * that of a container in the pod. */
static int check_id(const struct shim *s, const char *id, struct err *err)
{
	struct err none = ERR_INIT;
	const struct process *pod = shim_find((struct shim *)s, s->inv->id, "", &none);

	if (s->shutting_down)
		return err_set(err, E_STATE, "create %s: this shim is shutting down", id);
	for (size_t i = 0; i < s->containers.n; i++) {
		if (str_eq(s->containers.v[i]->id, id))
			return err_set(err, E_EXISTS, "container %s exists already", id);
	}
	if (str_eq(id, s->inv->id))
		return shim_is_empty(s)
			       ? 0
			       : err_set(err, E_STATE, "the pod %s still has containers", id);
	if (!pod || pod->container->kind != KIND_POD)
		return err_set(err, E_INVALID, "this shim serves container %s, not %s", s->inv->id,
			       id);
	return pod->state == PROCESS_STOPPED
		       ? err_set(err, E_STATE, "create %s: the pod %s has ended", id, s->inv->id)
		       : 0;
}

/* Puts a new container into the list and returns it with a reference; NULL if it may not be
 * created. */
static struct container *begin(struct shim *s, const CreateRequest *r, struct err *err)
{
	struct container *c = NULL;

	(void)pthread_mutex_lock(&s->lock);
	(void)!check_id(s, r->id, err);
	if (!err->code) {
		c = container_new(s, r->id);
		c->refs++;
		/* Set before the annotations are read, since undoing a failure must not end the
		 * pod. */
		c->kind = str_eq(r->id, s->inv->id) ? KIND_SINGLE : KIND_IN_POD;
	}
	(void)pthread_mutex_unlock(&s->lock);
	if (c)
		c->init = describe_init(c, r);
	return c;
}

/* In one step, unless Create was abandoned: makes the container visible and queues /tasks/create.
 * Returns its init with a reference, or NULL. */
static struct process *commit(struct container *c, const CreateRequest *r, struct err *err)
{
	struct shim *s = c->shim;
	struct process *init = NULL;

	(void)pthread_mutex_lock(&s->lock);
	if (c->abandoned) {
		(void)nobody_waits(err);
	} else {
		s->pid = s->sandbox->vm->vmm.child.pid;
		s->share_pid = s->sandbox->vm->virtiofsd.pid;
		c->creating = false;
		publish_create(c, r);
		init = c->init;
		init->refs++;
	}
	(void)pthread_mutex_unlock(&s->lock);
	return init;
}

/* Loop: if the sandbox died while the container was being created, shim_sandbox_died() has left
 * that container out. Reports its end. */
static void notice_early_end(void *arg)
{
	struct shim *s = arg;

	if (s->sandbox && vm_is_dead(s->sandbox->vm))
		shim_sandbox_died(s, NULL);
}

static void stop_on_loop(void *arg)
{
	loop_stop(arg);
}

void shim_leave(const struct shim *s)
{
	(void)unlink(s->socket);
}

void shim_post_stop(struct shim *s)
{
	shim_leave(s);
	loop_post(s->loop, stop_on_loop, s->loop);
}

/* Removes the container and answers with the error. A Shutdown that came meanwhile takes effect
 * after the answer. */
static void undo(struct container *c, struct ttrpc_call *call, const struct err *err)
{
	struct shim *s = c->shim;
	bool abandoned;

	log_err(LOG_ERROR, err, "create failed");
	container_take_down(c);
	(void)pthread_mutex_lock(&s->lock);
	abandoned = c->abandoned;
	container_remove(c);
	s->answering++;
	(void)pthread_mutex_unlock(&s->lock);
	task_fail(call, err);
	if (abandoned)
		loop_post(s->loop, shim_exit_unless_reused, s);
	shim_answered(s);
}

/* Loop: the caller of the running Create has disconnected. */
static void on_caller_gone(void *arg)
{
	struct container *c = arg;

	(void)pthread_mutex_lock(&c->shim->lock);
	if (c->creating)
		container_abandon(c);
	(void)pthread_mutex_unlock(&c->shim->lock);
}

void container_abandon(struct container *c)
{
	c->abandoned = true;
	/* Other containers of a pod use the VM too. */
	if (c->kind != KIND_IN_POD && c->shim->sandbox)
		vm_cancel(c->shim->sandbox->vm);
}

static struct process *create(struct container *c, const CreateRequest *r, struct ttrpc_call *call,
			      struct err *err)
{
	struct deadline deadline;

	if (!str_empty(r->checkpoint))
		err_set(err, E_UNSUPPORTED,
			"a VM cannot be restored from a checkpoint; use runc for it");
	if (err->code || container_load(c, r, err) < 0)
		return NULL;
	deadline = deadline_min(
		ttrpc_call_deadline(call),
		deadline_in((uint64_t)c->shim->config->create_container_timeout_s * 1000));
	if ((c->kind == KIND_IN_POD ? create_in_pod(c, r, deadline, err)
				    : create_sandbox(c, r, deadline, err)) < 0)
		return NULL;
	return commit(c, r, err);
}

static void answer(struct process *init, struct ttrpc_call *call)
{
	Containerd__Task__V2__CreateTaskResponse reply =
		CONTAINERD__TASK__V2__CREATE_TASK_RESPONSE__INIT;
	struct shim *s = init->shim;

	process_watch(init);
	loop_post(s->loop, notice_early_end, s);
	(void)pthread_mutex_lock(&s->lock);
	reply.pid = (uint32_t)container_pid(init->container);
	(void)pthread_mutex_unlock(&s->lock);
	ttrpc_reply(call, &reply);
	process_unref(init);
}

/* Loop. */
static void drop_reference(void *arg)
{
	struct container *c = arg;
	struct shim *s = c->shim;

	(void)pthread_mutex_lock(&s->lock);
	container_unref(c);
	(void)pthread_mutex_unlock(&s->lock);
}

void task_create(struct ttrpc_call *call, const void *request, void *arg)
{
	struct shim *s = arg;
	struct err err = ERR_INIT;
	struct container *c = begin(s, request, &err);
	struct process *init;

	if (!c) {
		ttrpc_fail(call, &err);
		return;
	}
	ttrpc_call_on_cancel(call, on_caller_gone, c);
	init = create(c, request, call, &err);
	if (init)
		answer(init, call);
	else
		undo(c, call, &err);
	/* on_caller_gone() may still run on the loop; after the answer it does not begin again. */
	loop_post(s->loop, drop_reference, c);
}
