# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,volume_test,tests/unit/volume_test.c runtime/cli/volume.c runtime/device/volume.c $(sort $(wildcard runtime/manage/*.c)),cli json loop base))
$(eval $(call unit_test,manage_test,tests/unit/manage_test.c $(sort $(wildcard runtime/manage/*.c)),loop base))
