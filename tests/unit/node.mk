# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,node_message_test,tests/unit/node_message_test.c deploy/node/message.c,json base))
