# SPDX-License-Identifier: Apache-2.0
$(eval $(call fuzzer,node_message_fuzz,tests/fuzz/node_message_fuzz.c deploy/node/message.c,json base))
