# SPDX-License-Identifier: Apache-2.0
#
# The crash walk: kills a program that changes a node at every system call that changes the file system. Its tracer
# knows the registers of x86_64 only.
.PHONY: crash-walk crash-walk-manager crash-walk-node crash-walk-pods check-crash
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

CRASH_NODE := $(BUILD)/tests/crash-node $(BUILD)/bin/kata-deploy
$(eval $(call link_rule,crash-node,tests/crash/node.c tests/crash/trace.c tests/crash/tree.c deploy/node/message.c,mount json crypto base,tests,-pie))

CRASH_PODS := $(BUILD)/tests/crash-pods $(BUILD)/bin/containerd-shim-kata-v2 $(BUILD)/tools/fake-vm
$(eval $(call link_rule,crash-pods,tests/crash/pods.c tests/crash/server.c tests/unit/kernel_lab.c tests/unit/wire_lab.c,mount crypto base,tests,-pie))
# A sample of every N-th call, which starts at another call each day.
crash_sample = --every $(1) --from $$(($$(date +%-j) % $(1) + 1))

check-crash: $(CRASH_WALK) $(CRASH_PROGRAM) $(CRASH_COPY) $(CRASH_NODE) $(CRASH_PODS) ## kill installs and shims, and make installs fail, at a sample of changing system calls
	@tests/crash/run.sh $(CRASH_WALK) --short
	@tests/crash/program.sh $(CRASH_PROGRAM) --only upgrade --short
	@tests/crash/copy.sh $(CRASH_COPY)
	@tests/crash/node.sh $(CRASH_NODE) $(call crash_sample,20)
	@$(abspath $(firstword $(CRASH_PODS))) $(call crash_sample,50) $(abspath $(wordlist 2,3,$(CRASH_PODS)))

crash-walk-node: $(CRASH_NODE) ## kill kata-deploy node at every changing system call, also with the verb that it runs
	@tests/crash/node.sh $(CRASH_NODE)

crash-walk-pods: $(CRASH_PODS) stage ## kill shims at every changing system call of a pod's life, and with real VMs at some
	@! $(abspath $(firstword $(CRASH_PODS))) --only control --every 1000 --from 150 $(abspath $(wordlist 2,3,$(CRASH_PODS))) >/dev/null
	@$(abspath $(CRASH_PODS))
	@$(abspath $(firstword $(CRASH_PODS))) $(call crash_sample,40) --real $(abspath $(BUILD)/stage) $(abspath $(BUILD)/stage/bin/containerd-shim-kata-v2 $(lastword $(CRASH_PODS)))

crash-walk: $(CRASH_WALK) $(CRASH_PROGRAM) $(CRASH_COPY) ## the same for installs at every such call, and at those of every recovery
	@tests/crash/run.sh $(CRASH_WALK)
	@tests/crash/program.sh $(CRASH_PROGRAM)
	@tests/crash/copy.sh $(CRASH_COPY)

crash-walk-manager: $(CRASH_MANAGER) demo-releases ## the same with a real containerd; a sample with CRASH_EVERY=9 CRASH_PROOF_EVERY=30
	@tests/crash/manager.sh $(CRASH_MANAGER) $(BUILD)/demo/this $(BUILD)/demo/next
else
check-crash crash-walk crash-walk-manager crash-walk-node crash-walk-pods:
	@echo "skipped: the crash walk: its tracer is for x86_64"
endif
