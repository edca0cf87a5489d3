# SPDX-License-Identifier: Apache-2.0
#
# Scenario files: given a node, run kata-deploy, expect a result. scenario.c describes their format.
$(eval $(call link_rule,scenario,tests/scenario/scenario.c tests/scenario/around.c tests/unit/web_lab.c tests/crash/tree.c,base json yaml crypto,tests,-pie))

SCENARIOS ?= $(sort $(wildcard tests/scenario/cases/*.yaml))
SCENARIO_SCRIPTS := few-fds other-root two-managers clients holders signals not-running timer pause node-lock
SCENARIO_EACH := check-scenario-cases $(SCENARIO_SCRIPTS:%=check-scenario-%)
.PHONY: check-scenario $(SCENARIO_EACH)
check-scenario: $(SCENARIO_EACH) ## run the scenarios of kata-deploy

check-scenario-cases: $(BUILD)/tests/scenario $(BUILD)/bin/kata-deploy $(BUILD)/bin/kata-manager
	@$(BUILD)/tests/scenario $(BUILD)/bin/kata-deploy $(SCENARIOS)

$(SCENARIO_SCRIPTS:%=check-scenario-%): check-scenario-%: $(BUILD)/bin/kata-deploy $(BUILD)/bin/kata-manager
	@tests/scenario/$*.sh $(BUILD)/bin/kata-deploy
