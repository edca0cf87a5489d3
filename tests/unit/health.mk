# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,health_test,tests/unit/health_test.c tests/unit/wire_lab.c runtime/sandbox/health.c,ttrpc loop protocols base))
