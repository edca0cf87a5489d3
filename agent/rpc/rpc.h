// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The handlers of the agent's requests, a file for each family. A handler takes the message apart,
 * calls the functions of the agent's other folders, and answers.
 *
 * Only this folder and transport.c know ttRPC. The other folders use the protocol's structs only as
 * plain data that describes storages and devices. tests/check-layers.sh has the order of the
 * layers.
 *
 * Threads: a TTRPC_FLOW or TTRPC_URGENT runs on a thread of its own, may block, and needs references
 * to what it uses. A TTRPC_EVENT runs on the loop, must not block, and may use what it found until it
 * returns.
 * A request that waits (WaitProcess, GetOOMEvent, the streams) is kept by the process, list or
 * stream that it waits for, together with functions that answer it; it is withdrawn when its caller
 * disconnects.
 */

#include "base/deadline.h"
#include "base/err.h"
#include "ttrpc/ttrpc.h"

#include <stdint.h>

/* Answers the call: with err if result < 0, else with Empty. */
void answer(struct ttrpc_call *call, int result, const struct err *err);
/* Returns the caller's deadline, or ms from now if that is earlier. */
struct deadline flow_deadline(struct ttrpc_call *call, uint64_t ms);
/* E_LIMIT if the caller could not wait for another process and its output. */
MUST_CHECK int check_process_room(struct ttrpc_call *call, struct err *err);

/* Ends a call whose caller has disconnected. */
void answer_cancelled(struct ttrpc_call *call);

/* The tables of methods. Each gets the struct sandbox as arg. */
extern const struct ttrpc_method agent_methods[], health_methods[];

void on_create_sandbox(struct ttrpc_call *call, const void *request, void *arg);
void on_destroy_sandbox(struct ttrpc_call *call, const void *request, void *arg);
void on_create_container(struct ttrpc_call *call, const void *request, void *arg);
void on_start_container(struct ttrpc_call *call, const void *request, void *arg);
void on_remove_container(struct ttrpc_call *call, const void *request, void *arg);
void on_exec_process(struct ttrpc_call *call, const void *request, void *arg);
void on_signal_process(struct ttrpc_call *call, const void *request, void *arg);
void on_remove_exec(struct ttrpc_call *call, const void *request, void *arg);
void on_wait_process(struct ttrpc_call *call, const void *request, void *arg);
void on_update_container(struct ttrpc_call *call, const void *request, void *arg);
void on_stats_container(struct ttrpc_call *call, const void *request, void *arg);
void on_pause_container(struct ttrpc_call *call, const void *request, void *arg);
void on_resume_container(struct ttrpc_call *call, const void *request, void *arg);
void on_write_stdin(struct ttrpc_call *call, const void *request, void *arg);
void on_read_stdout(struct ttrpc_call *call, const void *request, void *arg);
void on_read_stderr(struct ttrpc_call *call, const void *request, void *arg);
void on_close_stdin(struct ttrpc_call *call, const void *request, void *arg);
void on_connect_port(struct ttrpc_call *call, const void *request, void *arg);
void on_disconnect_port(struct ttrpc_call *call, const void *request, void *arg);
void on_tty_win_resize(struct ttrpc_call *call, const void *request, void *arg);
void on_get_oom_event(struct ttrpc_call *call, const void *request, void *arg);
void on_get_guest_details(struct ttrpc_call *call, const void *request, void *arg);
void on_set_guest_date_time(struct ttrpc_call *call, const void *request, void *arg);
void on_follow_clock(struct ttrpc_call *call, const void *request, void *arg);
void on_reseed_random_dev(struct ttrpc_call *call, const void *request, void *arg);
void on_online_cpu_mem(struct ttrpc_call *call, const void *request, void *arg);
void on_mem_hotplug_by_probe(struct ttrpc_call *call, const void *request, void *arg);
void on_update_interface(struct ttrpc_call *call, const void *request, void *arg);
void on_update_routes(struct ttrpc_call *call, const void *request, void *arg);
void on_list_interfaces(struct ttrpc_call *call, const void *request, void *arg);
void on_list_routes(struct ttrpc_call *call, const void *request, void *arg);
void on_add_arp_neighbors(struct ttrpc_call *call, const void *request, void *arg);
void on_get_ip_tables(struct ttrpc_call *call, const void *request, void *arg);
void on_set_ip_tables(struct ttrpc_call *call, const void *request, void *arg);
void on_get_metrics(struct ttrpc_call *call, const void *request, void *arg);
void on_copy_file(struct ttrpc_call *call, const void *request, void *arg);
void on_add_swap(struct ttrpc_call *call, const void *request, void *arg);
void on_add_swap_path(struct ttrpc_call *call, const void *request, void *arg);
void on_get_volume_stats(struct ttrpc_call *call, const void *request, void *arg);
void on_resize_volume(struct ttrpc_call *call, const void *request, void *arg);
void on_update_ephemeral_mounts(struct ttrpc_call *call, const void *request, void *arg);
void on_remove_stale_virtiofs_share_mounts(struct ttrpc_call *call, const void *request, void *arg);
void on_get_diagnostic_data(struct ttrpc_call *call, const void *request, void *arg);
void on_unsupported(struct ttrpc_call *call, const void *request, void *arg);
