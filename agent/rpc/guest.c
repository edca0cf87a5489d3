// SPDX-License-Identifier: Apache-2.0
/* Requests about the guest itself: details, clock, random numbers, CPUs and memory, metrics. */

#include "agent/rpc/rpc.h"

#include "agent/clock.h"
#include "agent/container.h"
#include "agent/guest.h"
#include "agent/hotplug.h"
#include "agent/metrics.h"
#include "agent/sandbox.h"
#include "agent/scale.h"
#include "agent/storage/driver.h"
#include "base/str.h"
#include "protocols/agent.pb-c.h"

#include <sys/time.h>
#include <unistd.h>

enum { CPUS_MS = 5000, METRICS_MAX = 1 << 20 };

void on_get_guest_details(struct ttrpc_call *call, const void *request, void *arg)
{
	const char *const *storages = storage_drivers();
	const Grpc__GuestDetailsRequest *r = request;
	Grpc__GuestDetailsResponse reply = GRPC__GUEST_DETAILS_RESPONSE__INIT;
	Grpc__AgentDetails details = GRPC__AGENT_DETAILS__INIT;

	(void)arg;
	if (r->mem_block_size)
		reply.mem_block_size_bytes = guest_memory_block_size();
	if (r->mem_hotplug_probe)
		reply.support_mem_hotplug_probe = access("/sys/devices/system/memory/probe",
							 F_OK) == 0;
	reply.file_pages = guest_stores_file_pages();
	details.version = (char *)KATA_VERSION;
	details.init_daemon = getpid() == 1;
	details.storage_handlers = (char **)storages;
	details.n_storage_handlers = strv_len((char *const *)storages);
	details.supports_seccomp = true;
	reply.agent_details = &details;
	ttrpc_reply(call, &reply);
}

void on_set_guest_date_time(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__SetGuestDateTimeRequest *r = request;
	struct timeval now = { .tv_sec = r->sec, .tv_usec = r->usec };
	struct err err = ERR_INIT;

	(void)arg;
	answer(call, guest_set_clock(&now, &err), &err);
}

void on_follow_clock(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__FollowClockRequest *r = request;
	const struct timespec host = { .tv_sec = r->sec, .tv_nsec = r->nsec };
	struct err err = ERR_INIT;

	(void)arg;
	answer(call, clock_follow(&host, &err), &err);
}

void on_reseed_random_dev(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__ReseedRandomDevRequest *r = request;
	struct err err = ERR_INIT;

	(void)arg;
	answer(call, guest_reseed(r->data.data, r->data.len, &err), &err);
}

/* --- CPUs and memory --- */

void on_online_cpu_mem(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__OnlineCPUMemRequest *r = request;
	struct sandbox *s = arg;
	struct err err = ERR_INIT;
	int result = hotplug_cpus(r->nb_cpus, r->all_cpus, flow_deadline(call, CPUS_MS), &err);

	if (result == 0 && !r->cpu_only)
		result = hotplug_memory(&err);
	scale_limits(); /* of running containers too */
	if (result == 0)
		entries_widen_cpusets(&s->containers);
	answer(call, result, &err);
}

void on_mem_hotplug_by_probe(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__MemHotplugByProbeRequest *r = request;
	struct err err = ERR_INIT;
	int result = 0;

	(void)arg;
	for (size_t i = 0; result == 0 && i < r->n_memhotplugprobeaddr; i++)
		result = hotplug_probe_memory(r->memhotplugprobeaddr[i], &err);
	answer(call, result, &err);
}

/* --- metrics --- */

void on_get_metrics(struct ttrpc_call *call, const void *request, void *arg)
{
	Grpc__Metrics reply = GRPC__METRICS__INIT;
	AUTO(buf) struct buf out = BUF_INIT(METRICS_MAX);
	struct err err = ERR_INIT;

	(void)request;
	(void)arg;
	metrics_print(&out);
	if (buf_check(&out, "metrics", &err) < 0) {
		ttrpc_fail(call, &err);
		return;
	}
	reply.metrics = out.data;
	ttrpc_reply(call, &reply);
}
