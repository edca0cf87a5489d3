# SPDX-License-Identifier: Apache-2.0
#
# make TRUSTED_KEYS="FILE.pub ..." builds these public keys in; there are none otherwise. The time of
# the build is SOURCE_DATE_EPOCH or that of the last commit: a clock that is older is wrong.
TRUSTED_KEYS ?=
TRUSTED_KEYS_C := $(BUILD)/gen/trusted_keys.c
DEPLOY_SRC += $(TRUSTED_KEYS_C)

.PHONY: look-at-trusted-keys
$(TRUSTED_KEYS_C): look-at-trusted-keys
	@mkdir -p $(@D)
	@deploy/trust/keys.sh $(TRUSTED_KEYS) >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
