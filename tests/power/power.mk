# SPDX-License-Identifier: Apache-2.0
#
# The power cut: runs kata-deploy in a VM whose disk keeps only flushed data.
.PHONY: check-power power-cut
N ?= 200
POWER := $(BUILD)/static/kata-deploy $(BUILD)/kernel/vmlinux $(BUILD)/tools/mkinitrd

check-power: $(POWER) ## cut the power of a VM during an install, ten times
	@tests/power/run.sh $(POWER) 10

power-cut: $(POWER) ## the same, N times
	@tests/power/run.sh $(POWER) $(N)
