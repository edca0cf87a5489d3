// SPDX-License-Identifier: Apache-2.0
/* containerd.task.v2.Task but for create (create.c) and wait (process.c): start, exec, kill, delete
 * and the questions. */

#include "shim/shim.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "hook/hook.h"
#include "oci/message.h"
#include "protocols/agent.pb-c.h"
#include "protocols/events.pb-c.h"
#include "shim/stats.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DRAIN_MS = 10000, OTHERS_MS = 1000, EXEC_DRAIN_MS = 500, HOOK_SECONDS = 10 };

void task_answer(struct ttrpc_call *call, const struct err *err)
{
	Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;

	if (err->code)
		ttrpc_fail(call, err);
	else
		ttrpc_reply(call, &empty);
}

static struct deadline rpc_deadline(const struct shim *s, const struct ttrpc_call *call)
{
	return deadline_min(ttrpc_call_deadline(call),
			    deadline_in((uint64_t)s->config->request_timeout_s * 1000));
}

static int ask_agent(struct shim *s, const char *method, const void *message,
		     struct deadline deadline, struct err *err)
{
	return sandbox_call(s->sandbox, method, message, NULL, deadline, NULL, err);
}

/*
 * Finds a process and checks its state under the lock; NULL with an error that says what is needed.
 * The container is held until let_go: a guest that does not answer one call must not have it freed
 * by a Delete meanwhile.
 */
static struct process *find_in(struct shim *s, const char *id, const char *exec_id,
			       unsigned allowed, const char *what, struct err *err)
{
	struct process *p;

	(void)pthread_mutex_lock(&s->lock);
	p = shim_find(s, id, exec_id, err);
	if (p && !(allowed & 1U << p->state)) {
		err_set(err, E_STATE, "%s %s: the process is %s", what, *exec_id ? exec_id : id,
			p->state == PROCESS_CREATED   ? "not started"
			: p->state == PROCESS_STOPPED ? "ended already"
			: p->state == PROCESS_PAUSED  ? "paused"
						      : "in another state");
		p = NULL;
	}
	s->users += p != NULL;
	(void)pthread_mutex_unlock(&s->lock);
	return p;
}

static void let_go(struct shim *s)
{
	(void)pthread_mutex_lock(&s->lock);
	s->users--;
	(void)pthread_cond_broadcast(&s->left);
	(void)pthread_mutex_unlock(&s->lock);
}

static void set_state(struct process *p, enum process_state state)
{
	(void)pthread_mutex_lock(&p->shim->lock);
	if (p->state != PROCESS_STOPPED)
		p->state = state;
	(void)pthread_mutex_unlock(&p->shim->lock);
}

/* --- start --- */

static int start_init(struct shim *s, struct deadline deadline, struct err *err)
{
	Grpc__StartContainerRequest request = GRPC__START_CONTAINER_REQUEST__INIT;

	request.container_id = (char *)s->inv->id;
	return ask_agent(s, "StartContainer", &request, deadline, err);
}

static int start_exec(struct process *p, struct deadline deadline, struct err *err)
{
	Grpc__ExecProcessRequest request = GRPC__EXEC_PROCESS_REQUEST__INIT;
	int result;

	if (io_open(p, &p->io, err) < 0)
		return -1;
	if (p->rows && p->columns) {
		p->spec->console_height = p->rows;
		p->spec->console_width = p->columns;
	}
	request.container_id = (char *)p->shim->inv->id;
	request.exec_id = p->exec_id;
	request.process = oci_process_to_message(p->spec);
	result = ask_agent(p->shim, "ExecProcess", &request, deadline, err);
	protobuf_c_message_free_unpacked(&request.process->base, NULL);
	return result;
}

static void publish_start(struct process *p)
{
	Containerd__Events__TaskStart start = CONTAINERD__EVENTS__TASK_START__INIT;
	Containerd__Events__TaskExecStarted exec = CONTAINERD__EVENTS__TASK_EXEC_STARTED__INIT;

	if (*p->exec_id) {
		exec.container_id = (char *)p->shim->inv->id;
		exec.exec_id = p->exec_id;
		exec.pid = (uint32_t)p->shim->pid;
		events_publish(p->shim->events, "/tasks/exec-started", &exec.base);
	} else {
		start.container_id = (char *)p->shim->inv->id;
		start.pid = (uint32_t)p->shim->pid;
		events_publish(p->shim->events, "/tasks/start", &start.base);
	}
}

