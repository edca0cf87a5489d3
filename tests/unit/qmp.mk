# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,qmp_test,tests/unit/qmp_test.c tests/unit/qmp_lab.c runtime/vmm/qemu/qmp.c,json loop base))
