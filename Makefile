# SPDX-License-Identifier: Apache-2.0
#
# The entry point; `make help` lists the targets. The build is non-recursive: every directory with something to build
# declares it in its own module.mk with the macros of mk/rules.mk. Output goes below $(BUILD).

VERSION  := $(shell cat VERSION)
BUILD    ?= build
PREFIX   ?= /opt/kata
DESTDIR  ?=
ifeq ($(origin CC),default)
CC       := gcc
endif
WERROR   ?= 0
SAN      ?=
FUZZTIME ?= 60

.DEFAULT_GOAL := all
MAKEFLAGS     += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

include mk/rules.mk

MODULES := $(sort $(wildcard libs/*/module.mk)) \
           $(wildcard agent/module.mk runtime/module.mk deploy/module.mk utils/module.mk \
                      kernel/module.mk packaging/qemu/module.mk osbuilder/module.mk tests/module.mk)
include $(MODULES)
include packaging/static.mk
include packaging/image.mk
include packaging/deb.mk
include packaging/ansible.mk
include packaging/helm.mk
include mk/targets.mk
include mk/checks.mk
include packaging/release.mk