static void poststart_hooks(struct shim *s)
{
	struct hook_state state = { s->inv->id, s->bundle, "running", s->pid, s->spec };

	(void)hooks_run_all(&s->spec->hooks.poststart, "poststart", &state, HOOK_SECONDS, NULL);
}

void task_start(struct ttrpc_call *call, const void *request, void *arg)
{
	const Containerd__Task__V2__StartRequest *r = request;
	Containerd__Task__V2__StartResponse reply = CONTAINERD__TASK__V2__START_RESPONSE__INIT;
	struct shim *s = arg;
	struct err err = ERR_INIT;
	struct process *p = find_in(s, r->id, r->exec_id, 1U << PROCESS_CREATED, "start", &err);
	int result;

	if (!p) {
		ttrpc_fail(call, &err);
		return;
	}
	set_state(p, PROCESS_STARTING);
	result = *p->exec_id ? start_exec(p, rpc_deadline(s, call), &err)
			     : start_init(s, rpc_deadline(s, call), &err);
	if (result < 0) {
		/* The manager waits for the ends of the streams before it gives up. */
		io_finish(STEAL(p->io, NULL), deadline_in(0));
		set_state(p, PROCESS_CREATED);
		ttrpc_fail(call, &err);
		let_go(s);
		return;
	}
	set_state(p, PROCESS_RUNNING);
	/* The event of the start is queued before anybody can queue that of the end. */
	publish_start(p);
	process_watch(p);
	io_start(p->io);
	if (!*p->exec_id) {
		shim_watch_oom(s);
		poststart_hooks(s);
	}
	reply.pid = (uint32_t)s->pid;
	ttrpc_reply(call, &reply);
	let_go(s);
}

/* --- exec --- */

void task_exec(struct ttrpc_call *call, const void *request, void *arg)
{
	const Containerd__Task__V2__ExecProcessRequest *r = request;
	Containerd__Events__TaskExecAdded event = CONTAINERD__EVENTS__TASK_EXEC_ADDED__INIT;
	struct shim *s = arg;
	struct err err = ERR_INIT, missing = ERR_INIT;
	AUTO(oci_process) struct oci_process *spec = NULL;
	struct process *p, *init = NULL;

	if (str_check_id(r->exec_id, "exec id", &err) == 0)
		init = find_in(s, r->id, "", 1U << PROCESS_RUNNING | 1U << PROCESS_CREATED,
			       "exec in", &err);
	if (init) {
		if (r->spec)
			spec = oci_process_parse((const char *)r->spec->value.data,
						 r->spec->value.len, "process", &err);
		else
			err_set(&err, E_INVALID, "the request has no process");
	}
	if (!err.code && spec) {
		p = process_new(s, r->exec_id);
		p->terminal = spec->terminal = r->terminal;
		p->spec = STEAL(spec, NULL);
		str_set(&p->in, r->stdin);
		str_set(&p->out, r->stdout);
		str_set(&p->err, r->stderr);
		(void)pthread_mutex_lock(&s->lock);
		if (shim_find(s, r->id, r->exec_id, &missing))
			err_set(&err, E_EXISTS, "process %s exists already", r->exec_id);
		else
			vec_push(&s->execs, p);
		(void)pthread_mutex_unlock(&s->lock);
		if (err.code)
			process_free(p);
	}
	if (!err.code) {
		event.container_id = r->id;
		event.exec_id = r->exec_id;
		events_publish(s->events, "/tasks/exec-added", &event.base);
	}
	task_answer(call, &err);
	if (init)
		let_go(s);
}

/* --- kill --- */

