# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,agent_network_test,tests/unit/agent_network_test.c agent/network.c,netlink base))
