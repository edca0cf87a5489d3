# SPDX-License-Identifier: Apache-2.0
#
# HANDLERS: the runtime handlers that are tested, at the same time; the cases of kata, which take longer, in
# two halves. It needs a staged tree. CRITEST: cri-tools' own suite, which is run with one handler after the
# other instead of our cases (tests/cri/critest.sh), CRITEST_AT_ONCE: how many of its specs at a time.
HANDLERS ?= runc kata
CRI_EACH := $(foreach h,$(HANDLERS),$(if $(filter runc,$h),check-cri-$h-1-1,check-cri-$h-1-2 check-cri-$h-2-2))
.PHONY: check-cri $(CRI_EACH)
check-cri: $(if $(filter kata,$(HANDLERS)),stage) $(addprefix $(BUILD)/tools/,cri pause euid files) ## run pods with real containerd, as a kubelet does
ifeq ($(CRITEST),)
	@$(MAKE) --no-print-directory -j -k BUILD=$(BUILD) HANDLERS="$(HANDLERS)" $(CRI_EACH)
	@echo "  skipped: cri-tools' suite; CRITEST=PATH runs it (tests/cri/README.md)"
else
	@HANDLERS="$(HANDLERS)" CRITEST="$(CRITEST)" CRITEST_AT_ONCE="$(CRITEST_AT_ONCE)" \
		tests/cri/run.sh $(STAGE)
endif

$(CRI_EACH):
	@set -- $(subst -, ,$(@:check-cri-%=%)) && HANDLERS=$$1 SLICE="$$2 $$3" tests/cri/run.sh $(STAGE)

# Asks a container manager as a kubelet does.
$(eval $(call tool,cri,tests/cri/cri.c,cri http json protocols))
# These run inside of pods: no shared libraries there.
TOOLS += pause euid files
$(eval $(call link_rule,pause,tests/cri/pause.c,,tools,$$(LDFLAGS_PROGRAM)))
$(eval $(call link_rule,euid,tests/cri/euid.c,,tools,$$(LDFLAGS_PROGRAM)))
$(eval $(call link_rule,files,tests/cri/files.c,,tools,$$(LDFLAGS_PROGRAM)))
