// SPDX-License-Identifier: Apache-2.0
/* Pause, Resume and Update of a container. */

#include "shim/shim.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "oci/message.h"
#include "protocols/agent.pb-c.h"
#include "protocols/events.pb-c.h"
#include "shim/annotation.h"

#include <stdlib.h>

enum { THAW_MS = 5000 };

/* The agent did not answer Pause in time, and may have frozen the container: lets it run on, as it is
 * reported, since nobody could resume it. */
static void undo_pause(struct shim *s, char *id)
{
	Grpc__ResumeContainerRequest resume = GRPC__RESUME_CONTAINER_REQUEST__INIT;
	struct err err = ERR_INIT;

	resume.container_id = id;
	if (task_ask_agent(s, "ResumeContainer", &resume, deadline_in(THAW_MS), &err) < 0)
		log_err(LOG_WARN, &err, "a container may be frozen that is reported as running",
			LOG_S("container", id));
}

void task_pause(struct ttrpc_call *call, const void *request, void *arg)
{
	const Containerd__Task__V2__PauseRequest *r = request;
	Containerd__Events__TaskPaused event = CONTAINERD__EVENTS__TASK_PAUSED__INIT;
	Grpc__PauseContainerRequest pause = GRPC__PAUSE_CONTAINER_REQUEST__INIT;
	struct shim *s = arg;
	struct err err = ERR_INIT;
	struct process *p = process_take(s, r->id, "", IN(RUNNING), PROCESS_PAUSING, "pause", &err);

	pause.container_id = event.container_id = r->id;
	if (p && task_ask_agent(s, "PauseContainer", &pause, task_deadline(s, call), &err) == 0) {
		if (process_set(p, PROCESS_PAUSED))
			events_publish(s->events, "/tasks/paused", &event.base);
	} else if (p) {
		if (err.code == E_TIMEOUT)
			undo_pause(s, r->id);
		(void)process_set(p, PROCESS_RUNNING);
	}
	task_answer(call, &err);
	if (p)
		process_put(p);
}

void task_resume(struct ttrpc_call *call, const void *request, void *arg)
{
	const Containerd__Task__V2__ResumeRequest *r = request;
	Containerd__Events__TaskResumed event = CONTAINERD__EVENTS__TASK_RESUMED__INIT;
	Grpc__ResumeContainerRequest resume = GRPC__RESUME_CONTAINER_REQUEST__INIT;
	struct shim *s = arg;
	struct err err = ERR_INIT;
	struct process *p = process_take(s, r->id, "", IN(PAUSED), PROCESS_PAUSING, "resume", &err);

	resume.container_id = event.container_id = r->id;
	if (p && task_ask_agent(s, "ResumeContainer", &resume, task_deadline(s, call), &err) == 0) {
		if (process_set(p, PROCESS_RUNNING))
			events_publish(s->events, "/tasks/resumed", &event.base);
	} else if (p) {
		(void)process_set(p, PROCESS_PAUSED);
	}
	task_answer(call, &err);
	if (p)
		process_put(p);
}

void task_checkpoint(struct ttrpc_call *call, const void *request, void *arg)
{
	struct err err = ERR_INIT;

	(void)request;
	(void)arg;
	err_set(&err, E_UNSUPPORTED, "a container in a VM cannot be checkpointed; use runc for it");
	ttrpc_fail(call, &err);
}

/* Swaps the lists of the update with those of the container; a NULL list changes nothing. */
static void exchange_cpus(struct container *c, char **cpus, char **mems)
{
	struct oci_linux *l = &c->spec->linux_;
	char *before;

	(void)pthread_mutex_lock(&c->shim->lock);
	if (!l->resources)
		l->resources = NEW(struct oci_resources);
	if (*cpus) {
		before = l->resources->cpu.cpus;
		l->resources->cpu.cpus = *cpus;
		*cpus = before ? before : xstrdup("");
	}
	if (*mems) {
		before = l->resources->cpu.mems;
		l->resources->cpu.mems = *mems;
		*mems = before ? before : xstrdup("");
	}
	(void)pthread_mutex_unlock(&c->shim->lock);
}

