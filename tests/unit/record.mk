# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,record_test,tests/unit/record_test.c runtime/sandbox/record.c $(sort $(wildcard runtime/network/*.c)) runtime/host/cgroup.c,container netlink crypto json base))
