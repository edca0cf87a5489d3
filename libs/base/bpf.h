// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Programs for the kernel's BPF machine, written instruction by instruction, and the system call
 * that loads them. The formats are those of <linux/bpf.h>.
 *
 *	const struct bpf_insn insns[] = {
 *		BPF_INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 1),
 *		BPF_INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
 *	};
 *	fd = bpf_load(BPF_PROG_TYPE_CGROUP_DEVICE, 0, insns, ARRAY_LEN(insns), err);
 */

#include "base/err.h"

#include <linux/bpf.h>
#include <stddef.h>

#define BPF_INSN(c, d, s, o, i) \
	((struct bpf_insn){     \
		.code = (c), .dst_reg = (d), .src_reg = (s), .off = (short)(o), .imm = (i) })

/* bpf(2). The kernel reads all of *attr: clear it with memset, since an initializer covers the
 * first member of the union only. */
long bpf_call(int command, union bpf_attr *attr);

/* Loads a program of the given type for the given type of attachment (0 if the program type has
 * only one). Returns an fd. */
MUST_CHECK int bpf_load(unsigned type, unsigned attach_type, const struct bpf_insn *insns, size_t n,
			struct err *err);
