// SPDX-License-Identifier: Apache-2.0
/* The requests that make, start, enter and remove a container, each a flow from top to bottom. */

#include "agent/agent.h"
#include "agent/device.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "oci/message.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CREATE_MS = 60000, DELETE_MS = 30000 };

static void close_ends(struct container_stdio *io)
{
	fd_close(&io->in);
	fd_close(&io->out);
	fd_close(&io->err);
}

/* --- create --- */

static int add_storages(struct entry *e, const Grpc__CreateContainerRequest *r,
			struct deadline deadline, struct err *err)
{
	for (size_t i = 0; i < r->n_storages; i++) {
		if (storage_add(e->sandbox, r->storages[i], deadline, err) < 0)
			return -1;
		strv_push(&e->storages, r->storages[i]->mount_point);
	}
	return 0;
}

/* Writes config.json, which hooks expect in a bundle. */
static int make_bundle(struct entry *e, const struct oci_spec *spec, struct err *err)
{
	AUTO(str) char *config = path_join(e->bundle, "config.json");
	AUTO(str) char *text = oci_spec_format(spec);

	return file_replace_volatile(AT_FDCWD, config, text, strlen(text), 0600, err);
}

static int make_core(struct entry *e, const struct oci_spec *spec, struct deadline deadline,
		     struct err *err)
{
	struct process *init = process_new(e, "");
	struct container_options o = { .id = e->id,
				       .spec = spec,
				       .bundle = e->bundle,
				       .deadline = deadline,
				       .seccomp = true,
				       .lenient_cgroup = getpid() != 1,
				       .own_network = true };
	struct container *core = NULL;
	int result = -1;

	if (process_pipes(init, spec->process->terminal, e->sandbox->settings->pipe_size, &o.stdio,
			  err) == 0)
		result = container_create(&o, &core, &init->core, err);
	close_ends(&o.stdio);
	(void)pthread_mutex_lock(&e->sandbox->lock);
	vec_push(&e->processes, init); /* freed with the entry */
	e->core = core;
	(void)pthread_mutex_unlock(&e->sandbox->lock);
	if (result == 0)
		process_watch(init);
	return result;
}

/* The file of Kubernetes' termination message, if it is one that we can read. */
static void note_termination_log(struct entry *e, const struct oci_spec *spec)
{
	const char *path = oci_annotation(spec, "io.kubernetes.container.terminationMessagePath");

	for (size_t i = 0; i < spec->n_mounts; i++) {
		const struct oci_mount *m = &spec->mounts[i];

		if (m->source && str_eq(m->destination, path ? path : "/dev/termination-log"))
			str_set(&e->termination_log, m->source);
	}
}

/* sandbox_pidns of later containers means the pid namespace of the first container. */
static void keep_pid_namespace(struct entry *e)
{
	struct sandbox *s = e->sandbox;
	struct err ignored = ERR_INIT; /* on failure the others get new namespaces */

	(void)pthread_mutex_lock(&s->lock);
	if (s->pid_ns < 0 && container_namespace(e->core, "pid") >= 0)
		s->pid_ns = fd_dup(container_namespace(e->core, "pid"), &ignored);
	(void)pthread_mutex_unlock(&s->lock);
}

static int fill_entry(struct entry *e, const Grpc__CreateContainerRequest *r,
		      struct deadline deadline, struct err *err)
{
	AUTO(oci_spec) struct oci_spec *spec = NULL;
	struct deadline plug = deadline_in(e->sandbox->settings->hotplug_ms);

	if (!r->oci)
		return err_set(err, E_INVALID, "the request has no specification");
	spec = oci_spec_from_message(r->oci, err);
	if (!spec || device_add_all(r, spec, deadline_min(plug, deadline), err) < 0 ||
	    add_storages(e, r, deadline, err) < 0 || spec_adjust(e->sandbox, r, spec, err) < 0 ||
	    make_bundle(e, spec, err) < 0)
		return -1;
	note_termination_log(e, spec);
	if (make_core(e, spec, deadline, err) < 0)
		return -1;
	keep_pid_namespace(e);
	return 0;
}

static void set_state(struct entry *e, enum entry_state state)
{
	(void)pthread_mutex_lock(&e->sandbox->lock);
	e->state = state;
	(void)pthread_mutex_unlock(&e->sandbox->lock);
}

