# SPDX-License-Identifier: Apache-2.0
#
# The engine lays releases down on a node and takes them away again; with what makes and judges
# releases it is linked into tests as well. The program adds what talks to the node and the network.
DEPLOY_SRC := $(sort $(wildcard deploy/*.c deploy/store/*.c deploy/plan/*.c deploy/journal/*.c \
                                deploy/release/*.c deploy/trust/*.c)) \
              $(addprefix deploy/verbs/,keys.c passphrase.c release.c subverb.c)
DEPLOY_LIBS := base json crypto yaml archive
include deploy/trust/keys.mk

# What talks to container managers.
CRI_SRC := $(sort $(wildcard deploy/cri/*.c))
CRI_LIBS := $(DEPLOY_LIBS) toml http protocols
