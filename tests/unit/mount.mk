# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,mount_test,tests/unit/mount_test.c,mount base))
