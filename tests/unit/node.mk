# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,node_message_test,tests/unit/node_message_test.c deploy/node/message.c,json base))
$(eval $(call unit_test,node_machine_test,tests/unit/node_machine_test.c $(addprefix deploy/node/,machine.c message.c metrics.c outcome.c serve.c),json loop base))
$(eval $(call unit_test,node_channel_test,tests/unit/node_channel_test.c deploy/node/channel.c deploy/node/message.c,json loop base))
$(eval $(call unit_test,node_endpoint_test,tests/unit/node_endpoint_test.c $(addprefix deploy/node/,endpoint.c channel.c message.c),json loop base))
$(eval $(call unit_test,node_serve_test,tests/unit/node_serve_test.c deploy/node/serve.c,loop base))
