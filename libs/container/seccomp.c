// SPDX-License-Identifier: Apache-2.0
/* The seccomp filter of a container, built by libseccomp. */

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "container/container-internal.h"

#include <errno.h>
#include <seccomp.h>

DEFINE_AUTO(filter, scmp_filter_ctx, NULL, seccomp_release)

static int action_of(const char *name, struct oci_u64 number, uint32_t *out, struct err *err)
{
	static const struct {
		const char *name;
		uint32_t action;
	} known[] = {
		{ "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW },
		{ "SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD },
		{ "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD },
		{ "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS },
		{ "SCMP_ACT_TRAP", SCMP_ACT_TRAP },
		{ "SCMP_ACT_LOG", SCMP_ACT_LOG },
	};
	uint64_t value = number.set ? number.v : EPERM;

	if (value > 0xffff)
		return err_set(err, E_INVALID, "seccomp errno %llu is above 65535",
			       (unsigned long long)value);
	if (str_eq(name, "SCMP_ACT_ERRNO")) {
		*out = SCMP_ACT_ERRNO((uint32_t)value);
		return 0;
	}
	if (str_eq(name, "SCMP_ACT_TRACE")) {
		*out = SCMP_ACT_TRACE((uint32_t)value);
		return 0;
	}
	if (str_eq(name, "SCMP_ACT_NOTIFY"))
		return err_set(err, E_UNSUPPORTED,
			       "seccomp action SCMP_ACT_NOTIFY is not supported: there is no "
			       "listener in the guest");
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (str_eq(known[i].name, name)) {
			*out = known[i].action;
			return 0;
		}
	}
	return err_set(err, E_INVALID, "unknown seccomp action '%s'", name ? name : "");
}

static int operator_of(const char *name, enum scmp_compare *out, struct err *err)
{
	static const struct {
		const char *name;
		enum scmp_compare op;
	} known[] = {
		{ "SCMP_CMP_NE", SCMP_CMP_NE },
		{ "SCMP_CMP_LT", SCMP_CMP_LT },
		{ "SCMP_CMP_LE", SCMP_CMP_LE },
		{ "SCMP_CMP_EQ", SCMP_CMP_EQ },
		{ "SCMP_CMP_GE", SCMP_CMP_GE },
		{ "SCMP_CMP_GT", SCMP_CMP_GT },
		{ "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (str_eq(known[i].name, name)) {
			*out = known[i].op;
			return 0;
		}
	}
	return err_set(err, E_INVALID, "unknown seccomp operator '%s'", name ? name : "");
}

static int add_arches(scmp_filter_ctx filter, const struct oci_seccomp *s, struct err *err)
{
	strv_each(name, s->architectures) {
		AUTO(str) char *lower = xstrdup(*name);
		uint32_t arch;
		int rc;

		if (!str_starts(lower, "SCMP_ARCH_"))
			return err_set(err, E_INVALID, "unknown seccomp architecture '%s'", *name);
		for (char *p = lower; *p; p++)
			*p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
		arch = seccomp_arch_resolve_name(lower + strlen("SCMP_ARCH_"));
		if (!arch)
			return err_set(err, E_INVALID, "unknown seccomp architecture '%s'", *name);
		rc = seccomp_arch_add(filter, arch);
		if (rc < 0 && rc != -EEXIST) {
			errno = -rc;
			return err_sys(err, "seccomp architecture %s", *name);
		}
	}
	return 0;
}

static int set_flags(scmp_filter_ctx filter, const struct oci_seccomp *s, struct err *err)
{
	strv_each(name, s->flags) {
		int rc = 0;

		if (str_eq(*name, "SECCOMP_FILTER_FLAG_TSYNC"))
			rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
		else if (str_eq(*name, "SECCOMP_FILTER_FLAG_LOG"))
			rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
		else if (str_eq(*name, "SECCOMP_FILTER_FLAG_SPEC_ALLOW"))
			rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
		else
			return err_set(err, E_UNSUPPORTED, "seccomp flag '%s' is not supported",
				       *name);
		if (rc < 0) {
			errno = -rc;
			return err_sys(err, "seccomp flag %s", *name);
		}
	}
	return 0;
}

/*
 * One rule of a name. Several conditions on one argument cannot be in one rule of the kernel's
 * filter: they are alternatives then, as other runtimes have it.
 */
static int add_rule(scmp_filter_ctx filter, const struct oci_syscall *r, uint32_t action, int nr,
		    struct err *err)
{
	struct scmp_arg_cmp args[6];
	unsigned seen = 0;
	bool repeated = false;
	int rc = 0;

	if (r->n_args > ARRAY_LEN(args))
		return err_set(err, E_INVALID, "%zu seccomp conditions, at most 6", r->n_args);
	for (size_t i = 0; i < r->n_args; i++) {
		const struct oci_seccomp_arg *a = &r->args[i];
		enum scmp_compare op = SCMP_CMP_EQ;

		if (a->index > 5)
			return err_set(err, E_INVALID, "seccomp argument %u, at most 5", a->index);
		if (operator_of(a->op, &op, err) < 0)
			return -1;
		repeated |= (seen & 1U << a->index) != 0;
		seen |= 1U << a->index;
		args[i] = (struct scmp_arg_cmp){ a->index, op, a->value, a->value_two };
	}
	if (repeated) {
		for (size_t i = 0; i < r->n_args && rc == 0; i++)
			rc = seccomp_rule_add_array(filter, action, nr, 1, &args[i]);
	} else {
		rc = seccomp_rule_add_array(filter, action, nr, (unsigned)r->n_args, args);
	}
	if (rc < 0 && rc != -EEXIST) {
		errno = -rc;
		return err_sys(err, "add a seccomp rule");
	}
	return 0;
}

static int add_rules(scmp_filter_ctx filter, const struct oci_syscall *r, uint32_t fallback,
		     struct err *err)
{
	uint32_t action;

	if (action_of(r->action, r->errno_ret, &action, err) < 0)
		return -1;
	if (action == fallback)
		return 0; /* libseccomp refuses rules that change nothing */
	strv_each(name, r->names) {
		int nr = seccomp_syscall_resolve_name(*name);

		if (nr == __NR_SCMP_ERROR)
			log_debug("seccomp: unknown system call skipped", LOG_S("name", *name));
		else if (add_rule(filter, r, action, nr, err) < 0)
			return err_wrap(err, "system call %s", *name);
	}
	return 0;
}

int seccomp_apply(const struct oci_seccomp *s, struct err *err)
{
	AUTO(filter) scmp_filter_ctx filter = NULL;
	uint32_t fallback;
	int rc;

	if (!str_empty(s->listener_path))
		return err_set(err, E_UNSUPPORTED, "seccomp.listenerPath is not supported");
	if (action_of(s->default_action, s->default_errno_ret, &fallback, err) < 0)
		return -1;
	filter = seccomp_init(fallback);
	if (!filter)
		return err_set(err, E_INVALID, "seccomp default action '%s'", s->default_action);
	/* Whether no_new_privs is set is the specification's business, not the filter's. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
	if (add_arches(filter, s, err) < 0 || set_flags(filter, s, err) < 0)
		return -1;
	for (size_t i = 0; i < s->n_syscalls; i++) {
		if (add_rules(filter, &s->syscalls[i], fallback, err) < 0)
			return -1;
	}
	rc = seccomp_load(filter);
	if (rc < 0) {
		errno = -rc;
		return err_sys(err, "load the seccomp filter");
	}
	return 0;
}
