# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,http_local_test,tests/unit/http_local_test.c,http))
