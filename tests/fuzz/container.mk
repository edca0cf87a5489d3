# SPDX-License-Identifier: Apache-2.0
$(eval $(call fuzzer,mountinfo_fuzz,tests/fuzz/mountinfo_fuzz.c,mount))
$(eval $(call fuzzer,cgroup_fuzz,tests/fuzz/cgroup_fuzz.c,container))
