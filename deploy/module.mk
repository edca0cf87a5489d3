# SPDX-License-Identifier: Apache-2.0
#
# DEPLOY_SRC: the engine, and building and verifying releases; also linked into tests. The program
# adds what accesses the node and the network.
DEPLOY_SRC := $(sort $(wildcard deploy/engine/*.c deploy/store/*.c deploy/plan/*.c deploy/journal/*.c \
                                deploy/release/*.c deploy/trust/*.c))
DEPLOY_LIBS := base cli json crypto yaml archive
include deploy/trust/keys.mk

# Registration with container managers.
CRI_SRC := $(sort $(wildcard deploy/cri/*.c))
CRI_LIBS := $(DEPLOY_LIBS) toml http cri protocols dbus

FETCH_SRC := $(sort $(wildcard deploy/fetch/*.c))
NODE_SRC := $(filter-out deploy/cli/main.c $(DEPLOY_SRC),$(sort $(wildcard \
	deploy/cli/*.c deploy/verbs/*.c deploy/fetch/*.c deploy/cri/*.c deploy/use/*.c \
	deploy/prove/*.c deploy/doctor/*.c deploy/node/*.c deploy/report/*.c deploy/timer/*.c)))
NODE_LIBS := $(DEPLOY_LIBS) confine http cri toml protocols dbus loop kube
$(eval $(call dynamic_program,kata-deploy,deploy/cli/main.c $(NODE_SRC) $(DEPLOY_SRC),$(NODE_LIBS)))
