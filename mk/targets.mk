# SPDX-License-Identifier: Apache-2.0
#
# The targets that people call. "## text" after a target is its line in `make help`.

.PHONY: stage check-node check-sanitizers check-tsan bench help deps all generated kernel initrd rootimage install demo check check-unit check-integration check-format asan ubsan tsan format clean

help: ## list the targets
	@echo "kata in C, version $(VERSION). Targets:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "Variables: BUILD DESTDIR PREFIX CC WERROR=1 SAN FUZZTIME V=1"

deps: ## install the Debian packages for building and testing (as root)
	@packaging/deps.sh

generated: $(GENERATED)

all: $(PROGRAMS:%=$(BUILD)/bin/%) $(TOOLS:%=$(BUILD)/tools/%) ## build agent, runtime and tools

# The installed tree can be moved: the shim finds its configuration beside its own bin/. PORTABLE=1 installs kata-deploy
# and kata-manager as `make static` builds them.
PORTABLE ?= 0
# The third-party sources of each component; QEMU's build writes its own list.
SOURCES := $(patsubst %,$(BUILD)/sources/%.yaml,runtime guest tools)
NODE_PROGRAMS := $(addprefix $(if $(filter 1,$(PORTABLE)),$(BUILD)/static,$(BUILD)/bin)/,kata-deploy kata-manager)

linked_into = $(sort $(filter-out -lcurl,$(foreach p,$(1),$(call syslibs,$(PROGRAM_LIBS_$(p))))))
SOURCES_runtime := $(call linked_into,containerd-shim-kata-v2 kata-runtime)
SOURCES_guest   := $(call linked_into,kata-agent kata-proof) linux \
                   $(patsubst %/manifest,iptables=%,$(filter %iptables/manifest,$(INITRD_MANIFESTS)))
SOURCES_tools   := $(sort $(call linked_into,kata-deploy kata-manager kata-collect-data) \
                     $(if $(filter 1,$(PORTABLE)),$(filter -l%,$(STATIC_LIBS)))) $(if $(filter 1,$(PORTABLE)),curl=$(dir $(STATIC_CURL)))
$(SOURCES): $(BUILD)/sources/%.yaml: packaging/sources.sh packaging/debian-source.sh packaging/sources.pins \
                                           kernel/build.sh mk/rules.mk all $(INITRD) $(filter %/static/kata-deploy,$(NODE_PROGRAMS))
	@mkdir -p $(@D)
	@packaging/sources.sh $(SOURCES_$*) >$@.new
	@mv $@.new $@

