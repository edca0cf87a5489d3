# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,netlink_test,tests/unit/netlink_test.c,netlink base))

# These drive the real program.
CFLAGS_tests_unit_agent_lab := -DKATA_AGENT='"$(abspath $(BUILD))/bin/kata-agent"'
$(eval $(call unit_test,agent_test,tests/unit/agent_test.c tests/unit/agent_lab.c,mount ttrpc loop oci json protocols base))
$(BUILD)/tests/agent_test: | $(BUILD)/bin/kata-agent
$(eval $(call unit_test,agent_stream_test,tests/unit/agent_stream_test.c tests/unit/agent_lab.c,mount ttrpc loop oci json protocols base))
$(BUILD)/tests/agent_stream_test: | $(BUILD)/bin/kata-agent

CFLAGS_tests_unit_agent_vm_lab := \
	-DKATA_KERNEL='"$(abspath $(BUILD))/kernel/vmlinux"' \
	-DKATA_INITRD='"$(abspath $(BUILD))/osbuilder/kata-containers-initrd.img"'
VM_LAB := tests/unit/agent_vm_lab.c tests/unit/agent_lab.c
$(eval $(call unit_test,agent_vm_test,tests/unit/agent_vm_test.c $(VM_LAB),mount ttrpc loop oci json protocols base))
$(eval $(call unit_test,agent_vm_storage_test,tests/unit/agent_vm_storage_test.c $(VM_LAB),mount ttrpc loop oci json protocols base))

$(eval $(call unit_test,agent_hostile_test,tests/unit/agent_hostile_test.c tests/unit/agent_lab.c,mount ttrpc loop oci json protocols base))
$(BUILD)/tests/agent_hostile_test: | $(BUILD)/bin/kata-agent

AGENT_PARTS := $(addprefix agent/,settings.c device/pci.c device/uevent.c device/block.c device/device.c device/vfio.c storage/watcher.c storage/storage.c \
	storage/driver.c storage/group.c hugepages.c hotplug.c)
$(eval $(call unit_test,agent_parts_test,tests/unit/agent_parts_test.c $(AGENT_PARTS),mount loop toml oci protocols base))
$(eval $(call unit_test,hugepages_test,tests/unit/hugepages_test.c $(AGENT_PARTS),mount loop toml oci protocols base))
$(eval $(call unit_test,agent_connection_test,tests/unit/agent_connection_test.c tests/unit/agent_lab.c,mount ttrpc loop oci json protocols base))
$(BUILD)/tests/agent_connection_test: | $(BUILD)/bin/kata-agent
