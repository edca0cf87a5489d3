# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,netlink_test,tests/unit/netlink_test.c,netlink base))
