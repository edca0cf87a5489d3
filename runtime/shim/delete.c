// SPDX-License-Identifier: Apache-2.0
/* Delete, of a container and of an exec. Of several callers one succeeds; the others get
 * not-found. */

#include "shim/shim.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "hook/hook.h"
#include "protocols/agent.pb-c.h"
#include "protocols/events.pb-c.h"

#include <stdlib.h>

enum { DRAIN_MS = 10000, OTHERS_MS = 1000, EXEC_DRAIN_MS = 500, REMOVE_MS = 2000 };

/* What the answer has of the deleted process. */
struct end {
	enum process_state state;
	uint32_t pid, status;
	struct timespec when;
};

static void reply_delete(struct ttrpc_call *call, const struct end *end)
{
	Containerd__Task__V2__DeleteResponse reply = CONTAINERD__TASK__V2__DELETE_RESPONSE__INIT;
	Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

	at.seconds = end->when.tv_sec;
	at.nanos = (int32_t)end->when.tv_nsec;
	reply.pid = end->pid;
	reply.exit_status = end->status;
	reply.exited_at = &at;
	ttrpc_reply(call, &reply);
}

/* With the lock held: removes an exec from its list. A container's init is in no list. */
static void remove_exec(struct process *p)
{
	struct container *c = p->container;

	for (size_t i = 0; i < c->execs.n; i++) {
		if (c->execs.v[i] == p) {
			vec_remove(&c->execs, i);
			return;
		}
	}
}

/* Finds the process and, in the same step, hides it from others: an exec is removed from its list,
 * a container is marked as being deleted. Returns it with references to process and container. */
static struct process *claim(struct shim *s, const Containerd__Task__V2__DeleteRequest *r,
			     struct end *end, struct err *err)
{
	struct process *p;

	(void)pthread_mutex_lock(&s->lock);
	p = shim_find(s, r->id, r->exec_id, err);
	if (p && process_check(p, IN(STOPPED) | IN(CREATED), "delete", err) < 0)
		p = NULL;
	if (p) {
		*end = (struct end){ p->state, (uint32_t)container_pid(p->container),
				     p->exit_status, p->exited_at };
		p->refs++;
		p->container->users++;
		p->container->deleting = !*p->exec_id;
		remove_exec(p);
	}
	(void)pthread_mutex_unlock(&s->lock);
	return p;
}

/* An exec that still runs is killed with its container: reports that to those who wait for it. */
static void end_exec(struct process *p)
{
	(void)pthread_mutex_lock(&p->shim->lock);
	if (p->state == PROCESS_RUNNING || p->state == PROCESS_PAUSED)
		process_exited(p, PROCESS_KILLED);
	(void)pthread_mutex_unlock(&p->shim->lock);
}

/* Deletes the execs that containerd has not deleted. */
static void drop_execs(struct container *c)
{
	struct shim *s = c->shim;

	for (;;) {
		struct process *p = NULL;

		(void)pthread_mutex_lock(&s->lock);
		if (c->execs.n) {
			p = c->execs.v[0];
			vec_remove(&c->execs, 0);
		}
		(void)pthread_mutex_unlock(&s->lock);
		if (!p)
			return;
		end_exec(p);
		io_finish(process_take_io(p), deadline_in(0));
		process_drop(p);
	}
}

/*
 * Waits until no other flow uses the container. After a second the VM is stopped, so that requests
 * to an agent that does not answer fail; in a pod, where others need the VM, they end at their
 * deadlines.
 */
static void await_other_flows(struct container *c)
{
	struct shim *s = c->shim;
	struct deadline soon = deadline_in(OTHERS_MS);
	bool others;

	(void)pthread_mutex_lock(&s->lock);
	while (c->users > 1 && cond_wait_until(&s->changed, &s->lock, soon))
		;
	others = c->users > 1;
	(void)pthread_mutex_unlock(&s->lock);
	if (others && c->kind != KIND_IN_POD)
		sandbox_stop(s->sandbox);
	(void)pthread_mutex_lock(&s->lock);
	while (c->users > 1)
		(void)cond_wait_until(&s->changed, &s->lock, DEADLINE_NEVER);
	(void)pthread_mutex_unlock(&s->lock);
}

