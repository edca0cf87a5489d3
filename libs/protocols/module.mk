# SPDX-License-Identifier: Apache-2.0
#
# Every .proto file here becomes gen/protocols/NAME.pb-c.{h,c}; google/protobuf/NAME.proto likewise,
# in the directory that protoc chooses.

NEEDS_protocols :=
LIBRARIES += protocols
PROTOS := $(patsubst libs/protocols/%.proto,%,$(wildcard libs/protocols/*.proto libs/protocols/google/protobuf/*.proto))
PROTO_GEN := $(BUILD)/gen/protocols

# One run for all: the stamp comes last, so an incomplete set is never used.
$(PROTO_GEN)/stamp: $(patsubst %,libs/protocols/%.proto,$(PROTOS)) libs/protocols/module.mk
	$(call say,PROTOC,$(@D))
	@mkdir -p $(@D)
	$(Q)protoc-c --proto_path=libs/protocols --c_out=$(@D) $(patsubst %,%.proto,$(PROTOS))
	@touch $@

$(foreach p,$(PROTOS),$(PROTO_GEN)/$(p).pb-c.c): $(PROTO_GEN)/stamp ;

GENERATED += $(PROTO_GEN)/stamp
PROTO_OBJ := $(patsubst %,$(BUILD)/obj/gen/protocols/%.pb-c.o,$(PROTOS))
CPPFLAGS += -I$(PROTO_GEN)

$(BUILD)/lib/protocols.a: $(PROTO_OBJ)
	$(call say,AR,$@)
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcsD $@ $^
