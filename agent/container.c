// SPDX-License-Identifier: Apache-2.0
/* Creating, starting, signalling and removing containers; each part reads from its helpers down to
 * the function that container.h declares. */

#include "agent/container.h"

#include "agent/forget.h"
#include "agent/hugepages.h"
#include "agent/paths.h"
#include "agent/scale.h"
#include "agent/spec.h"
#include "agent/storage/copyfile.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* For the kernel's threads, for those that the agent starts for requests, and for the services of a
 * guest with systemd. */
enum { RESERVED_TASKS = 256 };

static void close_ends(struct container_stdio *io)
{
	fd_close(&io->in);
	fd_close(&io->out);
	fd_close(&io->err);
}

/* --- create --- */

static int add_storages(struct sandbox *s, struct entry *e, const struct entry_request *r,
			struct deadline deadline, struct err *err)
{
	for (size_t i = 0; i < r->n_storages; i++) {
		if (storage_add(&s->storages, r->storages[i], deadline, err) < 0)
			return -1;
		strv_push(&e->storages, r->storages[i]->mount_point);
		if (device_note_storage(r->storages[i], &e->numbers, deadline, err) < 0)
			return err_wrap(err, "storage %.256s", r->storages[i]->mount_point);
	}
	return 0;
}

static bool has_hooks(const struct oci_hooks *h)
{
	return h->prestart.n || h->create_runtime.n || h->create_container.n ||
	       h->start_container.n || h->poststart.n || h->poststop.n;
}

/* Writes config.json into the bundle for the guest's hooks; nothing else reads it. */
static int make_bundle(struct entry *e, const struct oci_spec *spec, struct err *err)
{
	AUTO(str) char *config = NULL, *text = NULL;

	if (!has_hooks(&spec->hooks))
		return 0;
	config = path_join(e->bundle, "config.json");
	text = oci_spec_format(spec);
	return file_replace_volatile(AT_FDCWD, config, text, strlen(text), 0600, err);
}

/* Makes the container itself and its first process, with pipes or a terminal. */
static int make_core(struct entry *e, const struct oci_spec *spec, struct deadline deadline,
		     struct err *err)
{
	struct process *init = process_new(&e->list->processes, e, "");
	struct container_options o = { .id = e->id,
				       .spec = spec,
				       .bundle = e->bundle,
				       .deadline = deadline,
				       .seccomp = true,
				       .lenient_cgroup = getpid() != 1,
				       .own_network = true,
				       .reserved_tasks = RESERVED_TASKS };
	struct container *core = NULL;
	int result = -1;

	init->is_ns_init = !e->in_pid_ns_of_others;
	scale_limits(); /* the VM has grown for this container */
	if (process_pipes(init, spec->process->terminal, &o.stdio, err) == 0)
		result = container_create(&o, &core, &init->core, err);
	close_ends(&o.stdio);
	(void)pthread_mutex_lock(&e->list->lock);
	vec_push(&e->processes, init); /* freed with the entry */
	e->core = core;
	(void)pthread_mutex_unlock(&e->list->lock);
	if (result == 0)
		process_watch(init);
	return result;
}

/* Stores where Kubernetes' termination message is in the guest: the source of the mount at its
 * path. */
static void note_termination_log(struct entry *e, const struct oci_spec *spec)
{
	const char *path = oci_annotation(spec, "io.kubernetes.container.terminationMessagePath");

	for (size_t i = 0; i < spec->n_mounts; i++) {
		const struct oci_mount *m = &spec->mounts[i];

		if (m->source && str_eq(m->destination, path ? path : "/dev/termination-log"))
			str_set(&e->termination_log, m->source);
	}
}

/* True if a volume shows what the host mounts and unmounts below it later. */
static bool follows_host(const struct oci_spec *spec)
{
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const struct oci_mount *m = &spec->mounts[i];

		if (m->source && path_is_below(m->source, SHARED_DIR) &&
		    (strv_has(m->options, "rslave") || strv_has(m->options, "slave")))
			return true;
	}
	return false;
}

