# SPDX-License-Identifier: Apache-2.0
$(eval $(call tool,fleet,tests/report/fleet.c $(REPORT_SRC),kube crypto json base))
$(eval $(call tool,speak,tests/report/speak.c,base))
