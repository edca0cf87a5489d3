# SPDX-License-Identifier: Apache-2.0
#
# HANDLERS: the runtime handlers that are tested; kata needs a staged tree. CRITEST: cri-tools' own
# suite, which is run with each of them instead of our cases (tests/cri/critest.sh), CRITEST_AT_ONCE: how many
# of its specs at a time.
HANDLERS ?= runc kata
.PHONY: check-cri
check-cri: $(if $(filter kata,$(HANDLERS)),stage) $(addprefix $(BUILD)/tools/,cri pause euid files talk) ## run pods with real containerd, as a kubelet does
	@HANDLERS="$(HANDLERS)" CRITEST="$(CRITEST)" CRITEST_AT_ONCE="$(CRITEST_AT_ONCE)" \
		tests/cri/run.sh $(STAGE)

# Asks a container manager as a kubelet does.
$(eval $(call tool,cri,tests/cri/cri.c,cri http json protocols))
# These run inside of pods: no shared libraries there.
TOOLS += pause euid files talk
$(eval $(call link_rule,pause,tests/cri/pause.c,,tools,$$(LDFLAGS_PROGRAM)))
$(eval $(call link_rule,euid,tests/cri/euid.c,,tools,$$(LDFLAGS_PROGRAM)))
$(eval $(call link_rule,files,tests/cri/files.c,,tools,$$(LDFLAGS_PROGRAM)))
$(eval $(call link_rule,talk,tests/cri/talk.c,,tools,$$(LDFLAGS_PROGRAM)))
