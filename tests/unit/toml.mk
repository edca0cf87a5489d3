# SPDX-License-Identifier: Apache-2.0
#
# toml-decode is for public test suites: it turns TOML into the typed JSON that they compare.
TESTS_TOOLS += $(BUILD)/tests/toml-decode
$(eval $(call link_rule,toml-decode,tests/toml-decode.c,toml,tests,-pie))
$(eval $(call unit_test,toml_parse_test,tests/unit/toml_parse_test.c,toml))
$(eval $(call unit_test,toml_get_test,tests/unit/toml_get_test.c,toml))
$(eval $(call unit_test,toml_edit_test,tests/unit/toml_edit_test.c,toml))
