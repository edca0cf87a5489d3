# SPDX-License-Identifier: Apache-2.0
#
# How things are compiled. A module.mk declares its contents with these calls:
#
#   $(eval $(call library,NAME,LIBS))            libs/NAME/*.c -> $(BUILD)/lib/NAME.a
#   $(eval $(call program,NAME,SOURCES,LIBS))    static, position independent: $(BUILD)/bin/NAME
#   $(eval $(call dynamic_program,NAME,SOURCES,LIBS))  the same with shared libraries
#   $(eval $(call tool,NAME,SOURCES,LIBS))       dynamic, for the build machine: $(BUILD)/tools/NAME
#   $(eval $(call unit_test,NAME,SOURCES,LIBS))  Check program: $(BUILD)/tests/NAME
#   $(eval $(call fuzzer,NAME,SOURCES,LIBS))     corpus runner; with SAN=fuzzer a libFuzzer program
#
# LIBS lists the libraries of libs/ that are used directly; the libraries that those need are added. For a library the
# list is also its layer rule: `make check-layers` allows no include of another library.

ARCH := $(shell uname -m)

CPPFLAGS := -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DKATA_VERSION='"$(VERSION)"' \
            -Ulinux -DKATA_PREFIX='"$(PREFIX)"' -Ilibs -Iruntime -I. -I$(BUILD)/gen -include base/banned.h
WARN := -Wall -Wextra -Wshadow -Wvla -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes \
        -Wwrite-strings -Wpointer-arith -Wundef -Wswitch-enum -Wimplicit-fallthrough
CFLAGS_BASE := -std=gnu11 -Os -g -ffile-prefix-map=$(CURDIR)=. -fno-asynchronous-unwind-tables -fno-common -fstack-protector-strong -fPIE -fvisibility=hidden \
               -ffunction-sections -fdata-sections -fno-plt $(WARN)
LDFLAGS_BASE := -Wl,--gc-sections -Wl,-z,pack-relative-relocs -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack

ifeq ($(WERROR),1)
CFLAGS_BASE += -Werror
endif

# Sanitizer builds: SAN=address|undefined|thread|fuzzer|valgrind, each in a $(BUILD) of its own.
ifeq ($(SAN),)
CPPFLAGS    += -D_FORTIFY_SOURCE=2
# Without tables for unwinding at run time, which only C++ and pthread_cancel() need.
LDFLAGS_PROGRAM := -static-pie -Wl,--no-eh-frame-hdr -Wl,-T,mk/no-unwind.ld
else ifeq ($(SAN),fuzzer)
CC          := clang
CFLAGS_BASE += -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
LDFLAGS_BASE += -fsanitize=address,undefined
LDFLAGS_FUZZ := -fsanitize=fuzzer
LDFLAGS_PROGRAM := -pie
else ifeq ($(SAN),valgrind)
# valgrind needs nothing compiled in, but does not find malloc in a static program.
CPPFLAGS    += -DSANITIZED=true -DUNDER_VALGRIND=true
CFLAGS_BASE += -O1 -fno-omit-frame-pointer
LDFLAGS_PROGRAM := -pie
else
CFLAGS_BASE += -O1 -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS_BASE += -fsanitize=$(SAN)
LDFLAGS_PROGRAM := -pie
endif

# The system libraries of each library that wraps one.
SYSLIBS_json      := -ljansson
SYSLIBS_protocols := -lprotobuf-c
SYSLIBS_container := -lseccomp -lcap
SYSLIBS_confine   := -lseccomp
SYSLIBS_http      := -lcurl
SYSLIBS_crypto    := -lcrypto
SYSLIBS_archive   := -larchive -lzstd -lz
SYSLIBS_yaml      := -lyaml

LIBRARIES :=
PROGRAMS  :=
TOOLS     :=
TESTS     :=
FUZZERS   :=
ALL_SRC   :=

objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
# A library and all libraries that it needs, in link order, each once.
closure = $(call uniq,$(foreach l,$(1),$(l) $(call closure,$(NEEDS_$(l)))))
uniq    = $(if $(1),$(firstword $(1)) $(call uniq,$(filter-out $(firstword $(1)),$(1))))
archives = $(foreach l,$(call closure,$(1)),$(BUILD)/lib/$(l).a)
syslibs  = $(foreach l,$(call closure,$(1)),$(SYSLIBS_$(l)))

ifeq ($(V),)
Q := @
say = @printf '  %-8s %s\n' $(1) $(2)
else
Q :=
say =
endif

define library
LIBRARIES += $(1)
NEEDS_$(1) := $(2)
SRC_$(1) := $(sort $(wildcard libs/$(1)/*.c))
ALL_SRC += $$(SRC_$(1))
$(BUILD)/lib/$(1).a: $$(call objects,$$(SRC_$(1))) $$(EXTRA_OBJ_$(1))
	$(call say,AR,$$@)
	@mkdir -p $$(@D)
	$(Q)rm -f $$@ && ar rcsD $$@ $$^
endef

# $(1) name $(2) sources $(3) libs $(4) output folder $(5) flags
define link_rule
ALL_SRC += $(2)
$(BUILD)/$(4)/$(1): $(call objects,$(2)) $$(call archives,$(3))
	$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$(Q)$$(CC) $$(CFLAGS_BASE) $$(LDFLAGS_BASE) $(5) -o $$@ $(call objects,$(2)) \
		-Wl,--start-group $$(call archives,$(3)) $$(call syslibs,$(3)) -Wl,--end-group \
		$(6) -lpthread
endef

define program
PROGRAMS += $(1)
PROGRAM_LIBS_$(1) := $(3)
$(call link_rule,$(1),$(2),$(3),bin,$$(LDFLAGS_PROGRAM))
endef

# With shared libraries, for programs that need a library without a static archive in Debian. `make static` links the
# same programs statically, with a libcurl that we build.
define dynamic_program
PROGRAMS += $(1)
PROGRAM_LIBS_$(1) := $(3)
$(call link_rule,$(1),$(2),$(3),bin,-pie)
endef

define tool
TOOLS += $(1)
$(call link_rule,$(1),$(2),$(3),tools,-pie)
endef

define unit_test
TESTS += $(1)
$(call link_rule,$(1),$(2),$(3),tests,-pie,-lcheck -lsubunit -lrt -lm)
endef

define fuzzer
FUZZERS += $(1)
$(call link_rule,$(1),$(2) $(if $(filter fuzzer,$(SAN)),,tests/fuzz/replay.c),$(3),fuzz,-pie $(LDFLAGS_FUZZ))
endef

# Generated headers must exist before anything that might include them is compiled.
GENERATED :=

# Files that contain the version are compiled again when it changes (make release VERSION=...).
$(BUILD)/version: always-look-at-version
	@mkdir -p $(@D)
	@echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' >$@
.PHONY: always-look-at-version
$(call objects,$(shell grep -rl KATA_VERSION --include=*.c libs agent runtime deploy utils)): $(BUILD)/version

$(BUILD)/obj/%.o: %.c | generated
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS_BASE) $(CFLAGS_$(subst /,_,$*)) -MMD -MP -c -o $@ $<

$(BUILD)/obj/gen/%.o: $(BUILD)/gen/%.c | generated
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS_BASE) -w -MMD -MP -c -o $@ $<

# timed NAME,COMMAND: runs the command and prints how long it took, and its time on all processors.
timed = bash -c 'TIMEFORMAT="$(1): took %0lR, with %0lU + %0lS of processor time"; time $(2)'
