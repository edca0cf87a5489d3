// SPDX-License-Identifier: Apache-2.0
/* Processes as containerd sees them: finding and holding them, and reporting their ends. */

#include "shim/shim.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "protocols/events.pb-c.h"

#include <stdlib.h>
#include <time.h>

struct process *process_new(struct container *c, const char *exec_id)
{
	struct process *p = NEW(struct process);

	p->shim = c->shim;
	p->container = c;
	p->refs = 1;
	p->exec_id = xstrdup(exec_id);
	(void)pthread_mutex_lock(&c->shim->lock);
	c->refs++;
	(void)pthread_mutex_unlock(&c->shim->lock);
	return p;
}

/* With the lock held. */
static void process_free(struct process *p)
{
	container_unref(p->container);
	vec_release(&p->waiters);
	oci_process_free(p->spec);
	free(p->exec_id);
	free(p->in);
	free(p->out);
	free(p->err);
	free(p);
}

/* With the lock held. */
static void unref(struct process *p)
{
	if (--p->refs == 0)
		process_free(p);
}

void process_ref(struct process *p)
{
	(void)pthread_mutex_lock(&p->shim->lock);
	p->refs++;
	(void)pthread_mutex_unlock(&p->shim->lock);
}

void process_unref(struct process *p)
{
	struct shim *s = p->shim;

	(void)pthread_mutex_lock(&s->lock);
	unref(p);
	(void)pthread_mutex_unlock(&s->lock);
}

void process_drop(struct process *p)
{
	struct shim *s = p->shim;
	struct err gone = ERR_INIT;

	err_set(&gone, E_NOT_FOUND, "the process was deleted");
	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < p->waiters.n; i++)
		ttrpc_fail(p->waiters.v[i], &gone);
	p->waiters.n = 0;
	unref(p);
	(void)pthread_mutex_unlock(&s->lock);
}

int process_open_io(const struct process *p, struct io **out, struct err *err)
{
	const struct io_request r = { .loop = p->shim->loop,
				      .vm = p->shim->sandbox->vm,
				      .namespace = p->shim->inv->namespace,
				      .container = p->container->id,
				      .exec = p->exec_id,
				      .in = p->in,
				      .out = p->out,
				      .err = p->err,
				      .terminal = p->terminal };

	return io_open(&r, out, err);
}

struct io *process_take_io(struct process *p)
{
	struct shim *s = p->shim;
	struct io *io;

	(void)pthread_mutex_lock(&s->lock);
	io = STEAL(p->io, NULL);
	(void)pthread_mutex_unlock(&s->lock);
	return io;
}

/* --- finding and holding --- */

static struct container *find_container(struct shim *s, const char *id)
{
	for (size_t i = 0; i < s->containers.n; i++) {
		struct container *c = s->containers.v[i];

		if (str_eq(c->id, id) && !c->creating && !c->deleting && c->init)
			return c;
	}
	return NULL;
}

struct process *shim_find(struct shim *s, const char *id, const char *exec_id, struct err *err)
{
	struct container *c = find_container(s, id);

	if (!c) {
		err_set(err, E_NOT_FOUND, "container %.128s not found", id);
		return NULL;
	}
	if (str_empty(exec_id))
		return c->init;
	for (size_t i = 0; i < c->execs.n; i++) {
		if (str_eq(c->execs.v[i]->exec_id, exec_id))
			return c->execs.v[i];
	}
	err_set(err, E_NOT_FOUND, "process %.128s of container %.128s not found", exec_id, id);
	return NULL;
}

enum process_state process_now(const struct process *p)
{
	return p->ended && p->state != PROCESS_STOPPED ? PROCESS_ENDING : p->state;
}

int process_check(const struct process *p, unsigned allowed, const char *what, struct err *err)
{
	static const char *const names[] = {
		[PROCESS_CREATED] = "not started", [PROCESS_STARTING] = "being started",
		[PROCESS_RUNNING] = "running",     [PROCESS_PAUSING] = "being paused or resumed",
		[PROCESS_PAUSED] = "paused",       [PROCESS_STOPPED] = "ended already",
		[PROCESS_ENDING] = "about to end",
	};
	enum process_state state = process_now(p);

	if (allowed & 1U << state)
		return 0;
	return err_set(err, E_STATE, "%s %s: the process is %s", what,
		       *p->exec_id ? p->exec_id : p->container->id, names[state]);
}

struct process *process_take(struct shim *s, const char *id, const char *exec_id, unsigned allowed,
			     enum process_state next, const char *what, struct err *err)
{
	struct process *p;

	(void)pthread_mutex_lock(&s->lock);
	p = shim_find(s, id, exec_id, err);
	if (p && process_check(p, allowed, what, err) < 0)
		p = NULL;
	if (p) {
		p->refs++;
		p->container->users++;
		if (next != PROCESS_STAYS)
			p->state = next;
	}
	(void)pthread_mutex_unlock(&s->lock);
	return p;
}

void process_put(struct process *p)
{
	struct shim *s = p->shim;

	(void)pthread_mutex_lock(&s->lock);
	p->container->users--;
	unref(p);
	(void)pthread_cond_broadcast(&s->changed);
	(void)pthread_mutex_unlock(&s->lock);
}

bool process_set(struct process *p, enum process_state state)
{
	struct shim *s = p->shim;
	bool set;

	(void)pthread_mutex_lock(&s->lock);
	set = p->state != PROCESS_STOPPED;
	if (set)
		p->state = state;
	(void)pthread_mutex_unlock(&s->lock);
	return set;
}

/* --- ends --- */

static void publish_exit(const struct process *p)
{
	Containerd__Events__TaskExit event = CONTAINERD__EVENTS__TASK_EXIT__INIT;
	Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

	at.seconds = p->exited_at.tv_sec;
	at.nanos = (int32_t)p->exited_at.tv_nsec;
	event.container_id = p->container->id;
	event.id = *p->exec_id ? p->exec_id : p->container->id;
	event.pid = (uint32_t)container_pid(p->container);
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

void process_note_end(struct process *p, uint32_t status)
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
	process_note_end(p, status);
	p->state = PROCESS_STOPPED;
	if (p == p->container->init)
		container_stop_holder_async(p->container);
	publish_exit(p);
	for (size_t i = 0; i < p->waiters.n; i++)
		reply_wait(p->waiters.v[i], p);
	p->waiters.n = 0;
	(void)pthread_cond_broadcast(&p->shim->changed);
	log_info("process ended", LOG_S("exec", p->exec_id), LOG_I("status", p->exit_status));
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
