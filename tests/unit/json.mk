# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,json_test,tests/unit/json_test.c,json base))
