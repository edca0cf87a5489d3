// SPDX-License-Identifier: Apache-2.0
/* containerd.task.v2.Task: the table of its methods, and the methods about the shim itself. */

#include "shim/shim.h"

#include <unistd.h>

enum { SETTLE_MS = 2000 };

void task_answer(struct ttrpc_call *call, const struct err *err)
{
	Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;

	if (err->code)
		ttrpc_fail(call, err);
	else
		ttrpc_reply(call, &empty);
}

void task_fail(struct ttrpc_call *call, const struct err *err)
{
	struct err failed = *err;

	if (err->code == E_NOT_FOUND || err->code == E_EXISTS)
		failed.code = E_FAILED;
	ttrpc_fail(call, &failed);
}

struct deadline task_deadline(const struct shim *s, const struct ttrpc_call *call)
{
	return deadline_min(ttrpc_call_deadline(call),
			    deadline_in((uint64_t)s->config->request_timeout_s * 1000));
}

int task_ask_agent(struct shim *s, const char *method, const void *message,
		   struct deadline deadline, struct err *err)
{
	return sandbox_call(s->sandbox, method, message, NULL, deadline, NULL, err);
}

void task_connect(struct ttrpc_call *call, const void *request, void *arg)
{
	Containerd__Task__V2__ConnectResponse reply = CONTAINERD__TASK__V2__CONNECT_RESPONSE__INIT;
	const Containerd__Task__V2__ConnectRequest *r = request;
	struct err unknown = ERR_INIT;
	struct shim *s = arg;
	const struct process *p;

	(void)pthread_mutex_lock(&s->lock);
	p = shim_find(s, r->id, "", &unknown);
	reply.task_pid = (uint32_t)(p ? container_pid(p->container) : s->pid);
	(void)pthread_mutex_unlock(&s->lock);
	reply.shim_pid = (uint32_t)getpid();
	reply.version = (char *)KATA_VERSION;
	ttrpc_reply(call, &reply);
}

/* With the lock held: true if a container exists that is neither being created nor deleted. */
static bool has_container(const struct shim *s)
{
	for (size_t i = 0; i < s->containers.n; i++) {
		if (!s->containers.v[i]->creating && !s->containers.v[i]->deleting)
			return true;
	}
	return false;
}

bool shim_is_done(const struct shim *s)
{
	return s->shutting_down && shim_is_empty(s) && !s->answering;
}

void shim_answered(struct shim *s)
{
	bool done;

	(void)pthread_mutex_lock(&s->lock);
	s->answering--;
	done = shim_is_done(s);
	(void)pthread_mutex_unlock(&s->lock);
	if (done)
		shim_post_stop(s);
}

/* Waits for running Creates and Deletes to end, and for their events. */
static void settle(struct shim *s, struct deadline deadline)
{
	(void)pthread_mutex_lock(&s->lock);
	while (!shim_is_empty(s) && cond_wait_until(&s->changed, &s->lock, deadline))
		;
	(void)pthread_mutex_unlock(&s->lock);
	events_flush(s->events, deadline);
}

/*
 * A shim with a container ignores Shutdown. A running Create is abandoned; a running Delete
 * finishes. After the answer containerd disconnects and runs the verb `delete`, which kills a shim
 * that does not end soon. So the answer waits for what runs; containerd waits 3 seconds for it, and
 * does not repeat Shutdown.
 */
void task_shutdown(struct ttrpc_call *call, const void *request, void *arg)
{
	struct shim *s = arg;
	struct err none = ERR_INIT;
	bool ends;

	(void)request;
	(void)pthread_mutex_lock(&s->lock);
	s->answering++;
	s->shutting_down |= !has_container(s);
	ends = s->shutting_down;
	for (size_t i = 0; ends && i < s->containers.n; i++) {
		if (s->containers.v[i]->creating)
			container_abandon(s->containers.v[i]);
	}
	(void)pthread_mutex_unlock(&s->lock);
	if (ends) {
		shim_leave(s);
		settle(s, deadline_in(SETTLE_MS));
	}
	task_answer(call, &none);
	shim_answered(s);
}

#define REQUEST(message) &containerd__task__v2__##message##_request__descriptor

const struct ttrpc_method task_methods[] = {
	{ "State", TTRPC_EVENT, REQUEST(state), task_state },
	{ "Create", TTRPC_FLOW, REQUEST(create_task), task_create },
	{ "Start", TTRPC_FLOW, REQUEST(start), task_start },
	{ "Delete", TTRPC_FLOW, REQUEST(delete), task_delete },
	{ "Pids", TTRPC_FLOW, REQUEST(pids), task_pids },
	{ "Pause", TTRPC_FLOW, REQUEST(pause), task_pause },
	{ "Resume", TTRPC_FLOW, REQUEST(resume), task_resume },
	{ "Checkpoint", TTRPC_EVENT, REQUEST(checkpoint_task), task_checkpoint },
	{ "Kill", TTRPC_URGENT, REQUEST(kill), task_kill },
	{ "Exec", TTRPC_FLOW, REQUEST(exec_process), task_exec },
	{ "ResizePty", TTRPC_FLOW, REQUEST(resize_pty), task_resize_pty },
	{ "CloseIO", TTRPC_EVENT, &containerd__task__v2__close_iorequest__descriptor,
	  task_close_io },
	{ "Update", TTRPC_FLOW, REQUEST(update_task), task_update },
	{ "Wait", TTRPC_WAIT, REQUEST(wait), task_wait },
	{ "Stats", TTRPC_FLOW, REQUEST(stats), task_stats },
	{ "Connect", TTRPC_EVENT, REQUEST(connect), task_connect },
	{ "Shutdown", TTRPC_FLOW, REQUEST(shutdown), task_shutdown },
	{ NULL, TTRPC_EVENT, NULL, NULL },
};
