// SPDX-License-Identifier: Apache-2.0
/*
 * The specification's seccomp section as a filter. System calls unknown to libseccomp are left out
 * with a debug message, as other runtimes do: profiles list calls of other architectures.
 *
 * A profile lists what is allowed, and is older than the C library of some image. A new system call
 * that the library tries first must then fail with ENOSYS, on which it falls back to an older one,
 * and not with the EPERM of what the profile denies. So, as with runc, what is beyond the last call
 * that the profile names fails with ENOSYS. libseccomp has no rules for numbers; the instructions
 * for that are put before those that it makes.
 */

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "container/init.h"
#include "container/wire.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct seccomp_filter {
	struct sock_filter *insns;
	size_t n;
	unsigned flags;
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

static int flags_parse(char *const *flags, unsigned *out, struct err *err)
{
	*out = 0;
	strv_each(flag, flags) {
		if (str_eq(*flag, "SECCOMP_FILTER_FLAG_TSYNC"))
			*out |= SECCOMP_FILTER_FLAG_TSYNC;
		else if (str_eq(*flag, "SECCOMP_FILTER_FLAG_LOG"))
			*out |= SECCOMP_FILTER_FLAG_LOG;
		else if (str_eq(*flag, "SECCOMP_FILTER_FLAG_SPEC_ALLOW"))
			*out |= SECCOMP_FILTER_FLAG_SPEC_ALLOW;
		else if (!str_eq(*flag, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"))
			return err_set(err, E_INVALID, "unknown seccomp flag '%s'", *flag);
		/* else: has a meaning only with notification */
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

	/* A binary tree is faster from a few dozen calls on. Older libraries lack it; it only
	 * affects speed.
	 */
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (archs_add(ctx, s->architectures, err) < 0)
		return -1;
	for (size_t i = 0; i < s->n_syscalls; i++) {
		if (syscall_add(in, ctx, &s->syscalls[i], default_action, err) < 0)
			return -1;
	}
	return 0;
}

/* --- system calls beyond those that the profile names --- */

/* On x86_64 the numbers of x32 have this bit. */
#define X32_BIT 0x40000000U

enum { ARCHS_MAX = 32, BLOCK = 7 };

struct beyond {
	struct {
		uint32_t arch;
		uint32_t last;     /* number of the last call that the profile names */
		uint32_t last_x32; /* the same, of those with X32_BIT */
	} v[ARCHS_MAX];
	size_t n;
};

/* *last: the highest number that the profile names. False if it names none of that architecture. */
static bool find_last(const struct oci_seccomp *s, uint32_t arch, uint32_t *last)
{
	bool found = false;

	*last = 0;
	for (size_t i = 0; i < s->n_syscalls; i++) {
		strv_each(name, s->syscalls[i].names) {
			int number = seccomp_syscall_resolve_name_arch(arch, *name);

			/* Negative: there is none of that name. */
			if (number < 0)
				continue;
			found = true;
			*last = (uint32_t)number > *last ? (uint32_t)number : *last;
		}
	}
	return found;
}

static void add_arch(const struct oci_seccomp *s, scmp_filter_ctx ctx, uint32_t arch,
		     struct beyond *out)
{
	uint32_t last, last_x32;

	for (size_t i = 0; i < out->n; i++) {
		if (out->v[i].arch == arch)
			return;
	}
	if (out->n == ARCHS_MAX || !find_last(s, arch, &last))
		return;
	last_x32 = last;
	/* Without the x32 architecture the profile's own instructions refuse its numbers. */
	if (arch == SCMP_ARCH_X86_64 && (seccomp_arch_exist(ctx, SCMP_ARCH_X32) != 0 ||
					 !find_last(s, SCMP_ARCH_X32, &last_x32)))
		last_x32 = UINT32_MAX;
	out->v[out->n].arch = arch;
	out->v[out->n].last = last;
	out->v[out->n++].last_x32 = last_x32;
}

/* An empty list if the default action lets a call through, or is ENOSYS itself. */
static struct beyond find_beyond(const struct oci_seccomp *s, scmp_filter_ctx ctx)
{
	struct beyond out = { .n = 0 };

	if (str_eq(s->default_action, "SCMP_ACT_ALLOW") ||
	    str_eq(s->default_action, "SCMP_ACT_LOG") ||
	    str_eq(s->default_action, "SCMP_ACT_TRACE") ||
	    (s->default_errno_ret.set && s->default_errno_ret.v == ENOSYS))
		return out;
	add_arch(s, ctx, seccomp_arch_native(), &out);
	strv_each(name, s->architectures) {
		struct err checked = ERR_INIT;
		uint32_t arch;

		/* x32 calls have the architecture x86_64. */
		if (arch_parse(*name, &arch, &checked) == 0 && arch != SCMP_ARCH_NATIVE &&
		    arch != SCMP_ARCH_X32)
			add_arch(s, ctx, arch, &out);
	}
	return out;
}

#define LOAD(member) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, member))
#define IF(compare, value, yes, no) BPF_JUMP(BPF_JMP | BPF_K | (compare), value, yes, no)

/* Room for BLOCK instructions for each architecture, and one before them; returns how many. */
static size_t put_beyond(const struct beyond *b, struct sock_filter *to)
{
	size_t end = b->n ? 1 + BLOCK * b->n : 0;

	if (b->n)
		*to++ = (struct sock_filter)LOAD(arch);
	for (size_t i = 0; i < b->n; i++) {
		const struct sock_filter block[BLOCK] = {
			IF(BPF_JEQ, b->v[i].arch, 0, BLOCK - 1),
			LOAD(nr),
			IF(BPF_JGE, X32_BIT, 1, 0),
			IF(BPF_JGT, b->v[i].last, 2, 1),
			IF(BPF_JGT, b->v[i].last_x32, 1, 0),
			BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)(BLOCK * (b->n - i - 1) + 1)),
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		};

		memcpy(to, block, sizeof(block));
		to += BLOCK;
	}
	return end;
}

/* --- the whole filter --- */

/* An fd of a file with libseccomp's instructions. */
static int export(scmp_filter_ctx ctx, struct err *err)
{
	AUTO(fd) int fd = memfd_create("seccomp", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return err_sys(err, "make a seccomp filter");
	r = seccomp_export_bpf(ctx, fd);
	if (r == 0)
		return lseek(fd, 0, SEEK_SET) < 0 ? err_sys(err, "make a seccomp filter")
						  : STEAL(fd, -1);
	errno = -r;
	return err_sys(err, "make a seccomp filter");
}

static struct seccomp_filter *assemble(const struct oci_seccomp *s, scmp_filter_ctx ctx,
				       unsigned flags, struct err *err)
{
	const struct beyond beyond = find_beyond(s, ctx);
	AUTO(fd) int fd = export(ctx, err);
	struct seccomp_filter *filter;
	struct stat st;
	size_t own, size;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) < 0) {
		err_sys(err, "make a seccomp filter");
		return NULL;
	}
	size = (size_t)st.st_size;
	filter = NEW(struct seccomp_filter);
	filter->flags = flags;
	filter->insns = xcalloc(1 + BLOCK * ARCHS_MAX + size / sizeof(*filter->insns),
				sizeof(*filter->insns));
	own = put_beyond(&beyond, filter->insns);
	filter->n = own + size / sizeof(*filter->insns);
	if (read(fd, filter->insns + own, size) != (ssize_t)size)
		err_sys(err, "read the seccomp filter");
	else if (filter->n > BPF_MAXINSNS)
		err_set(err, E_LIMIT,
			"the seccomp profile needs %zu instructions; the kernel accepts %d",
			filter->n, BPF_MAXINSNS);
	if (!err->code)
		return filter;
	free(filter->insns);
	free(filter);
	return NULL;
}

