# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,hook_test,tests/unit/hook_test.c,hook json oci base))
