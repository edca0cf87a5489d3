// SPDX-License-Identifier: Apache-2.0
/*
 * Device rules of cgroup v2: a BPF program that the kernel runs for each open and mknod. The last
 * rule that applies decides, so the program looks at them from the last to the first; if none
 * applies the access is granted, as in a new group of cgroup v1.
 */

#include "base/bpf.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "container/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { RULES_MAX = 256 };

/* Registers of the program: R2 type, R3 access bits, R4 major, R5 minor; R1 is scratch. */

struct program {
	VEC(struct bpf_insn) v;
};

static void emit(struct program *p, struct bpf_insn insn)
{
	vec_push(&p->v, insn);
}

/* struct bpf_cgroup_dev_ctx { u32 access_type; u32 major; u32 minor; } */
static void load_request(struct program *p)
{
	emit(p, BPF_INSN(BPF_LDX | BPF_W | BPF_MEM, BPF_REG_2, BPF_REG_1, 0, 0));
	emit(p, BPF_INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_2, 0, 0));
	emit(p, BPF_INSN(BPF_ALU | BPF_AND | BPF_K, BPF_REG_2, 0, 0, 0xffff));
	emit(p, BPF_INSN(BPF_ALU | BPF_RSH | BPF_K, BPF_REG_3, 0, 0, 16));
	emit(p, BPF_INSN(BPF_LDX | BPF_W | BPF_MEM, BPF_REG_4, BPF_REG_1, 4, 0));
	emit(p, BPF_INSN(BPF_LDX | BPF_W | BPF_MEM, BPF_REG_5, BPF_REG_1, 8, 0));
}

static int access_bits(const char *access, int *out, struct err *err)
{
	*out = 0;
	for (const char *a = str_empty(access) ? "rwm" : access; *a; a++) {
		if (*a == 'r')
			*out |= BPF_DEVCG_ACC_READ;
		else if (*a == 'w')
			*out |= BPF_DEVCG_ACC_WRITE;
		else if (*a == 'm')
			*out |= BPF_DEVCG_ACC_MKNOD;
		else
			return err_set(err, E_INVALID, "device access '%s'", access);
	}
	return 0;
}

static int device_type(const char *type, int *out, struct err *err)
{
	if (str_empty(type) || str_eq(type, "a"))
		*out = 0;
	else if (str_eq(type, "b"))
		*out = BPF_DEVCG_DEV_BLOCK;
	else if (str_eq(type, "c"))
		*out = BPF_DEVCG_DEV_CHAR;
	else
		return err_set(err, E_INVALID, "device rule of type '%s'", type);
	return 0;
}

static int64_t number(struct oci_i64 n)
{
	return n.set && n.v >= 0 ? n.v : -1;
}

static bool same_devices(const struct oci_device_rule *a, const struct oci_device_rule *b)
{
	return str_eq(a->type, b->type) && number(a->major) == number(b->major) &&
	       number(a->minor) == number(b->minor);
}

/* The access that the last of these rules decides about. As in cgroup v1 rules that allow access to
 * the same devices add up, so that one for "r" and one for "w" allow to open for both. */
static int access_of(const struct oci_device_rule *rules, size_t n, int *out, struct err *err)
{
	const struct oci_device_rule *last = &rules[n - 1];
	int more;

	if (access_bits(last->access, out, err) < 0)
		return -1;
	for (size_t i = n - 1; last->allow && i-- > 0 && rules[i].allow;) {
		if (!same_devices(&rules[i], last))
			continue;
		if (access_bits(rules[i].access, &more, err) < 0)
			return -1;
		*out |= more;
	}
	return 0;
}

/*
 * Emits the last of these rules, which is skipped if it does not apply. An allowing rule applies if
 * it grants all the access that is requested, a denying rule if it forbids any of it. Returns 1 if
 * the rule applies to every request, else 0.
 */
static int emit_rule(struct program *p, const struct oci_device_rule *rules, size_t n_rules,
		     struct err *err)
{
	const struct oci_device_rule *r = &rules[n_rules - 1];
	int type = 0, access = 0;
	size_t jumps[4], n = 0;

	if (device_type(r->type, &type, err) < 0 || access_of(rules, n_rules, &access, err) < 0)
		return -1;
	if (type) {
		jumps[n++] = p->v.n;
		emit(p, BPF_INSN(BPF_JMP | BPF_JNE | BPF_K, BPF_REG_2, 0, 0, type));
	}
	if (access != (BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE | BPF_DEVCG_ACC_MKNOD)) {
		emit(p, BPF_INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_1, BPF_REG_3, 0, 0));
		emit(p, BPF_INSN(BPF_ALU | BPF_AND | BPF_K, BPF_REG_1, 0, 0, access));
		jumps[n++] = p->v.n;
		if (r->allow)
			emit(p, BPF_INSN(BPF_JMP | BPF_JNE | BPF_X, BPF_REG_1, BPF_REG_3, 0, 0));
		else
			emit(p, BPF_INSN(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_1, 0, 0, 0));
	}
	if (type && number(r->major) >= 0) {
		jumps[n++] = p->v.n;
		emit(p, BPF_INSN(BPF_JMP | BPF_JNE | BPF_K, BPF_REG_4, 0, 0, (int)r->major.v));
	}
	if (type && number(r->minor) >= 0) {
		jumps[n++] = p->v.n;
		emit(p, BPF_INSN(BPF_JMP | BPF_JNE | BPF_K, BPF_REG_5, 0, 0, (int)r->minor.v));
	}
	emit(p, BPF_INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, r->allow ? 1 : 0));
	emit(p, BPF_INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
	for (size_t i = 0; i < n; i++)
		p->v.v[jumps[i]].off = (short)(p->v.n - jumps[i] - 1);
	return n == 0;
}

struct bpf_insn *cgroup_bpf_program(const struct oci_device_rule *rules, size_t n_rules, size_t *n,
				    struct err *err)
{
	struct program p = { VEC_INIT };
	int decided = 0;

	if (n_rules > RULES_MAX) {
		err_set(err, E_LIMIT, "more than %d device rules", RULES_MAX);
		return NULL;
	}
	load_request(&p);
	/* The verifier rejects unreachable instructions, so a rule that always applies is the
	 * last. */
	for (size_t i = n_rules; i > 0 && !decided; i--) {
		decided = emit_rule(&p, rules, i, err);
		if (decided < 0) {
			vec_release(&p.v);
			return NULL;
		}
	}
	if (!decided) {
		emit(&p, BPF_INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 1));
		emit(&p, BPF_INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
	}
	*n = p.v.n;
	return p.v.v;
}

int cgroup_bpf_attach(const char *folder, const struct oci_device_rule *rules, size_t n_rules,
		      int old, struct err *err)
{
	size_t n;
	AUTO(mem) struct bpf_insn *insns = cgroup_bpf_program(rules, n_rules, &n, err);
	union bpf_attr attr;

	if (!insns)
		return -1;
	AUTO(fd) int program = bpf_load(BPF_PROG_TYPE_CGROUP_DEVICE, 0, insns, n, err);
	if (program < 0)
		return err_wrap(err, "device rules");
	AUTO(fd) int group = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (group < 0)
		return err_sys(err, "open %s", folder);
	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)group;
	attr.attach_bpf_fd = (uint32_t)program;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI | (old >= 0 ? BPF_F_REPLACE : 0);
	attr.replace_bpf_fd = old >= 0 ? (uint32_t)old : 0;
	if (bpf_call(BPF_PROG_ATTACH, &attr) < 0)
		return err_sys(err, "attach the device program to %s", folder);
	return STEAL(program, -1);
}
