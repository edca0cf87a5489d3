# SPDX-License-Identifier: Apache-2.0
#
# make image: a container image of a signed release (packaging/image.sh). RELEASE=DIR names an existing release; without
# it one is made below $(BUILD) as `make release` does, with the same variables.
IMAGE   ?= $(BUILD)/image
IMAGE_NAME ?= kata-deploy:$(VERSION)
RELEASE ?=
KEYS    ?=

$(eval $(call tool,mkimage,packaging/mkimage.c,base cli json image archive))

.PHONY: image
image: $(BUILD)/tools/mkimage $(BUILD)/static/kata-deploy $(PROOF) ## make an OCI image: RELEASE= KEYS= KEY= IMAGE= IMAGE_NAME=
	$(if $(RELEASE),,@rm -rf $(BUILD)/image-release)
	$(if $(RELEASE),,@$(MAKE) --no-print-directory release OUT=$(BUILD)/image-release)
	@BUILD=$(BUILD) KEY='$(KEY)' KEYS='$(KEYS)' PROOF=$(BUILD)/osbuilder/proof packaging/image.sh $(BUILD)/static/kata-deploy \
		$(BUILD)/tools/mkimage '$(or $(RELEASE),$(BUILD)/image-release)' '$(IMAGE)' '$(IMAGE_NAME)'

.PHONY: check-image
check-image: $(BUILD)/tools/mkimage $(BUILD)/static/kata-deploy $(PROOF) ## check an image with the tools that read it, and install with a container of it
	@tests/image.sh $(BUILD)/static/kata-deploy $(BUILD)/tools/mkimage
