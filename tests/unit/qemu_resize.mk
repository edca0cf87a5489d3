# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,qemu_resize_test,tests/unit/qemu_resize_test.c tests/unit/qmp_lab.c runtime/vmm/qemu/resize.c runtime/vmm/qemu/qmp.c runtime/vmm/qemu/cmdline.c runtime/vmm/qemu/tsc.c,json loop base))
