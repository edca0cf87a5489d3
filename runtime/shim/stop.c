// SPDX-License-Identifier: Apache-2.0
/*
 * The end of processes and of the container. When a process exits, the agent reports it, its output
 * is read by its readers, and then the manager is notified. For the container's first process the
 * VM is stopped before that, so that its memory is freed without waiting for Delete. When the VM
 * dies, all processes end with it.
 */

#include "shim/shim.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "base/thread.h"
#include "protocols/agent.pb-c.h"
#include "protocols/events.pb-c.h"

#include <fcntl.h>

enum { EXECS_MS = 1000, AGAIN_MS = 1000 };

/* --- the container ends --- */

static bool execs_run(const struct container *c)
{
	for (size_t i = 0; i < c->execs.n; i++) {
		if (c->execs.v[i]->state == PROCESS_RUNNING ||
		    c->execs.v[i]->state == PROCESS_PAUSED)
			return true;
	}
	return false;
}

void shim_await_execs(struct container *c)
{
	struct deadline soon = deadline_in(EXECS_MS);
	struct shim *s = c->shim;

	(void)pthread_mutex_lock(&s->lock);
	while (execs_run(c) && cond_wait_until(&s->changed, &s->lock, soon))
		;
	(void)pthread_mutex_unlock(&s->lock);
}

/* Loop. */
static void detach_streams(void *arg)
{
	struct container *c = arg;

	(void)pthread_mutex_lock(&c->shim->lock);
	for (size_t i = 0; i < c->execs.n; i++)
		io_detach(c->execs.v[i]->io);
	if (c->init)
		io_detach(c->init->io);
	(void)pthread_mutex_unlock(&c->shim->lock);
}

/* With the lock held; the container's own process last. */
static void end_all(struct container *c, uint32_t execs, uint32_t init)
{
	for (size_t i = 0; i < c->execs.n; i++) {
		if (c->execs.v[i]->state != PROCESS_CREATED &&
		    c->execs.v[i]->state != PROCESS_STARTING)
			process_exited(c->execs.v[i], execs);
	}
	if (c->init)
		process_exited(c->init, init);
}

/* Every container that is there, each with a reference. */
struct crowd {
	VEC(struct container *) list;
};

static struct crowd hold_containers(struct shim *s)
{
	struct crowd crowd = { VEC_INIT };

	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->containers.n; i++) {
		if (s->containers.v[i]->creating)
			continue; /* it is undone by its Create */
		s->containers.v[i]->refs++;
		vec_push(&crowd.list, s->containers.v[i]);
	}
	(void)pthread_mutex_unlock(&s->lock);
	return crowd;
}

static void let_go(struct shim *s, struct crowd *crowd)
{
	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < crowd->list.n; i++)
		container_unref(crowd->list.v[i]);
	(void)pthread_mutex_unlock(&s->lock);
	vec_release(&crowd->list);
}

void shim_end(struct shim *s)
{
	struct crowd crowd = hold_containers(s);

	for (size_t i = 0; i < crowd.list.n; i++) {
		shim_await_execs(crowd.list.v[i]);
		loop_call(s->loop, detach_streams, crowd.list.v[i]);
		container_move_out(crowd.list.v[i]);
	}
	sandbox_stop(s->sandbox);
	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < crowd.list.n; i++)
		end_all(crowd.list.v[i], PROCESS_KILLED, PROCESS_LOST);
	(void)pthread_mutex_unlock(&s->lock);
	let_go(s, &crowd);
}

/* On the loop. */
void shim_sandbox_died(void *arg, const struct err *why)
{
	struct shim *s = arg;
	struct crowd crowd = hold_containers(s);

	(void)why;
	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < crowd.list.n; i++)
		end_all(crowd.list.v[i], PROCESS_LOST, PROCESS_LOST);
	(void)pthread_mutex_unlock(&s->lock);
	for (size_t i = 0; i < crowd.list.n; i++)
		detach_streams(crowd.list.v[i]);
	let_go(s, &crowd);
}

/* --- a process ends --- */

static void *end_main(void *arg)
{
	struct process *init = arg;

	shim_end(init->shim);
	process_put(init);
	return NULL;
}

/* Loop. Stopping a VM blocks, so it runs on a thread. A machine that has no room for one has it later. */
static void try_end(void *arg)
{
	struct process *init = arg;
	struct watch *again = STEAL(init->again, NULL); /* the thread may free the process */
	struct loop *loop = init->shim->loop;
	struct err err = ERR_INIT;

	if (thread_detach(end_main, init, 0, &err) == 0) {
		watch_remove(again);
		return;
	}
	if (!again) {
		log_err(LOG_WARN, &err, "cannot end the sandbox, trying again each second");
		again = loop_timer(loop, AGAIN_MS, true, try_end, init);
	}
	init->again = again;
}

/* Loop, with the lock held. */
static void begin_end(struct process *init)
{
	init->refs++;
	init->container->users++;
	try_end(init);
}

/* Loop: all its output was read, or will be kept. */
static void on_settled(void *arg)
{
	struct process *p = arg;
	struct shim *s = p->shim;

	(void)pthread_mutex_lock(&s->lock);
	/* A pod goes on without this container. */
	if (*p->exec_id || p->container->kind == KIND_IN_POD)
		process_exited(p, PROCESS_LOST);
	else if (p->state != PROCESS_STOPPED && p == p->container->init && !p->container->deleting)
		begin_end(p);
	(void)pthread_mutex_unlock(&s->lock);
	process_unref(p);
}

