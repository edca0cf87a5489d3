// SPDX-License-Identifier: Apache-2.0
/* Processes: their pipes, their exit, and reporting it. */

#include "agent/process.h"

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

static void on_advance(void *arg)
{
	process_settle(arg);
}

struct process *process_new(const struct process_owner *owner, struct entry *e, const char *exec_id)
{
	struct process *p = NEW(struct process);

	p->owner = owner;
	p->entry = e;
	p->streams = (struct stream_owner){ .loop = owner->loop,
					    .fixed_size = owner->pipe_size != 0,
					    .advanced = on_advance,
					    .arg = p };
	p->exec_id = xstrdup(exec_id);
	p->core = (struct container_process){ CHILD_NONE, -1 };
	stream_init(&p->in, &p->streams, -1, STREAM_PIPE);
	stream_init(&p->out, &p->streams, -1, STREAM_PIPE);
	stream_init(&p->err, &p->streams, -1, STREAM_PIPE);
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
	for (size_t i = 0; i < p->waiters.n; i++)
		p->waiters.v[i]->removed(p->waiters.v[i]->arg, &gone);
	vec_release(&p->waiters);
	spawn_abandon(&p->core.child);
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
		(void)fcntl(ours->fd, F_SETPIPE_SZ, (int)size); /* fails above the kernel's limit */
	return fd_nonblock(ours->fd, true, err);
}

int process_pipes(struct process *p, bool terminal, struct container_stdio *theirs, struct err *err)
{
	unsigned size = p->owner->pipe_size;

	*theirs = (struct container_stdio){ -1, -1, -1 };
	if (terminal)
		return 0;
	if (make_pipe(&p->in, &theirs->in, true, size, err) < 0 ||
	    make_pipe(&p->out, &theirs->out, false, size, err) < 0)
		return -1;
	return make_pipe(&p->err, &theirs->err, false, size, err);
}

/* Takes the lock, under which signals are sent too: so no signal reaches a later process that gets
 * the same pid. */
static void reap(struct process *p)
{
	struct err err = ERR_INIT;

	(void)pthread_mutex_lock(p->owner->lock);
	if (container_reap(&p->core, &p->code, &err) < 0)
		p->code = 255;
	p->owner->reaped(p);
	(void)pthread_mutex_unlock(p->owner->lock);
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
	(void)spawn_reap_orphans(); /* they can be reaped only now that this zombie is */
	p->waited |= p->waiters.n > 0;
	for (size_t i = 0; i < p->waiters.n; i++)
		p->waiters.v[i]->ended(p->waiters.v[i]->arg, p->code);
	p->waiters.n = 0;
	stream_process_exited(&p->out);
	process_settle(p);
}

static void watch_on_loop(void *arg)
{
	struct process *p = arg;
	struct err err = ERR_INIT;

	if (p->core.console >= 0) {
		if (fd_nonblock(p->core.console, true, &err) < 0)
			log_err(LOG_ERROR, &err, "terminal");
		stream_init(&p->out, &p->streams, p->core.console, STREAM_TERMINAL);
	}
	p->exit_watch = loop_watch(p->owner->loop, p->core.child.pidfd, EPOLLIN, on_exit_event, p);
}

void process_watch(struct process *p)
{
	loop_post(p->owner->loop, watch_on_loop, p);
}

static bool has_output(const struct stream *s)
{
	return s->fd >= 0 && !s->read.eof;
}

void process_settle(struct process *p)
{
	if (*p->exec_id && p->exited && p->waited && !has_output(&p->out) && !has_output(&p->err))
		p->owner->over(p);
}

bool process_discard(struct process *p)
{
	if (!*p->exec_id || !p->exited)
		return false;
	p->owner->over(p);
	return true;
}

bool process_wait(struct process *p, struct process_waiter *w)
{
	if (!p->exited) {
		vec_push(&p->waiters, w);
		return true;
	}
	p->waited = true;
	w->ended(w->arg, p->code);
	process_settle(p);
	return false;
}

void process_wait_cancel(struct process *p, struct process_waiter *w)
{
	for (size_t i = 0; i < p->waiters.n; i++) {
		if (p->waiters.v[i] == w) {
			vec_remove(&p->waiters, i);
			return;
		}
	}
}

/* --- signals --- */

/*
 * True if the process handles, ignores or blocks the signal. A signal that PID 1 of a pid namespace
 * does neither of is dropped by the kernel.
 */
static bool handles(pid_t pid, unsigned number)
{
	static const char *const sets[] = { "SigBlk:", "SigIgn:", "SigCgt:" };
	AUTO(str) char *path = str_fmt("/proc/%d/status", (int)pid);
	AUTO(buf) struct buf text = BUF_INIT(64 * 1024);
	struct err gone = ERR_INIT; /* it has just ended: then no signal matters */
	uint64_t all = 0;

	if (file_read(AT_FDCWD, path, 64 * 1024, &text, &gone) < 0)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
		const char *found = strstr(buf_cstr(&text), sets[i]);

		all |= found ? strtoull(found + strlen(sets[i]), NULL, 16) : 0;
	}
	return all >> (number - 1) & 1;
}

int process_signal(const struct process *p, unsigned number, struct err *err)
{
	const struct child *child = &p->core.child;

	if (p->is_ns_init && number == SIGTERM && !handles(child->pid, SIGTERM))
		number = SIGKILL;
	return spawn_signal(child, (int)number, err);
}

/* --- streams --- */

struct stream *process_output(struct process *p, bool errors, struct err *err)
{
	if (errors && p->core.console >= 0) {
		(void)stream_eof(err);
		return NULL;
	}
	return errors ? &p->err : &p->out;
}

struct stream *process_input(struct process *p)
{
	return p->out.fd >= 0 && p->out.kind == STREAM_TERMINAL ? &p->out : &p->in;
}

void process_close_input(struct process *p)
{
	if (p->core.console < 0)
		stream_close_input(&p->in);
}
