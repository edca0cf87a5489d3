# SPDX-License-Identifier: Apache-2.0
#
# make deb: Debian packages of a signed release (packaging/deb.sh). RELEASE, KEYS: as for make image.
DEB        ?= $(BUILD)/deb
MAINTAINER ?=

.PHONY: deb
deb: $(BUILD)/static/kata-deploy $(BUILD)/static/kata-manager ## make Debian packages: RELEASE= KEYS= DEB= MAINTAINER=
	$(if $(RELEASE),,@rm -rf $(BUILD)/deb-release)
	$(if $(RELEASE),,@$(MAKE) --no-print-directory release OUT=$(BUILD)/deb-release)
	@KEYS='$(KEYS)' MAINTAINER='$(MAINTAINER)' packaging/deb.sh $(BUILD)/static \
		'$(or $(RELEASE),$(BUILD)/deb-release)' '$(DEB)'

# make snap: the same as a snap, packed by snapd's program.
SNAP ?= $(BUILD)/snap

.PHONY: snap
snap: $(BUILD)/static/kata-deploy $(BUILD)/static/kata-manager ## make a snap: RELEASE= KEYS= SNAP=
	$(if $(RELEASE),,@rm -rf $(BUILD)/snap-release)
	$(if $(RELEASE),,@$(MAKE) --no-print-directory release OUT=$(BUILD)/snap-release)
	@KEYS='$(KEYS)' packaging/snap.sh $(BUILD)/static '$(or $(RELEASE),$(BUILD)/snap-release)' '$(SNAP)'

.PHONY: check-snap
check-snap: $(BUILD)/static/kata-deploy $(BUILD)/static/kata-manager ## pack a snap, mount it and run its hooks
	@packaging/deps.sh packages
	@tests/snap.sh $(BUILD)/static

.PHONY: check-packages check-deb
SUITES ?= bookworm trixie
PORTABLE_PROGRAMS := $(BUILD)/static/kata-deploy $(BUILD)/static/kata-manager
check-packages: $(PORTABLE_PROGRAMS) ## install, upgrade, remove and purge the Debian packages below a directory
	@tests/deb.sh $(BUILD)/static

check-deb: $(PORTABLE_PROGRAMS) ## the same in the distributions of SUITES too, and run lintian
	@packaging/deps.sh packages
	@tests/deb.sh $(BUILD)/static $(SUITES)
