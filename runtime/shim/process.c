// SPDX-License-Identifier: Apache-2.0
/* Processes as the manager sees them: found, watched, ended. */

#include "shim/shim.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "protocols/agent.pb-c.h"
#include "protocols/events.pb-c.h"

#include <stdlib.h>
#include <time.h>

struct process *process_new(struct shim *s, const char *exec_id)
{
	struct process *p = NEW(struct process);

	p->shim = s;
	p->exec_id = xstrdup(exec_id);
	return p;
}

void process_free(struct process *p)
{
	struct err gone = ERR_INIT;

	err_set(&gone, E_NOT_FOUND, "the process was deleted");
	for (size_t i = 0; i < p->waiters.n; i++)
		ttrpc_fail(p->waiters.v[i], &gone);
	vec_release(&p->waiters);
	oci_process_free(p->spec);
	free(p->exec_id);
	free(p->in);
	free(p->out);
	free(p->err);
	free(p);
}

struct process *shim_find(struct shim *s, const char *id, const char *exec_id, struct err *err)
{
	struct process *found = NULL;

	if (s->init && !s->creating && !s->deleting && str_eq(id, s->inv->id)) {
		if (str_empty(exec_id))
			found = s->init;
		for (size_t i = 0; !found && i < s->execs.n; i++) {
			if (str_eq(s->execs.v[i]->exec_id, exec_id))
				found = s->execs.v[i];
		}
	}
	if (!found && str_empty(exec_id))
		err_set(err, E_NOT_FOUND, "container %.128s not found", id);
	else if (!found)
		err_set(err, E_NOT_FOUND, "process %.128s of container %.128s not found", exec_id,
			id);
	return found;
}

static void publish_exit(const struct process *p)
{
	Containerd__Events__TaskExit event = CONTAINERD__EVENTS__TASK_EXIT__INIT;
	Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

	at.seconds = p->exited_at.tv_sec;
	at.nanos = (int32_t)p->exited_at.tv_nsec;
	event.container_id = (char *)p->shim->inv->id;
	event.id = *p->exec_id ? p->exec_id : (char *)p->shim->inv->id;
	event.pid = (uint32_t)p->shim->pid;
	event.exit_status = p->exit_status;
	event.exited_at = &at;
	events_publish(p->shim->events, "/tasks/exit", &event.base);
}

static void reply_wait(struct ttrpc_call *call, const struct process *p)
{
	Containerd__Task__V2__WaitResponse reply = CONTAINERD__TASK__V2__WAIT_RESPONSE__INIT;
	Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

	at.seconds = p->exited_at.tv_sec;
	at.nanos = (int32_t)p->exited_at.tv_nsec;
	reply.exit_status = p->exit_status;
	reply.exited_at = &at;
	ttrpc_reply(call, &reply);
}

static void set_end(struct process *p, uint32_t status)
{
	if (p->ended)
		return;
	p->ended = true;
	p->exit_status = status;
	(void)clock_gettime(CLOCK_REALTIME, &p->exited_at);
}

void process_exited(struct process *p, uint32_t status)
{
	if (p->state == PROCESS_STOPPED)
		return;
	set_end(p, status);
	p->state = PROCESS_STOPPED;
	publish_exit(p);
	for (size_t i = 0; i < p->waiters.n; i++)
		reply_wait(p->waiters.v[i], p);
	p->waiters.n = 0;
	log_info("process ended", LOG_S("exec", p->exec_id), LOG_I("status", p->exit_status));
}

/* Who the answer is for: looked up again, since a process may be deleted meanwhile. */
struct wait_key {
	struct shim *shim;
	char *exec_id;
};

static struct process *find_again(const struct wait_key *key)
{
	struct err missing = ERR_INIT;

	return shim_find(key->shim, key->shim->inv->id, key->exec_id, &missing);
}

