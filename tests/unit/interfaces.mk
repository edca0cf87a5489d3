# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,interfaces_test,tests/unit/interfaces_test.c runtime/sandbox/interfaces.c,netmessage netlink protocols base))
