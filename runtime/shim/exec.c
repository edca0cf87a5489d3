// SPDX-License-Identifier: Apache-2.0
/* Exec: stores the description of a further process of a container. Start runs it. */

#include "shim/shim.h"

#include "base/str.h"
#include "protocols/events.pb-c.h"

typedef Containerd__Task__V2__ExecProcessRequest ExecRequest;

static struct process *describe(struct container *c, const ExecRequest *r, struct err *err)
{
	AUTO(oci_process) struct oci_process *spec = NULL;
	struct process *p;

	if (!r->spec) {
		err_set(err, E_INVALID, "the request has no process");
		return NULL;
	}
	spec = oci_process_parse((const char *)r->spec->value.data, r->spec->value.len, "process",
				 err);
	if (!spec)
		return NULL;
	p = process_new(c, r->exec_id);
	p->terminal = spec->terminal = r->terminal;
	p->spec = STEAL(spec, NULL);
	str_set(&p->in, r->stdin);
	str_set(&p->out, r->stdout);
	str_set(&p->err, r->stderr);
	return p;
}

static int add_exec(struct shim *s, const ExecRequest *r, struct process *p, struct err *err)
{
	struct err missing = ERR_INIT;

	(void)pthread_mutex_lock(&s->lock);
	if (shim_find(s, r->id, r->exec_id, &missing))
		err_set(err, E_EXISTS, "process %s exists already", r->exec_id);
	else
		vec_push(&p->container->execs, p);
	(void)pthread_mutex_unlock(&s->lock);
	return err->code ? -1 : 0;
}

static void publish_added(struct shim *s, const ExecRequest *r)
{
	Containerd__Events__TaskExecAdded event = CONTAINERD__EVENTS__TASK_EXEC_ADDED__INIT;

	event.container_id = r->id;
	event.exec_id = r->exec_id;
	events_publish(s->events, "/tasks/exec-added", &event.base);
}

/* The agent takes an exec id that is the container's id for the container's first process. */
static int check_id(const ExecRequest *r, struct err *err)
{
	if (str_check_id(r->exec_id, "exec id", err) < 0)
		return -1;
	if (!str_eq(r->exec_id, r->id))
		return 0;
	err_set(err, E_EXISTS, "exec id %s names the container's first process", r->exec_id);
	return err_hint(err, "choose another exec id than the container's id");
}

void task_exec(struct ttrpc_call *call, const void *request, void *arg)
{
	const ExecRequest *r = request;
	struct shim *s = arg;
	struct err err = ERR_INIT;
	struct process *init = NULL, *p = NULL;

	if (check_id(r, &err) == 0)
		init = process_take(s, r->id, "", IN(RUNNING) | IN(CREATED), PROCESS_STAYS,
				    "exec in", &err);
	if (init)
		p = describe(init->container, r, &err);
	if (p && add_exec(s, r, p, &err) < 0)
		process_drop(p);
	else if (p)
		publish_added(s, r);
	task_answer(call, &err);
	if (init)
		process_put(init);
}