/* Keeps the pid namespace of the sandbox's first container, which later ones may join. */
static void keep_pid_namespace(struct sandbox *s, const struct entry *e)
{
	struct err ignored = ERR_INIT; /* later containers get namespaces of their own */

	(void)pthread_mutex_lock(&s->lock);
	if (s->pid_ns < 0 && container_namespace(e->core, "pid") >= 0)
		s->pid_ns = fd_dup(container_namespace(e->core, "pid"), &ignored);
	(void)pthread_mutex_unlock(&s->lock);
}

/* *out: an fd of the pid namespace to join, for the caller to close; unchanged, -1, for a new
 * one. */
static int choose_pid_namespace(struct sandbox *s, const struct entry_request *r, int *out,
				struct err *err)
{
	const char *target = spec_pid_target(r->spec);
	struct entry *e;

	if (target) {
		e = entry_get(&s->containers, target, err);
		if (!e)
			return err_wrap(err, "share the processes of a container");
		if (container_state(e->core) == CONTAINER_STOPPED)
			err_set(err, E_STATE, "share the processes of container %s: it has ended",
				target);
		else
			*out = fd_dup(container_namespace(e->core, "pid"), err);
		entry_put(e);
		return *out < 0 ? -1 : 0;
	}
	(void)pthread_mutex_lock(&s->lock);
	if (r->shared_pid_ns && s->pid_ns >= 0)
		*out = fd_dup(s->pid_ns, err);
	(void)pthread_mutex_unlock(&s->lock);
	return err->code ? -1 : 0;
}

/* All that entry_create() does once the id is taken. */
static int fill_entry(struct sandbox *s, struct entry *e, const struct entry_request *r,
		      struct deadline deadline, struct err *err)
{
	struct deadline plug = deadline_in(s->settings->hotplug_ms);
	AUTO(fd) int pid_ns = -1;

	hugepages_keep(e->id, r->spec->linux_.resources);
	if (device_add_all(r->devices, r->n_devices, r->spec, &e->numbers,
			   deadline_min(plug, deadline), err) < 0 ||
	    add_storages(s, e, r, deadline, err) < 0)
		return -1;
	device_renumber(&e->numbers, r->spec->linux_.resources);
	if (choose_pid_namespace(s, r, &pid_ns, err) < 0 ||
	    spec_adjust(s, pid_ns, r->spec, err) < 0 || make_bundle(e, r->spec, err) < 0)
		return -1;
	e->in_pid_ns_of_others = pid_ns >= 0;
	note_termination_log(e, r->spec);
	e->follows = follows_host(r->spec);
	if (e->follows)
		forget_begin(s->loop);
	if (make_core(e, r->spec, deadline, err) < 0)
		return -1;
	keep_pid_namespace(s, e);
	return 0;
}

/* Removes a container's storages and files. */
static int remove_leftovers(struct sandbox *s, struct entry *e, struct err *err)
{
	for (size_t n = strv_len(e->storages); n > 0; n--)
		storage_drop(&s->storages, e->storages[n - 1]);
	strv_free(STEAL(e->storages, NULL));
	hugepages_drop(e->id);
	if (e->follows)
		forget_end();
	e->follows = false;
	return copyfile_remove(e->id, err) < 0 ? -1 : path_remove_tree(e->bundle, err);
}

static void undo_create(struct sandbox *s, struct entry *e)
{
	struct err err = ERR_INIT;

	if (remove_leftovers(s, e, &err) == 0) {
		entry_drop(e);
		return;
	}
	log_err(LOG_WARN, &err, "cannot remove the files of a container that was not created",
		LOG_S("container", e->id));
	entry_set_state(e, ENTRY_LEFTOVER);
}

int entry_create(struct sandbox *s, const struct entry_request *r, struct deadline deadline,
		 struct err *err)
{
	struct entry *e;

	if (str_check_id(r->id, "container id", err) < 0 ||
	    path_make(GUEST_DIR, GUEST_DIR_MODE, err) < 0)
		return -1;
	e = entry_new(&s->containers, r->id);
	if (entry_add(e, err) < 0) {
		e->refs = 1;
		entry_put(e);
		return -1;
	}
	/* Fails for an id that is the name of another directory there, such as "shared". */
	if (mkdir(e->bundle, 0700) < 0) {
		err_sys(err, "make %s", e->bundle);
		entry_drop(e);
		return -1;
	}
	if (fill_entry(s, e, r, deadline, err) < 0) {
		undo_create(s, e);
		return -1;
	}
	entry_set_state(e, ENTRY_READY);
	return 0;
}

