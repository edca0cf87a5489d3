// SPDX-License-Identifier: Apache-2.0
/* The five capability sets of a process. */

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "container/container-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/capability.h>
#include <sys/prctl.h>

DEFINE_AUTO(cap, cap_t, NULL, cap_free)

/* -2: the running kernel does not have it. */
static int value_of(const char *name, struct err *err)
{
	AUTO(str) char *lower = xstrdup(name);
	cap_value_t value;

	for (char *p = lower; *p; p++)
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
	if (!str_starts(name, "CAP_") || cap_from_name(lower, &value) < 0)
		return err_set(err, E_INVALID, "unknown capability '%s'", name);
	if (!CAP_IS_SUPPORTED(value)) {
		log_debug("the kernel lacks a capability", LOG_S("capability", name));
		return -2;
	}
	return value;
}

static int has(char *const *list, int value, bool *found, struct err *err)
{
	*found = false;
	strv_each(name, list) {
		int v = value_of(*name, err);

		if (v == -1)
			return -1;
		*found |= v == value;
	}
	return 0;
}

int capability_bounding(const struct oci_capabilities *c, struct err *err)
{
	for (int v = 0; CAP_IS_SUPPORTED(v); v++) {
		bool keep;

		if (has(c->bounding, v, &keep, err) < 0)
			return -1;
		if (!keep && prctl(PR_CAPBSET_DROP, v) < 0)
			return err_sys(err, "drop capability %d from the bounding set", v);
	}
	return 0;
}

static int fill(cap_t set, cap_flag_t flag, char *const *list, struct err *err)
{
	strv_each(name, list) {
		int v = value_of(*name, err);
		cap_value_t one = v;

		if (v == -1)
			return -1;
		if (v >= 0 && cap_set_flag(set, flag, 1, &one, CAP_SET) < 0)
			return err_sys(err, "prepare capability %s", *name);
	}
	return 0;
}

int capability_apply(const struct oci_capabilities *c, struct err *err)
{
	AUTO(cap) cap_t set = cap_init();

	if (!set)
		return err_sys(err, "make a capability set");
	if (fill(set, CAP_EFFECTIVE, c->effective, err) < 0 ||
	    fill(set, CAP_PERMITTED, c->permitted, err) < 0 ||
	    fill(set, CAP_INHERITABLE, c->inheritable, err) < 0)
		return -1;
	if (cap_set_proc(set) < 0)
		return err_sys(err, "set capabilities");
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	strv_each(name, c->ambient) {
		int v = value_of(*name, err);

		if (v == -1)
			return -1;
		if (v >= 0 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, v, 0, 0) < 0)
			return err_sys(err,
				       "raise ambient capability %s (it must be permitted and "
				       "inheritable too)",
				       *name);
	}
	return 0;
}
