// SPDX-License-Identifier: Apache-2.0
/* CreateSandbox and DestroySandbox. */

#include "agent/rpc/rpc.h"

#include "agent/container.h"
#include "agent/sandbox.h"
#include "base/mem.h"
#include "base/scope.h"
#include "protocols/agent.pb-c.h"

#include <stdlib.h>
#include <unistd.h>

enum { CREATE_MS = 60000, DESTROY_MS = 30000 };

/* The kernel modules in the request, r->n_kernel_modules of them; heap. */
static struct sandbox_module *modules_of(const Grpc__CreateSandboxRequest *r)
{
	struct sandbox_module *list = xcalloc(r->n_kernel_modules, sizeof(*list));

	for (size_t i = 0; i < r->n_kernel_modules; i++) {
		const Grpc__KernelModule *m = r->kernel_modules[i];

		list[i] = (struct sandbox_module){ m->name, m->parameters, m->n_parameters };
	}
	return list;
}

void on_create_sandbox(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__CreateSandboxRequest *r = request;
	AUTO(mem) struct sandbox_module *modules = modules_of(r);
	struct sandbox_request want = { .id = r->sandbox_id,
					.hostname = r->hostname,
					.hook_path = r->guest_hook_path,
					.dns = r->dns,
					.n_dns = r->n_dns,
					.modules = modules,
					.n_modules = r->n_kernel_modules,
					.storages = r->storages,
					.n_storages = r->n_storages };
	struct err err = ERR_INIT;

	answer(call, sandbox_create(arg, &want, flow_deadline(call, CREATE_MS), &err), &err);
}

static void end_on_loop(void *arg)
{
	loop_stop(arg);
}

void on_destroy_sandbox(struct ttrpc_call *call, const void *request, void *arg)
{
	struct sandbox *s = arg;

	(void)request;
	entries_kill(&s->containers);
	/* The VM of a PID 1 ends next. Another agent must remove cgroups and mounts from the
	 * machine. */
	if (getpid() == 1) {
		storage_freeze_all(&s->storages);
	} else {
		entry_remove_all(s, flow_deadline(call, DESTROY_MS));
		sandbox_empty(s);
	}
	answer(call, 0, NULL);
	loop_post(s->loop, end_on_loop, s->loop);
}
