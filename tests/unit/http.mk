# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,http_test,tests/unit/http_test.c tests/unit/web_lab.c,http crypto))
