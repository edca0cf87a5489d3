# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,mount_test,tests/unit/mount_test.c,mount base))
$(eval $(call unit_test,hook_test,tests/unit/hook_test.c,hook oci base))
$(eval $(call unit_test,container_test,tests/unit/container_test.c,container mount oci json base))
$(eval $(call unit_test,container_plain_test,tests/unit/container_plain_test.c,container mount hook oci json base))
$(eval $(call unit_test,terminal_test,tests/unit/terminal_test.c,base))
$(eval $(call unit_test,guest_kernel_test,tests/unit/guest_kernel_test.c,base))
$(eval $(call unit_test,cgroup_test,tests/unit/cgroup_test.c,container mount hook oci json base))
