# SPDX-License-Identifier: Apache-2.0
#
# Checks that need no container: fuzz corpora, layers, headers.

.PHONY: check-fuzz fuzz check-layers check-headers

check-fuzz: $(FUZZERS:%=$(BUILD)/fuzz/%) ## replay the fuzz corpora
	@set -e; for f in $(FUZZERS); do $(BUILD)/fuzz/$$f tests/fuzz/corpus/$$f; done

fuzz: ## fuzz every parser, FUZZTIME seconds each
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/fuzzer SAN=fuzzer fuzz-run

.PHONY: fuzz-run
fuzz-run: $(FUZZERS:%=$(BUILD)/fuzz/%)
	@set -e; for f in $(FUZZERS); do \
		mkdir -p $(BUILD)/corpus/$$f; \
		cp tests/fuzz/corpus/$$f/* $(BUILD)/corpus/$$f/; \
		echo "fuzz: $$f, $(FUZZTIME) s"; \
		$(BUILD)/fuzz/$$f -max_total_time=$(FUZZTIME) -verbosity=0 -print_final_stats=1 \
			$(BUILD)/corpus/$$f; \
	done

# "library: what it may include", from the module.mk files.
$(BUILD)/layers: $(MODULES)
	@mkdir -p $(@D)
	@{ $(foreach l,$(LIBRARIES),echo '$(l): $(call closure,$(NEEDS_$(l)))';) } >$@

check-layers: $(BUILD)/layers ## prove who includes whom
	@tests/check-layers.sh $<

check-headers: generated ## compile every header alone
	@set -e; for h in $$(git ls-files 'libs/*.h' 'agent/*.h' 'runtime/*.h' 'osbuilder/*.h' | \
		grep -v banned.h); do \
		echo "#include \"$$h\"" | $(CC) $(CPPFLAGS) $(CFLAGS_BASE) -Wno-unused-macros \
			-fsyntax-only -x c - || { echo "header $$h does not stand alone"; exit 1; }; \
	done; echo "  ok    every header stands alone"
