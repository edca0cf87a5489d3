# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,annotation_test,tests/unit/annotation_test.c runtime/vmm/qemu/cmdline.c runtime/vmm/qemu/tsc.c $(sort $(wildcard runtime/config/*.c)),crypto toml base))
$(eval $(call unit_test,shim_notes_test,tests/unit/shim_notes_test.c runtime/shim/notes.c,oci json base))
