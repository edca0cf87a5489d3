// SPDX-License-Identifier: Apache-2.0
/* The table of the agent's methods. libs/ttrpc answers any other method with "unimplemented". */

#include "agent/rpc/rpc.h"

#include "protocols/agent.pb-c.h"

void on_unsupported(struct ttrpc_call *call, const void *request, void *arg)
{
	struct err err = ERR_INIT;

	(void)request;
	(void)arg;
	err_set(&err, E_UNSUPPORTED, "%s is not supported by this agent", ttrpc_call_method(call));
	ttrpc_fail(call, &err);
}

const struct ttrpc_method agent_methods[] = {
	{ "CreateSandbox", TTRPC_FLOW, &grpc__create_sandbox_request__descriptor,
	  on_create_sandbox },
	{ "DestroySandbox", TTRPC_FLOW, &grpc__destroy_sandbox_request__descriptor,
	  on_destroy_sandbox },
	{ "CreateContainer", TTRPC_FLOW, &grpc__create_container_request__descriptor,
	  on_create_container },
	{ "StartContainer", TTRPC_FLOW, &grpc__start_container_request__descriptor,
	  on_start_container },
	{ "RemoveContainer", TTRPC_FLOW, &grpc__remove_container_request__descriptor,
	  on_remove_container },
	{ "ExecProcess", TTRPC_FLOW, &grpc__exec_process_request__descriptor, on_exec_process },
	{ "SignalProcess", TTRPC_URGENT, &grpc__signal_process_request__descriptor,
	  on_signal_process },
	{ "WaitProcess", TTRPC_WAIT, &grpc__wait_process_request__descriptor, on_wait_process },
	{ "RemoveExec", TTRPC_EVENT, &grpc__remove_exec_request__descriptor, on_remove_exec },
	{ "UpdateContainer", TTRPC_FLOW, &grpc__update_container_request__descriptor,
	  on_update_container },
	{ "StatsContainer", TTRPC_FLOW, &grpc__stats_container_request__descriptor,
	  on_stats_container },
	{ "PauseContainer", TTRPC_FLOW, &grpc__pause_container_request__descriptor,
	  on_pause_container },
	{ "ResumeContainer", TTRPC_FLOW, &grpc__resume_container_request__descriptor,
	  on_resume_container },
	{ "WriteStdin", TTRPC_STREAM, &grpc__write_stream_request__descriptor, on_write_stdin },
	{ "ReadStdout", TTRPC_WAIT, &grpc__read_stream_request__descriptor, on_read_stdout },
	{ "ReadStderr", TTRPC_WAIT, &grpc__read_stream_request__descriptor, on_read_stderr },
	{ "CloseStdin", TTRPC_EVENT, &grpc__close_stdin_request__descriptor, on_close_stdin },
	{ "ConnectPort", TTRPC_EVENT, &grpc__connect_port_request__descriptor, on_connect_port },
	{ "DisconnectPort", TTRPC_EVENT, &grpc__disconnect_port_request__descriptor,
	  on_disconnect_port },
	{ "TtyWinResize", TTRPC_EVENT, &grpc__tty_win_resize_request__descriptor,
	  on_tty_win_resize },
	{ "GetOOMEvent", TTRPC_WAIT, &grpc__get_oomevent_request__descriptor, on_get_oom_event },
	{ "GetGuestDetails", TTRPC_EVENT, &grpc__guest_details_request__descriptor,
	  on_get_guest_details },
	{ "SetGuestDateTime", TTRPC_EVENT, &grpc__set_guest_date_time_request__descriptor,
	  on_set_guest_date_time },
	{ "FollowClock", TTRPC_WAIT, &grpc__follow_clock_request__descriptor, on_follow_clock },
	{ "ReseedRandomDev", TTRPC_EVENT, &grpc__reseed_random_dev_request__descriptor,
	  on_reseed_random_dev },
	{ "OnlineCPUMem", TTRPC_FLOW, &grpc__online_cpumem_request__descriptor, on_online_cpu_mem },
	{ "MemHotplugByProbe", TTRPC_FLOW, &grpc__mem_hotplug_by_probe_request__descriptor,
	  on_mem_hotplug_by_probe },
	{ "UpdateInterface", TTRPC_FLOW, &grpc__update_interface_request__descriptor,
	  on_update_interface },
	{ "UpdateRoutes", TTRPC_FLOW, &grpc__update_routes_request__descriptor, on_update_routes },
	{ "ListInterfaces", TTRPC_FLOW, &grpc__list_interfaces_request__descriptor,
	  on_list_interfaces },
	{ "ListRoutes", TTRPC_FLOW, &grpc__list_routes_request__descriptor, on_list_routes },
	{ "AddARPNeighbors", TTRPC_FLOW, &grpc__add_arpneighbors_request__descriptor,
	  on_add_arp_neighbors },
	{ "GetIPTables", TTRPC_FLOW, &grpc__get_iptables_request__descriptor, on_get_ip_tables },
	{ "SetIPTables", TTRPC_FLOW, &grpc__set_iptables_request__descriptor, on_set_ip_tables },
	{ "GetMetrics", TTRPC_FLOW, &grpc__get_metrics_request__descriptor, on_get_metrics },
	{ "CopyFile", TTRPC_FLOW, &grpc__copy_file_request__descriptor, on_copy_file },
	{ "AddSwap", TTRPC_FLOW, &grpc__add_swap_request__descriptor, on_add_swap },
	{ "AddSwapPath", TTRPC_FLOW, &grpc__add_swap_path_request__descriptor, on_add_swap_path },
	{ "GetVolumeStats", TTRPC_FLOW, &grpc__volume_stats_request__descriptor,
	  on_get_volume_stats },
	{ "ResizeVolume", TTRPC_FLOW, &grpc__resize_volume_request__descriptor, on_resize_volume },
	{ "UpdateEphemeralMounts", TTRPC_FLOW, &grpc__update_ephemeral_mounts_request__descriptor,
	  on_update_ephemeral_mounts },
	{ "RemoveStaleVirtiofsShareMounts", TTRPC_FLOW,
	  &grpc__remove_stale_virtiofs_share_mounts_request__descriptor,
	  on_remove_stale_virtiofs_share_mounts },
	{ "GetDiagnosticData", TTRPC_FLOW, &grpc__get_diagnostic_data_request__descriptor,
	  on_get_diagnostic_data },
	{ "SetPolicy", TTRPC_EVENT, &grpc__set_policy_request__descriptor, on_unsupported },
	{ "MemAgentMemcgSet", TTRPC_EVENT, &grpc__mem_agent_memcg_config__descriptor,
	  on_unsupported },
	{ "MemAgentCompactSet", TTRPC_EVENT, &grpc__mem_agent_compact_config__descriptor,
	  on_unsupported },
	{ NULL, TTRPC_EVENT, NULL, NULL },
};
