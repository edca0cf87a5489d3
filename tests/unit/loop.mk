# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,loop_test,tests/unit/loop_test.c,loop base))
