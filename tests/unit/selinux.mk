# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,selinux_test,tests/unit/selinux_test.c runtime/vmm/selinux.c,base))
