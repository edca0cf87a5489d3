# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,network_test,tests/unit/network_test.c $(sort $(wildcard runtime/network/*.c)),netlink base))
$(eval $(call unit_test,forward_test,tests/unit/forward_test.c runtime/network/forward.c runtime/network/netns.c,netlink base))
