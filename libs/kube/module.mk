# SPDX-License-Identifier: Apache-2.0
$(eval $(call library,kube,base crypto http json yaml))
