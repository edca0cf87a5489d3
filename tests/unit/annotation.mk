# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,annotation_test,tests/unit/annotation_test.c runtime/vmm/qemu/cmdline.c runtime/vmm/qemu/tsc.c $(sort $(wildcard runtime/config/*.c)),crypto toml base))
$(eval $(call unit_test,shim_annotation_test,tests/unit/shim_annotation_test.c runtime/shim/annotation.c,oci json base))
