# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,yaml_test,tests/unit/yaml_test.c,yaml json base))