install: all kernel qemu initrd $(ROOT_IMAGE) $(PROOF) $(NODE_PROGRAMS) $(SOURCES) ## install everything below $(DESTDIR)$(PREFIX); registers nothing
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,bin libexec share/kata-containers share/kata-qemu share/kata-sources \
		share/defaults/kata-containers share/man/man8 share/bash-completion/completions \
		share/zsh/site-functions share/fish/vendor_completions.d)
	install -s -m 0755 $(BUILD)/bin/containerd-shim-kata-v2 $(BUILD)/bin/kata-runtime \
		$(BUILD)/bin/kata-collect-data $(NODE_PROGRAMS) $(DESTDIR)$(PREFIX)/bin/
	install -m 0644 $(BUILD)/kernel/vmlinux \
		$(DESTDIR)$(PREFIX)/share/kata-containers/vmlinux.container
	install -m 0644 $(INITRD) $(ROOT_IMAGE) $(ROOT_IMAGE).verity $(PROOF) \
		$(DESTDIR)$(PREFIX)/share/kata-containers/
	install -m 0755 $(BUILD)/qemu/bin/qemu-system-x86_64 $(DESTDIR)$(PREFIX)/bin/
	install -m 0755 $(BUILD)/qemu/libexec/virtiofsd $(DESTDIR)$(PREFIX)/libexec/
	install -m 0644 $(BUILD)/qemu/share/kata-qemu/* $(DESTDIR)$(PREFIX)/share/kata-qemu/
	install -m 0644 $(SOURCES) $(DESTDIR)$(PREFIX)/share/kata-sources/
	install -m 0644 runtime/configuration.toml \
		$(DESTDIR)$(PREFIX)/share/defaults/kata-containers/
	cd $(DESTDIR)$(PREFIX)/share && for p in $(notdir $(NODE_PROGRAMS)) kata-collect-data; do \
		../bin/$$p manual man >man/man8/$$p.8 && \
		../bin/$$p manual bash >bash-completion/completions/$$p && \
		../bin/$$p manual zsh >zsh/site-functions/_$$p && \
		../bin/$$p manual fish >fish/vendor_completions.d/$$p.fish || exit 1; done

STAGE := $(abspath $(BUILD))/stage

# The installed tree, below $(BUILD).
stage: all kernel qemu initrd $(ROOT_IMAGE) $(PROOF) $(NODE_PROGRAMS) $(SOURCES)
	@rm -rf $(STAGE)
	@$(MAKE) --no-print-directory -s install DESTDIR= PREFIX=$(STAGE)

# Two releases of this tree, which differ only in their version.
.PHONY: demo-releases
demo-releases:
	@rm -rf $(BUILD)/demo
	@$(MAKE) --no-print-directory release OUT=$(BUILD)/demo/next VERSION=$(VERSION).1 SERIAL=2 LEVEL=3
	@$(MAKE) --no-print-directory release OUT=$(BUILD)/demo/this SERIAL=1 LEVEL=3

demo: ## build, release, install, run, upgrade, roll back, uninstall
	@packaging/deps.sh
	@echo "demo: building (the guest kernel and QEMU, once, take 10 to 30 minutes)"
	@$(MAKE) --no-print-directory demo-releases
	@tests/integration/demo.sh $(BUILD)/bin/kata-deploy $(BUILD)/demo/this $(BUILD)/demo/next

# The quick ones first, then the longest, so that no processor is idle at the end. Of check-cri only the cases with our
# runtime: those with runc show that the cases expect what any runtime does.
CHECKS := check-layers check-headers check-docs check-format check-size check-errors check-manual check-release \
	check-initrd check-rootimage check-fuzz \
	$(filter check-cri-kata-%,$(CRI_EACH)) check-integration-1-2 check-integration-2-2 $(SCENARIO_EACH) \
	check-node-1-2 check-node-2-2 check-unit check-crash check-reproducible check-power check-ansible check-guide \
	check-guest check-packages check-image check-collect

# Most of the tests wait, for VMs and timers, so more run at a time than there are processors. No check makes the demo's
# releases or the stage again, which the others use.
check: JOBS ?= $(shell echo $$(($$(nproc) + 1)))
check: ## run the tests that together take half an hour to an hour
	@packaging/deps.sh images ansible
	@$(MAKE) --no-print-directory demo-releases
	@$(MAKE) --no-print-directory stage
	@MAKE="$(MAKE)" JOBS=$(if $(filter -j%,$(MAKEFLAGS)),,$(JOBS)) CRI_SHORT=1 ANSIBLE_SHORT=1 \
		tests/check.sh $(BUILD)/check.log $(CHECKS)

check-unit: $(TESTS:%=$(BUILD)/tests/%) ## run the unit tests
	@tests/unit/run.sh $^

check-integration: stage ## test containers with a real containerd and VMs, in two halves at a time
	@$(MAKE) --no-print-directory -j -k BUILD=$(BUILD) check-integration-1-2 check-integration-2-2

check-integration-%: $(ROOT_IMAGE_EXT4)
	@SLICE="$(subst -, ,$*)" tests/integration/run.sh $(STAGE)

check-node: demo-releases ## test kata-deploy with a real containerd and VMs, in two halves at a time
	@$(MAKE) --no-print-directory -j -k BUILD=$(BUILD) check-node-1-2 check-node-2-2

check-node-%:
	@SLICE="$(subst -, ,$*)" tests/integration/node/run.sh $(BUILD)/bin/kata-deploy $(BUILD)/bin/kata-manager \
		$(BUILD)/static/kata-deploy $(BUILD)/demo/this $(BUILD)/demo/next

check-reproducible: kernel qemu $(STATIC_CURL) $(BUILD)/bin/kata-deploy ## build a release and its packages twice and compare; REBUILD=1: kernel, QEMU and libcurl too
	@REBUILD=$(REBUILD) tests/integration/reproducible.sh $(BUILD)/bin/kata-deploy

bench: stage $(addprefix $(BUILD)/tools/,floor deaf talk) ## measure, each beside a lower bound and a peer in the same run
	@rm -f $(BUILD)/bench.rows && touch $(BUILD)/bench.rows
	@FIGURES=$(BUILD)/bench.rows tests/bench/run.sh $(STAGE) $(BUILD)/tools/floor
	@FIGURES=$(BUILD)/bench.rows tests/bench/network.sh $(STAGE) $(BUILD)/tools
	@FIGURES=$(BUILD)/bench.rows tests/bench/files.sh $(STAGE)
	@FIGURES=$(BUILD)/bench.rows tests/bench/cri.sh $(STAGE) $(BUILD)/tools/floor
	@FIGURES=$(BUILD)/bench.rows tests/bench/memory.sh $(STAGE)
	@FIGURES=$(BUILD)/bench.rows tests/bench/deploy.sh $(BUILD)/bin/kata-deploy $(BUILD)/tools/deaf
	@rm -rf $(BUILD)/bench-release && $(MAKE) --no-print-directory release OUT=$(BUILD)/bench-release >/dev/null
	@FIGURES=$(BUILD)/bench.rows tests/bench/release.sh $(BUILD)/static/kata-deploy $(BUILD)/bench-release
	@{ echo '['; sed '$$!s/$$/,/' $(BUILD)/bench.rows; echo ']'; } >$(BUILD)/bench.json
	@grep -c '"holds":false' $(BUILD)/bench.rows | sed 's/^/bench: bars that do not hold: /'

check-sanitizers: asan tsan ## run asan and tsan; for the end of a larger change

asan: ## unit tests under AddressSanitizer and UndefinedBehaviourSanitizer
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan SAN=address,undefined check-unit

ubsan: asan ## the same as asan, which runs both

tsan: ## unit tests of the libraries, the shim and the agent under ThreadSanitizer
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/tsan SAN=thread check-tsan

# Without tests that clone into namespaces, where ThreadSanitizer cannot follow (the agent's tests can run, because the
# agent has a separate helper program for that), and without tests that need a VM.
check-tsan: $(patsubst %,$(BUILD)/tests/%,$(filter-out agent_vm_% container_% cgroup_%,$(TESTS)))
	@tests/unit/run.sh $^

format: ## run clang-format over the tree
	@git ls-files '*.c' '*.h' | xargs clang-format -i

check-format: ## check that clang-format would change nothing
	@git ls-files '*.c' '*.h' | xargs clang-format --dry-run --Werror
	@echo "  ok    format"

clean: ## remove $(BUILD)
	rm -rf $(BUILD)

-include $(patsubst %.c,$(BUILD)/obj/%.d,$(ALL_SRC))
