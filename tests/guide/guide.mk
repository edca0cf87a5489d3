# SPDX-License-Identifier: Apache-2.0
#
# Runs the commands that the guides show; run.sh explains which. shown.sh compares those that no test can run with the help
# of the programs, the chart and the role.
.PHONY: check-guide
GUIDES ?= docs/key-ceremony.md $(sort $(wildcard docs/guide/*.md))
GUIDE_PROGRAMS := $(BUILD)/bin/kata-deploy $(BUILD)/bin/kata-manager
check-guide: $(GUIDE_PROGRAMS) $(BUILD)/bin/kata-runtime $(BUILD)/bin/kata-collect-data ## run the commands that the guides show, and check the others
	@for wrong in tests/guide/wrong-shown/*.md; do \
		! tests/guide/shown.sh $(BUILD)/bin $$wrong >/dev/null 2>&1 || \
			{ echo "guide: $$wrong was not noticed" >&2; exit 1; }; \
	done
	@tests/guide/shown.sh $(BUILD)/bin README.md $(GUIDES)
	@for wrong in tests/guide/wrong/*.md; do \
		! tests/guide/run.sh $(GUIDE_PROGRAMS) $$wrong | grep -q ' 0 failed$$' || \
			{ echo "guide: $$wrong was not noticed" >&2; exit 1; }; \
	done
	@tests/guide/run.sh $(GUIDE_PROGRAMS) $(GUIDES)
