// SPDX-License-Identifier: Apache-2.0
/* The requests that make, start, enter and remove a container, each a flow from top to bottom. */

#include "agent/agent.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "oci/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CREATE_MS = 60000, DELETE_MS = 30000 };

static struct deadline flow_deadline(struct ttrpc_call *call, uint64_t ms)
{
	return deadline_min(ttrpc_call_deadline(call), deadline_in(ms));
}

static void close_ends(struct container_stdio *io)
{
	fd_close(&io->in);
	fd_close(&io->out);
	fd_close(&io->err);
}

/* ----------------------------------------------------------------------------------------- create
 */

static bool has_namespace(const struct oci_spec *spec, const char *type)
{
	for (size_t i = 0; i < spec->linux_.n_namespaces; i++) {
		if (str_eq(spec->linux_.namespaces[i].type, type))
			return true;
	}
	return false;
}

static void add_namespace(struct oci_spec *spec, const char *type)
{
	struct oci_linux *l = &spec->linux_;

	if (has_namespace(spec, type))
		return;
	l->namespaces = xreallocarray(l->namespaces, l->n_namespaces + 1, sizeof(*l->namespaces));
	l->namespaces[l->n_namespaces++] = (struct oci_namespace){ xstrdup(type), NULL };
}

/* What the runtime leaves to us: it strips what only makes sense on the host. */
static int adjust_spec(struct oci_spec *spec, struct err *err)
{
	if (!spec->process)
		return err_set(err, E_INVALID, "the specification has no process");
	add_namespace(spec, "pid");
	add_namespace(spec, "mount");
	add_namespace(spec, "cgroup");
	if (!str_empty(spec->hostname))
		add_namespace(spec, "uts");
	return 0;
}

static int add_storages(struct entry *e, const Grpc__CreateContainerRequest *r, struct err *err)
{
	for (size_t i = 0; i < r->n_storages; i++) {
		if (storage_add(e->sandbox, r->storages[i], err) < 0)
			return -1;
		strv_push(&e->storages, r->storages[i]->mount_point);
	}
	return 0;
}

static int make_core(struct entry *e, const Grpc__CreateContainerRequest *r,
		     struct deadline deadline, struct err *err)
{
	AUTO(oci_spec) struct oci_spec *spec = r->oci ? oci_spec_from_message(r->oci, err) : NULL;
	struct process *init = process_new(e, "");
	struct container_options o = { .id = e->id,
				       .spec = spec,
				       .bundle = e->state_dir,
				       .state_dir = e->state_dir,
				       .deadline = deadline,
				       .seccomp = true,
				       .lenient_cgroup = getpid() != 1 };
	int result = -1;

	if (!spec && !err->code)
		err_set(err, E_INVALID, "the request has no specification");
	if (spec && adjust_spec(spec, err) == 0 &&
	    process_pipes(init, spec->process->terminal, e->sandbox->pipe_size, &o.stdio, err) == 0)
		result = container_create(&o, &e->core, &init->core, err);
	close_ends(&o.stdio);
	(void)pthread_mutex_lock(&e->sandbox->lock);
	vec_push(&e->processes, init); /* freed with the entry */
	(void)pthread_mutex_unlock(&e->sandbox->lock);
	if (result == 0)
		process_watch(init);
	return result;
}

static void undo_create(struct entry *e)
{
	struct err err = ERR_INIT;

	strv_each(point, e->storages)
		storage_drop(e->sandbox, *point);
	if (path_remove_tree(e->state_dir, &err) < 0)
		log_err(LOG_WARN, &err, "state of a failed container stays");
	entry_drop(e);
}

static int create_container(struct sandbox *s, const Grpc__CreateContainerRequest *r,
			    struct deadline deadline, struct err *err)
{
	struct entry *e;

