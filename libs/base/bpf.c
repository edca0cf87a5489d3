// SPDX-License-Identifier: Apache-2.0
/* bpf(2), which libc has no function for. */

#include "base/bpf.h"

#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

long bpf_call(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

int bpf_load(unsigned type, unsigned attach_type, const struct bpf_insn *insns, size_t n,
	     struct err *err)
{
	union bpf_attr attr;
	long fd;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = type;
	attr.expected_attach_type = attach_type;
	attr.insns = (uint64_t)(uintptr_t)insns;
	attr.insn_cnt = (uint32_t)n;
	attr.license = (uint64_t)(uintptr_t) "Apache-2.0";
	fd = bpf_call(BPF_PROG_LOAD, &attr);
	return fd < 0 ? err_sys(err, "load a BPF program") : (int)fd;
}
