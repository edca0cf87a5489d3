# SPDX-License-Identifier: Apache-2.0
$(eval $(call fuzzer,oci_fuzz,tests/fuzz/oci_fuzz.c,oci protocols))
