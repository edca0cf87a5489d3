// SPDX-License-Identifier: Apache-2.0
/* Processes: their pipes, their exit, and the calls that wait for it. */

#include "agent/agent.h"
#include "agent/rpc/rpc.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A call that waits for the end of a process. */
struct waiter {
	struct process *process;
	struct ttrpc_call *call;
};

struct process *process_new(struct entry *e, const char *exec_id)
{
	struct process *p = NEW(struct process);

	p->entry = e;
	p->exec_id = xstrdup(exec_id);
	p->core = (struct container_process){ CHILD_NONE, -1 };
	stream_init(&p->in, p, -1);
	stream_init(&p->out, p, -1);
	stream_init(&p->err, p, -1);
	return p;
}

void process_free(struct process *p)
{
	struct err gone = ERR_INIT;

	stream_close(&p->in);
	stream_close(&p->out);
	stream_close(&p->err);
	watch_remove(p->exit_watch);
	err_set(&gone, E_NOT_FOUND, "the process was removed");
	for (size_t i = 0; i < p->waiters.n; i++) {
		ttrpc_fail(p->waiters.v[i]->call, &gone);
		free(p->waiters.v[i]);
	}
	vec_release(&p->waiters);
	spawn_kill(&p->core.child);
	fd_close(&p->core.console);
	free(p->exec_id);
	free(p);
}

static int make_pipe(struct stream *ours, int *theirs, bool input, unsigned size, struct err *err)
{
	int ends[2];

	if (fd_pipe(ends, err) < 0)
		return -1;
	ours->fd = ends[input ? 1 : 0];
	*theirs = ends[input ? 0 : 1];
	if (size)
		(void)fcntl(ours->fd, F_SETPIPE_SZ, (int)size); /* the limit may be lower */
	return fd_nonblock(ours->fd, true, err);
}

int process_pipes(struct process *p, bool terminal, unsigned size, struct container_stdio *theirs,
		  struct err *err)
{
	*theirs = (struct container_stdio){ -1, -1, -1 };
	if (terminal)
		return 0;
	if (make_pipe(&p->in, &theirs->in, true, size, err) < 0 ||
	    make_pipe(&p->out, &theirs->out, false, size, err) < 0)
		return -1;
	return make_pipe(&p->err, &theirs->err, false, size, err);
}

static void reply_wait(struct ttrpc_call *call, int code)
{
	Grpc__WaitProcessResponse reply = GRPC__WAIT_PROCESS_RESPONSE__INIT;

	reply.status = code;
	ttrpc_reply(call, &reply);
}

/* With the lock held: signals are sent with the lock held too, so no signal reaches a later process
 * with the same pid. */
static void reap(struct process *p)
{
	struct entry *e = p->entry;
	struct err err = ERR_INIT;

	(void)pthread_mutex_lock(&e->sandbox->lock);
	if (container_reap(&p->core, &p->code, &err) < 0)
		p->code = 255;
	if (!*p->exec_id && (e->state == ENTRY_NEW || e->state == ENTRY_READY))
		container_init_ended(e->core);
	(void)pthread_mutex_unlock(&e->sandbox->lock);
	if (err.code)
		log_err(LOG_ERROR, &err, "cannot reap a process", LOG_S("exec", p->exec_id));
}

static void on_exit_event(void *arg, uint32_t events)
{
	struct process *p = arg;

	(void)events;
	watch_remove(STEAL(p->exit_watch, NULL));
	reap(p);
	p->exited = true;
	(void)spawn_reap_orphans(); /* zombies that this one had hidden */
	p->waited |= p->waiters.n > 0;
	for (size_t i = 0; i < p->waiters.n; i++) {
		reply_wait(p->waiters.v[i]->call, p->code);
		free(p->waiters.v[i]);
	}
	p->waiters.n = 0;
	stream_process_exited(p);
	process_settle(p);
}

static void watch_on_loop(void *arg)
{
	struct process *p = arg;
	struct err err = ERR_INIT;

	if (p->core.console >= 0) {
		if (fd_nonblock(p->core.console, true, &err) < 0)
			log_err(LOG_ERROR, &err, "terminal");
		stream_init(&p->out, p, p->core.console); /* both ways */
	}
	p->exit_watch = loop_watch(p->entry->sandbox->loop, p->core.child.pidfd, EPOLLIN,
				   on_exit_event, p);
}

