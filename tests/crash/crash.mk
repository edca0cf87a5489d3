# SPDX-License-Identifier: Apache-2.0
#
# The crash walk: kills a program that changes a node at every system call that changes the world.
# The tracer knows the registers of one machine.
.PHONY: crash-walk crash-walk-manager check-crash
ifeq ($(ARCH),x86_64)
CRASH_WALK := $(BUILD)/tests/crash-walk $(BUILD)/tests/crash-subject
$(eval $(call link_rule,crash-subject,tests/crash/subject.c tests/crash/release.c $(DEPLOY_SRC),$(DEPLOY_LIBS),tests,-pie))
$(eval $(call link_rule,crash-walk,tests/crash/walk.c tests/crash/trace.c tests/crash/tree.c,base crypto,tests,-pie))

CRASH_PROGRAM := $(BUILD)/tests/crash-walk $(BUILD)/tests/crash-program $(BUILD)/bin/kata-deploy
$(eval $(call link_rule,crash-program,tests/crash/program.c,base,tests,-pie))

CRASH_MANAGER := $(BUILD)/tests/crash-at $(BUILD)/tests/crash-served $(BUILD)/bin/kata-deploy
$(eval $(call link_rule,crash-at,tests/crash/at.c tests/crash/trace.c,base,tests,-pie))
$(eval $(call link_rule,crash-served,tests/crash/served.c $(CRI_SRC) $(DEPLOY_SRC),$(CRI_LIBS),tests,-pie))

CRASH_COPY := $(BUILD)/tests/crash-at $(BUILD)/bin/kata-deploy

check-crash: $(CRASH_WALK) $(CRASH_PROGRAM) $(CRASH_COPY) ## kill and fail installs at every changing system call, short
	@tests/crash/run.sh $(CRASH_WALK) --short
	@tests/crash/program.sh $(CRASH_PROGRAM) --only upgrade --short
	@tests/crash/copy.sh $(CRASH_COPY)

crash-walk: $(CRASH_WALK) $(CRASH_PROGRAM) $(CRASH_COPY) ## the same, and at every call of every recovery
	@tests/crash/run.sh $(CRASH_WALK)
	@tests/crash/program.sh $(CRASH_PROGRAM)
	@tests/crash/copy.sh $(CRASH_COPY)
else
check-crash crash-walk:
	@echo "skipped: the crash walk: its tracer is for x86_64"
endif
