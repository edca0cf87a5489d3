# SPDX-License-Identifier: Apache-2.0
#
# The targets a person calls. "## text" after a target is its line in `make help`.

.PHONY: stage check-node check-sanitizers check-tsan bench help deps all generated kernel initrd rootimage install demo check check-unit check-integration check-format asan ubsan tsan format clean

help: ## list the targets
	@echo "kata in C, version $(VERSION). Targets:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "Variables: BUILD DESTDIR PREFIX CC WERROR=1 SAN FUZZTIME V=1"

deps: ## install every Debian package that building and testing needs
	@packaging/deps.sh

generated: $(GENERATED)

all: $(PROGRAMS:%=$(BUILD)/bin/%) $(TOOLS:%=$(BUILD)/tools/%) ## build agent, runtime and tools

# A tree that works from where it is: the shim finds its configuration beside its own bin/.
# PORTABLE=1 takes kata-deploy and kata-manager as `make static` builds them.
PORTABLE ?= 0
# What each component was made from besides this tree; QEMU's build says it itself.
SOURCES := $(patsubst %,$(BUILD)/sources/%.yaml,runtime guest tools)
NODE_PROGRAMS := $(addprefix $(if $(filter 1,$(PORTABLE)),$(BUILD)/static,$(BUILD)/bin)/,kata-deploy kata-manager)

linked_into = $(sort $(filter-out -lcurl,$(foreach p,$(1),$(call syslibs,$(PROGRAM_LIBS_$(p))))))
SOURCES_runtime := $(call linked_into,containerd-shim-kata-v2 kata-runtime)
SOURCES_guest   := $(call linked_into,kata-agent kata-proof) linux
SOURCES_tools   := $(sort $(call linked_into,kata-deploy kata-manager kata-collect-data) $(filter -l%,$(STATIC_LIBS))) curl
$(SOURCES): $(BUILD)/sources/%.yaml: packaging/sources.sh packaging/curl.sh kernel/build.sh mk/rules.mk all \
                                           $(filter %iptables.manifest,$(INITRD_MANIFESTS))
	@mkdir -p $(@D)
	@packaging/sources.sh $(SOURCES_$*) \
		$(if $(filter guest,$*),$$(awk '$$1 == "file" && !/xtables\// { print $$NF }' $(filter %.manifest,$^))) >$@.new
	@mv $@.new $@

install: all kernel qemu initrd $(ROOT_IMAGE) $(PROOF) $(NODE_PROGRAMS) $(SOURCES) ## lay everything down below $(DESTDIR)$(PREFIX)
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

# The tree as it would be installed, below $(BUILD).
stage: all kernel qemu initrd $(ROOT_IMAGE) $(PROOF) $(NODE_PROGRAMS) $(SOURCES)
	@rm -rf $(STAGE)
	@$(MAKE) --no-print-directory -s install DESTDIR= PREFIX=$(STAGE)

# Two releases of what is here, the second by name only.
.PHONY: demo-releases
demo-releases:
	@rm -rf $(BUILD)/demo
	@$(MAKE) --no-print-directory release OUT=$(BUILD)/demo/next VERSION=$(VERSION).1 SERIAL=2 LEVEL=3
	@$(MAKE) --no-print-directory release OUT=$(BUILD)/demo/this SERIAL=1 LEVEL=3

demo: ## build, release, install, run, upgrade, roll back, take away
	@packaging/deps.sh
	@echo "demo: building (the guest kernel and QEMU, once, take about 10 minutes)"
	@$(MAKE) --no-print-directory demo-releases
	@tests/integration/demo.sh $(BUILD)/bin/kata-deploy $(BUILD)/demo/this $(BUILD)/demo/next

CHECKS := check-layers check-headers check-docs check-format check-size \
	check-initrd check-rootimage check-fuzz check-unit check-guest check-manual check-errors \
	check-release check-image check-packages check-ansible check-collect \
	check-scenario check-guide check-crash check-power \
	check-cri check-integration check-node check-reproducible

check: ## run every test that fits into half an hour
	@packaging/deps.sh images ansible
	@$(MAKE) --no-print-directory stage
	@MAKE="$(MAKE)" CRI_SHORT=1 ANSIBLE_SHORT=1 tests/check.sh $(BUILD)/check.log $(CHECKS)

check-unit: $(TESTS:%=$(BUILD)/tests/%) ## run the unit tests
	@tests/unit/run.sh $^

check-integration: stage ## run the tests with real containerd and VMs, in two halves at a time
	@$(MAKE) --no-print-directory -j -k BUILD=$(BUILD) check-integration-1-2 check-integration-2-2

check-integration-%:
	@SLICE="$(subst -, ,$*)" tests/integration/run.sh $(STAGE)

check-node: demo-releases ## run kata-deploy on a node with real containerd and VMs, in two halves at a time
	@$(MAKE) --no-print-directory -j -k BUILD=$(BUILD) check-node-1-2 check-node-2-2

check-node-%:
	@SLICE="$(subst -, ,$*)" tests/integration/node/run.sh $(BUILD)/bin/kata-deploy $(BUILD)/bin/kata-manager \
		$(BUILD)/static/kata-deploy $(BUILD)/demo/this $(BUILD)/demo/next

check-reproducible: kernel qemu $(STATIC_CURL) $(BUILD)/bin/kata-deploy ## build a release and its packages twice, must be the same bytes; REBUILD=1: all of it
	@REBUILD=$(REBUILD) tests/integration/reproducible.sh $(BUILD)/bin/kata-deploy

bench: stage $(addprefix $(BUILD)/tools/,floor deaf talk) ## measure, with floors and peers in the same run
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

check-sanitizers: asan tsan ## run both, before a larger change is called finished

asan: ## unit tests under AddressSanitizer and UndefinedBehaviourSanitizer
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan SAN=address,undefined check-unit

ubsan: asan ## the same: both sanitizers run together

tsan: ## unit tests of the libraries, the shim and the agent under ThreadSanitizer
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/tsan SAN=thread check-tsan

# Not what clones into namespaces: ThreadSanitizer does not follow it there. (The agent's tests do not:
# the agent has a helper do it, a program of its own.) Nor what needs a VM.
check-tsan: $(patsubst %,$(BUILD)/tests/%,$(filter-out agent_vm_% container_% cgroup_%,$(TESTS)))
	@tests/unit/run.sh $^

format: ## run clang-format over the tree
	@git ls-files '*.c' '*.h' | xargs clang-format -i

check-format: ## see that clang-format has nothing to say
	@git ls-files '*.c' '*.h' | xargs clang-format --dry-run --Werror
	@echo "  ok    format"

clean: ## remove $(BUILD)
	rm -rf $(BUILD)

-include $(patsubst %.c,$(BUILD)/obj/%.d,$(ALL_SRC))