	if (str_check_id(r->container_id, "container id", err) < 0)
		return -1;
	if (r->n_devices)
		return err_set(err, E_UNSUPPORTED, "device %s: devices are not passed yet",
			       r->devices[0]->id);
	e = NEW(struct entry);
	e->sandbox = s;
	e->oom_fd = -1;
	e->id = xstrdup(r->container_id);
	e->state_dir = str_fmt(GUEST_DIR "/%s", e->id);
	if (entry_add(s, e, err) < 0) {
		e->refs = 1;
		entry_put(e);
		return -1;
	}
	if (path_make(e->state_dir, 0700, err) == 0 && add_storages(e, r, err) == 0 &&
	    make_core(e, r, deadline, err) == 0)
		return 0;
	undo_create(e);
	return -1;
}

HANDLER(create_container)
{
	struct err err = ERR_INIT;

	answer(call, create_container(arg, request, flow_deadline(call, CREATE_MS), &err), &err);
}

/* ------------------------------------------------------------------------------------------ start
 */

static void start_oom(void *arg)
{
	struct entry *e = arg;

	oom_watch_start(e);
	entry_put(e);
}

HANDLER(start_container)
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

/* ------------------------------------------------------------------------------------------- exec
 */

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
	if (!r->process)
		return err_set(err, E_INVALID, "the request has no process");
	spec = oci_process_from_message(r->process, err);
	if (!spec)
		return -1;
	p = process_new(e, r->exec_id);
	if (process_pipes(p, spec->terminal, e->sandbox->pipe_size, &theirs, err) == 0 &&
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

HANDLER(exec_process)
{
	const Grpc__ExecProcessRequest *r = request;
	struct err err = ERR_INIT;
	struct entry *e = entry_get(arg, r->container_id, &err);
	int result = e ? exec_process(e, r, flow_deadline(call, CREATE_MS), &err) : -1;

	if (e)
		entry_put(e);
	answer(call, result, &err);
}

/* ----------------------------------------------------------------------------------------- remove
 */

static int remove_container(struct entry *e, struct deadline deadline, struct err *err)
{
	struct sandbox *s = e->sandbox;
	struct container *core;
	bool first;

	(void)pthread_mutex_lock(&s->lock);
	first = !e->removing;
	e->removing = true;
	core = e->core;
	/* The list's reference and ours remain: no other flow uses the container any more. */
	while (first && e->refs > 2)
		(void)pthread_cond_wait(&s->released, &s->lock);
	(void)pthread_mutex_unlock(&s->lock);
	if (!first)
		return err_set(err, E_STATE, "container %s is being removed", e->id);
	if (container_delete(core, deadline, err) < 0) {
		(void)pthread_mutex_lock(&s->lock);
		e->removing = false;
		(void)pthread_mutex_unlock(&s->lock);
		return -1;
	}
	strv_each(point, e->storages)
		storage_drop(s, *point);
	return path_remove_tree(e->state_dir, err);
}

HANDLER(remove_container)
{
	const Grpc__RemoveContainerRequest *r = request;
	struct err err = ERR_INIT;
	struct entry *e = entry_get(arg, r->container_id, &err);
	struct deadline deadline = flow_deadline(call,
						 r->timeout ? r->timeout * 1000ULL : DELETE_MS);
	int result = e ? remove_container(e, deadline, &err) : -1;

	if (e && result == 0)
		entry_drop(e);
	if (e)
		entry_put(e);
	answer(call, result, &err);
}

/* ------------------------------------------------------------------------- pause, resume, update
 */

HANDLER(pause_container)
{
	const Grpc__PauseContainerRequest *r = request;
	struct err err = ERR_INIT;
	struct entry *e = entry_get(arg, r->container_id, &err);
	int result = e ? container_pause(e->core, flow_deadline(call, DELETE_MS), &err) : -1;

	if (e)
		entry_put(e);
	answer(call, result, &err);
}

HANDLER(resume_container)
{
	const Grpc__ResumeContainerRequest *r = request;
	struct err err = ERR_INIT;
	struct entry *e = entry_get(arg, r->container_id, &err);
	int result = e ? container_resume(e->core, flow_deadline(call, DELETE_MS), &err) : -1;

	if (e)
		entry_put(e);
	answer(call, result, &err);
}

HANDLER(update_container)
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
