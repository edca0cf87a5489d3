# SPDX-License-Identifier: Apache-2.0
$(eval $(call fuzzer,yaml_fuzz,tests/fuzz/yaml_fuzz.c,yaml json base))
