# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,image_test,tests/unit/image_test.c,image archive json base))
