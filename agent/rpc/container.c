// SPDX-License-Identifier: Apache-2.0
/* Requests about a container: create, start, remove, pause, resume, update. */

#include "agent/rpc/rpc.h"

#include "agent/container.h"
#include "agent/sandbox.h"
#include "oci/message.h"
#include "protocols/agent.pb-c.h"

enum { CREATE_MS = 60000, DELETE_MS = 30000 };

static int create_container(struct sandbox *s, const Grpc__CreateContainerRequest *r,
			    struct deadline deadline, struct err *err)
{
	AUTO(oci_spec) struct oci_spec *spec = NULL;
	struct entry_request want = { .id = r->container_id,
				      .devices = r->devices,
				      .n_devices = r->n_devices,
				      .storages = r->storages,
				      .n_storages = r->n_storages,
				      .shared_pid_ns = r->sandbox_pidns };

	if (!r->oci)
		return err_set(err, E_INVALID, "the request has no specification");
	want.spec = spec = oci_spec_from_message(r->oci, err);
	return spec ? entry_create(s, &want, deadline, err) : -1;
}

void on_create_container(struct ttrpc_call *call, const void *request, void *arg)
{
	struct err err = ERR_INIT;
	int result = check_process_room(call, &err);

	if (result == 0)
		result = create_container(arg, request, flow_deadline(call, CREATE_MS), &err);
	answer(call, result, &err);
}

void on_start_container(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__StartContainerRequest *r = request;
	struct sandbox *s = arg;
	struct err err = ERR_INIT;
	struct entry *e = entry_get(&s->containers, r->container_id, &err);
	int result = e ? entry_start(e, flow_deadline(call, CREATE_MS), &err) : -1;

	if (e)
		entry_put(e);
	answer(call, result, &err);
}

void on_remove_container(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__RemoveContainerRequest *r = request;
	struct err err = ERR_INIT;
	struct deadline deadline = flow_deadline(call,
						 r->timeout ? r->timeout * 1000ULL : DELETE_MS);

	answer(call, entry_remove(arg, r->container_id, deadline, &err), &err);
}

/* --- pause, resume, update --- */

void on_pause_container(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__PauseContainerRequest *r = request;
	struct sandbox *s = arg;
	struct err err = ERR_INIT;
	struct entry *e = entry_get(&s->containers, r->container_id, &err);
	int result = e ? container_pause(e->core, flow_deadline(call, DELETE_MS), &err) : -1;

	if (e)
		entry_put(e);
	answer(call, result, &err);
}

void on_resume_container(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__ResumeContainerRequest *r = request;
	struct sandbox *s = arg;
	struct err err = ERR_INIT;
	struct entry *e = entry_get(&s->containers, r->container_id, &err);
	int result = e ? container_resume(e->core, flow_deadline(call, DELETE_MS), &err) : -1;

	if (e)
		entry_put(e);
	answer(call, result, &err);
}

void on_update_container(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__UpdateContainerRequest *r = request;
	struct sandbox *s = arg;
	struct err err = ERR_INIT;
	AUTO(oci_resources)
	struct oci_resources *res = r->resources ? oci_resources_from_message(r->resources, &err)
						 : NULL;
	struct entry *e = res ? entry_get(&s->containers, r->container_id, &err) : NULL;
	int result = e ? entry_update(e, res, &err) : -1;

	if (!res && !err.code)
		err_set(&err, E_INVALID, "the request has no resources");
	if (e)
		entry_put(e);
	answer(call, result, &err);
}