static void publish_delete(const struct container *c, const struct end *end)
{
	Containerd__Events__TaskDelete event = CONTAINERD__EVENTS__TASK_DELETE__INIT;
	Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

	at.seconds = end->when.tv_sec;
	at.nanos = (int32_t)end->when.tv_nsec;
	event.container_id = c->id;
	event.pid = end->pid;
	event.exit_status = end->status;
	event.exited_at = &at;
	event.id = c->id;
	events_publish(c->shim->events, "/tasks/delete", &event.base);
}

static void poststop_hooks(const struct container *c)
{
	struct hook_state state = { c->id, c->bundle, "stopped", 0, c->spec };

	(void)hooks_run_all(&c->spec->hooks.poststop, "poststop", &state, HOOK_DEFAULT_SECONDS,
			    NULL);
}

static void delete_container(struct container *c, const struct end *end)
{
	await_other_flows(c);
	if (end->state == PROCESS_STOPPED) {
		io_finish(process_take_io(c->init), deadline_in(DRAIN_MS));
		shim_await_execs(c);
	}
	drop_execs(c);
	container_take_down(c);
	poststop_hooks(c);
	publish_delete(c, end);
}

/* Nobody reads its output any more, which its descendants hold open: without this the agent would
 * keep it, and its id, until the container is removed. Upstream's agent does not serve this. */
static void remove_from_guest(struct process *p)
{
	Grpc__RemoveExecRequest request = GRPC__REMOVE_EXEC_REQUEST__INIT;
	struct err err = ERR_INIT;

	if (p->astray)
		process_kill_astray(p); /* the agent may have started it meanwhile */
	request.container_id = p->container->id;
	request.exec_id = p->exec_id;
	if (task_ask_agent(p->shim, "RemoveExec", &request, deadline_in(REMOVE_MS), &err) < 0)
		log_err(LOG_DEBUG, &err, "the guest did not remove the exec");
}

/* What the exec wrote has arrived by now, but descendants may hold its pipes open. */
static void delete_exec(struct process *p)
{
	if (!io_finish(process_take_io(p), deadline_in(EXEC_DRAIN_MS)) || p->astray)
		remove_from_guest(p);
	process_drop(p);
}

/* Called after the answer: a Shutdown that came meanwhile takes effect here. */
static void deleted(struct container *c)
{
	struct shim *s = c->shim;
	bool done;

	(void)pthread_mutex_lock(&s->lock);
	container_remove(c);
	done = shim_is_done(s);
	(void)pthread_mutex_unlock(&s->lock);
	if (done)
		shim_post_stop(s);
}

static bool is_deleting(const struct shim *s, const char *id)
{
	vec_each(struct container *, c, &s->containers) {
		if (str_eq((*c)->id, id))
			return (*c)->deleting;
	}
	return false;
}

/*
 * containerd repeats a Delete that took it too long, and takes "not found" as its end: it then
 * kills the shim, or removes the bundle of a container in a pod. So that answer has to wait for the
 * Delete that runs.
 */
static void await_other_delete(struct shim *s, const char *id, struct deadline deadline,
			       struct err *err)
{
	bool deleting;

	(void)pthread_mutex_lock(&s->lock);
	while (is_deleting(s, id) && cond_wait_until(&s->changed, &s->lock, deadline))
		;
	deleting = is_deleting(s, id);
	(void)pthread_mutex_unlock(&s->lock);
	if (deleting) {
		err_clear(err);
		err_set(err, E_TIMEOUT, "container %.128s is still being deleted", id);
	}
}

void task_delete(struct ttrpc_call *call, const void *request, void *arg)
{
	const Containerd__Task__V2__DeleteRequest *r = request;
	struct shim *s = arg;
	struct err err = ERR_INIT;
	struct end end;
	struct process *p = claim(s, r, &end, &err);

	if (!p) {
		if (str_empty(r->exec_id))
			await_other_delete(s, r->id, ttrpc_call_deadline(call), &err);
		ttrpc_fail(call, &err);
		return;
	}
	if (*p->exec_id) {
		delete_exec(p);
	} else {
		delete_container(p->container, &end);
	}
	reply_delete(call, &end);
	if (!*p->exec_id)
		deleted(p->container);
	process_put(p);
}
