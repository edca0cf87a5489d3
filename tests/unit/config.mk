# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,config_test,tests/unit/config_test.c $(sort $(wildcard runtime/config/*.c)),crypto toml base))
