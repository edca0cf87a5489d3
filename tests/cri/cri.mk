# SPDX-License-Identifier: Apache-2.0
#
# HANDLERS: the runtime handlers that are tested, at the same time; the cases of kata take longer and run in two halves.
# kata needs a staged tree. CRITEST: the program of cri-tools' suite, which runs with one handler after the other instead
# of our cases (tests/cri/critest.sh); CRITEST_AT_ONCE: how many of its specs run at a time.
HANDLERS ?= runc kata
IN_PODS := pause euid files talk serve hostile early
CRI_EACH := $(foreach h,$(HANDLERS),$(if $(filter runc,$h),check-cri-$h-1-1,check-cri-$h-1-2 check-cri-$h-2-2))
.PHONY: check-cri $(CRI_EACH)
check-cri: $(if $(filter kata,$(HANDLERS)),stage) $(addprefix $(BUILD)/tools/,cri pty $(IN_PODS)) ## test pods with a real containerd, over the CRI
ifeq ($(CRITEST),)
	@$(MAKE) --no-print-directory -j -k BUILD=$(BUILD) HANDLERS="$(HANDLERS)" $(CRI_EACH)
	@echo "  skipped: cri-tools' suite; CRITEST=PATH runs it (tests/cri/README.md)"
else
	@HANDLERS="$(HANDLERS)" CRITEST="$(CRITEST)" CRITEST_AT_ONCE="$(CRITEST_AT_ONCE)" \
		tests/cri/run.sh $(STAGE)
endif

$(CRI_EACH):
	@set -- $(subst -, ,$(@:check-cri-%=%)) && HANDLERS=$$1 SLICE="$$2 $$3" tests/cri/run.sh $(STAGE)

.PHONY: soak
soak: HANDLERS := kata
soak: stage $(addprefix $(BUILD)/tools/,cri pty $(IN_PODS)) ## start and remove PODS=1000 pods, AT_ONCE=8 at a time; nothing may be left
	@HANDLERS="$(HANDLERS)" PODS=$(or $(PODS),1000) AT_ONCE=$(or $(AT_ONCE),8) tests/cri/run.sh $(STAGE) test_soak

.PHONY: check-cri-sanitized
check-cri-sanitized: stage $(addprefix $(BUILD)/tools/,cri pty $(IN_PODS)) ## the same with shim and agent under the sanitizers; CASES="test_exec ..." chooses
	@for san in address,undefined thread; do \
		b=$(BUILD)/$$([ $$san = thread ] && echo tsan || echo asan); \
		$(MAKE) --no-print-directory BUILD=$$b SAN=$$san $$b/bin/containerd-shim-kata-v2 \
			$$b/bin/kata-agent && tests/cri/sanitized.sh $(STAGE) $$b $(CASES) || exit 1; done

# A client of the CRI, which takes the place of a kubelet.
$(eval $(call tool,cri,tests/cri/cri.c tests/cri/streams.c,cri http json protocols))
# These run inside pods, where there are no shared libraries.
TOOLS += $(IN_PODS)
$(foreach p,$(IN_PODS),$(eval $(call link_rule,$p,tests/cri/$p.c,,tools,$$(LDFLAGS_PROGRAM))))
