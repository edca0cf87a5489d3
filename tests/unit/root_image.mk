# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,root_image_test,tests/unit/root_image_test.c osbuilder/verity.c runtime/vmm/qemu/cmdline.c \
	runtime/vmm/qemu/tsc.c $(sort $(wildcard runtime/config/*.c)),crypto toml base))
