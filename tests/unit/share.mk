# SPDX-License-Identifier: Apache-2.0
SHARE_PARTS := runtime/vmm/kernel.c runtime/share/choice.c runtime/share/virtiofsd.c
$(eval $(call unit_test,share_test,tests/unit/share_test.c tests/unit/kernel_lab.c runtime/share/share.c runtime/share/mountns.c $(SHARE_PARTS),ttrpc mount protocols loop base))
$(eval $(call unit_test,share_volume_test,tests/unit/share_volume_test.c runtime/share/volume.c runtime/share/storage.c,oci mount protocols base))
$(eval $(call unit_test,share_copy_test,tests/unit/share_copy_test.c runtime/share/copy.c runtime/share/watch.c,protocols base))
