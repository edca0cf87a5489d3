# SPDX-License-Identifier: Apache-2.0
#
# The guest's root file system: an initrd and disk images. INITRD_INIT names the program that becomes PID 1,
# INITRD_COMPRESS the compression of the archive, INITRD_IPTABLES=0 leaves iptables out.

INITRD_INIT     ?= $(BUILD)/bin/kata-agent
INITRD_COMPRESS ?= fit
INITRD_IPTABLES ?= 1

INITRD := $(BUILD)/osbuilder/kata-containers-initrd.img
INITRD_MANIFESTS := osbuilder/initrd.manifest \
                    $(if $(filter 1,$(INITRD_IPTABLES)),$(BUILD)/osbuilder/iptables/manifest)

$(eval $(call tool,mkinitrd,osbuilder/mkinitrd.c osbuilder/initrd.c,base archive))
$(eval $(call unit_test,archive_initrd_test, \
	tests/unit/archive_initrd_test.c osbuilder/initrd.c,base archive))

initrd: $(INITRD) ## build the guest's initial RAM disk

# This file changes when one of the variables does.
$(BUILD)/osbuilder/options: osbuilder-always
	@mkdir -p $(@D)
	@echo '$(INITRD_INIT) $(INITRD_COMPRESS) $(INITRD_IPTABLES)' | cmp -s - $@ || \
		echo '$(INITRD_INIT) $(INITRD_COMPRESS) $(INITRD_IPTABLES)' >$@

.PHONY: osbuilder-always check-initrd check-rootimage rootimage

MKINITRD = $(BUILD)/tools/mkinitrd -z $(INITRD_COMPRESS) -D INIT=$(BUILD)/osbuilder/init

$(BUILD)/osbuilder/init: $(INITRD_INIT) $(BUILD)/osbuilder/options
	@mkdir -p $(@D)
	$(Q)strip -s -o $@ $<

$(BUILD)/osbuilder/iptables/manifest: osbuilder/iptables.sh packaging/debian-build.sh packaging/debian-source.sh
	$(Q)osbuilder/iptables.sh $(@D)
	@touch $@

$(INITRD): $(BUILD)/tools/mkinitrd $(BUILD)/osbuilder/init $(INITRD_MANIFESTS) \
           $(BUILD)/osbuilder/options \
           $(wildcard osbuilder/rootfs/etc/*)
	$(call say,INITRD,$@)
	$(Q)$(MKINITRD) -o $@ $(INITRD_MANIFESTS)

# Packs copies of the files, with other times and in another directory.
check-initrd: $(INITRD) ## pack the initial RAM disk again and compare
	@rm -rf $(BUILD)/osbuilder/again && mkdir -p $(BUILD)/osbuilder/again
	@cp -r osbuilder/initrd.manifest osbuilder/rootfs $(BUILD)/osbuilder/again
	@$(MKINITRD) -o $(BUILD)/osbuilder/again/initrd.img \
		$(patsubst osbuilder/%,$(BUILD)/osbuilder/again/%,$(INITRD_MANIFESTS))
	@cmp $(INITRD) $(BUILD)/osbuilder/again/initrd.img
	@echo "  ok    initrd, packed twice"

# Root images with the same contents. mkinitrd arranges the files; device nodes are left out, devtmpfs has them.
$(eval $(call tool,mkroot,osbuilder/mkroot.c osbuilder/verity.c,base crypto))
$(eval $(call unit_test,root_verity_test, \
	tests/unit/root_verity_test.c osbuilder/verity.c,base crypto))

ROOT_IMAGE := $(BUILD)/osbuilder/kata-containers.img
ROOT_IMAGE_EXT4 := $(BUILD)/osbuilder/kata-containers-ext4.img

rootimage: $(ROOT_IMAGE) $(ROOT_IMAGE_EXT4) ## build the guest's root images: erofs and ext4, with dm-verity

$(BUILD)/osbuilder/root.cpio: $(INITRD)
	$(Q)$(BUILD)/tools/mkinitrd -z none -D INIT=$(BUILD)/osbuilder/init -o $@ $(INITRD_MANIFESTS)

$(ROOT_IMAGE): ROOT_KIND = erofs
$(ROOT_IMAGE_EXT4): ROOT_KIND = ext4
$(ROOT_IMAGE) $(ROOT_IMAGE_EXT4): $(BUILD)/osbuilder/root.cpio $(BUILD)/tools/mkroot osbuilder/filesystem.sh
	$(call say,ROOT,$@)
	$(Q)rm -rf $@.root && mkdir -m 0755 $@.root
	$(Q)cd $@.root && cpio -idm --quiet -f 'dev/*' <$(abspath $<)
	$(Q)osbuilder/filesystem.sh $(ROOT_KIND) $@.root $@.filesystem
	$(Q)$(BUILD)/tools/mkroot -o $@ $@.filesystem
	$(Q)rm -rf $@.root $@.filesystem

# Makes them in another directory, and by another user if we are root: the result must not depend on either.
check-rootimage: $(ROOT_IMAGE) $(ROOT_IMAGE_EXT4) ## make the root images again and compare
	@osbuilder/again.sh $(BUILD)

# The container image of the proof of an install: one program, stripped.
PROOF := $(BUILD)/osbuilder/proof.tar
$(eval $(call program,kata-proof,osbuilder/proof/proof.c,base))

$(PROOF): $(BUILD)/tools/mkimage $(BUILD)/bin/kata-proof
	$(call say,IMAGE,$@)
	@mkdir -p $(@D)
	$(Q)strip -s -o $(BUILD)/osbuilder/proof $(BUILD)/bin/kata-proof
	$(Q)$(BUILD)/tools/mkimage build --archive -o $@ -n kata.invalid/proof:1 -e /proof \
		proof=$(BUILD)/osbuilder/proof
