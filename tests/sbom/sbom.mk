# SPDX-License-Identifier: Apache-2.0
#
# Not part of check: SPDX's library comes from Debian's archive, once, with a compiler.
.PHONY: check-sbom
check-sbom: ## read a release's SBOM with SPDX's own library, and compare it with the release
	@packaging/deps.sh packages
	@rm -rf $(BUILD)/sbom-release
	@$(MAKE) --no-print-directory release OUT=$(BUILD)/sbom-release LEVEL=3
	@tests/sbom/run.sh $(BUILD)/sbom-release
