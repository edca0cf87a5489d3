// SPDX-License-Identifier: Apache-2.0
/* The request to uninstall every node: a watch of one name, which says nothing until it is made. */

#include "deploy/report/report-internal.h"

#include "base/str.h"

#include <stdint.h>

struct awaiting {
	void (*come)(void *arg);
	void *arg;
};

static int on_event(void *arg, enum kube_event event, const struct json *lease, struct err *err)
{
	struct awaiting *a = arg;

	(void)lease, (void)err;
	if (event == KUBE_FOUND)
		a->come(a->arg);
	return 0;
}

int report_await(const struct report_options *o, struct kube *k, void (*come)(void *arg), void *arg,
		 struct err *err)
{
	AUTO(str)
	char *path = kube_path(KUBE_LEASES, o->space ? o->space : kube_namespace(k), "leases",
			       NULL);
	AUTO(str)
	char *name = str_fmt("metadata.name=kata-deploy.%s.uninstall",
			     str_empty(o->suffix) ? REPORT_DEFAULT : o->suffix);
	const struct kube_selection s = { .path = path, .fields = name };
	struct awaiting a = { come, arg };

	return kube_watch(k, &s, on_event, &a, DEADLINE_NEVER, err);
}
