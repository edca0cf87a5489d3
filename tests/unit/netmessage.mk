# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,netmessage_test,tests/unit/netmessage_test.c,netmessage netlink protocols base))
