# SPDX-License-Identifier: Apache-2.0
$(eval $(call fuzzer,json_fuzz,tests/fuzz/json_fuzz.c,json))
