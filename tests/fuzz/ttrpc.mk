# SPDX-License-Identifier: Apache-2.0
$(eval $(call fuzzer,ttrpc_fuzz,tests/fuzz/ttrpc_fuzz.c,ttrpc oci protocols))