/* Processors and memory nodes in an update are the host's: the sandbox is confined to them.
 * Afterwards *cpus and *mems have the former lists, so that a second call undoes the first. */
static int place(struct container *c, char **cpus, char **mems, struct deadline deadline,
		 struct err *err)
{
	struct err ignored = ERR_INIT; /* the first error is reported */

	if (!*cpus && !*mems)
		return 0;
	exchange_cpus(c, cpus, mems);
	if (shim_place(c->shim, deadline, err) == 0)
		return 0;
	exchange_cpus(c, cpus, mems);
	(void)!shim_place(c->shim, deadline, &ignored); /* if only a part of it was done */
	return -1;
}

/* Takes a list out of the update. NULL for an empty one: the update does not change it. */
static char *take_list(char **list)
{
	char *taken = STEAL(*list, NULL);

	if (str_empty(taken))
		str_set(&taken, NULL);
	return taken;
}

static struct oci_resources *parse(const Containerd__Task__V2__UpdateTaskRequest *r,
				   struct err *err)
{
	if (!r->resources) {
		err_set(err, E_INVALID, "the request has no resources");
		return NULL;
	}
	return oci_resources_parse((const char *)r->resources->value.data, r->resources->value.len,
				   "resources", err);
}

static int update_guest(struct container *c, struct oci_resources *res, struct deadline deadline,
			struct err *err)
{
	Grpc__UpdateContainerRequest update = GRPC__UPDATE_CONTAINER_REQUEST__INIT;
	int result;

	devices_limit(&c->devices, res);
	update.container_id = c->id;
	update.resources = oci_resources_to_message(res);
	result = task_ask_agent(c->shim, "UpdateContainer", &update, deadline, err);
	protobuf_c_message_free_unpacked(&update.resources->base, NULL);
	return result;
}

/* Confines the sandbox and updates the guest, or changes nothing. */
static int update_both(struct container *c, struct oci_resources *res, struct deadline deadline,
		       struct err *err)
{
	AUTO(str) char *cpus = take_list(&res->cpu.cpus), *mems = take_list(&res->cpu.mems);
	struct err ignored = ERR_INIT; /* the first error is reported */

	if (place(c, &cpus, &mems, deadline, err) < 0)
		return -1;
	if (update_guest(c, res, deadline, err) == 0)
		return 0;
	(void)!place(c, &cpus, &mems, deadline, &ignored);
	return -1;
}

/* The VM grows before the guest's control group gets a higher limit, and shrinks after that got a
 * lower one. An update of a pod's sandbox container is one of the whole pod. */
static int update(struct container *c, struct oci_resources *res, struct deadline deadline,
		  struct err *err)
{
	struct sandbox *sb = c->shim->sandbox;
	const char *id = c->kind == KIND_POD ? NULL : c->id;
	struct limits_change change;
	int result;

	if (c->kind != KIND_POD)
		container_annotations_keep(c->spec, res);
	if (sandbox_grow(sb, id, res, true, &change, deadline, err) < 0)
		return err_wrap(err, "update %s", c->id);
	result = update_both(c, res, deadline, err);
	sandbox_settle(sb, id, result < 0 ? &change.before : &change.after, deadline);
	return result;
}

void task_update(struct ttrpc_call *call, const void *request, void *arg)
{
	const Containerd__Task__V2__UpdateTaskRequest *r = request;
	struct shim *s = arg;
	struct err err = ERR_INIT;
	AUTO(oci_resources) struct oci_resources *res = parse(r, &err);
	struct process *p = res ? process_take(s, r->id, "", ~(IN(STOPPED) | IN(ENDING)),
					       PROCESS_STAYS, "update", &err)
				: NULL;

	if (p)
		(void)!update(p->container, res, task_deadline(s, call), &err);
	task_answer(call, &err);
	if (p)
		process_put(p);
}
