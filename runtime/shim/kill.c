// SPDX-License-Identifier: Apache-2.0
/* Kill: sends a signal to one process, or to all processes of a container. */

#include "shim/shim.h"

#include "base/str.h"
#include "protocols/agent.pb-c.h"

#include <signal.h>

enum { HEALTH_MS = 5000 };

typedef Containerd__Task__V2__KillRequest KillRequest;

/* A process that has ended is E_NOT_FOUND, as with runc: container engines rely on that. */
static int check(struct process *p, const KillRequest *r, struct err *err)
{
	enum process_state state;

	(void)pthread_mutex_lock(&p->shim->lock);
	state = process_now(p);
	(void)pthread_mutex_unlock(&p->shim->lock);
	if (state == PROCESS_STOPPED || state == PROCESS_ENDING)
		return err_set(err, E_NOT_FOUND, "process already finished");
	if (state == PROCESS_CREATED && *p->exec_id)
		return err_set(err, E_STATE, "kill %s: the process has not been started",
			       p->exec_id);
	if (r->signal < 1 || r->signal > 64)
		return err_set(err, E_INVALID, "kill %s: invalid signal %u", r->id, r->signal);
	return 0;
}

static int send_signal(struct process *p, const KillRequest *r, struct deadline deadline,
		       struct err *err)
{
	Grpc__SignalProcessRequest signal = GRPC__SIGNAL_PROCESS_REQUEST__INIT;
	struct shim *s = p->shim;

	signal.container_id = p->container->id;
	/* To the agent an empty exec id means all processes, the container's id its first one. */
	signal.exec_id = !*p->exec_id && !r->all ? p->container->id : p->exec_id;
	signal.signal = r->signal;
	if (task_ask_agent(s, "SignalProcess", &signal, deadline, err) == 0) {
		if (r->signal == SIGKILL)
			process_expect_end(p);
		return 0;
	}
	/* E_LIMIT: all of its threads are stuck. */
	if ((err->code != E_TIMEOUT && err->code != E_LIMIT) || r->signal != SIGKILL || *p->exec_id)
		return -1;
	/* Killing must not depend on the guest's cooperation: the VM of an agent that does not take
	 * SIGKILL is killed. In a pod that would end the other containers too, so there only if the
	 * agent does not answer at all. */
	if (p->container->kind == KIND_IN_POD && vm_answers(s->sandbox->vm, deadline_in(HEALTH_MS)))
		return -1;
	err_wrap(err, "the agent did not accept SIGKILL");
	vm_kill(s->sandbox->vm, err);
	err_clear(err);
	return 0;
}

void task_kill(struct ttrpc_call *call, const void *request, void *arg)
{
	const KillRequest *r = request;
	struct shim *s = arg;
	struct err err = ERR_INIT;
	struct process *p = process_take(s, r->id, r->exec_id, IN_ANY, PROCESS_STAYS, "kill", &err);

	if (p && check(p, r, &err) == 0)
		(void)!send_signal(p, r, task_deadline(s, call), &err);
	task_answer(call, &err);
	if (p)
		process_put(p);
}
