# SPDX-License-Identifier: Apache-2.0

# The shim's side of forwarded ports with the real agent.
PORTS_PARTS := $(sort $(wildcard runtime/config/*.c runtime/vmm/*.c runtime/vmm/*/*.c runtime/share/*.c)) \
	runtime/network/forward.c runtime/network/netns.c runtime/sandbox/ports.c runtime/sandbox/vm.c \
	runtime/sandbox/lines.c
$(eval $(call unit_test,ports_test,tests/unit/ports_test.c tests/unit/agent_lab.c $(PORTS_PARTS),ttrpc loop oci json toml mount netlink protocols base))
$(BUILD)/tests/ports_test: | $(BUILD)/bin/kata-agent
