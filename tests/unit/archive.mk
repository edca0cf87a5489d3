# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,archive_unpack_test,tests/unit/archive_unpack_test.c tests/unit/tar_lab.c,archive crypto))
