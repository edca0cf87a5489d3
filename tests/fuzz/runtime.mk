# SPDX-License-Identifier: Apache-2.0
$(eval $(call fuzzer,runtime_options_fuzz,tests/fuzz/runtime_options_fuzz.c,protocols base))
$(eval $(call fuzzer,config_fuzz,tests/fuzz/config_fuzz.c $(wildcard runtime/config/*.c),crypto toml base))
$(eval $(call fuzzer,image_fuzz,tests/fuzz/image_fuzz.c runtime/config/image.c,base))
