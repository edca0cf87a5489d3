# SPDX-License-Identifier: Apache-2.0

# The real shim, with a hypervisor that plays by a script.
$(eval $(call tool,fake-vm,tests/unit/fake_vm.c tests/unit/wire_lab.c,base))
CFLAGS_tests_unit_shim_hostile_test := -DFAKE_VM='"$(abspath $(BUILD))/tools/fake-vm"' \
	-DSHIM='"$(abspath $(BUILD))/bin/containerd-shim-kata-v2"'
$(eval $(call unit_test,shim_hostile_test,tests/unit/shim_hostile_test.c tests/unit/wire_lab.c,mount base))
$(BUILD)/tests/shim_hostile_test: | $(BUILD)/tools/fake-vm $(BUILD)/bin/containerd-shim-kata-v2
