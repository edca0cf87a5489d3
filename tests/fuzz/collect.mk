# SPDX-License-Identifier: Apache-2.0
$(eval $(call fuzzer,collect_mask_fuzz,tests/fuzz/collect_mask_fuzz.c utils/collect/mask.c,base))
