# SPDX-License-Identifier: Apache-2.0
$(eval $(call tool,fleet,tests/report/fleet.c $(REPORT_SRC),kube crypto json base))
$(eval $(call tool,speak,tests/report/speak.c,base))

.PHONY: check-report
check-report: $(BUILD)/kubernetes/built $(BUILD)/bin/kata-deploy $(BUILD)/static/kata-deploy $(BUILD)/tools/fleet $(BUILD)/tools/speak ## test kata-deploy report with a real API server; CASES="test_pace ..." chooses
	@tests/report/run.sh $(BUILD) $(CASES)
