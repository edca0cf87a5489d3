# SPDX-License-Identifier: Apache-2.0
$(eval $(call fuzzer,diff_fuzz,tests/fuzz/diff_fuzz.c,base))
