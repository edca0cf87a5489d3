# SPDX-License-Identifier: Apache-2.0
#
# The guest's initial ram disk. INITRD_INIT names the program that becomes PID 1, INITRD_COMPRESS how
# the archive is packed, INITRD_IPTABLES=0 leaves iptables out.

INITRD_INIT     ?= $(BUILD)/bin/kata-agent
INITRD_COMPRESS ?= gzip
INITRD_IPTABLES ?= 1

INITRD := $(BUILD)/osbuilder/kata-containers-initrd.img
INITRD_MANIFESTS := osbuilder/initrd.manifest \
                    $(if $(filter 1,$(INITRD_IPTABLES)),$(BUILD)/osbuilder/iptables.manifest)

$(eval $(call tool,mkinitrd,osbuilder/mkinitrd.c osbuilder/initrd.c,base archive))
$(eval $(call unit_test,archive_initrd_test,tests/unit/archive_initrd_test.c osbuilder/initrd.c,base archive))

initrd: $(INITRD) ## build the guest's initial ram disk

$(BUILD)/osbuilder/init: $(INITRD_INIT)
	@mkdir -p $(@D)
	$(Q)strip -s -o $@ $<

$(BUILD)/osbuilder/iptables.manifest: osbuilder/iptables.sh
	@mkdir -p $(@D)
	$(Q)osbuilder/iptables.sh >$@

$(INITRD): $(BUILD)/tools/mkinitrd $(BUILD)/osbuilder/init $(INITRD_MANIFESTS) \
           $(wildcard osbuilder/rootfs/etc/*)
	$(call say,INITRD,$@)
	$(Q)$(BUILD)/tools/mkinitrd -z $(INITRD_COMPRESS) -D INIT=$(BUILD)/osbuilder/init \
		-o $@ $(INITRD_MANIFESTS)
