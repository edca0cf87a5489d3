// SPDX-License-Identifier: Apache-2.0
/* ResizePty and CloseIO: requests about a process's terminal and standard input. */

#include "shim/shim.h"

#include "base/log.h"
#include "base/str.h"
#include "protocols/agent.pb-c.h"

/* With the lock held: does the terminal exist? Init has it from Create on, an exec from Start on. */
static bool has_terminal(const struct process *p)
{
	unsigned states = IN(RUNNING) | IN(PAUSING) | IN(PAUSED);

	if (!*p->exec_id)
		states |= IN(CREATED) | IN(STARTING);
	return p->terminal && (states & 1U << process_now(p));
}

/* Stores the size, for an exec that is not started yet. Returns true if the terminal exists already
 * and must be resized. */
static bool note_size(struct process *p, uint32_t rows, uint32_t columns)
{
	bool resize;

	(void)pthread_mutex_lock(&p->shim->lock);
	p->rows = rows;
	p->columns = columns;
	resize = has_terminal(p);
	(void)pthread_mutex_unlock(&p->shim->lock);
	return resize;
}

static int send_size(struct process *p, uint32_t rows, uint32_t columns, struct deadline deadline,
		     struct err *err)
{
	Grpc__TtyWinResizeRequest resize = GRPC__TTY_WIN_RESIZE_REQUEST__INIT;

	resize.container_id = p->container->id;
	resize.exec_id = p->exec_id;
	resize.row = rows;
	resize.column = columns;
	if (task_ask_agent(p->shim, "TtyWinResize", &resize, deadline, err) == 0)
		return 0;
	if (err->code != E_NOT_FOUND)
		return -1;
	/* It has ended in the guest, and its end is on the way: a client that resizes as it starts
	 * would print an error between the lines of a short process. */
	err_clear(err);
	return 0;
}

/* True if the size that was asked for last is another one, which it then stores in *rows and
 * *columns. */
static bool has_changed(struct process *p, uint32_t *rows, uint32_t *columns)
{
	bool changed;

	(void)pthread_mutex_lock(&p->shim->lock);
	changed = p->rows && p->columns && (p->rows != *rows || p->columns != *columns);
	if (changed) {
		*rows = p->rows;
		*columns = p->columns;
	}
	(void)pthread_mutex_unlock(&p->shim->lock);
	return changed;
}

void process_catch_up_size(struct process *p, struct deadline deadline)
{
	uint32_t rows = p->spec->console_height, columns = p->spec->console_width;
	struct err err = ERR_INIT;

	/* Again if the size changes meanwhile: the later one must be the last that the agent gets. */
	while (p->terminal && has_changed(p, &rows, &columns)) {
		if (send_size(p, rows, columns, deadline, &err) < 0) {
			log_err(LOG_WARN, &err, "the terminal of an exec has an old size",
				LOG_S("exec", p->exec_id));
			return;
		}
	}
}

/* containerd's clients also resize processes without a terminal, which changes nothing. */
void task_resize_pty(struct ttrpc_call *call, const void *request, void *arg)
{
	const Containerd__Task__V2__ResizePtyRequest *r = request;
	struct shim *s = arg;
	struct err err = ERR_INIT;
	struct process *p = process_take(s, r->id, r->exec_id, IN_ANY, PROCESS_STAYS, "resize",
					 &err);

	if (p && note_size(p, r->height, r->width))
		(void)!send_size(p, r->height, r->width, task_deadline(s, call), &err);
	task_answer(call, &err);
	if (p)
		process_put(p);
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
