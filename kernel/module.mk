# SPDX-License-Identifier: Apache-2.0
#
# The guest kernel. Not part of `all`: the first build compiles for minutes, later ones come from a
# cache outside the tree (see build.sh).

KERNEL_INPUTS := kernel/build.sh kernel/small.list kernel/patches/series \
                 $(wildcard kernel/patches/*.patch kernel/fragments/common/*.conf \
                            kernel/fragments/$(ARCH)/*.conf)

kernel: $(BUILD)/kernel/vmlinux $(BUILD)/kernel/config ## build the guest kernel (or from cache)

$(BUILD)/kernel/vmlinux: $(KERNEL_INPUTS)
	$(Q)$(call timed,kernel,kernel/build.sh $(abspath $(@D)))

$(BUILD)/kernel/config: $(BUILD)/kernel/vmlinux ;
