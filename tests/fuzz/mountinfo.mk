# SPDX-License-Identifier: Apache-2.0
$(eval $(call fuzzer,mountinfo_fuzz,tests/fuzz/mountinfo_fuzz.c,mount))