int entry_update(struct entry *e, struct oci_resources *r, struct err *err)
{
	device_renumber(&e->numbers, r);
	scale_limits();
	return container_update(e->core, r, err);
}

/* --- start --- */

static void start_oom(void *arg)
{
	struct entry *e = arg;

	oom_watch_start(&e->oom, e->core);
}

/* The OOM watch begins first: the program may be killed as soon as it runs. */
int entry_start(struct entry *e, struct deadline deadline, struct err *err)
{
	loop_call(e->list->loop, start_oom, e);
	return container_start(e->core, deadline, err);
}

/* --- exec --- */

static bool exec_exists(struct entry *e, const char *exec_id)
{
	for (size_t i = 0; i < e->processes.n; i++) {
		if (str_eq(e->processes.v[i]->exec_id, exec_id))
			return true;
	}
	return false;
}

/* Adds the process to its container's list. */
static int list_exec(struct process *p, struct err *err)
{
	struct entry *e = p->entry;
	bool exists;

	(void)pthread_mutex_lock(&e->list->lock);
	exists = exec_exists(e, p->exec_id);
	if (!exists)
		vec_push(&e->processes, p);
	(void)pthread_mutex_unlock(&e->list->lock);
	return exists ? err_set(err, E_EXISTS, "process %s exists already", p->exec_id) : 0;
}

static void free_process(void *arg)
{
	process_free(arg);
}

int entry_check_exec(const struct entry *e, const char *exec_id, struct err *err)
{
	if (str_check_id(exec_id, "exec id", err) < 0)
		return -1;
	return str_eq(exec_id, e->id)
		       ? err_set(err, E_EXISTS, "exec id %s names the container's first process",
				 exec_id)
		       : 0;
}

int entry_exec(struct entry *e, const char *exec_id, const struct oci_process *spec,
	       struct deadline deadline, struct err *err)
{
	struct container_stdio theirs = { -1, -1, -1 };
	struct process *p;
	int result = -1;

	p = process_new(&e->list->processes, e, exec_id);
	if (process_pipes(p, spec->terminal, &theirs, err) == 0 &&
	    container_exec(e->core, spec, &theirs, deadline, &p->core, err) == 0 &&
	    list_exec(p, err) == 0) {
		process_watch(p);
		result = 0;
	}
	close_ends(&theirs);
	if (result < 0)
		loop_post(e->list->loop, free_process, p);
	return result;
}

/* --- signals --- */

static int signal_one(struct entry *e, const char *exec_id, unsigned number, struct err *err)
{
	struct entries *list = e->list;
	bool found = false;
	int result = 0;

	(void)pthread_mutex_lock(&list->lock);
	for (size_t i = 0; i < e->processes.n && !found; i++) {
		const struct process *p = e->processes.v[i];

		if (!str_eq(p->exec_id, exec_id) || p->core.child.pid <= 0)
			continue;
		found = true;
		result = process_signal(p, number, err);
	}
	(void)pthread_mutex_unlock(&list->lock);
	return found ? result
		     : err_set(err, E_NOT_FOUND, "container %s has no running process '%.128s'",
			       e->id, exec_id);
}

int entry_signal(struct entry *e, const char *exec_id, unsigned number, struct err *err)
{
	struct err ignored = ERR_INIT; /* the first process may have ended; others may run */

	if (number < 1 || number > 64)
		return err_set(err, E_INVALID, "invalid signal %u", number);
	if (str_eq(exec_id, e->id))
		return signal_one(e, "", number, err);
	if (*exec_id)
		return signal_one(e, exec_id, number, err);
	if (number == SIGTERM)
		(void)!signal_one(e, "", number, &ignored);
	return container_signal_all(e->core, (int)number, err);
}

/* --- remove --- */

/* With the lock held: the entry of that id; NULL with E_NOT_FOUND or E_TIMEOUT. Waits for one that
 * is being created: the caller may have given up the Create, which uses its devices until it ends,
 * and would leave a container to nobody. */
