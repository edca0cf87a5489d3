# SPDX-License-Identifier: Apache-2.0
DEPLOY_FUZZ_SRC := deploy/journal/journal.c deploy/plan/plan.c $(addprefix deploy/store/,layout.c installed.c)
$(eval $(call fuzzer,journal_fuzz,tests/fuzz/journal_fuzz.c $(DEPLOY_FUZZ_SRC),$(DEPLOY_LIBS)))
$(eval $(call fuzzer,deploy_state_fuzz,tests/fuzz/deploy_state_fuzz.c $(DEPLOY_FUZZ_SRC),$(DEPLOY_LIBS)))
$(eval $(call fuzzer,release_fuzz,tests/fuzz/release_fuzz.c deploy/store/layout.c $(addprefix deploy/release/,release.c channel.c fields.c stamp.c version.c),$(DEPLOY_LIBS)))
$(eval $(call fuzzer,trust_fuzz,tests/fuzz/trust_fuzz.c deploy/trust/root.c deploy/trust/past.c deploy/release/stamp.c $(TRUSTED_KEYS_C),$(DEPLOY_LIBS)))
