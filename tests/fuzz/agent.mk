# SPDX-License-Identifier: Apache-2.0
$(eval $(call fuzzer,netlink_fuzz,tests/fuzz/netlink_fuzz.c,netlink base))
$(eval $(call fuzzer,agent_uevent_fuzz,tests/fuzz/agent_uevent_fuzz.c agent/device/uevent.c agent/device/pci.c,oci protocols base))
$(eval $(call fuzzer,agent_request_fuzz,tests/fuzz/agent_request_fuzz.c $(AGENT_PARTS),mount loop toml oci protocols base))
