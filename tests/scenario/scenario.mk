# SPDX-License-Identifier: Apache-2.0
#
# Scenario files: given a node, run kata-deploy, expect a result. scenario.c describes their format.
.PHONY: check-scenario
$(eval $(call link_rule,scenario,tests/scenario/scenario.c tests/scenario/around.c tests/unit/web_lab.c tests/crash/tree.c,base json yaml crypto,tests,-pie))

SCENARIOS ?= $(sort $(wildcard tests/scenario/cases/*.yaml))
check-scenario: $(BUILD)/tests/scenario $(BUILD)/bin/kata-deploy $(BUILD)/bin/kata-manager ## run the scenarios of kata-deploy
	@$(BUILD)/tests/scenario $(BUILD)/bin/kata-deploy $(SCENARIOS)
	@tests/scenario/other-root.sh $(BUILD)/bin/kata-deploy
	@tests/scenario/two-managers.sh $(BUILD)/bin/kata-deploy
	@tests/scenario/clients.sh $(BUILD)/bin/kata-deploy
	@tests/scenario/few-fds.sh $(BUILD)/bin/kata-deploy
	@tests/scenario/holders.sh $(BUILD)/bin/kata-deploy
	@tests/scenario/signals.sh $(BUILD)/bin/kata-deploy
	@tests/scenario/not-running.sh $(BUILD)/bin/kata-deploy
	@tests/scenario/timer.sh $(BUILD)/bin/kata-deploy
	@tests/scenario/pause.sh $(BUILD)/bin/kata-deploy
	@tests/scenario/node-lock.sh $(BUILD)/bin/kata-deploy
