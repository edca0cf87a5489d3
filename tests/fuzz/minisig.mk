# SPDX-License-Identifier: Apache-2.0
$(eval $(call fuzzer,minisig_fuzz,tests/fuzz/minisig_fuzz.c,crypto base))
