# SPDX-License-Identifier: Apache-2.0
$(eval $(call fuzzer,toml_fuzz,tests/fuzz/toml_fuzz.c,toml))
$(eval $(call fuzzer,toml_edit_fuzz,tests/fuzz/toml_edit_fuzz.c,toml))
