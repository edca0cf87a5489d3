# SPDX-License-Identifier: Apache-2.0
#
# Runs the commands that the guides show; run.sh explains which.
.PHONY: check-guide
GUIDES ?= docs/key-ceremony.md $(sort $(wildcard docs/guide/*.md))
check-guide: $(BUILD)/bin/kata-deploy $(BUILD)/bin/kata-manager ## run the commands that the guides show
	@for wrong in tests/guide/wrong/*.md; do \
		! tests/guide/run.sh $^ $$wrong | grep -q ' 0 failed$$' || \
			{ echo "guide: $$wrong was not noticed" >&2; exit 1; }; \
	done
	@tests/guide/run.sh $^ $(GUIDES)
