# SPDX-License-Identifier: Apache-2.0
#
# Which file may know which: tests/check-layers.sh.
$(eval $(call program,kata-agent,$(sort $(wildcard agent/*.c agent/*/*.c)),base loop json toml oci hook mount container netlink netmessage ttrpc protocols))
