# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,cri_containerd_test,tests/unit/cri_containerd_test.c tests/crash/release.c $(CRI_SRC) $(DEPLOY_SRC),$(CRI_LIBS)))
$(eval $(call unit_test,cri_test,tests/unit/cri_test.c $(CRI_SRC) $(DEPLOY_SRC),$(CRI_LIBS)))
$(eval $(call unit_test,cri_docker_test,tests/unit/cri_docker_test.c tests/crash/release.c $(CRI_SRC) $(DEPLOY_SRC),$(CRI_LIBS)))
$(eval $(call unit_test,cri_message_test,tests/unit/cri_message_test.c,cri))
$(eval $(call unit_test,cri_stream_test,tests/unit/cri_stream_test.c,cri))
