# SPDX-License-Identifier: Apache-2.0
#
# make TRUSTED_KEYS="FILE.pub ..." compiles these public keys in; by default there are none. The build
# time is SOURCE_DATE_EPOCH or that of the last commit: an earlier clock is wrong (trust.h).
TRUSTED_KEYS ?=
TRUSTED_KEYS_C := $(BUILD)/gen/trusted_keys.c
DEPLOY_SRC += $(TRUSTED_KEYS_C)

.PHONY: look-at-trusted-keys
$(TRUSTED_KEYS_C): look-at-trusted-keys
	@mkdir -p $(@D)
	@deploy/trust/keys.sh $(TRUSTED_KEYS) >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
