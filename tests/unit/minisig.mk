# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,minisig_test,tests/unit/minisig_test.c,crypto base))
