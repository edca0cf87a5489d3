# SPDX-License-Identifier: Apache-2.0
#
# The targets a person calls. "## text" after a target is its line in `make help`.

.PHONY: help deps all generated kernel initrd install demo check check-unit check-integration \
        check-layers check-headers check-format check-fuzz asan ubsan tsan fuzz bench format clean

help: ## list the targets
	@echo "kata in C, version $(VERSION). Targets:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "Variables: BUILD DESTDIR PREFIX CC WERROR=1 SAN FUZZTIME V=1"

deps: ## install every Debian package that building and testing needs
	@packaging/deps.sh

generated: $(GENERATED)

all: $(PROGRAMS:%=$(BUILD)/bin/%) $(TOOLS:%=$(BUILD)/tools/%) ## build agent, runtime and tools

# A tree that works from where it is: the shim finds its configuration beside its own bin/.
install: all kernel initrd ## lay everything down below $(DESTDIR)$(PREFIX)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/kata-containers \
		$(DESTDIR)$(PREFIX)/share/defaults/kata-containers
	install -s -m 0755 $(BUILD)/bin/containerd-shim-kata-v2 $(DESTDIR)$(PREFIX)/bin/
	install -m 0644 $(BUILD)/kernel/vmlinux \
		$(DESTDIR)$(PREFIX)/share/kata-containers/vmlinux.container
	install -m 0644 $(BUILD)/osbuilder/kata-containers-initrd.img \
		$(DESTDIR)$(PREFIX)/share/kata-containers/
	sed 's|@PREFIX@|$(PREFIX)|' runtime/configuration.toml.in \
		>$(DESTDIR)$(PREFIX)/share/defaults/kata-containers/configuration.toml

format: ## run clang-format over the tree
	@git ls-files '*.c' '*.h' | xargs clang-format -i

check-format:
	@git ls-files '*.c' '*.h' | xargs clang-format --dry-run --Werror

clean: ## remove $(BUILD)
	rm -rf $(BUILD)

-include $(patsubst %.c,$(BUILD)/obj/%.d,$(ALL_SRC))
