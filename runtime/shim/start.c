// SPDX-License-Identifier: Apache-2.0
/* Start, of a container's init and of an exec. */

#include "shim/shim.h"

#include "base/log.h"
#include "hook/hook.h"
#include "oci/message.h"
#include "protocols/agent.pb-c.h"
#include "protocols/events.pb-c.h"

#include <signal.h>

enum { KILL_MS = 2000 };

static int start_init(struct process *p, struct deadline deadline, struct err *err)
{
	Grpc__StartContainerRequest request = GRPC__START_CONTAINER_REQUEST__INIT;

	request.container_id = p->container->id;
	return task_ask_agent(p->shim, "StartContainer", &request, deadline, err);
}

static int start_exec(struct process *p, struct deadline deadline, struct err *err)
{
	Grpc__ExecProcessRequest request = GRPC__EXEC_PROCESS_REQUEST__INIT;
	struct shim *s = p->shim;
	struct io *io;
	int result;

	if (process_open_io(p, &io, err) < 0)
		return -1;
	(void)pthread_mutex_lock(&s->lock);
	p->io = io;
	if (p->rows && p->columns) {
		p->spec->console_height = p->rows;
		p->spec->console_width = p->columns;
	}
	(void)pthread_mutex_unlock(&s->lock);
	request.container_id = p->container->id;
	request.exec_id = p->exec_id;
	request.process = oci_process_to_message(p->spec);
	result = task_ask_agent(s, "ExecProcess", &request, deadline, err);
	protobuf_c_message_free_unpacked(&request.process->base, NULL);
	return result;
}

static void publish_start(struct process *p)
{
	Containerd__Events__TaskStart start = CONTAINERD__EVENTS__TASK_START__INIT;
	Containerd__Events__TaskExecStarted exec = CONTAINERD__EVENTS__TASK_EXEC_STARTED__INIT;

	if (*p->exec_id) {
		exec.container_id = p->container->id;
		exec.exec_id = p->exec_id;
		exec.pid = (uint32_t)container_pid(p->container);
		events_publish(p->shim->events, "/tasks/exec-started", &exec.base);
	} else {
		start.container_id = p->container->id;
		start.pid = (uint32_t)container_pid(p->container);
		events_publish(p->shim->events, "/tasks/start", &start.base);
	}
}

/* Sets the state to running and queues the start event in one step, so that no exit event can be
 * queued before it. False if the process was stopped meanwhile. */
static bool now_running(struct process *p)
{
	struct shim *s = p->shim;
	bool running;

	(void)pthread_mutex_lock(&s->lock);
	running = p->state == PROCESS_STARTING;
	if (running) {
		p->state = PROCESS_RUNNING;
		publish_start(p);
	}
	(void)pthread_mutex_unlock(&s->lock);
	return running;
}

static void poststart_hooks(const struct container *c)
{
	struct hook_state state = { c->id, c->bundle, "running", container_pid(c), c->spec };

	(void)hooks_run_all(&c->spec->hooks.poststart, "poststart", &state, HOOK_DEFAULT_SECONDS,
			    NULL);
}

/* Ends one container of a pod; the others run on. */
static void give_up_container(struct process *init)
{
	(void)pthread_mutex_lock(&init->shim->lock);
	process_exited(init, PROCESS_LOST);
	(void)pthread_mutex_unlock(&init->shim->lock);
}

void process_kill_astray(const struct process *p)
{
	Grpc__SignalProcessRequest kill = GRPC__SIGNAL_PROCESS_REQUEST__INIT;
	struct err err = ERR_INIT;

	kill.container_id = p->container->id;
	kill.exec_id = p->exec_id;
	kill.signal = SIGKILL;
	if (task_ask_agent(p->shim, "SignalProcess", &kill, deadline_in(KILL_MS), &err) < 0)
		/* Not found: the agent gave the start up as well. */
		log_err(err.code == E_NOT_FOUND ? LOG_DEBUG : LOG_WARN, &err,
			"an exec may run that is reported as not started",
			LOG_S("container", p->container->id), LOG_S("exec", p->exec_id));
}

/* The state is set first, since a caller with the same deadline deletes the exec now. */
static void give_up_exec(struct process *p, bool astray)
{
	struct shim *s = p->shim;

	(void)pthread_mutex_lock(&s->lock);
	p->astray |= astray;
	(void)pthread_mutex_unlock(&s->lock);
	(void)process_set(p, PROCESS_CREATED);
	if (astray)
		process_kill_astray(p);
}

/*
 * After a failed start. A container counts as ended and cannot be started again; an exec can. The
 * streams are closed first, since containerd waits for their end before it reports the failure.
 */
static void give_up(struct process *p, const struct err *why)
{
	io_finish(process_take_io(p), deadline_in(0));
	if (*p->exec_id)
		give_up_exec(p, why->code == E_TIMEOUT);
	else if (p->container->kind == KIND_IN_POD)
		give_up_container(p);
	else
		shim_end(p->shim);
}

void task_start(struct ttrpc_call *call, const void *request, void *arg)
{
	const Containerd__Task__V2__StartRequest *r = request;
	Containerd__Task__V2__StartResponse reply = CONTAINERD__TASK__V2__START_RESPONSE__INIT;
	struct shim *s = arg;
	struct err err = ERR_INIT;
	struct process *p = process_take(s, r->id, r->exec_id, IN(CREATED), PROCESS_STARTING,
					 "start", &err);
	int result;

	if (!p) {
		ttrpc_fail(call, &err);
		return;
	}
	result = *p->exec_id ? start_exec(p, task_deadline(s, call), &err)
			     : start_init(p, task_deadline(s, call), &err);
	if (result < 0) {
		give_up(p, &err);
		task_fail(call, &err);
	} else {
		if (now_running(p)) {
			process_follow(p);
			if (*p->exec_id)
				process_catch_up_size(p, task_deadline(s, call));
			else
				poststart_hooks(p->container);
		}
		reply.pid = (uint32_t)container_pid(p->container);
		ttrpc_reply(call, &reply);
	}
	process_put(p);
}
