# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,sizing_test,tests/unit/sizing_test.c runtime/sandbox/sizing.c,oci json base))
