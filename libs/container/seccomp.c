// SPDX-License-Identifier: Apache-2.0
/*
 * The specification's seccomp section as a filter. System calls unknown to libseccomp are left out
 * with a debug message, as other runtimes do: profiles list calls of other architectures.
 */

#include "base/mem.h"
#include "base/str.h"
#include "container/init.h"
#include "container/wire.h"

#include <errno.h>
#include <seccomp.h>

struct seccomp_filter {
	scmp_filter_ctx ctx;
};

static int action_parse(const char *name, const struct oci_u64 *ret, uint32_t *out, struct err *err)
{
	uint16_t value = (uint16_t)(ret->set ? ret->v : EPERM);
	const struct {
		const char *name;
		uint32_t action;
	} actions[] = {
		{ "SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD },
		{ "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD },
		{ "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS },
		{ "SCMP_ACT_TRAP", SCMP_ACT_TRAP },
		{ "SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(value) },
		{ "SCMP_ACT_TRACE", SCMP_ACT_TRACE(value) },
		{ "SCMP_ACT_LOG", SCMP_ACT_LOG },
		{ "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW },
	};

	if (ret->set && ret->v > 4095)
		return err_set(err, E_INVALID, "seccomp errnoRet above 4095");
	if (str_eq(name, "SCMP_ACT_NOTIFY"))
		return err_set(err, E_UNSUPPORTED, "seccomp notification is not supported");
	for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
		if (str_eq(name, actions[i].name)) {
			*out = actions[i].action;
			return 0;
		}
	}
	return err_set(err, E_INVALID, "unknown seccomp action '%s'", name ? name : "");
}

static int arch_parse(const char *name, uint32_t *out, struct err *err)
{
	static const struct {
		const char *name;
		uint32_t arch;
	} archs[] = {
		{ "SCMP_ARCH_NATIVE", SCMP_ARCH_NATIVE },
		{ "SCMP_ARCH_X86", SCMP_ARCH_X86 },
		{ "SCMP_ARCH_X86_64", SCMP_ARCH_X86_64 },
		{ "SCMP_ARCH_X32", SCMP_ARCH_X32 },
		{ "SCMP_ARCH_ARM", SCMP_ARCH_ARM },
		{ "SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64 },
		{ "SCMP_ARCH_MIPS", SCMP_ARCH_MIPS },
		{ "SCMP_ARCH_MIPS64", SCMP_ARCH_MIPS64 },
		{ "SCMP_ARCH_MIPS64N32", SCMP_ARCH_MIPS64N32 },
		{ "SCMP_ARCH_MIPSEL", SCMP_ARCH_MIPSEL },
		{ "SCMP_ARCH_MIPSEL64", SCMP_ARCH_MIPSEL64 },
		{ "SCMP_ARCH_MIPSEL64N32", SCMP_ARCH_MIPSEL64N32 },
		{ "SCMP_ARCH_PPC", SCMP_ARCH_PPC },
		{ "SCMP_ARCH_PPC64", SCMP_ARCH_PPC64 },
		{ "SCMP_ARCH_PPC64LE", SCMP_ARCH_PPC64LE },
		{ "SCMP_ARCH_S390", SCMP_ARCH_S390 },
		{ "SCMP_ARCH_S390X", SCMP_ARCH_S390X },
		{ "SCMP_ARCH_PARISC", SCMP_ARCH_PARISC },
		{ "SCMP_ARCH_PARISC64", SCMP_ARCH_PARISC64 },
		{ "SCMP_ARCH_RISCV64", SCMP_ARCH_RISCV64 },
	};

	for (size_t i = 0; i < ARRAY_LEN(archs); i++) {
		if (str_eq(name, archs[i].name)) {
			*out = archs[i].arch;
			return 0;
		}
	}
	return err_set(err, E_INVALID, "unknown seccomp architecture '%s'", name);
}

static int arg_parse(const struct oci_seccomp_arg *a, struct scmp_arg_cmp *out, struct err *err)
{
	static const struct {
		const char *name;
		enum scmp_compare op;
	} ops[] = {
		{ "SCMP_CMP_NE", SCMP_CMP_NE }, { "SCMP_CMP_LT", SCMP_CMP_LT },
		{ "SCMP_CMP_LE", SCMP_CMP_LE }, { "SCMP_CMP_EQ", SCMP_CMP_EQ },
		{ "SCMP_CMP_GE", SCMP_CMP_GE }, { "SCMP_CMP_GT", SCMP_CMP_GT },
	};

	if (a->index > 5)
		return err_set(err, E_INVALID, "seccomp argument %u", a->index);
	*out = (struct scmp_arg_cmp){ .arg = a->index, .datum_a = a->value };
	if (str_eq(a->op, "SCMP_CMP_MASKED_EQ")) {
		out->op = SCMP_CMP_MASKED_EQ;
		out->datum_b = a->value_two;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		if (str_eq(a->op, ops[i].name)) {
			out->op = ops[i].op;
			return 0;
		}
	}
	return err_set(err, E_INVALID, "unknown seccomp comparison '%s'", a->op ? a->op : "");
}

/* Conditions on different arguments must all hold; if an argument is named twice, any may hold and
 * each is a rule of its own, as other runtimes have it. */
static bool args_repeat(const struct oci_syscall *s)
{
	unsigned seen = 0;

	for (size_t i = 0; i < s->n_args; i++) {
		if (seen & 1U << s->args[i].index)
			return true;
		seen |= 1U << s->args[i].index;
	}
	return false;
}

static int rule_add(scmp_filter_ctx ctx, const char *name, uint32_t action, unsigned n,
		    const struct scmp_arg_cmp *cmp, struct err *err)
{
	int number = seccomp_syscall_resolve_name(name);
	int r = seccomp_rule_add_array(ctx, action, number, n, cmp);

	/* A call that one of the architectures lacks, or a rule that is there already. */
	if (r == 0 || r == -EDOM || r == -EEXIST)
		return 0;
	errno = -r;
	return err_sys(err, "seccomp rule for %s", name);
}

static int syscall_add(const struct init *in, scmp_filter_ctx ctx, const struct oci_syscall *s,
		       uint32_t default_action, struct err *err)
{
	struct scmp_arg_cmp cmp[6];
	uint32_t action;
	bool separately;

	if (action_parse(s->action, &s->errno_ret, &action, err) < 0)
		return -1;
	if (s->n_args > ARRAY_LEN(cmp))
		return err_set(err, E_LIMIT, "more than 6 seccomp arguments");
	for (size_t i = 0; i < s->n_args; i++) {
		if (arg_parse(&s->args[i], &cmp[i], err) < 0)
			return -1;
	}
	if (action == default_action)
		return 0; /* libseccomp refuses rules that change nothing */
	separately = args_repeat(s);
	strv_each(name, s->names) {
		if (seccomp_syscall_resolve_name(*name) == __NR_SCMP_ERROR) {
			wire_note(in->sock, "seccomp: unknown system call %s", *name);
			continue;
		}
		if (!separately && rule_add(ctx, *name, action, (unsigned)s->n_args, cmp, err) < 0)
			return -1;
		for (size_t i = 0; separately && i < s->n_args; i++) {
			if (rule_add(ctx, *name, action, 1, &cmp[i], err) < 0)
				return -1;
		}
	}
	return 0;
}

static int flags_set(scmp_filter_ctx ctx, char *const *flags, struct err *err)
{
	strv_each(flag, flags) {
		enum scmp_filter_attr attr;

		if (str_eq(*flag, "SECCOMP_FILTER_FLAG_TSYNC"))
			attr = SCMP_FLTATR_CTL_TSYNC;
		else if (str_eq(*flag, "SECCOMP_FILTER_FLAG_LOG"))
			attr = SCMP_FLTATR_CTL_LOG;
		else if (str_eq(*flag, "SECCOMP_FILTER_FLAG_SPEC_ALLOW"))
			attr = SCMP_FLTATR_CTL_SSB;
		else if (str_eq(*flag, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"))
			continue; /* has a meaning only with notification */
		else
			return err_set(err, E_INVALID, "unknown seccomp flag '%s'", *flag);
		if (seccomp_attr_set(ctx, attr, 1) != 0)
			return err_set(err, E_UNSUPPORTED, "seccomp flag %s", *flag);
	}
	return 0;
}

static int archs_add(scmp_filter_ctx ctx, char *const *archs, struct err *err)
{
	strv_each(name, archs) {
		uint32_t arch = 0;
		int r;

		if (arch_parse(*name, &arch, err) < 0)
			return -1;
		r = seccomp_arch_add(ctx, arch);
		if (r != 0 && r != -EEXIST)
			return err_set(err, E_UNSUPPORTED, "seccomp architecture %s", *name);
	}
	return 0;
}

static int filter_fill(const struct init *in, scmp_filter_ctx ctx, uint32_t default_action,
		       struct err *err)
{
	const struct oci_seccomp *s = in->spec->linux_.seccomp;

	/* no_new_privs is the specification's to set, not the library's. */
	if (seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0) != 0)
		return err_set(err, E_UNSUPPORTED, "seccomp without no_new_privs");
	/* A binary tree is faster from a few dozen calls on. Older libraries lack it; it only
	 * affects speed.
	 */
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (archs_add(ctx, s->architectures, err) < 0 || flags_set(ctx, s->flags, err) < 0)
		return -1;
	for (size_t i = 0; i < s->n_syscalls; i++) {
		if (syscall_add(in, ctx, &s->syscalls[i], default_action, err) < 0)
			return -1;
	}
	return 0;
}

int seccomp_build(const struct init *in, struct seccomp_filter **filter, struct err *err)
{
	const struct oci_seccomp *s = in->spec->linux_.seccomp;
	uint32_t action;
	scmp_filter_ctx ctx;

	*filter = NULL;
	if (!s || !in->seccomp)
		return 0;
	if (!str_empty(s->listener_path))
		return err_set(err, E_UNSUPPORTED, "seccomp listenerPath is not supported");
	if (action_parse(s->default_action, &s->default_errno_ret, &action, err) < 0)
		return -1;
	ctx = seccomp_init(action);
	if (!ctx)
		return err_set(err, E_FAILED, "make a seccomp filter");
	if (filter_fill(in, ctx, action, err) < 0) {
		seccomp_release(ctx);
		return -1;
	}
	*filter = NEW(struct seccomp_filter);
	(*filter)->ctx = ctx;
	return 0;
}

int seccomp_install(struct seccomp_filter *filter, struct err *err)
{
	int r = filter ? seccomp_load(filter->ctx) : 0;

	if (r == 0)
		return 0;
	errno = -r;
	return err_sys(err, "load the seccomp filter");
}
