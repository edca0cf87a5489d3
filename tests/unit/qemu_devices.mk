# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,qemu_devices_test,tests/unit/qemu_devices_test.c runtime/vmm/qemu/devices.c,base))
