# SPDX-License-Identifier: Apache-2.0
.PHONY: check-guest
check-guest: $(BUILD)/kernel/vmlinux $(addprefix $(BUILD)/tests/,guest_kernel_test terminal_test cgroup_test mount_test container_test) ## run the tests of the container core in a guest
	@tests/integration/guest-unit.sh $(BUILD)

# Takes minutes and is not part of check, which tests with the initrd.
.PHONY: check-guest-image
check-guest-image: $(BUILD)/kernel/vmlinux $(ROOT_IMAGE) $(ROOT_IMAGE_EXT4) $(addprefix $(BUILD)/tests/,agent_vm_test agent_vm_storage_test) ## run the agent's VM tests in guests on root images
	@for i in $(ROOT_IMAGE) $(ROOT_IMAGE_EXT4); do tests/integration/image-vm.sh $(BUILD) $$i || exit; done

.PHONY: check-guest-debian
check-guest-debian: stage $(addprefix $(BUILD)/tests/,agent_vm_test agent_vm_storage_test) ## the same in a Debian guest, which is built first
	@MKROOT=$(BUILD)/tools/mkroot tests/integration/guest-debian.sh $(BUILD) $(STAGE)

# Runs a command on a terminal and exchanges text with it.
$(eval $(call tool,pty,tests/integration/pty.c,base))
# Changes the limits of a task, which ctr cannot.
$(eval $(call tool,task-update,tests/integration/task-update.c,base loop ttrpc protocols))
# Runs a task with a root file system that no snapshotter of ctr provides.
$(eval $(call tool,task-run,tests/integration/task-run.c,base loop ttrpc protocols))
# Asks systemd for a job, as kata-deploy does in a container.
$(eval $(call tool,systemd-job,tests/integration/systemd-job.c,dbus base))
# Runs inside a container, where there are no shared libraries.
TOOLS += mapped
$(eval $(call link_rule,mapped,tests/integration/mapped.c,base,tools,$$(LDFLAGS_PROGRAM)))
TOOLS += scribble
$(eval $(call link_rule,scribble,tests/integration/scribble.c,base,tools,$$(LDFLAGS_PROGRAM)))