/* Removes a container's storages and files. */
static int remove_remains(struct entry *e, struct err *err)
{
	for (size_t n = strv_len(e->storages); n > 0; n--)
		storage_drop(e->sandbox, e->storages[n - 1]);
	strv_free(STEAL(e->storages, NULL));
	return path_remove_tree(e->bundle, err);
}

static void undo_create(struct entry *e)
{
	struct err err = ERR_INIT;

	if (remove_remains(e, &err) == 0) {
		entry_drop(e);
		return;
	}
	log_err(LOG_WARN, &err, "cannot remove the files of a container that was not created",
		LOG_S("container", e->id));
	set_state(e, ENTRY_REMAINS);
}

static struct entry *new_entry(struct sandbox *s, const char *id)
{
	struct entry *e = NEW(struct entry);

	e->sandbox = s;
	e->oom = (struct container_oom)CONTAINER_OOM_NONE;
	e->id = xstrdup(id);
	e->bundle = str_fmt(GUEST_DIR "/%s", id);
	return e;
}

static int create_container(struct sandbox *s, const Grpc__CreateContainerRequest *r,
			    struct deadline deadline, struct err *err)
{
	struct entry *e;

	if (str_check_id(r->container_id, "container id", err) < 0 ||
	    path_make(GUEST_DIR, GUEST_DIR_MODE, err) < 0)
		return -1;
	e = new_entry(s, r->container_id);
	if (entry_add(s, e, err) < 0) {
		e->refs = 1;
		entry_put(e);
		return -1;
	}
	/* An id must not be the name of an existing directory such as "shared" or "sandbox". */
	if (mkdir(e->bundle, 0700) < 0) {
		err_sys(err, "make %s", e->bundle);
		entry_drop(e);
		return -1;
	}
	if (fill_entry(e, r, deadline, err) < 0) {
		undo_create(e);
		return -1;
	}
	set_state(e, ENTRY_READY);
	return 0;
}

void on_create_container(struct ttrpc_call *call, const void *request, void *arg)
{
	struct err err = ERR_INIT;

	answer(call, create_container(arg, request, flow_deadline(call, CREATE_MS), &err), &err);
}

/* --- start --- */

static void start_oom(void *arg)
{
	struct entry *e = arg;

	oom_watch_start(e);
	entry_put(e);
}

void on_start_container(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__StartContainerRequest *r = request;
	struct sandbox *s = arg;
	struct err err = ERR_INIT;
	struct entry *e = entry_get(s, r->container_id, &err);
	int result = -1;

	if (e)
		result = container_start(e->core, flow_deadline(call, CREATE_MS), &err);
	if (e && result == 0)
		loop_post(s->loop, start_oom, e); /* takes our reference */
	else if (e)
		entry_put(e);
	answer(call, result, &err);
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

static int list_exec(struct process *p, struct err *err)
{
	struct entry *e = p->entry;
	bool exists;

	(void)pthread_mutex_lock(&e->sandbox->lock);
	exists = exec_exists(e, p->exec_id);
	if (!exists)
		vec_push(&e->processes, p);
	(void)pthread_mutex_unlock(&e->sandbox->lock);
	return exists ? err_set(err, E_EXISTS, "process %s exists already", p->exec_id) : 0;
}

static void free_process(void *arg)
{
	process_free(arg);
}

static int exec_process(struct entry *e, const Grpc__ExecProcessRequest *r,
			struct deadline deadline, struct err *err)
{
	AUTO(oci_process) struct oci_process *spec = NULL;
	struct container_stdio theirs = { -1, -1, -1 };
	struct process *p;
	int result = -1;

	if (str_check_id(r->exec_id, "exec id", err) < 0)
		return -1;
	if (str_eq(r->exec_id, e->id))
		return err_set(err, E_EXISTS, "exec id %s names the container's first process",
			       r->exec_id);
	if (!r->process)
		return err_set(err, E_INVALID, "the request has no process");
	spec = oci_process_from_message(r->process, err);
	if (!spec)
		return -1;
	p = process_new(e, r->exec_id);
	if (process_pipes(p, spec->terminal, e->sandbox->settings->pipe_size, &theirs, err) == 0 &&
	    container_exec(e->core, spec, &theirs, deadline, &p->core, err) == 0 &&
	    list_exec(p, err) == 0) {
		process_watch(p);
		result = 0;
	}
	close_ends(&theirs);
	if (result < 0)
		loop_post(e->sandbox->loop, free_process, p);
	return result;
}

void on_exec_process(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__ExecProcessRequest *r = request;
	struct err err = ERR_INIT;
	struct entry *e = entry_get(arg, r->container_id, &err);
	int result = e ? exec_process(e, r, flow_deadline(call, CREATE_MS), &err) : -1;

	if (e)
		entry_put(e);
	answer(call, result, &err);
}

/* --- remove --- */

/* Finds the entry and marks it REMOVING; only one flow at a time removes it. */
static struct entry *claim_removal(struct sandbox *s, const char *id, enum entry_state *was,
				   struct err *err)
{
	struct entry *found = NULL;

	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->entries.n; i++) {
		struct entry *e = s->entries.v[i];

		if (str_eq(e->id, id) && e->state != ENTRY_NEW)
			found = e;
	}
	if (!found) {
		err_set(err, E_NOT_FOUND, "there is no container '%.128s'", id);
	} else if (found->state == ENTRY_REMOVING) {
		found = NULL;
		err_set(err, E_STATE, "container %.128s is being removed", id);
	} else {
		*was = found->state;
		found->state = ENTRY_REMOVING;
		found->refs++;
	}
	(void)pthread_mutex_unlock(&s->lock);
	return found;
}

