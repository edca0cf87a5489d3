# SPDX-License-Identifier: Apache-2.0
BOOT_PARTS := $(filter-out runtime/shim/% runtime/cli/%,$(sort $(wildcard runtime/*/*.c runtime/*/*/*.c)))
$(eval $(call unit_test,boot_test,tests/unit/boot_test.c $(BOOT_PARTS),base loop json toml oci hook mount container dbus netlink netmessage ttrpc protocols crypto))
