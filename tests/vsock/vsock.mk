# SPDX-License-Identifier: Apache-2.0
#
# Tests on a host with vhost-vsock, which build machines seldom have: the host is a VM with Debian's kernel.
.PHONY: check-vsock
check-vsock: stage $(BUILD)/tools/mkinitrd ## test containers over vsock, on a host in a VM (minutes)
	@tests/vsock/run.sh $(STAGE) $(BUILD)/tools/mkinitrd $(BUILD)/bench
