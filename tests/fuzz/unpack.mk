# SPDX-License-Identifier: Apache-2.0
$(eval $(call fuzzer,unpack_fuzz,tests/fuzz/unpack_fuzz.c tests/unit/tar_lab.c,archive crypto))
