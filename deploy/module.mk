# SPDX-License-Identifier: Apache-2.0
#
# The engine: what lays a release down on a node and takes it away again. Programs link these.
DEPLOY_SRC := $(sort $(wildcard deploy/*.c deploy/store/*.c deploy/plan/*.c deploy/journal/*.c deploy/release/*.c deploy/trust/*.c deploy/fetch/*.c deploy/verbs/*.c))
DEPLOY_LIBS := base json crypto yaml archive confine http
include deploy/trust/keys.mk
