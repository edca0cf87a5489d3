# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,collect_mask_test,tests/unit/collect_mask_test.c utils/collect/mask.c,base))
