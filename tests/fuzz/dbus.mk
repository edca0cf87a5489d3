# SPDX-License-Identifier: Apache-2.0
$(eval $(call fuzzer,dbus_fuzz,tests/fuzz/dbus_fuzz.c,dbus))
