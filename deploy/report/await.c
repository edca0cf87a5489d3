// SPDX-License-Identifier: Apache-2.0
/* The request to uninstall every node: watches for its Lease, and checks that it is for this
 * installation. */

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
	if (event == KUBE_FOUND || event == KUBE_REMOVED)
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

int request_counts(const struct pace *p, struct kube *k, struct deadline deadline, struct err *err)
{
	AUTO(json) struct json *set = NULL;
	AUTO(str) char *path = NULL;
	bool counts;

	/* Our pod has no right to look at another DaemonSet than its own. */
	if (p->owner && p->o->pace.set && !str_eq(p->owner, p->o->pace.set))
		return 0;
	if (!p->owner || !p->owner_uid || kube_check_name(p->owner, "DaemonSet", err) < 0) {
		err_clear(err);
		return 1;
	}
	path = kube_path("apis", "apps", "v1", "namespaces", p->space, "daemonsets", p->owner,
			 NULL);
	set = kube_get(k, path, deadline, err);
	if (set)
		return str_eq(kube_meta(set, "uid"), p->owner_uid);
	if (err->code != E_NOT_FOUND && err->code != E_PERMISSION)
		return -1;
	/* Without the right to look, assume that the request is for this installation. */
	counts = err->code == E_PERMISSION;
	err_clear(err);
	return counts;
}
