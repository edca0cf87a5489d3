# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,cmdline_test,tests/unit/cmdline_test.c runtime/vmm/qemu/cmdline.c runtime/vmm/qemu/tsc.c runtime/vmm/probe.c,base))
