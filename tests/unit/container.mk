# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,container_test,tests/unit/container_test.c,container mount hook oci json base))
