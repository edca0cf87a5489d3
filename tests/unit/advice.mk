# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,advice_test,tests/unit/advice_test.c,base cli))
