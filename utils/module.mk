# SPDX-License-Identifier: Apache-2.0
$(eval $(call program,kata-manager,$(sort $(wildcard utils/manager/*.c)),base cli json))
