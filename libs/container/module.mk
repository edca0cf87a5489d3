# SPDX-License-Identifier: Apache-2.0
$(eval $(call library,container,base oci hook mount))
