// SPDX-License-Identifier: Apache-2.0
/*
 * How processes end. When the agent reports an exit (on_wait_answer), settle() waits until the
 * readers have the output, then on_settled() reports the exit to containerd. For the first process
 * of a single container or of a pod's sandbox container the VM is stopped before that (shim_end),
 * so that its memory is free without waiting for Delete. When the VM dies, all processes end with
 * it (shim_sandbox_died).
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

static bool is_running(const struct process *p)
{
	return p->state == PROCESS_RUNNING || p->state == PROCESS_PAUSED;
}

static bool execs_run(const struct container *c)
{
	for (size_t i = 0; i < c->execs.n; i++) {
		if (is_running(c->execs.v[i]))
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

/* With the lock held: reports the ends of the execs and then of init, with these statuses. An exec
 * that is being started is left to its Start, whose request to the agent fails. */
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

/* Containers, each with a reference. */
struct held {
	VEC(struct container *) list;
};

/* All containers but those that are being created: their Create undoes them. */
static struct held hold_containers(struct shim *s)
{
	struct held held = { VEC_INIT };

	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->containers.n; i++) {
		if (s->containers.v[i]->creating)
			continue;
		s->containers.v[i]->refs++;
		vec_push(&held.list, s->containers.v[i]);
	}
	(void)pthread_mutex_unlock(&s->lock);
	return held;
}

static void let_go(struct shim *s, struct held *held)
{
	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < held->list.n; i++)
		container_unref(held->list.v[i]);
	(void)pthread_mutex_unlock(&s->lock);
	vec_release(&held->list);
}

/* The VM is about to be stopped, which kills the execs that still run. Notes that before the calls
 * that wait for them fail, which alone would count as a lost process. */
static void note_killed_execs(struct container *c)
{
	(void)pthread_mutex_lock(&c->shim->lock);
	for (size_t i = 0; i < c->execs.n; i++) {
		if (is_running(c->execs.v[i]))
			process_note_end(c->execs.v[i], PROCESS_KILLED);
	}
	(void)pthread_mutex_unlock(&c->shim->lock);
}

void shim_end(struct shim *s)
{
	struct held held = hold_containers(s);

	for (size_t i = 0; i < held.list.n; i++) {
		shim_await_execs(held.list.v[i]);
		note_killed_execs(held.list.v[i]);
		loop_call(s->loop, detach_streams, held.list.v[i]);
		container_stop_holder(held.list.v[i]);
	}
	sandbox_stop(s->sandbox);
	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < held.list.n; i++)
		end_all(held.list.v[i], PROCESS_KILLED, PROCESS_LOST);
	(void)pthread_mutex_unlock(&s->lock);
	let_go(s, &held);
}

/* On the loop. */
void shim_sandbox_died(void *arg, const struct err *why)
{
	struct shim *s = arg;
	struct held held = hold_containers(s);

	(void)why;
	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < held.list.n; i++)
		end_all(held.list.v[i], PROCESS_LOST, PROCESS_LOST);
	(void)pthread_mutex_unlock(&s->lock);
	for (size_t i = 0; i < held.list.n; i++)
		detach_streams(held.list.v[i]);
	let_go(s, &held);
}

/* --- a process ends --- */

static void *end_main(void *arg)
{
	struct process *init = arg;

	shim_end(init->shim);
	process_put(init);
	return NULL;
}

/* Loop. Stopping a VM blocks, so it needs a thread. If the machine has no room for one now, it is
 * tried again each second. */
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

/* Loop: the readers have the output, or take no more of it. */
static void on_settled(void *arg)
{
	struct process *p = arg;
	struct shim *s = p->shim;

	(void)pthread_mutex_lock(&s->lock);
	/* The pod's VM runs on without this exec or container. */
	if (*p->exec_id || p->container->kind == KIND_IN_POD)
		process_exited(p, PROCESS_LOST);
	else if (p->state != PROCESS_STOPPED && p == p->container->init && !p->container->deleting)
		begin_end(p);
	(void)pthread_mutex_unlock(&s->lock);
	process_unref(p);
}

/* Loop. Some clients (containerd 1.6.20's) close their ends of the streams as soon as the exit is
 * reported, so it is reported only after they have read everything. Takes over a reference. */
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

/* Loop: the process has ended. Takes over a reference. */
static void end_with(struct process *p, uint32_t status)
{
	struct shim *s = p->shim;
	enum process_state state;

	(void)pthread_mutex_lock(&s->lock);
	state = p->state;
	if (state != PROCESS_STOPPED)
		process_note_end(p, status);
	(void)pthread_mutex_unlock(&s->lock);
	/* Before Start has reported that the process runs: process_follow() settles it
	 * afterwards. */
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

static void watch_on_loop(void *arg);

/* Loop: the agent may have room for the request now. */
static void watch_again(void *arg)
{
	struct process *p = arg;
	bool deleting;

	watch_remove(STEAL(p->again, NULL));
	(void)pthread_mutex_lock(&p->shim->lock);
	deleting = p->container->deleting;
	(void)pthread_mutex_unlock(&p->shim->lock);
	if (deleting)
		process_unref(p); /* Delete has what it needs */
	else
		watch_on_loop(p);
}

static void on_wait_answer(void *arg, const void *reply, const struct err *err)
{
	const Grpc__WaitProcessResponse *r = reply;
	struct process *p = arg;

	if (err && err->code == E_LIMIT) {
		/* The process runs on. The timer has the reference. */
		loop_delay(p->shim->loop, &p->again, VM_AGAIN_MS, watch_again, p);
		return;
	}
	forget_overdue(p);
	/* E_GONE: the connection has ended. Why is known in a moment (on_dead), and then all
	 * processes end; to stop the VM now would hide the reason. Or it is being stopped. */
	if (err && err->code == E_GONE)
		process_unref(p);
	else
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
		process_unref(p); /* the end is known already, or comes with the VM's */
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

/* Loop. Takes over a reference. */
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

/* CRI-O does not receive events; it looks for the file "oom" in the bundle of an ended container.
 * So the file is written here, on the loop, and not by a thread: it must be there before the end of
 * the container is reported. That takes microseconds: CRI-O's bundles are on the tmpfs of /run, and
 * nothing is synced. */
static void note_for_crio(const struct container *c)
{
	AUTO(str) char *path = path_join(c->bundle, "oom");
	struct err err = ERR_INIT;

	if (kind_is_crio(c->spec) && file_replace_volatile(AT_FDCWD, path, "", 0, 0644, &err) < 0)
		log_err(LOG_WARN, &err, "cannot tell CRI-O that memory ran out");
}

/* The id comes from the untrusted guest: it is passed on only if it names a container of this
 * shim. */
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
	bool dead = s->sandbox && vm_is_dead(s->sandbox->vm);
	bool connected = !dead && s->sandbox && s->sandbox->vm->client;

	(void)pthread_mutex_lock(&s->lock);
	io = p->io;
	ended = p->ended;
	/* end_all() may have passed it over, while it was being started. */
	if (*p->exec_id && !connected)
		process_exited(p, dead ? PROCESS_LOST : PROCESS_KILLED);
	(void)pthread_mutex_unlock(&s->lock);
	if (connected) {
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
