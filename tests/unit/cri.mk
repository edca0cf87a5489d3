# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,cri_containerd_test,tests/unit/cri_containerd_test.c tests/crash/release.c $(CRI_SRC) $(DEPLOY_SRC),$(CRI_LIBS)))
