# SPDX-License-Identifier: Apache-2.0
$(eval $(call program,kata-manager,$(sort $(wildcard utils/manager/*.c)),base cli json))
$(eval $(call program,kata-collect-data,$(sort $(wildcard utils/collect/*.c)),base cli archive))

.PHONY: check-collect
check-collect: $(BUILD)/bin/kata-collect-data ## check what kata-collect-data collects, and that no secret is in it
	@tests/collect.sh $<
