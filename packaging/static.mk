# SPDX-License-Identifier: Apache-2.0
#
# make static: kata-deploy and kata-manager as programs without shared libraries, for any Linux of this architecture.
# c-ares resolves names for HTTPS; on a machine without certificates of authorities those of the build machine's
# ca-certificates are used.
STATIC_CURL := $(BUILD)/curl/libcurl.a
STATIC_LIBS := $(STATIC_CURL) -lnghttp2 -lcares -lssl -lcrypto

.PHONY: static
static: $(BUILD)/static/kata-deploy $(BUILD)/static/kata-manager ## build kata-deploy and kata-manager as portable programs

$(STATIC_CURL): packaging/curl.sh packaging/debian-build.sh packaging/debian-source.sh
	$(Q)packaging/curl.sh $(@D)
	@touch $@

$(BUILD)/gen/ca_roots.c: packaging/roots.sh $(wildcard /etc/ssl/certs/ca-certificates.crt)
	@mkdir -p $(@D)
	$(Q)packaging/roots.sh >$@.new && mv $@.new $@

# $(1) name $(2) sources $(3) libs
define static_program
$(BUILD)/static/$(1): $(call objects,$(2)) $(call archives,$(3)) $(if $(filter http,$(3)),$(BUILD)/obj/gen/ca_roots.o $$(STATIC_CURL))
	$(call say,STATIC,$$@)
	@mkdir -p $$(@D)
	$(Q)$$(CC) $$(CFLAGS_BASE) $$(LDFLAGS_BASE) -static-pie -s -o $$@ $(call objects,$(2)) \
		$(if $(filter http,$(3)),$(BUILD)/obj/gen/ca_roots.o) -Wl,--start-group \
		$(call archives,$(3)) $(filter-out -lcurl,$(call syslibs,$(3))) \
		$(if $(filter http,$(3)),$(STATIC_LIBS)) -Wl,--end-group -lpthread \
		2>$$@.log || { cat $$@.log >&2; exit 1; }
endef

$(eval $(call static_program,kata-deploy,deploy/cli/main.c $(NODE_SRC) $(DEPLOY_SRC),$(NODE_LIBS)))
$(eval $(call static_program,kata-manager,$(sort $(wildcard utils/manager/*.c)),base cli json))
