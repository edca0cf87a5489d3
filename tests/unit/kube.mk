# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,kube_test,tests/unit/kube_test.c tests/unit/kube_lab.c,kube))
$(eval $(call unit_test,kube_access_test,tests/unit/kube_access_test.c tests/unit/web_lab.c tests/unit/kube_lab.c,kube))
$(eval $(call unit_test,kube_lease_test,tests/unit/kube_lease_test.c tests/unit/kube_lab.c,kube))
