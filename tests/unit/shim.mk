# SPDX-License-Identifier: Apache-2.0

# The real shim, with a hypervisor that plays by a script.
$(eval $(call tool,fake-vm,tests/unit/fake_vm.c tests/unit/wire_lab.c,base))
SHIM_WITH := -DFAKE_VM='"$(abspath $(BUILD))/tools/fake-vm"' \
	-DSHIM='"$(abspath $(BUILD))/bin/containerd-shim-kata-v2"'
CFLAGS_tests_unit_shim_lab := $(SHIM_WITH)
CFLAGS_tests_unit_shim_hostile_test := $(SHIM_WITH)
CFLAGS_tests_unit_shim_test := $(SHIM_WITH)
CFLAGS_tests_unit_shim_vsock_test := $(SHIM_WITH)
CFLAGS_tests_unit_shim_mounts_test := $(SHIM_WITH)
CFLAGS_tests_unit_shim_ends_test := $(SHIM_WITH)
CFLAGS_tests_unit_shim_race_test := $(SHIM_WITH)
SHIM_LAB := tests/unit/shim_lab.c tests/unit/children_lab.c tests/unit/kernel_lab.c tests/unit/wire_lab.c
$(eval $(call unit_test,shim_test,tests/unit/shim_test.c $(SHIM_LAB),mount base))
$(eval $(call unit_test,shim_hostile_test,tests/unit/shim_hostile_test.c $(SHIM_LAB),mount base))
$(eval $(call unit_test,shim_mounts_test,tests/unit/shim_mounts_test.c $(SHIM_LAB),mount base))
$(eval $(call unit_test,shim_uri_test,tests/unit/shim_uri_test.c runtime/shim/io/uri.c,base))
$(eval $(call unit_test,shim_stats_test,tests/unit/shim_stats_test.c runtime/shim/stats.c,protocols base))
$(eval $(call unit_test,shim_kind_test,tests/unit/shim_kind_test.c runtime/shim/kind.c,oci json base))
$(eval $(call unit_test,shim_ends_test,tests/unit/shim_ends_test.c $(SHIM_LAB),mount base))
$(eval $(call unit_test,shim_exec_test,tests/unit/shim_exec_test.c $(SHIM_LAB),mount base))
$(eval $(call unit_test,shim_race_test,tests/unit/shim_race_test.c $(SHIM_LAB),mount base))
$(eval $(call unit_test,shim_spec_test,tests/unit/shim_spec_test.c runtime/device/loop.c $(SHIM_LAB),mount base))
$(eval $(call unit_test,shim_vsock_test,tests/unit/shim_vsock_test.c tests/unit/vsock_lab.c $(SHIM_LAB),mount base))
$(BUILD)/tests/shim_ends_test $(BUILD)/tests/shim_exec_test $(BUILD)/tests/shim_race_test $(BUILD)/tests/shim_mounts_test $(BUILD)/tests/shim_spec_test $(BUILD)/tests/shim_vsock_test $(BUILD)/tests/shim_test $(BUILD)/tests/shim_hostile_test: | $(BUILD)/tools/fake-vm $(BUILD)/bin/containerd-shim-kata-v2
