# SPDX-License-Identifier: Apache-2.0
#
# A host with vhost-vsock, which a build machine seldom is: a VM with Debian's kernel.
.PHONY: check-vsock
check-vsock: stage $(BUILD)/tools/mkinitrd ## containers over vsock, on a host in a VM that has it (minutes)
	@tests/vsock/run.sh $(STAGE) $(BUILD)/tools/mkinitrd $(BUILD)/bench
