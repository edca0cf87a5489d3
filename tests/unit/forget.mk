# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,forget_test,tests/unit/forget_test.c agent/forget.c,loop base))