void task_kill(struct ttrpc_call *call, const void *request, void *arg)
{
	const Containerd__Task__V2__KillRequest *r = request;
	Grpc__SignalProcessRequest signal = GRPC__SIGNAL_PROCESS_REQUEST__INIT;
	struct shim *s = arg;
	struct err err = ERR_INIT;
	struct process *p = find_in(s, r->id, r->exec_id, ~0U, "kill", &err);
	AUTO(str) char *exec_id = NULL; /* an exec may be deleted while the agent is asked */
	enum process_state state = PROCESS_STOPPED;

	if (p) {
		(void)pthread_mutex_lock(&s->lock);
		state = p->state;
		exec_id = xstrdup(p->exec_id);
		(void)pthread_mutex_unlock(&s->lock);
	}
	if (p && state == PROCESS_STOPPED)
		err_set(&err, E_NOT_FOUND, "process already finished");
	else if (exec_id && state == PROCESS_CREATED && *exec_id)
		err_set(&err, E_STATE, "kill %s: the process is not started", r->exec_id);
	else if (p && (r->signal < 1 || r->signal > 64))
		err_set(&err, E_INVALID, "kill %s: there is no signal %u", r->id, r->signal);
	if (!err.code && exec_id) {
		signal.container_id = (char *)s->inv->id;
		/* The agent takes no name for everybody, and the id for the first process. */
		signal.exec_id = !*exec_id && !r->all ? (char *)s->inv->id : exec_id;
		signal.signal = r->signal;
		(void)!ask_agent(s, "SignalProcess", &signal, rpc_deadline(s, call), &err);
		if (err.code == E_TIMEOUT && r->signal == SIGKILL && !*exec_id) {
			/* Who may kill the container must not depend on the guest's goodwill. */
			err_wrap(&err, "the agent did not take SIGKILL");
			sandbox_kill(s->sandbox, &err);
			err_clear(&err);
		}
	}
	/* A container that was never started is ended by its death, not by its exit. */
	task_answer(call, &err);
	if (p)
		let_go(s);
}

/* --- delete --- */

static void reply_delete(struct ttrpc_call *call, uint32_t pid, uint32_t status,
			 struct timespec when)
{
	Containerd__Task__V2__DeleteResponse reply = CONTAINERD__TASK__V2__DELETE_RESPONSE__INIT;
	Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

	at.seconds = when.tv_sec;
	at.nanos = (int32_t)when.tv_nsec;
	reply.pid = pid;
	reply.exit_status = status;
	reply.exited_at = &at;
	ttrpc_reply(call, &reply);
}

static void delete_exec(struct ttrpc_call *call, struct process *p)
{
	struct shim *s = p->shim;

	/* Its pipes may be held by what it left behind; what was written is there by now. */
	io_finish(STEAL(p->io, NULL), deadline_in(EXEC_DRAIN_MS));
	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->execs.n; i++) {
		if (s->execs.v[i] == p) {
			vec_remove(&s->execs, i);
			break;
		}
	}
	(void)pthread_mutex_unlock(&s->lock);
	reply_delete(call, (uint32_t)s->pid, p->exit_status, p->exited_at);
	process_free(p);
}

static void publish_delete(struct shim *s, uint32_t status, struct timespec when)
{
	Containerd__Events__TaskDelete event = CONTAINERD__EVENTS__TASK_DELETE__INIT;
	Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

	at.seconds = when.tv_sec;
	at.nanos = (int32_t)when.tv_nsec;
	event.container_id = (char *)s->inv->id;
	event.pid = (uint32_t)s->pid;
	event.exit_status = status;
	event.exited_at = &at;
	event.id = (char *)s->inv->id;
	events_publish(s->events, "/tasks/delete", &event.base);
}

static void poststop_hooks(const struct shim *s, const struct oci_spec *spec, const char *bundle)
{
	struct hook_state state = { s->inv->id, bundle, "stopped", 0, spec };

	(void)hooks_run_all(&spec->hooks.poststop, "poststop", &state, HOOK_SECONDS, NULL);
}

/* Execs that the manager has not deleted go with their container. */
static void drop_execs(struct shim *s)
{
	for (;;) {
		struct process *p = NULL;

		(void)pthread_mutex_lock(&s->lock);
		if (s->execs.n) {
			p = s->execs.v[0];
			vec_remove(&s->execs, 0);
		}
		(void)pthread_mutex_unlock(&s->lock);
		if (!p)
			return;
		io_finish(STEAL(p->io, NULL), deadline_in(0));
		process_free(p);
	}
}

/*
 * Keeps new flows out and waits until the others have left. Those that wait for an agent that does
 * not answer are made to leave: their connection is closed. False: somebody else deletes.
 */
static bool be_alone(struct shim *s)
{
	struct deadline soon = deadline_in(OTHERS_MS);
	bool alone, others;

	(void)pthread_mutex_lock(&s->lock);
	alone = !s->deleting;
	s->deleting = true;
	while (alone && s->users > 1 && cond_wait_until(&s->left, &s->lock, soon))
		;
	others = alone && s->users > 1;
	(void)pthread_mutex_unlock(&s->lock);
	if (others)
		ttrpc_client_shutdown(s->sandbox->client);
	(void)pthread_mutex_lock(&s->lock);
	while (others && s->users > 1)
		(void)pthread_cond_wait(&s->left, &s->lock);
	(void)pthread_mutex_unlock(&s->lock);
	return alone;
}

