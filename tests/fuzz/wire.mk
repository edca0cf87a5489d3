# SPDX-License-Identifier: Apache-2.0
$(eval $(call fuzzer,ttrpc_fuzz,tests/fuzz/ttrpc_fuzz.c,ttrpc oci protocols))
$(eval $(call fuzzer,oci_fuzz,tests/fuzz/oci_fuzz.c,oci))
$(eval $(call fuzzer,cmdline_fuzz,tests/fuzz/cmdline_fuzz.c agent/settings.c,base container loop toml ttrpc))
$(eval $(call fuzzer,qmp_fuzz,tests/fuzz/qmp_fuzz.c runtime/vmm/qemu/qmp.c,json loop base))
