# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,sizing_test,tests/unit/sizing_test.c runtime/sandbox/sizing.c runtime/host/vcpu.c,oci json base))
$(eval $(call unit_test,resize_test,tests/unit/resize_test.c $(addprefix runtime/,sandbox/sizing.c sandbox/resize.c host/vcpu.c),oci json loop ttrpc protocols base))
