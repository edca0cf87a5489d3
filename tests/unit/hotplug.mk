# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,hotplug_test,tests/unit/hotplug_test.c tests/unit/qmp_lab.c runtime/vmm/qemu/hotplug.c runtime/vmm/qemu/qmp.c,json loop base))
$(eval $(call unit_test,hotplug_qemu_test,tests/unit/hotplug_qemu_test.c runtime/vmm/qemu/hotplug.c runtime/vmm/qemu/qmp.c,json loop base))
