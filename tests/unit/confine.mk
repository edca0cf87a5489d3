# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,confine_test,tests/unit/confine_test.c,confine))
