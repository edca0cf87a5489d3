// SPDX-License-Identifier: Apache-2.0
/*
 * containerd's Create requests, and the runtime options inside them. The first byte chooses between
 * the two.
 */

#include "base/str.h"
#include "protocols/runtimeoptions.pb-c.h"
#include "protocols/task.pb-c.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void options(const uint8_t *data, size_t size)
{
	Runtimeoptions__V1__Options *o = runtimeoptions__v1__options__unpack(NULL, size, data);

	if (!o)
		return;
	(void)str_empty(o->config_path);
	runtimeoptions__v1__options__free_unpacked(o, NULL);
}

static void create(const uint8_t *data, size_t size)
{
	Containerd__Task__V2__CreateTaskRequest *r =
		containerd__task__v2__create_task_request__unpack(NULL, size, data);
	struct err err = ERR_INIT;

	if (!r)
		return;
	(void)!str_check_id(r->id, "container id", &err);
	if (r->options && str_ends(r->options->type_url, "runtimeoptions.v1.Options"))
		options(r->options->value.data, r->options->value.len);
	containerd__task__v2__create_task_request__free_unpacked(r, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] % 2)
		options(data + 1, size - 1);
	else
		create(data + 1, size - 1);
	return 0;
}
