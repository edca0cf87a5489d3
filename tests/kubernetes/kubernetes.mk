# SPDX-License-Identifier: Apache-2.0
#
# make check-kubernetes: a control plane that is compiled once, and kept outside of the tree, and nodes on this
# machine (tests/kubernetes/README.md). CASES="test_pod_on_every_node ..." chooses.
$(BUILD)/kubernetes/built: tests/kubernetes/build.sh
	@packaging/deps.sh kubernetes
	@tests/kubernetes/build.sh $(dir $@)

.PHONY: check-kubernetes
check-kubernetes: stage $(BUILD)/kubernetes/built $(BUILD)/tools/pause ## run kata-deploy on a Kubernetes cluster on this machine; CASES="test_exec ..." chooses
	@tests/kubernetes/run.sh $(BUILD)/kubernetes $(STAGE) $(CASES)
