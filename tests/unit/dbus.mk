# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,dbus_test,tests/unit/dbus_test.c,dbus base))
$(eval $(call unit_test,dbus_field_test,tests/unit/dbus_field_test.c,dbus base))
