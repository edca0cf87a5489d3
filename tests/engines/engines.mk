# SPDX-License-Identifier: Apache-2.0
#
# The container engines of Debian's newest suite, in a root directory of their own. Not part of check:
# it needs Debian's archive once, and the better part of an hour.
PARTS ?=
.PHONY: check-engines
check-engines: $(BUILD)/tools/pty $(BUILD)/tools/task-update ## run the tests on today's containerd, Docker and QEMU: PARTS="docker node ..."
	@$(MAKE) --no-print-directory demo-releases
	@$(MAKE) --no-print-directory stage
	@tests/engines/run.sh $(BUILD) $(PARTS)

# Nodes without QEMU, each a root directory of its own, and the ways in which a release comes to them.
NODES ?=
.PHONY: check-nodes
$(eval $(call link_rule,without,tests/engines/without.c,base,tools,-static-pie))
check-nodes: $(BUILD)/tools/mkimage $(BUILD)/tools/without ## install on bare nodes from directory, http, deb, image and snap: NODES="bookworm docker:snap ..."
	@packaging/deps.sh packages
	@$(MAKE) --no-print-directory demo-releases
	@tests/engines/nodes.sh $(BUILD) $(NODES)
