// SPDX-License-Identifier: Apache-2.0
/*
 * The five capability sets. What cannot be granted is left out, as the specification demands: with
 * a warning a name that libcap does not know, which may be of a newer kernel, and with a debug message
 * a capability that this kernel lacks or that we do not hold ourselves.
 */

#include "base/str.h"
#include "container/init.h"
#include "container/wire.h"

#include <errno.h>
#include <sys/capability.h>
#include <sys/prctl.h>

enum { CAP_NAMES_MAX = 63 };

/* The capabilities that the kernel knows, and those in our bounding set. */
static void read_bounding(uint64_t *known, uint64_t *bounding)
{
	int is;

	*known = *bounding = 0;
	for (unsigned cap = 0; cap <= CAP_NAMES_MAX; cap++) {
		is = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);
		if (is < 0)
			return;
		*known |= 1ULL << cap;
		if (is)
			*bounding |= 1ULL << cap;
	}
}

static void set_parse(const struct init *in, char *const *names, const char *set, uint64_t known,
		      uint64_t *out)
{
	*out = 0;
	strv_each(name, names) {
		cap_value_t cap;

		if (!str_starts(*name, "CAP_") || cap_from_name(*name, &cap) < 0 || cap < 0 ||
		    cap > CAP_NAMES_MAX)
			wire_warn(in->sock, "unknown capability '%.100s' in the %s set", *name,
				  set);
		else if (known & 1ULL << cap)
			*out |= 1ULL << cap;
		else
			wire_note(in->sock, "the kernel does not know %s", *name);
	}
}

/* What we can grant: our own permitted set. */
static uint64_t held(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	if (capget(&h, d) < 0)
		return 0;
	return (uint64_t)d[1].permitted << 32 | d[0].permitted;
}

void capabilities_parse(const struct init *in, struct capability_sets *out)
{
	const struct oci_capabilities *c = in->spec->process->capabilities;
	uint64_t ours = held(), known, bounding;

	*out = (struct capability_sets){ 0 };
	read_bounding(&known, &bounding);
	out->drop = bounding;
	if (!c)
		return;
	set_parse(in, c->bounding, "bounding", known, &out->bounding);
	set_parse(in, c->effective, "effective", known, &out->effective);
	set_parse(in, c->inheritable, "inheritable", known, &out->inheritable);
	set_parse(in, c->permitted, "permitted", known, &out->permitted);
	set_parse(in, c->ambient, "ambient", known, &out->ambient);
	out->drop &= ~out->bounding;
	if (out->permitted & ~ours)
		wire_note(in->sock, "capabilities that we do not hold ourselves: %#llx",
			  (unsigned long long)(out->permitted & ~ours));
	out->permitted &= ours;
	out->effective &= out->permitted;
	out->inheritable &= ours;
	/* The kernel refuses ambient capabilities that are not in both of these. */
	out->ambient &= out->permitted & out->inheritable;
}

int capabilities_effective(uint64_t wanted, uint64_t *before, struct err *err)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	if (capget(&h, d) < 0)
		return err_sys(err, "read capabilities");
	if (before)
		*before = (uint64_t)d[1].effective << 32 | d[0].effective;
	d[0].effective = (uint32_t)wanted & d[0].permitted;
	d[1].effective = (uint32_t)(wanted >> 32) & d[1].permitted;
	return capset(&h, d) < 0 ? err_sys(err, "set capabilities") : 0;
}

int capabilities_bound(const struct capability_sets *s, struct err *err)
{
	for (unsigned cap = 0; cap <= CAP_NAMES_MAX; cap++) {
		if ((s->drop & 1ULL << cap) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return err_sys(err, "drop capability %u from the bounding set", cap);
	}
	return 0;
}

int capabilities_apply(const struct capability_sets *s, struct err *err)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2] = {
		{ (uint32_t)s->effective, (uint32_t)s->permitted, (uint32_t)s->inheritable },
		{ (uint32_t)(s->effective >> 32), (uint32_t)(s->permitted >> 32),
		  (uint32_t)(s->inheritable >> 32) },
	};

	if (capset(&h, d) < 0)
		return err_sys(err, "set capabilities");
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_sys(err, "clear the ambient capabilities");
	for (unsigned cap = 0; cap <= CAP_NAMES_MAX; cap++) {
		if ((s->ambient & 1ULL << cap) &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return err_sys(err, "raise ambient capability %u", cap);
	}
	return 0;
}