/* Loop. Some managers (containerd 1.6.20's client) close their ends of the streams as soon as the
 * exit is reported, so it is reported only after they have read everything. Takes ownership of a
 * reference. */
static void settle(struct process *p, bool started)
{
	struct shim *s = p->shim;
	struct io *io;
	bool first;

	(void)pthread_mutex_lock(&s->lock);
	first = !p->settling;
	p->settling = true;
	io = p->io; /* freed on this thread only */
	(void)pthread_mutex_unlock(&s->lock);
	if (first)
		io_settle(started ? io : NULL, on_settled, p);
	else
		process_unref(p);
}

/* Loop. Takes ownership of a reference. */
static void end_with(struct process *p, uint32_t status)
{
	struct shim *s = p->shim;
	enum process_state state;

	(void)pthread_mutex_lock(&s->lock);
	state = p->state;
	if (state != PROCESS_STOPPED)
		process_note_end(p, status);
	(void)pthread_mutex_unlock(&s->lock);
	/* Start has not yet reported that it runs, and continues from there. */
	if (state == PROCESS_STARTING)
		process_unref(p);
	else
		settle(p, state != PROCESS_CREATED);
}

/* Loop. */
static void forget_overdue(struct process *p)
{
	if (!p->overdue)
		return;
	watch_remove(STEAL(p->overdue, NULL));
	process_unref(p);
}

static void on_wait_answer(void *arg, const void *reply, const struct err *err)
{
	const Grpc__WaitProcessResponse *r = reply;
	struct process *p = arg;

	forget_overdue(p);
	end_with(p, err ? PROCESS_LOST : (uint32_t)r->status & 0xff);
}

/* --- a process that does not end --- */

static void on_overdue(void *arg)
{
	struct process *p = arg;

	watch_remove(STEAL(p->overdue, NULL));
	log_error("a process that was killed does not end: the guest's kernel holds it",
		  LOG_S("container", p->container->id), LOG_S("exec", p->exec_id));
	end_with(p, PROCESS_KILLED);
}

static void expect_on_loop(void *arg)
{
	struct process *p = arg;
	struct shim *s = p->shim;
	bool ended;

	(void)pthread_mutex_lock(&s->lock);
	ended = p->ended;
	(void)pthread_mutex_unlock(&s->lock);
	if (ended || p->overdue || !s->sandbox || !s->sandbox->vm->client)
		process_unref(p); /* its end is known, or will be with the VM's */
	else
		p->overdue = loop_timer(s->loop, (uint64_t)s->config->request_timeout_s * 1000,
					false, on_overdue, p);
}

void process_expect_end(struct process *p)
{
	process_ref(p);
	loop_post(p->shim->loop, expect_on_loop, p);
}

/* --- watching for the end --- */

/* Loop. Takes ownership of a reference. */
static void watch_on_loop(void *arg)
{
	Grpc__WaitProcessRequest request = GRPC__WAIT_PROCESS_REQUEST__INIT;
	struct process *p = arg;
	struct ttrpc_client *client = p->shim->sandbox ? p->shim->sandbox->vm->client : NULL;

	if (!client) {
		process_unref(p); /* ends with the VM */
		return;
	}
	request.container_id = p->container->id;
	request.exec_id = p->exec_id;
	(void)ttrpc_call_async(client, "grpc.AgentService", "WaitProcess", &request,
			       &grpc__wait_process_response__descriptor, DEADLINE_NEVER,
			       on_wait_answer, p);
}

void process_watch(struct process *p)
{
	process_ref(p);
	loop_post(p->shim->loop, watch_on_loop, p);
}

/* --- out of memory --- */

/* CRI-O hears no events, and looks for this file when the container has ended. */
static void note_for_crio(const struct container *c)
{
	AUTO(str) char *path = path_join(c->bundle, "oom");
	struct err err = ERR_INIT;

	if (kind_is_crio(c->spec) && file_replace_volatile(AT_FDCWD, path, "", 0, 0644, &err) < 0)
		log_err(LOG_WARN, &err, "cannot tell CRI-O that memory ran out");
}

/* The id is the guest's word: only that of a container of this shim is passed on. */
void shim_out_of_memory(void *arg, const char *id)
{
	Containerd__Events__TaskOOM event = CONTAINERD__EVENTS__TASK_OOM__INIT;
	struct err unknown = ERR_INIT;
	struct shim *s = arg;
	struct process *init;

	(void)pthread_mutex_lock(&s->lock);
	init = shim_find(s, id, "", &unknown);
	if (init) {
		event.container_id = init->container->id;
		note_for_crio(init->container);
		events_publish(s->events, "/tasks/oom", &event.base);
	}
	(void)pthread_mutex_unlock(&s->lock);
}

/* --- after a start --- */

static void follow_on_loop(void *arg)
{
	struct process *p = arg;
	struct shim *s = p->shim;
	struct io *io;
	bool ended;

	(void)pthread_mutex_lock(&s->lock);
	io = p->io;
	ended = p->ended;
	(void)pthread_mutex_unlock(&s->lock);
	if (s->sandbox && s->sandbox->vm->client) {
		if (io)
			io_start(io);
		if (*p->exec_id)
			process_watch(p);
	}
	if (ended && !*p->exec_id)
		settle(p, true);
	else
		process_unref(p);
}

void process_follow(struct process *p)
{
	process_ref(p);
	loop_post(p->shim->loop, follow_on_loop, p);
}
