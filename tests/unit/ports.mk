# SPDX-License-Identifier: Apache-2.0

# The shim's side of forwarded ports with the real agent.
PORTS_PARTS := $(filter-out runtime/shim/% runtime/cli/%,$(sort $(wildcard runtime/*/*.c runtime/*/*/*.c)))
$(eval $(call unit_test,ports_test,tests/unit/ports_test.c tests/unit/agent_lab.c $(PORTS_PARTS),base loop json toml oci hook mount container dbus netlink netmessage ttrpc protocols crypto))
$(BUILD)/tests/ports_test: | $(BUILD)/bin/kata-agent
