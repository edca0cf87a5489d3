# SPDX-License-Identifier: Apache-2.0
#
# Tests with the container engines of Debian's newer suites, in root directories of their own. Not part of check: they
# need Debian's archive once, and more than an hour. Two parts run at a time.
PARTS ?= containerd containerd-9p containerd-qemu-virtiofsd cri-1-2 cri-2-2 node docker docker-node trixie trixie-9p
.PHONY: check-engines
check-engines: $(addprefix $(BUILD)/tools/,task-update cri pty $(IN_PODS)) ## run the tests with newer containerd, Docker and QEMU: PARTS="docker node ..."
	@$(MAKE) --no-print-directory demo-releases
	@$(MAKE) --no-print-directory stage
	@$(MAKE) --no-print-directory -j2 -k BUILD=$(BUILD) $(PARTS:%=check-engines-%)
	@echo "engines: $(words $(PARTS)) parts passed"

check-engines-%:
	@CASES="$(CASES)" CLIENT_TEST="$(CLIENT_TEST)" HANDLERS="$(HANDLERS)" CRITEST="$(CRITEST)" tests/engines/run.sh $(BUILD) $*

# Uses valgrind of such a root directory, because Debian 12's does not know openat2 and pidfd_open. Tests that need a VM
# are left out, those of confined children and of vsock, as under valgrind there is no seccomp, and those that expect the
# containerd of Debian 12.
.PHONY: check-valgrind run-valgrind
check-valgrind: ## unit tests, with shim and agent, under valgrind: VALGRIND="oci_test ..."
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/valgrind SAN=valgrind run-valgrind

VALGRIND ?= $(filter-out agent_vm_% confine_% shim_vsock_% cri_containerd_%,$(TESTS))
run-valgrind: $(BUILD)/tools/valgrind-calls.so $(VALGRIND:%=$(BUILD)/tests/%)
	@root=$$(tests/engines/chroot.sh) && \
		KATA_TREE=$(CURDIR) tests/engines/enter.sh "$$root" tests/engines/valgrind.sh $(addprefix /src/,$^)

$(BUILD)/tools/valgrind-calls.so: tests/engines/valgrind-calls.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(WARN) -D_GNU_SOURCE -O1 -fPIC -shared -o $@ $<

# Nodes without QEMU, each in a root directory of its own, and every way of installing a release on them.
NODES ?=
.PHONY: check-nodes
$(eval $(call link_rule,without,tests/engines/without.c,base,tools,-static-pie))
check-nodes: $(BUILD)/tools/mkimage $(BUILD)/tools/without ## install on bare nodes from directory, http, deb, image and snap: NODES="bookworm docker:snap ..."
	@packaging/deps.sh packages
	@$(MAKE) --no-print-directory demo-releases
	@tests/engines/nodes.sh $(BUILD) $(NODES)
