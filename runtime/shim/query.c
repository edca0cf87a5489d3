// SPDX-License-Identifier: Apache-2.0
/* Queries: state, pids and statistics of a container. */

#include "shim/shim.h"

#include "base/str.h"
#include "protocols/agent.pb-c.h"
#include "shim/stats.h"

void task_state(struct ttrpc_call *call, const void *request, void *arg)
{
	const Containerd__Task__V2__StateRequest *r = request;
	Containerd__Task__V2__StateResponse reply = CONTAINERD__TASK__V2__STATE_RESPONSE__INIT;
	Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	static const Containerd__Task__V2__Status status[] = {
		[PROCESS_CREATED] = CONTAINERD__TASK__V2__STATUS__CREATED,
		[PROCESS_STARTING] = CONTAINERD__TASK__V2__STATUS__CREATED,
		[PROCESS_RUNNING] = CONTAINERD__TASK__V2__STATUS__RUNNING,
		[PROCESS_PAUSING] = CONTAINERD__TASK__V2__STATUS__PAUSING,
		[PROCESS_ENDING] = CONTAINERD__TASK__V2__STATUS__RUNNING,
		[PROCESS_PAUSED] = CONTAINERD__TASK__V2__STATUS__PAUSED,
		[PROCESS_STOPPED] = CONTAINERD__TASK__V2__STATUS__STOPPED,
	};
	struct shim *s = arg;
	struct err err = ERR_INIT;
	struct process *p;

	(void)pthread_mutex_lock(&s->lock);
	p = shim_find(s, r->id, r->exec_id, &err);
	if (p) {
		reply.id = p->container->id;
		reply.exec_id = p->exec_id;
		reply.bundle = p->container->bundle;
		reply.pid = (uint32_t)container_pid(p->container);
		reply.status = status[process_now(p)];
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

/* What runs on the host for this container: VMM and the share's daemon. The guest's pids mean
 * nothing here. */
void task_pids(struct ttrpc_call *call, const void *request, void *arg)
{
	const Containerd__Task__V2__PidsRequest *r = request;
	Containerd__Task__V2__PidsResponse reply = CONTAINERD__TASK__V2__PIDS_RESPONSE__INIT;
	Containerd__Task__V2__ProcessInfo vmm = CONTAINERD__TASK__V2__PROCESS_INFO__INIT;
	Containerd__Task__V2__ProcessInfo daemon = CONTAINERD__TASK__V2__PROCESS_INFO__INIT;
	Containerd__Task__V2__ProcessInfo *list[] = { &vmm, &daemon };
	struct shim *s = arg;
	struct err err = ERR_INIT;
	const struct process *p;

	(void)pthread_mutex_lock(&s->lock);
	p = shim_find(s, r->id, "", &err);
	if (p) {
		vmm.pid = (uint32_t)s->pid;
		daemon.pid = (uint32_t)s->share_pid;
		reply.processes = list;
		reply.n_processes = p->state == PROCESS_STOPPED ? 0 : s->share_pid > 0 ? 2 : 1;
	}
	(void)pthread_mutex_unlock(&s->lock);
	if (p)
		ttrpc_reply(call, &reply);
	else
		ttrpc_fail(call, &err);
}

void task_stats(struct ttrpc_call *call, const void *request, void *arg)
{
	const Containerd__Task__V2__StatsRequest *r = request;
	Grpc__StatsContainerRequest ask = GRPC__STATS_CONTAINER_REQUEST__INIT;
	Grpc__StatsContainerResponse *stats = NULL;
	struct shim *s = arg;
	struct err err = ERR_INIT;
	struct process *p = process_take(s, r->id, "", ~(IN(STOPPED) | IN(ENDING)), PROCESS_STAYS,
					 "stats of", &err);

	ask.container_id = r->id;
	if (!p) {
		ttrpc_fail(call, &err);
		return;
	}
	if (sandbox_call(s->sandbox, "StatsContainer", &ask,
			 &grpc__stats_container_response__descriptor, task_deadline(s, call),
			 &stats, &err) == 0) {
		stats_reply(call, stats);
		grpc__stats_container_response__free_unpacked(stats, NULL);
	} else {
		ttrpc_fail(call, &err);
	}
	process_put(p);
}
