// SPDX-License-Identifier: Apache-2.0
/* Resource limits by their OCI names: all are checked first, then set by the parent of the
 * process. */

#include "base/str.h"
#include "container/core.h"

#include <sys/resource.h>

static int rlimit_find(const char *name)
{
	static const struct {
		const char *name;
		int resource;
	} limits[] = {
		{ "RLIMIT_AS", RLIMIT_AS },           { "RLIMIT_CORE", RLIMIT_CORE },
		{ "RLIMIT_CPU", RLIMIT_CPU },         { "RLIMIT_DATA", RLIMIT_DATA },
		{ "RLIMIT_FSIZE", RLIMIT_FSIZE },     { "RLIMIT_LOCKS", RLIMIT_LOCKS },
		{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK }, { "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
		{ "RLIMIT_NICE", RLIMIT_NICE },       { "RLIMIT_NOFILE", RLIMIT_NOFILE },
		{ "RLIMIT_NPROC", RLIMIT_NPROC },     { "RLIMIT_RSS", RLIMIT_RSS },
		{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO },   { "RLIMIT_RTTIME", RLIMIT_RTTIME },
		{ "RLIMIT_STACK", RLIMIT_STACK },     { "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
	};

	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		if (str_eq(name, limits[i].name))
			return limits[i].resource;
	}
	return -1;
}

int rlimits_check(const struct oci_process *p, struct err *err)
{
	for (size_t i = 0; i < p->n_rlimits; i++) {
		const struct oci_rlimit *l = &p->rlimits[i];

		if (rlimit_find(l->type) < 0)
			return err_set(err, E_INVALID, "unknown resource limit '%s'", l->type);
		for (size_t k = 0; k < i; k++) {
			if (str_eq(p->rlimits[k].type, l->type))
				return err_set(err, E_INVALID, "%s is given twice", l->type);
		}
	}
	return 0;
}

int rlimits_apply(pid_t pid, const struct oci_process *p, struct err *err)
{
	for (size_t i = 0; i < p->n_rlimits; i++) {
		const struct oci_rlimit *l = &p->rlimits[i];
		struct rlimit value = { l->soft, l->hard };
		int resource = rlimit_find(l->type);

		if (prlimit(pid, (__rlimit_resource_t)resource, &value, NULL) < 0)
			return err_sys(err, "set %s", l->type);
	}
	return 0;
}
