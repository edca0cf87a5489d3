# SPDX-License-Identifier: Apache-2.0
#
# make ansible: packs the collection katacontainers.kata (packaging/ansible) for ansible-galaxy.
ANSIBLE ?= $(BUILD)/ansible

.PHONY: ansible check-ansible
ansible: ## pack the Ansible collection: ANSIBLE=
	@packaging/ansible.py packaging/ansible '$(VERSION)' '$(ANSIBLE)'

# ANSIBLE_SHORT=1, as in `check`, leaves the ten hosts out.
check-ansible: $(BUILD)/static/kata-deploy $(if $(ANSIBLE_SHORT),,demo-releases) ## test the Ansible collection on one host, and on ten
	@packaging/deps.sh ansible
	@tests/ansible/run.sh $< $(if $(ANSIBLE_SHORT),,$(BUILD)/demo/this $(BUILD)/demo/next)
