# SPDX-License-Identifier: Apache-2.0
REPORT_SRC := deploy/report/report.c deploy/report/wish.c deploy/report/pace.c deploy/report/await.c deploy/node/message.c
$(eval $(call unit_test,deploy_report_test,tests/unit/deploy_report_test.c $(REPORT_SRC),kube crypto json base))
$(eval $(call unit_test,deploy_withdraw_test,tests/unit/deploy_withdraw_test.c tests/unit/kube_lab.c deploy/report/withdraw.c deploy/report/wish.c,kube json base))
$(eval $(call unit_test,deploy_pods_test,tests/unit/deploy_pods_test.c tests/unit/cluster_lab.c tests/unit/kube_lab.c $(REPORT_SRC) deploy/node/machine.c,kube crypto json base))
