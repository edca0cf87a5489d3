# SPDX-License-Identifier: Apache-2.0
#
# Checks that are not unit tests: fuzzing, layers, headers, generated documents.

.PHONY: check-manual check-size check-release check-errors check-docs check-layers check-headers check-fuzz fuzz fuzz-run $(FUZZERS:%=fuzz-run-%)

check-fuzz: $(FUZZERS:%=$(BUILD)/fuzz/%) ## replay the fuzz corpora
	$(Q)for f in $(FUZZERS); do \
		$(BUILD)/fuzz/$$f $(if $(filter fuzzer,$(SAN)),-runs=0) tests/fuzz/corpus/$$f || exit 1; \
	done

# What a run finds new stays in its copy of the corpus; an input worth keeping is copied by hand. One
# that fails does not keep the others from running.
fuzz: ## fuzz every parser, FUZZTIME seconds each; fails at the end if one did
	+$(Q)$(MAKE) --no-print-directory --keep-going CC=clang SAN=fuzzer BUILD=$(BUILD)/fuzzer fuzz-run

fuzz-run: $(FUZZERS:%=fuzz-run-%)

$(FUZZERS:%=fuzz-run-%): fuzz-run-%: $(BUILD)/fuzz/%
	$(call say,FUZZ,$*)
	@mkdir -p $(BUILD)/corpus/$* $(BUILD)/crashes
	$(Q)cp tests/fuzz/corpus/$*/* $(BUILD)/corpus/$*/
	$(Q)$(BUILD)/fuzz/$* -max_total_time=$(FUZZTIME) -timeout=10 -verbosity=0 \
		-print_final_stats=1 -artifact_prefix=$(BUILD)/crashes/$*- $(BUILD)/corpus/$*

# The closure of each library's list is what it may include.
check-layers: all $(TESTS:%=$(BUILD)/tests/%) $(FUZZERS:%=$(BUILD)/fuzz/%) ## hold every include to its layer
	@printf '$(foreach l,$(LIBRARIES),$(l): $(call closure,$(l))\n)' | sed 's/^ //' >$(BUILD)/layers
	@tests/check-layers.sh --self-test . $(BUILD)/layers
	@tests/check-layers.sh . $(BUILD)/layers $(BUILD)/obj

check-headers: generated ## compile every header alone
	@for h in $$(git ls-files '*.h'); do \
		echo "#include \"$$h\"" | \
			$(CC) $(CPPFLAGS) $(CFLAGS_BASE) -Werror -fsyntax-only -x c - || \
			{ echo "$$h does not compile alone" >&2; exit 1; }; \
	done; echo "  ok    headers"

docs/errors.md: libs/base/err.h docs/errors.awk
	$(Q)awk -f docs/errors.awk $< >$@

check-docs: ## see that generated documents are current
	@awk -f docs/errors.awk libs/base/err.h | cmp - docs/errors.md || \
		{ echo "docs/errors.md is old; run: make -B docs/errors.md" >&2; exit 1; }
	@mkdir -p $(BUILD)
	@printf '%s\n' $(foreach l,$(sort $(LIBRARIES)),'$(strip $(l): $(sort $(NEEDS_$(l))))') >$(BUILD)/knows
	@awk -F ' *[|] *' '/^[|] `/ { gsub(/`/, "", $$2); print $$2 ":" ($$3 == "" ? "" : " ") $$3 }' \
		libs/README.md | diff $(BUILD)/knows - || \
		{ echo "libs/README.md is old: '<' is what module.mk says" >&2; exit 1; }
	@echo "  ok    documents"

check-manual: $(addprefix $(BUILD)/bin/,kata-deploy kata-manager kata-collect-data) ## hold help, man pages and completions to their readers
	@tests/manual.sh $^

check-release: $(BUILD)/bin/kata-deploy ## hold packaging/release.sh to whole releases or none
	@tests/release.sh $<

# What a pod's node and its guest are asked for; an initrd has the agent in it.
SIZE_MAX := 1500000
check-size: $(BUILD)/bin/containerd-shim-kata-v2 $(BUILD)/bin/kata-agent ## hold shim and agent, stripped, to their size
	@for f in $^; do \
		strip -o $(BUILD)/stripped $$f && n=$$(stat -c %s $(BUILD)/stripped) || exit; \
		[ $$n -le $(SIZE_MAX) ] || { echo "$$f has $$n bytes, of $(SIZE_MAX)" >&2; exit 1; }; \
	done; rm $(BUILD)/stripped; echo "  ok    size"

check-errors: ## hold every error to saying what to do
	@tests/errors.sh

# Slow and thorough; a file at a time, so that -j helps. What is listed is clean and stays so; the
# other libraries still have findings that nobody has judged. Left out by name is where
# gcc takes what err_set() returns for unknown, and so what was not read for used.
LINT_SRC ?= $(filter-out deploy/cri/restart.c deploy/prove/prove.c deploy/release/release.c, \
	$(filter agent/% runtime/% deploy/% utils/% $(patsubst %,libs/%/%,ttrpc http confine archive cli json yaml toml crypto), \
	$(sort $(ALL_SRC))))

.PHONY: lint lint-text lint-scripts $(LINT_SRC:%=lint-tidy/%) $(LINT_SRC:%=lint-analyze/%)

lint: lint-text lint-scripts $(LINT_SRC:%=lint-tidy/%) $(LINT_SRC:%=lint-analyze/%) ## static analysis: clang-tidy, gcc -fanalyzer, codespell, shellcheck
	@echo "  ok    lint"

lint-text:
	$(Q)git ls-files -- ':!*/corpus/*' ':!tests/data' ':!*.patch' | xargs codespell --quiet-level=3 -L ERRO,erro,inh,nd,te,instal,relase,buld

lint-scripts:
	$(Q)git ls-files '*.sh' .ci/run | xargs shellcheck

$(LINT_SRC:%=lint-tidy/%): lint-tidy/%: % | generated
	$(call say,TIDY,$*)
	$(Q)clang-tidy --quiet $< -- $(CPPFLAGS) -std=gnu11 2>/dev/null

$(LINT_SRC:%=lint-analyze/%): lint-analyze/%: % | generated
	$(call say,ANALYZE,$*)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS_BASE) -fanalyzer -Werror -c -o /dev/null $<
