// SPDX-License-Identifier: Apache-2.0
/*
 * Requests to the agent, as far as it checks and converts them before it changes the guest. The
 * first byte chooses the request.
 */

#include "agent/storage/driver.h"
#include "agent/storage/storage.h"

#include "oci/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_storage(const Grpc__Storage *s)
{
	struct err err = ERR_INIT, again = ERR_INIT, third = ERR_INIT;
	uint64_t total, page;

	(void)storage_driver_find(s->driver, &err);
	(void)!storage_huge_pages(s, &total, &page, &again);
	(void)!storage_check_path(s->mount_point, &third);
}

static void create_container(const uint8_t *data, size_t size)
{
	Grpc__CreateContainerRequest *r = grpc__create_container_request__unpack(NULL, size, data);
	struct err err = ERR_INIT;

	if (!r)
		return;
	for (size_t i = 0; i < r->n_storages; i++)
		check_storage(r->storages[i]);
	if (r->oci) {
		AUTO(oci_spec) struct oci_spec *spec = oci_spec_from_message(r->oci, &err);

		(void)spec;
	}
	grpc__create_container_request__free_unpacked(r, NULL);
}

static void exec_process(const uint8_t *data, size_t size)
{
	Grpc__ExecProcessRequest *r = grpc__exec_process_request__unpack(NULL, size, data);
	struct err err = ERR_INIT;

	if (!r)
		return;
	if (r->process) {
		AUTO(oci_process)
		struct oci_process *process = oci_process_from_message(r->process, &err);

		(void)process;
	}
	grpc__exec_process_request__free_unpacked(r, NULL);
}

static void update_container(const uint8_t *data, size_t size)
{
	Grpc__UpdateContainerRequest *r = grpc__update_container_request__unpack(NULL, size, data);
	struct err err = ERR_INIT;

	if (!r)
		return;
	if (r->resources) {
		AUTO(oci_resources)
		struct oci_resources *res = oci_resources_from_message(r->resources, &err);

		(void)res;
	}
	grpc__update_container_request__free_unpacked(r, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	switch (data[0] % 3) {
	case 0:
		create_container(data + 1, size - 1);
		break;
	case 1:
		exec_process(data + 1, size - 1);
		break;
	default:
		update_container(data + 1, size - 1);
		break;
	}
	return 0;
}
