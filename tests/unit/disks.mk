# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,disks_test,tests/unit/disks_test.c runtime/device/disks.c runtime/device/swap.c,base))
$(eval $(call unit_test,devices_test,tests/unit/devices_test.c runtime/shim/devices.c runtime/share/storage.c $(addprefix runtime/device/,block.c loop.c volume.c),oci json ttrpc protocols loop mount base))
