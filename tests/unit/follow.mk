# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,follow_test,tests/unit/follow_test.c runtime/sandbox/follow.c runtime/sandbox/record.c $(sort $(wildcard runtime/network/*.c)) runtime/device/volume.c runtime/host/cgroup.c runtime/host/user.c,container mount dbus netlink ttrpc protocols crypto json loop base))
