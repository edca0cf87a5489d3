// SPDX-License-Identifier: Apache-2.0
/* ResizePty and CloseIO: requests about a process's terminal and standard input. */

#include "shim/shim.h"

#include "base/str.h"
#include "protocols/agent.pb-c.h"

/* Stores the size, for a process that is not started yet. Returns true if the terminal exists
 * already and must be resized. */
static bool note_size(struct process *p, uint32_t rows, uint32_t columns)
{
	enum process_state state;

	(void)pthread_mutex_lock(&p->shim->lock);
	p->rows = rows;
	p->columns = columns;
	state = process_now(p);
	(void)pthread_mutex_unlock(&p->shim->lock);
	/* Init has its terminal from Create on, an exec from Start on. */
	return p->terminal &&
	       (state == PROCESS_RUNNING || (state == PROCESS_CREATED && !*p->exec_id));
}

/* containerd's clients also resize processes without a terminal, which changes nothing. */
void task_resize_pty(struct ttrpc_call *call, const void *request, void *arg)
{
	const Containerd__Task__V2__ResizePtyRequest *r = request;
	Grpc__TtyWinResizeRequest resize = GRPC__TTY_WIN_RESIZE_REQUEST__INIT;
	struct shim *s = arg;
	struct err err = ERR_INIT;
	struct process *p = process_take(s, r->id, r->exec_id, IN_ANY, PROCESS_STAYS, "resize",
					 &err);

	if (p && note_size(p, r->height, r->width)) {
		resize.container_id = r->id;
		resize.exec_id = p->exec_id;
		resize.row = r->height;
		resize.column = r->width;
		(void)!task_ask_agent(s, "TtyWinResize", &resize, task_deadline(s, call), &err);
	}
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
