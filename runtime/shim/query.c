// SPDX-License-Identifier: Apache-2.0
/* State, Pids and Stats. */

#include "shim/shim.h"

#include "base/mem.h"
#include "base/str.h"
#include "protocols/agent.pb-c.h"
#include "shim/stats.h"

enum { PIDS_MAX = 1 << 16, COUNT_MS = 2000 };

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

/* The agent's figures; the caller frees them. */
static Grpc__StatsContainerResponse *ask_stats(struct shim *s, const char *id,
					       struct deadline deadline, struct err *err)
{
	Grpc__StatsContainerRequest ask = GRPC__STATS_CONTAINER_REQUEST__INIT;
	Grpc__StatsContainerResponse *stats = NULL;

	ask.container_id = (char *)id;
	return sandbox_call(s->sandbox, "StatsContainer", &ask,
			    &grpc__stats_container_response__descriptor, deadline, &stats, err) == 0
		       ? stats
		       : NULL;
}

/* How many processes a container has in the guest; 1 if the agent does not answer soon: a containerd
 * that starts asks for all containers, waits for each, and gives up those that do not answer in 5
 * seconds. */
static size_t count_processes(struct shim *s, const char *id, struct deadline deadline)
{
	struct err ignored = ERR_INIT;
	Grpc__StatsContainerResponse *stats =
		ask_stats(s, id, deadline_min(deadline, deadline_in(COUNT_MS)), &ignored);
	size_t n = 1;

	if (!stats)
		return n;
	if (stats->cgroup_stats && stats->cgroup_stats->pids_stats)
		n = stats->cgroup_stats->pids_stats->current;
	grpc__stats_container_response__free_unpacked(stats, NULL);
	return n < 1 ? 1 : n > PIDS_MAX ? PIDS_MAX : n;
}

static void reply_pids(struct ttrpc_call *call, const pid_t *pids, size_t n)
{
	Containerd__Task__V2__PidsResponse reply = CONTAINERD__TASK__V2__PIDS_RESPONSE__INIT;
	AUTO(mem)
	Containerd__Task__V2__ProcessInfo *info = xcalloc(n ? n : 1, sizeof(*info));
	AUTO(mem)
	Containerd__Task__V2__ProcessInfo **list = xcalloc(n ? n : 1, sizeof(*list));

	for (size_t i = 0; i < n; i++) {
		list[i] = &info[i];
		containerd__task__v2__process_info__init(list[i]);
		info[i].pid = (uint32_t)pids[i];
	}
	reply.processes = list;
	reply.n_processes = n;
	ttrpc_reply(call, &reply);
}

/*
 * The processes of the host that run a container; pids of the guest would mean nothing here. For a
 * single container or a pod's sandbox container these are the VMM and virtiofsd. For a container in
 * a pod, one entry for each process in the guest, since CRI plugins count a pod's processes by
 * them; each has the holder's pid.
 */
void task_pids(struct ttrpc_call *call, const void *request, void *arg)
{
	const Containerd__Task__V2__PidsRequest *r = request;
	AUTO(mem) pid_t *pids = NULL;
	struct shim *s = arg;
	struct err err = ERR_INIT;
	struct process *p = process_take(s, r->id, "", IN_ANY, PROCESS_STAYS, "pids of", &err);
	size_t n;

	if (!p) {
		ttrpc_fail(call, &err);
		return;
	}
	(void)pthread_mutex_lock(&s->lock);
	n = p->state == PROCESS_STOPPED ? 0 : s->share_pid > 0 ? 2 : 1;
	(void)pthread_mutex_unlock(&s->lock);
	if (n && p->container->kind == KIND_IN_POD)
		n = count_processes(s, r->id, task_deadline(s, call));
	pids = xcalloc(n < 2 ? 2 : n, sizeof(*pids));
	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < n; i++)
		pids[i] = p->container->kind == KIND_IN_POD ? container_pid(p->container)
			  : i                               ? s->share_pid
							    : s->pid;
	(void)pthread_mutex_unlock(&s->lock);
	reply_pids(call, pids, n);
	process_put(p);
}

/* The statistics of a container in a pod are there until it is deleted: containerd 2.3 asks for them
 * when it has ended, to learn whether memory ran out. Those of any other end with the VM. */
static int check_stats(struct process *p, struct err *err)
{
	const unsigned live = ~(IN(STOPPED) | IN(ENDING));
	int result;

	(void)pthread_mutex_lock(&p->shim->lock);
	result = process_check(p, p->container->kind == KIND_IN_POD ? IN_ANY : live, "stats of",
			       err);
	(void)pthread_mutex_unlock(&p->shim->lock);
	return result;
}

void task_stats(struct ttrpc_call *call, const void *request, void *arg)
{
	const Containerd__Task__V2__StatsRequest *r = request;
	Grpc__StatsContainerResponse *stats = NULL;
	struct shim *s = arg;
	struct err err = ERR_INIT;
	struct process *p = process_take(s, r->id, "", IN_ANY, PROCESS_STAYS, "stats of", &err);

	if (!p) {
		ttrpc_fail(call, &err);
		return;
	}
	if (check_stats(p, &err) == 0)
		stats = ask_stats(s, r->id, task_deadline(s, call), &err);
	if (stats) {
		stats_reply(call, stats);
		grpc__stats_container_response__free_unpacked(stats, NULL);
	} else {
		ttrpc_fail(call, &err);
	}
	process_put(p);
}
