# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,http_test,tests/unit/http_test.c tests/unit/web_lab.c,http crypto))
# For the figures of a dead mirror.
$(eval $(call tool,deaf,tests/bench/deaf.c tests/unit/web_lab.c,base))
