# SPDX-License-Identifier: Apache-2.0
$(eval $(call library,cri,base http json protocols))
