# SPDX-License-Identifier: Apache-2.0
include $(wildcard tests/guide/*.mk) $(wildcard tests/unit/*.mk) $(wildcard tests/fuzz/*.mk) $(wildcard tests/integration/*.mk) $(wildcard tests/crash/*.mk) $(wildcard tests/scenario/*.mk) $(wildcard tests/power/*.mk) $(wildcard tests/vsock/*.mk) $(wildcard tests/engines/*.mk) $(wildcard tests/cri/*.mk) $(wildcard tests/sbom/*.mk)
