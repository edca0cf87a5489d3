# SPDX-License-Identifier: Apache-2.0
RUNTIME_SRC := $(sort $(wildcard runtime/config/*.c runtime/vmm/*.c runtime/sandbox/*.c))
RUNTIME_LIBS := base loop json toml oci hook mount ttrpc protocols crypto

$(eval $(call program,containerd-shim-kata-v2,$(RUNTIME_SRC) $(sort $(wildcard runtime/shim/*.c)),$(RUNTIME_LIBS)))
$(eval $(call program,kata-runtime,$(sort $(wildcard runtime/config/*.c runtime/vmm/*.c runtime/cli/*.c) runtime/sandbox/choice.c),base json toml))
$(eval $(call tool,floor,tests/bench/floor.c $(sort $(wildcard runtime/config/*.c runtime/vmm/*.c)),base json toml))
