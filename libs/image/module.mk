# SPDX-License-Identifier: Apache-2.0
$(eval $(call library,image,base json crypto archive))