static struct entry *await_created(struct entries *list, const char *id, struct deadline deadline,
				   struct err *err)
{
	struct entry *e;

	/* Found anew each time: one that could not be created is freed. */
	while ((e = entries_find(list, id)) && e->state == ENTRY_NEW &&
	       cond_wait_until(&list->changed, &list->lock, deadline))
		;
	if (!e)
		err_set(err, E_NOT_FOUND, "there is no container '%.128s'", id);
	else if (e->state == ENTRY_NEW)
		err_set(err, E_TIMEOUT, "container %s is still being created; try again later", id);
	return err->code ? NULL : e;
}

/* Finds the entry, marks it REMOVING so that no other flow removes it, and takes a reference. *was:
 * its state before. */
static struct entry *claim_removal(struct entries *list, const char *id, enum entry_state *was,
				   struct deadline deadline, struct err *err)
{
	struct entry *found;

	(void)pthread_mutex_lock(&list->lock);
	found = await_created(list, id, deadline, err);
	if (found && found->state == ENTRY_REMOVING) {
		found = NULL;
		err_set(err, E_STATE, "container %.128s is being removed", id);
	} else if (found) {
		*was = found->state;
		found->state = ENTRY_REMOVING;
		found->refs++;
	}
	(void)pthread_mutex_unlock(&list->lock);
	return found;
}

/* Waits until no other flow uses the container: only the list's reference and ours are left. */
static int await_users(struct entry *e, struct deadline deadline, struct err *err)
{
	struct entries *list = e->list;
	unsigned others;

	(void)pthread_mutex_lock(&list->lock);
	while (e->refs > 2 && cond_wait_until(&list->changed, &list->lock, deadline))
		;
	others = e->refs - 2;
	(void)pthread_mutex_unlock(&list->lock);
	return others ? err_set(err, E_TIMEOUT,
				"%u other requests still use container %s; try again later", others,
				e->id)
		      : 0;
}

/* *state: the entry's state, to be set again after a failure. */
static int remove_container(struct sandbox *s, struct entry *e, enum entry_state *state,
			    struct deadline deadline, struct err *err)
{
	if (*state == ENTRY_READY) {
		if (await_users(e, deadline, err) < 0 ||
		    container_delete(e->core, deadline, err) < 0)
			return -1;
		*state = ENTRY_LEFTOVER;
	}
	return remove_leftovers(s, e, err);
}

int entry_remove(struct sandbox *s, const char *id, struct deadline deadline, struct err *err)
{
	enum entry_state state;
	struct entry *e = claim_removal(&s->containers, id, &state, deadline, err);
	int result;

	if (!e)
		return -1;
	result = remove_container(s, e, &state, deadline, err);
	if (result == 0)
		entry_drop(e);
	else
		entry_set_state(e, state);
	entry_put(e);
	return result;
}

void entry_remove_all(struct sandbox *s, struct deadline deadline)
{
	AUTO(strv) char **ids = entries_ids(&s->containers);

	strv_each(id, ids) {
		struct err err = ERR_INIT;

		if (entry_remove(s, *id, deadline, &err) < 0)
			log_err(LOG_WARN, &err, "cannot remove a container",
				LOG_S("container", *id));
	}
}

/* --- processors --- */

/* In cgroup v1 a new group copies its parent's CPUs once; in v2 it follows the parent. */
void entries_widen_cpusets(struct entries *list)
{
	struct err err = ERR_INIT;
	AUTO(str) char *cpus = file_read_line(AT_FDCWD, "/sys/devices/system/cpu/online", &err);
	struct oci_resources r = { .cpu = { .cpus = cpus } };

	if (!cpus || access("/sys/fs/cgroup/cpuset/cgroup.procs", F_OK) < 0)
		return;
	(void)pthread_mutex_lock(&list->lock);
	for (size_t i = 0; i < list->v.n; i++) {
		struct entry *e = list->v.v[i];

		if (e->state == ENTRY_READY && container_update(e->core, &r, &err) < 0) {
			log_err(LOG_WARN, &err, "cpuset stays", LOG_S("container", e->id));
			err_clear(&err);
		}
	}
	(void)pthread_mutex_unlock(&list->lock);
}
