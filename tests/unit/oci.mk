# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,oci_test,tests/unit/oci_test.c,oci json protocols base))
