# SPDX-License-Identifier: Apache-2.0
#
# The release's own QEMU. Not part of `all`: the first build compiles for minutes, later ones come from a
# cache outside the tree (see build.sh).

QEMU_INPUTS := packaging/qemu/build.sh packaging/debian-source.sh packaging/sources.pins runtime/vmm/qemu/devices.def \
               $(wildcard packaging/qemu/patches/*.patch)

.PHONY: qemu
qemu: $(BUILD)/qemu/bin/qemu-system-x86_64 ## build QEMU, virtiofsd and firmware (or from cache)

$(BUILD)/qemu/bin/qemu-system-x86_64: $(QEMU_INPUTS)
	$(Q)$(call timed,qemu,packaging/qemu/build.sh $(BUILD)/qemu)
