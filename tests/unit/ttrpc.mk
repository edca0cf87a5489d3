# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,ttrpc_test,tests/unit/ttrpc_test.c,ttrpc loop protocols base))
