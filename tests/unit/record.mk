# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,record_test,tests/unit/record_test.c runtime/sandbox/record.c $(sort $(wildcard runtime/network/*.c)) runtime/device/volume.c runtime/host/cgroup.c runtime/host/user.c,container mount dbus netlink crypto json base))
CFLAGS_tests_unit_record_test := -DRECORDS='"$(abspath tests/data/record)"'
