# SPDX-License-Identifier: Apache-2.0
#
# make release VERSION=3.10.0 OUT=DIR KEY=FILE: a signed release of everything that `make install` installs. KEY=none
# leaves it unsigned; without KEY a development key signs it. packaging/release.sh lists further variables.
.PHONY: release
OUT ?= $(BUILD)/release
KEY ?=
LEVEL ?=

release: $(BUILD)/bin/kata-deploy ## make a signed release directory: VERSION= OUT= KEY=
	@KEY='$(KEY)' packaging/release.sh check '$(OUT)'
	@$(MAKE) --no-print-directory -s stage PORTABLE=1 VERSION='$(VERSION)'
	@BUILD=$(BUILD) KEY='$(KEY)' LEVEL='$(LEVEL)' packaging/release.sh $(BUILD)/bin/kata-deploy $(STAGE) '$(OUT)' \
		'$(VERSION)' "$$(grep -aoE 'Linux version [^ ]+' $(BUILD)/kernel/vmlinux | head -n 1 | cut -d' ' -f3)"
