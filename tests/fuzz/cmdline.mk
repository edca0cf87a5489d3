# SPDX-License-Identifier: Apache-2.0
$(eval $(call fuzzer,cmdline_fuzz,tests/fuzz/cmdline_fuzz.c agent/settings.c,base))
