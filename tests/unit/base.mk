# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,base_test,tests/unit/base_test.c,base))
$(eval $(call unit_test,tree_test,tests/unit/tree_test.c,base))
$(eval $(call unit_test,diff_test,tests/unit/diff_test.c,base))