static void delete_container(struct ttrpc_call *call, struct shim *s)
{
	uint32_t pid = (uint32_t)s->pid, status = s->init->exit_status;
	struct timespec when = s->init->exited_at;
	AUTO(str) char *bundle = xstrdup(s->bundle);
	AUTO(oci_spec) struct oci_spec *spec = NULL;

	if (s->init->state == PROCESS_STOPPED)
		io_finish(STEAL(s->init->io, NULL), deadline_in(DRAIN_MS));
	drop_execs(s);
	spec = STEAL(s->spec, NULL);
	shim_take_down(s);
	poststop_hooks(s, spec, bundle);
	publish_delete(s, status, when);
	(void)pthread_mutex_lock(&s->lock);
	s->deleting = false;
	(void)pthread_mutex_unlock(&s->lock);
	reply_delete(call, pid, status, when);
}

void task_delete(struct ttrpc_call *call, const void *request, void *arg)
{
	const Containerd__Task__V2__DeleteRequest *r = request;
	struct shim *s = arg;
	struct err err = ERR_INIT;
	struct process *p = find_in(s, r->id, r->exec_id,
				    1U << PROCESS_STOPPED | 1U << PROCESS_CREATED, "delete", &err);

	if (!p) {
		ttrpc_fail(call, &err);
		return;
	}
	if (*p->exec_id) {
		delete_exec(call, p);
	} else if (be_alone(s)) {
		delete_container(call, s);
	} else {
		err_set(&err, E_NOT_FOUND, "container %s is being deleted", r->id);
		ttrpc_fail(call, &err);
	}
	let_go(s);
}

/* --- pause, resume --- */

void task_pause(struct ttrpc_call *call, const void *request, void *arg)
{
	const Containerd__Task__V2__PauseRequest *r = request;
	Containerd__Events__TaskPaused event = CONTAINERD__EVENTS__TASK_PAUSED__INIT;
	Grpc__PauseContainerRequest pause = GRPC__PAUSE_CONTAINER_REQUEST__INIT;
	struct shim *s = arg;
	struct err err = ERR_INIT;
	struct process *p = find_in(s, r->id, "", 1U << PROCESS_RUNNING, "pause", &err);

	pause.container_id = r->id;
	if (p && ask_agent(s, "PauseContainer", &pause, rpc_deadline(s, call), &err) == 0) {
		set_state(p, PROCESS_PAUSED);
		event.container_id = r->id;
		events_publish(s->events, "/tasks/paused", &event.base);
	}
	task_answer(call, &err);
	if (p)
		let_go(s);
}

void task_resume(struct ttrpc_call *call, const void *request, void *arg)
{
	const Containerd__Task__V2__ResumeRequest *r = request;
	Containerd__Events__TaskResumed event = CONTAINERD__EVENTS__TASK_RESUMED__INIT;
	Grpc__ResumeContainerRequest resume = GRPC__RESUME_CONTAINER_REQUEST__INIT;
	struct shim *s = arg;
	struct err err = ERR_INIT;
	struct process *p = find_in(s, r->id, "", 1U << PROCESS_PAUSED, "resume", &err);

	resume.container_id = r->id;
	if (p && ask_agent(s, "ResumeContainer", &resume, rpc_deadline(s, call), &err) == 0) {
		set_state(p, PROCESS_RUNNING);
		event.container_id = r->id;
		events_publish(s->events, "/tasks/resumed", &event.base);
	}
	task_answer(call, &err);
	if (p)
		let_go(s);
}

void task_checkpoint(struct ttrpc_call *call, const void *request, void *arg)
{
	struct err err = ERR_INIT;

	(void)request;
	(void)arg;
	err_set(&err, E_UNSUPPORTED, "a container in a VM cannot be checkpointed");
	ttrpc_fail(call, &err);
}

/* --- terminal, input, limits --- */

