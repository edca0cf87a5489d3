# SPDX-License-Identifier: Apache-2.0
#
# make ansible: the collection katacontainers.kata (packaging/ansible), for ansible-galaxy.
ANSIBLE ?= $(BUILD)/ansible

.PHONY: ansible check-ansible
ansible: ## pack the Ansible collection: ANSIBLE=
	@packaging/ansible.py packaging/ansible '$(VERSION)' '$(ANSIBLE)'

# With ANSIBLE_SHORT=1, as in `check`, without the ten hosts.
check-ansible: $(BUILD)/static/kata-deploy $(if $(ANSIBLE_SHORT),,demo-releases) ## run the Ansible collection on a host, and on ten
	@packaging/deps.sh ansible
	@tests/ansible/run.sh $< $(if $(ANSIBLE_SHORT),,$(BUILD)/demo/this $(BUILD)/demo/next)
