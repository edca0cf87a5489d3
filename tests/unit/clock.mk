# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,clock_test,tests/unit/clock_test.c tests/unit/wire_lab.c runtime/sandbox/clock.c agent/clock.c,ttrpc loop protocols base))