void process_watch(struct process *p)
{
	loop_post(p->entry->sandbox->loop, watch_on_loop, p);
}

static bool has_output(const struct stream *s)
{
	return s->fd >= 0 && !s->read.eof;
}

void process_settle(struct process *p)
{
	struct entry *e = p->entry;

	if (!*p->exec_id || !p->exited || !p->waited || has_output(&p->out) || has_output(&p->err))
		return;
	(void)pthread_mutex_lock(&e->sandbox->lock);
	for (size_t i = 0; i < e->processes.n; i++) {
		if (e->processes.v[i] == p) {
			vec_remove(&e->processes, i);
			break;
		}
	}
	(void)pthread_mutex_unlock(&e->sandbox->lock);
	process_free(p);
}

static void on_wait_cancel(void *arg)
{
	struct waiter *w = arg;
	struct process *p = w->process;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < p->waiters.n; i++) {
		if (p->waiters.v[i] == w) {
			vec_remove(&p->waiters, i);
			break;
		}
	}
	err_set(&err, E_CANCELLED, "the caller is gone");
	ttrpc_fail(w->call, &err);
	free(w);
}

static void keep_waiting(struct process *p, struct ttrpc_call *call)
{
	struct waiter *w = NEW(struct waiter);

	*w = (struct waiter){ p, call };
	vec_push(&p->waiters, w);
	ttrpc_call_on_cancel(call, on_wait_cancel, w);
}

void on_wait_process(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__WaitProcessRequest *r = request;
	struct err err = ERR_INIT;
	struct process *p = process_find(arg, r->container_id, r->exec_id, &err);

	if (!p) {
		ttrpc_fail(call, &err);
	} else if (!p->exited) {
		keep_waiting(p, call);
	} else {
		p->waited = true;
		reply_wait(call, p->code);
		process_settle(p);
	}
}

/*
 * Whether the process handles, ignores or blocks the signal. PID 1 of a pid namespace is not ended
 * by a signal that it does not handle.
 */
static bool minds(pid_t pid, unsigned number)
{
	static const char *const sets[] = { "SigBlk:", "SigIgn:", "SigCgt:" };
	AUTO(str) char *path = str_fmt("/proc/%d/status", (int)pid);
	AUTO(buf) struct buf text = BUF_INIT(64 * 1024);
	struct err gone = ERR_INIT; /* it has just ended: any signal is harmless */
	uint64_t all = 0;

	if (file_read(AT_FDCWD, path, 64 * 1024, &text, &gone) < 0)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
		const char *found = strstr(buf_cstr(&text), sets[i]);

		all |= found ? strtoull(found + strlen(sets[i]), NULL, 16) : 0;
	}
	return all >> (number - 1) & 1;
}

static int signal_one(struct entry *e, const char *exec_id, unsigned number, struct err *err)
{
	struct sandbox *s = e->sandbox;
	bool found = false;
	int result = 0;

	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < e->processes.n && !found; i++) {
		const struct child *child = &e->processes.v[i]->core.child;

		if (!str_eq(e->processes.v[i]->exec_id, exec_id) || child->pid <= 0)
			continue;
		found = true;
		if (!*exec_id && number == SIGTERM && !minds(child->pid, SIGTERM))
			number = SIGKILL;
		result = spawn_signal(child, (int)number, err);
	}
	(void)pthread_mutex_unlock(&s->lock);
	return found ? result
		     : err_set(err, E_NOT_FOUND, "container %s has no running process '%.128s'",
			       e->id, exec_id);
}

/* The first process has the container's id; an empty exec id means all processes. */
static int signal_process(struct entry *e, const char *exec_id, unsigned number, struct err *err)
{
	struct err ended = ERR_INIT; /* others may still run */

	if (number < 1 || number > 64)
		return err_set(err, E_INVALID, "invalid signal %u", number);
	if (str_eq(exec_id, e->id))
		return signal_one(e, "", number, err);
	if (*exec_id)
		return signal_one(e, exec_id, number, err);
	if (number == SIGTERM)
		(void)!signal_one(e, "", number, &ended);
	return container_signal_all(e->core, (int)number, err);
}

void on_signal_process(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__SignalProcessRequest *r = request;
	struct err err = ERR_INIT;
	struct entry *e = entry_get(arg, r->container_id, &err);
	int result = e ? signal_process(e, r->exec_id, r->signal, &err) : -1;

	if (e)
		entry_put(e);
	answer(call, result, &err);
}
