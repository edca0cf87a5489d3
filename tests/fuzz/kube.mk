# SPDX-License-Identifier: Apache-2.0
$(eval $(call fuzzer,kube_config_fuzz,tests/fuzz/kube_config_fuzz.c,kube yaml json base))
$(eval $(call fuzzer,kube_answer_fuzz,tests/fuzz/kube_answer_fuzz.c,kube json base))
$(eval $(call fuzzer,kube_watch_fuzz,tests/fuzz/kube_watch_fuzz.c,kube json base))
$(eval $(call fuzzer,report_node_fuzz,tests/fuzz/report_node_fuzz.c deploy/report/wish.c,kube json base))