void task_resize_pty(struct ttrpc_call *call, const void *request, void *arg)
{
	const Containerd__Task__V2__ResizePtyRequest *r = request;
	Grpc__TtyWinResizeRequest resize = GRPC__TTY_WIN_RESIZE_REQUEST__INIT;
	struct shim *s = arg;
	struct err err = ERR_INIT;
	struct process *p = find_in(s, r->id, r->exec_id, ~0U, "resize", &err);
	AUTO(str) char *exec_id = NULL;
	bool running = false;

	(void)pthread_mutex_lock(&s->lock);
	if (p) {
		exec_id = xstrdup(p->exec_id);
		p->rows = r->height;
		p->columns = r->width;
		/* Init has its terminal from create on, an exec from its start on. */
		running = p->state == PROCESS_RUNNING ||
			  (p->state == PROCESS_CREATED && !*p->exec_id);
	}
	(void)pthread_mutex_unlock(&s->lock);
	if (p && running) {
		resize.container_id = r->id;
		resize.exec_id = exec_id;
		resize.row = r->height;
		resize.column = r->width;
		(void)!ask_agent(s, "TtyWinResize", &resize, rpc_deadline(s, call), &err);
	}
	task_answer(call, &err);
	if (p)
		let_go(s);
}

void task_close_io(struct ttrpc_call *call, const void *request, void *arg)
{
	const Containerd__Task__V2__CloseIORequest *r = request;
	struct shim *s = arg;
	struct err err = ERR_INIT;
	struct process *p;

	(void)pthread_mutex_lock(&s->lock);
	p = shim_find(s, r->id, r->exec_id, &err);
	if (p && r->stdin)
		io_close_stdin(p->io);
	(void)pthread_mutex_unlock(&s->lock);
	task_answer(call, &err);
}

void task_update(struct ttrpc_call *call, const void *request, void *arg)
{
	const Containerd__Task__V2__UpdateTaskRequest *r = request;
	Grpc__UpdateContainerRequest update = GRPC__UPDATE_CONTAINER_REQUEST__INIT;
	struct shim *s = arg;
	struct err err = ERR_INIT;
	AUTO(oci_resources) struct oci_resources *res = NULL;
	struct process *p = NULL;

	if (!r->resources)
		err_set(&err, E_INVALID, "the request has no resources");
	else
		p = find_in(s, r->id, "", ~(1U << PROCESS_STOPPED), "update", &err);
	if (p)
		res = oci_resources_parse((const char *)r->resources->value.data,
					  r->resources->value.len, "resources", &err);
	if (res) {
		str_set(&res->cpu.cpus, NULL);
		str_set(&res->cpu.mems, NULL);
		update.container_id = r->id;
		update.resources = oci_resources_to_message(res);
		(void)!ask_agent(s, "UpdateContainer", &update, rpc_deadline(s, call), &err);
		protobuf_c_message_free_unpacked(&update.resources->base, NULL);
	}
	task_answer(call, &err);
	if (p)
		let_go(s);
}

/* --- questions --- */

void task_state(struct ttrpc_call *call, const void *request, void *arg)
{
	const Containerd__Task__V2__StateRequest *r = request;
	Containerd__Task__V2__StateResponse reply = CONTAINERD__TASK__V2__STATE_RESPONSE__INIT;
	Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	static const Containerd__Task__V2__Status status[] = {
		[PROCESS_CREATED] = CONTAINERD__TASK__V2__STATUS__CREATED,
		[PROCESS_STARTING] = CONTAINERD__TASK__V2__STATUS__CREATED,
		[PROCESS_RUNNING] = CONTAINERD__TASK__V2__STATUS__RUNNING,
		[PROCESS_PAUSED] = CONTAINERD__TASK__V2__STATUS__PAUSED,
		[PROCESS_STOPPED] = CONTAINERD__TASK__V2__STATUS__STOPPED,
	};
	struct shim *s = arg;
	struct err err = ERR_INIT;
	struct process *p;

	(void)pthread_mutex_lock(&s->lock);
	p = shim_find(s, r->id, r->exec_id, &err);
	if (p) {
		reply.id = (char *)s->inv->id;
		reply.exec_id = p->exec_id;
		reply.bundle = s->bundle;
		reply.pid = (uint32_t)s->pid;
		reply.status = status[p->state];
		reply.stdin = p->in ? p->in : (char *)"";
		reply.stdout = p->out ? p->out : (char *)"";
		reply.stderr = p->err ? p->err : (char *)"";
		reply.terminal = p->terminal;
		reply.exit_status = p->exit_status;
		at.seconds = p->exited_at.tv_sec;
		at.nanos = (int32_t)p->exited_at.tv_nsec;
		reply.exited_at = &at;
		ttrpc_reply(call, &reply);
	}
	(void)pthread_mutex_unlock(&s->lock);
	if (!p)
		ttrpc_fail(call, &err);
}