int seccomp_build(const struct init *in, struct seccomp_filter **filter, struct err *err)
{
	const struct oci_seccomp *s = in->spec->linux_.seccomp;
	unsigned flags;
	uint32_t action;
	scmp_filter_ctx ctx;

	*filter = NULL;
	if (!s || !in->seccomp)
		return 0;
	if (!str_empty(s->listener_path))
		return err_set(err, E_UNSUPPORTED, "seccomp listenerPath is not supported");
	if (action_parse(s->default_action, &s->default_errno_ret, &action, err) < 0 ||
	    flags_parse(s->flags, &flags, err) < 0)
		return -1;
	ctx = seccomp_init(action);
	if (!ctx)
		return err_set(err, E_FAILED, "make a seccomp filter");
	if (filter_fill(in, ctx, action, err) == 0)
		*filter = assemble(s, ctx, flags, err);
	seccomp_release(ctx);
	return *filter ? 0 : -1;
}

int seccomp_install(struct seccomp_filter *filter, struct err *err)
{
	struct sock_fprog program;

	if (!filter)
		return 0;
	program = (struct sock_fprog){ (unsigned short)filter->n, filter->insns };
	/* 0, or with TSYNC the id of a thread that stands in the way. */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, filter->flags, &program) != 0)
		return err_sys(err, "load the seccomp filter");
	return 0;
}
