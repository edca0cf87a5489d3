# SPDX-License-Identifier: Apache-2.0
VMM_SRC := $(sort $(wildcard runtime/config/*.c runtime/vmm/*.c runtime/vmm/*/*.c))
RUNTIME_SRC := $(VMM_SRC) $(sort $(wildcard runtime/share/*.c runtime/network/*.c runtime/device/*.c runtime/host/*.c runtime/manage/*.c runtime/sandbox/*.c))
RUNTIME_LIBS := base loop json toml oci hook mount container netlink netmessage ttrpc protocols crypto dbus

$(eval $(call program,containerd-shim-kata-v2,$(RUNTIME_SRC) $(sort $(wildcard runtime/shim/*.c runtime/shim/*/*.c)),$(RUNTIME_LIBS)))
$(eval $(call program,kata-runtime,$(VMM_SRC) $(sort $(wildcard runtime/cli/*.c) runtime/share/choice.c runtime/device/volume.c runtime/manage/http.c runtime/manage/client.c),base cli json loop toml crypto))
$(eval $(call tool,floor,tests/bench/floor.c $(VMM_SRC),base json loop toml crypto))