void task_pids(struct ttrpc_call *call, const void *request, void *arg)
{
	const Containerd__Task__V2__PidsRequest *r = request;
	Containerd__Task__V2__PidsResponse reply = CONTAINERD__TASK__V2__PIDS_RESPONSE__INIT;
	Containerd__Task__V2__ProcessInfo info = CONTAINERD__TASK__V2__PROCESS_INFO__INIT;
	Containerd__Task__V2__ProcessInfo *list[] = { &info };
	struct shim *s = arg;
	struct err err = ERR_INIT;

	if (!find_in(s, r->id, "", ~0U, "pids of", &err)) {
		ttrpc_fail(call, &err);
		return;
	}
	/* What runs on the host is the VMM; the guest's pids mean nothing here. */
	info.pid = (uint32_t)s->pid;
	reply.processes = list;
	reply.n_processes = 1;
	ttrpc_reply(call, &reply);
	let_go(s);
}

void task_stats(struct ttrpc_call *call, const void *request, void *arg)
{
	const Containerd__Task__V2__StatsRequest *r = request;
	Grpc__StatsContainerRequest ask = GRPC__STATS_CONTAINER_REQUEST__INIT;
	Grpc__StatsContainerResponse *stats = NULL;
	struct shim *s = arg;
	struct err err = ERR_INIT;

	ask.container_id = r->id;
	if (!find_in(s, r->id, "", ~(1U << PROCESS_STOPPED), "stats of", &err)) {
		ttrpc_fail(call, &err);
		return;
	}
	if (sandbox_call(s->sandbox, "StatsContainer", &ask,
			 &grpc__stats_container_response__descriptor, rpc_deadline(s, call), &stats,
			 &err) == 0) {
		stats_reply(call, stats);
		grpc__stats_container_response__free_unpacked(stats, NULL);
	} else {
		ttrpc_fail(call, &err);
	}
	let_go(s);
}

void task_connect(struct ttrpc_call *call, const void *request, void *arg)
{
	Containerd__Task__V2__ConnectResponse reply = CONTAINERD__TASK__V2__CONNECT_RESPONSE__INIT;
	struct shim *s = arg;

	(void)request;
	reply.shim_pid = (uint32_t)getpid();
	reply.task_pid = (uint32_t)s->pid;
	reply.version = (char *)KATA_VERSION;
	ttrpc_reply(call, &reply);
}

static void stop_on_loop(void *arg)
{
	loop_stop(arg);
}

void task_shutdown(struct ttrpc_call *call, const void *request, void *arg)
{
	struct shim *s = arg;
	struct err none = ERR_INIT;
	bool empty;

	(void)request;
	(void)pthread_mutex_lock(&s->lock);
	empty = !s->init && !s->creating;
	(void)pthread_mutex_unlock(&s->lock);
	task_answer(call, &none);
	if (empty)
		loop_post(s->loop, stop_on_loop, s->loop);
}

#define REQUEST(message) &containerd__task__v2__##message##_request__descriptor

const struct ttrpc_method task_methods[] = {
	{ "State", TTRPC_EVENT, REQUEST(state), task_state },
	{ "Create", TTRPC_FLOW, REQUEST(create_task), task_create },
	{ "Start", TTRPC_FLOW, REQUEST(start), task_start },
	{ "Delete", TTRPC_FLOW, REQUEST(delete), task_delete },
	{ "Pids", TTRPC_EVENT, REQUEST(pids), task_pids },
	{ "Pause", TTRPC_FLOW, REQUEST(pause), task_pause },
	{ "Resume", TTRPC_FLOW, REQUEST(resume), task_resume },
	{ "Checkpoint", TTRPC_EVENT, REQUEST(checkpoint_task), task_checkpoint },
	{ "Kill", TTRPC_FLOW, REQUEST(kill), task_kill },
	{ "Exec", TTRPC_FLOW, REQUEST(exec_process), task_exec },
	{ "ResizePty", TTRPC_FLOW, REQUEST(resize_pty), task_resize_pty },
	{ "CloseIO", TTRPC_EVENT, &containerd__task__v2__close_iorequest__descriptor,
	  task_close_io },
	{ "Update", TTRPC_FLOW, REQUEST(update_task), task_update },
	{ "Wait", TTRPC_EVENT, REQUEST(wait), task_wait },
	{ "Stats", TTRPC_FLOW, REQUEST(stats), task_stats },
	{ "Connect", TTRPC_EVENT, REQUEST(connect), task_connect },
	{ "Shutdown", TTRPC_FLOW, REQUEST(shutdown), task_shutdown },
	{ NULL, TTRPC_EVENT, NULL, NULL },
};