static void on_settled(void *arg)
{
	struct wait_key *key = arg;
	struct process *p;

	(void)pthread_mutex_lock(&key->shim->lock);
	p = find_again(key);
	if (p)
		process_exited(p, PROCESS_LOST);
	(void)pthread_mutex_unlock(&key->shim->lock);
	free(key->exec_id);
	free(key);
}

/* Some managers close the reading ends as soon as they hear of the end (containerd 1.6.20's client
 * does): so they hear of it when they have read everything. */
static void on_wait_answer(void *arg, const void *reply, const struct err *err)
{
	struct wait_key *key = arg;
	const Grpc__WaitProcessResponse *r = reply;
	struct io *io = NULL;
	struct process *p;

	(void)pthread_mutex_lock(&key->shim->lock);
	p = find_again(key);
	if (p) {
		set_end(p, err ? PROCESS_LOST : (uint32_t)r->status & 0xff);
		io = p->io; /* freed on this thread only */
	}
	(void)pthread_mutex_unlock(&key->shim->lock);
	io_settle(io, on_settled, key);
}

void process_watch(struct process *p)
{
	Grpc__WaitProcessRequest request = GRPC__WAIT_PROCESS_REQUEST__INIT;
	struct wait_key *key = NEW(struct wait_key);

	key->shim = p->shim;
	key->exec_id = xstrdup(p->exec_id);
	request.container_id = (char *)p->shim->inv->id;
	request.exec_id = p->exec_id;
	(void)ttrpc_call_async(p->shim->sandbox->client, "grpc.AgentService", "WaitProcess",
			       &request, &grpc__wait_process_response__descriptor, DEADLINE_NEVER,
			       on_wait_answer, key);
}

void shim_sandbox_died(void *arg, const struct err *why)
{
	struct shim *s = arg;

	(void)why;
	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->execs.n; i++) {
		if (s->execs.v[i]->state != PROCESS_CREATED)
			process_exited(s->execs.v[i], PROCESS_LOST);
	}
	if (s->init && !s->creating)
		process_exited(s->init, PROCESS_LOST);
	(void)pthread_mutex_unlock(&s->lock);
}

void task_wait(struct ttrpc_call *call, const void *request, void *arg)
{
	const Containerd__Task__V2__WaitRequest *r = request;
	struct shim *s = arg;
	struct err err = ERR_INIT;
	struct process *p;

	(void)pthread_mutex_lock(&s->lock);
	p = shim_find(s, r->id, r->exec_id, &err);
	if (p && p->state == PROCESS_STOPPED)
		reply_wait(call, p);
	else if (p)
		vec_push(&p->waiters, call);
	(void)pthread_mutex_unlock(&s->lock);
	if (!p)
		ttrpc_fail(call, &err);
}

/* --- OOM --- */

enum { OOM_PAUSE_MS = 100 };

static void ask_again(void *arg)
{
	struct shim *s = arg;

	watch_remove(STEAL(s->sandbox->pause, NULL));
	shim_watch_oom(s);
}

static void on_oom(void *arg, const void *reply, const struct err *err)
{
	Containerd__Events__TaskOOM event = CONTAINERD__EVENTS__TASK_OOM__INIT;
	struct shim *s = arg;

	(void)reply;
	if (err)
		return; /* the sandbox ends */
	event.container_id = (char *)s->inv->id;
	events_publish(s->events, "/tasks/oom", &event.base);
	/* A guest may have any number of them; the queue is for the other events too. */
	s->sandbox->pause = loop_timer(s->loop, OOM_PAUSE_MS, false, ask_again, s);
}

void shim_watch_oom(struct shim *s)
{
	Grpc__GetOOMEventRequest request = GRPC__GET_OOMEVENT_REQUEST__INIT;

	(void)ttrpc_call_async(s->sandbox->client, "grpc.AgentService", "GetOOMEvent", &request,
			       &grpc__oomevent__descriptor, DEADLINE_NEVER, on_oom, s);
}