/* Waits until only the list's reference and ours remain: no other flow uses the container. */
static int await_users(struct entry *e, struct deadline deadline, struct err *err)
{
	struct sandbox *s = e->sandbox;
	unsigned others;

	(void)pthread_mutex_lock(&s->lock);
	while (e->refs > 2 && cond_wait_until(&s->released, &s->lock, deadline))
		;
	others = e->refs - 2;
	(void)pthread_mutex_unlock(&s->lock);
	return others ? err_set(err, E_TIMEOUT,
				"%u other requests still use container %s; try again later", others,
				e->id)
		      : 0;
}

/* *state: the entry's state after a failure. */
static int remove_container(struct entry *e, enum entry_state *state, struct deadline deadline,
			    struct err *err)
{
	if (*state == ENTRY_READY) {
		if (await_users(e, deadline, err) < 0 ||
		    container_delete(e->core, deadline, err) < 0)
			return -1;
		*state = ENTRY_REMAINS;
	}
	return remove_remains(e, err);
}

int container_remove(struct sandbox *s, const char *id, struct deadline deadline, struct err *err)
{
	enum entry_state state;
	struct entry *e = claim_removal(s, id, &state, err);
	int result;

	if (!e)
		return -1;
	result = remove_container(e, &state, deadline, err);
	if (result == 0)
		entry_drop(e);
	else
		set_state(e, state);
	entry_put(e);
	return result;
}

void on_remove_container(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__RemoveContainerRequest *r = request;
	struct err err = ERR_INIT;
	struct deadline deadline = flow_deadline(call,
						 r->timeout ? r->timeout * 1000ULL : DELETE_MS);

	answer(call, container_remove(arg, r->container_id, deadline, &err), &err);
}

/* --- pause, resume, update --- */

void on_pause_container(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__PauseContainerRequest *r = request;
	struct err err = ERR_INIT;
	struct entry *e = entry_get(arg, r->container_id, &err);
	int result = e ? container_pause(e->core, flow_deadline(call, DELETE_MS), &err) : -1;

	if (e)
		entry_put(e);
	answer(call, result, &err);
}

void on_resume_container(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__ResumeContainerRequest *r = request;
	struct err err = ERR_INIT;
	struct entry *e = entry_get(arg, r->container_id, &err);
	int result = e ? container_resume(e->core, flow_deadline(call, DELETE_MS), &err) : -1;

	if (e)
		entry_put(e);
	answer(call, result, &err);
}

void on_update_container(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__UpdateContainerRequest *r = request;
	struct err err = ERR_INIT;
	AUTO(oci_resources)
	struct oci_resources *res = r->resources ? oci_resources_from_message(r->resources, &err)
						 : NULL;
	struct entry *e = res ? entry_get(arg, r->container_id, &err) : NULL;
	int result = e ? container_update(e->core, res, &err) : -1;

	if (!res && !err.code)
		err_set(&err, E_INVALID, "the request has no resources");
	if (e)
		entry_put(e);
	answer(call, result, &err);
}
