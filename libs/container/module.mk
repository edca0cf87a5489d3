# SPDX-License-Identifier: Apache-2.0
$(eval $(call library,container,base json oci hook mount))
