// SPDX-License-Identifier: Apache-2.0
/* The tables of what the agent serves. A method that is not in them answers "unimplemented". */

#include "agent/agent.h"

#include "protocols/health.pb-c.h"

static void on_check(struct ttrpc_call *call, const void *request, void *arg)
{
	Grpc__HealthCheckResponse reply = GRPC__HEALTH_CHECK_RESPONSE__INIT;

	(void)request;
	(void)arg;
	reply.status = GRPC__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
	ttrpc_reply(call, &reply);
}

static void on_version(struct ttrpc_call *call, const void *request, void *arg)
{
	Grpc__VersionCheckResponse reply = GRPC__VERSION_CHECK_RESPONSE__INIT;

	(void)request;
	(void)arg;
	reply.grpc_version = (char *)"0.0.1"; /* of the protocol, as upstream has it */
	reply.agent_version = (char *)KATA_VERSION;
	ttrpc_reply(call, &reply);
}

const struct ttrpc_method health_methods[] = {
	{ "Check", TTRPC_EVENT, &grpc__check_request__descriptor, on_check },
	{ "Version", TTRPC_EVENT, &grpc__check_request__descriptor, on_version },
	{ NULL, TTRPC_EVENT, NULL, NULL },
};

HANDLER(unsupported)
{
	struct err err = ERR_INIT;

	(void)request;
	(void)arg;
	err_set(&err, E_UNSUPPORTED, "%s is not supported by this agent", ttrpc_call_method(call));
	ttrpc_fail(call, &err);
}

#define METHOD(name, kind, request, handler)                                     \
	{                                                                        \
		name, kind, &grpc__##request##_request__descriptor, on_##handler \
	}

const struct ttrpc_method agent_methods[] = {
	METHOD("CreateSandbox", TTRPC_FLOW, create_sandbox, create_sandbox),
	METHOD("DestroySandbox", TTRPC_FLOW, destroy_sandbox, destroy_sandbox),
	METHOD("CreateContainer", TTRPC_FLOW, create_container, create_container),
	METHOD("StartContainer", TTRPC_FLOW, start_container, start_container),
	METHOD("RemoveContainer", TTRPC_FLOW, remove_container, remove_container),
	METHOD("ExecProcess", TTRPC_FLOW, exec_process, exec_process),
	METHOD("SignalProcess", TTRPC_FLOW, signal_process, signal_process),
	METHOD("WaitProcess", TTRPC_EVENT, wait_process, wait_process),
	METHOD("UpdateContainer", TTRPC_FLOW, update_container, update_container),
	METHOD("StatsContainer", TTRPC_FLOW, stats_container, stats_container),
	METHOD("PauseContainer", TTRPC_FLOW, pause_container, pause_container),
	METHOD("ResumeContainer", TTRPC_FLOW, resume_container, resume_container),
	METHOD("WriteStdin", TTRPC_EVENT, write_stream, write_stdin),
	METHOD("ReadStdout", TTRPC_EVENT, read_stream, read_stdout),
	METHOD("ReadStderr", TTRPC_EVENT, read_stream, read_stderr),
	METHOD("CloseStdin", TTRPC_EVENT, close_stdin, close_stdin),
	METHOD("TtyWinResize", TTRPC_EVENT, tty_win_resize, tty_win_resize),
	METHOD("GetOOMEvent", TTRPC_EVENT, get_oomevent, get_oom_event),
	METHOD("GetGuestDetails", TTRPC_EVENT, guest_details, get_guest_details),
	METHOD("SetGuestDateTime", TTRPC_EVENT, set_guest_date_time, set_guest_date_time),
	METHOD("ReseedRandomDev", TTRPC_EVENT, reseed_random_dev, reseed_random_dev),
	METHOD("OnlineCPUMem", TTRPC_FLOW, online_cpumem, online_cpu_mem),
	METHOD("MemHotplugByProbe", TTRPC_FLOW, mem_hotplug_by_probe, mem_hotplug_by_probe),
	METHOD("UpdateInterface", TTRPC_FLOW, update_interface, update_interface),
	METHOD("UpdateRoutes", TTRPC_FLOW, update_routes, update_routes),
	METHOD("ListInterfaces", TTRPC_FLOW, list_interfaces, list_interfaces),
	METHOD("ListRoutes", TTRPC_FLOW, list_routes, list_routes),
	METHOD("AddARPNeighbors", TTRPC_FLOW, add_arpneighbors, add_arp_neighbors),
	METHOD("GetIPTables", TTRPC_FLOW, get_iptables, get_ip_tables),
	METHOD("SetIPTables", TTRPC_FLOW, set_iptables, set_ip_tables),
	METHOD("GetMetrics", TTRPC_FLOW, get_metrics, get_metrics),
	METHOD("CopyFile", TTRPC_FLOW, copy_file, copy_file),
	METHOD("AddSwap", TTRPC_FLOW, add_swap, add_swap),
	METHOD("AddSwapPath", TTRPC_FLOW, add_swap_path, add_swap_path),
	METHOD("GetVolumeStats", TTRPC_FLOW, volume_stats, get_volume_stats),
	METHOD("ResizeVolume", TTRPC_FLOW, resize_volume, resize_volume),
	METHOD("UpdateEphemeralMounts", TTRPC_FLOW, update_ephemeral_mounts,
	       update_ephemeral_mounts),
	METHOD("RemoveStaleVirtiofsShareMounts", TTRPC_FLOW, remove_stale_virtiofs_share_mounts,
	       remove_stale_virtiofs_share_mounts),
	METHOD("GetDiagnosticData", TTRPC_FLOW, get_diagnostic_data, get_diagnostic_data),
	METHOD("SetPolicy", TTRPC_EVENT, set_policy, unsupported),
	{ "MemAgentMemcgSet", TTRPC_EVENT, &grpc__mem_agent_memcg_config__descriptor,
	  on_unsupported },
	{ "MemAgentCompactSet", TTRPC_EVENT, &grpc__mem_agent_compact_config__descriptor,
	  on_unsupported },
	{ NULL, TTRPC_EVENT, NULL, NULL },
};
