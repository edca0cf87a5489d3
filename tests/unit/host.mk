# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,host_test,tests/unit/host_test.c $(sort $(wildcard runtime/host/*.c)),container mount dbus base))
