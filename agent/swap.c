// SPDX-License-Identifier: Apache-2.0
/* Swap space on a block device that the runtime plugged in and formatted. */

#include "agent/agent.h"
#include "agent/device/block.h"
#include "agent/device/pci.h"

#include "base/mem.h"
#include "base/str.h"

#include <sys/swap.h>

static int swap_on(const char *type, const char *id, struct deadline deadline, struct err *err)
{
	AUTO(str) char *node = device_block(type, id, deadline, err);

	if (!node)
		return -1;
	return swapon(node, 0) < 0 ? err_sys(err, "swap on %s", node) : 0;
}

void on_add_swap(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__AddSwapRequest *r = request;
	const struct sandbox *s = arg;
	AUTO(strv) char **slots = NULL;
	AUTO(str) char *path = NULL;
	struct err err = ERR_INIT;
	int result;

	for (size_t i = 0; i < r->n_pcipath && i < PCI_DEPTH + 1; i++)
		strv_pushf(&slots, "%02x", r->pcipath[i]);
	path = strv_join(slots, "/");
	result = swap_on("blk", path ? path : "", flow_deadline(call, s->settings->hotplug_ms),
			 &err);
	answer(call, result, &err);
}

void on_add_swap_path(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__AddSwapPathRequest *r = request;
	const struct sandbox *s = arg;
	struct err err = ERR_INIT;
	int result = swap_on("mmioblk", r->path, flow_deadline(call, s->settings->hotplug_ms),
			     &err);

	answer(call, result, &err);
}
