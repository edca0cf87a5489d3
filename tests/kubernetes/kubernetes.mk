# SPDX-License-Identifier: Apache-2.0
#
# make check-kubernetes: a control plane, compiled once and kept outside the tree, and nodes on this machine
# (tests/kubernetes/README.md). CASES="test_pod_on_every_node ..." chooses.
$(BUILD)/kubernetes/built: tests/kubernetes/build.sh
	@packaging/deps.sh kubernetes
	@tests/kubernetes/build.sh $(dir $@)

$(BUILD)/kubernetes/built-conformance: tests/kubernetes/build.sh
	@packaging/deps.sh kubernetes
	@tests/kubernetes/build.sh $(dir $@) conformance

.PHONY: check-kubernetes check-kubernetes-conformance
check-kubernetes: demo-releases $(BUILD)/kubernetes/built $(BUILD)/tools/pause ## run kata-deploy on a Kubernetes cluster on this machine; CASES="test_exec ..." chooses
	@for which in this next; do \
		$(MAKE) --no-print-directory -s image RELEASE=$(BUILD)/demo/$$which IMAGE=$(BUILD)/demo/image-$$which \
			IMAGE_NAME=localhost/kata-deploy:$$which || exit; done
	@tests/kubernetes/run.sh $(BUILD) $(CASES)

check-kubernetes-conformance: demo-releases $(BUILD)/kubernetes/built $(BUILD)/kubernetes/built-conformance $(BUILD)/tools/pause ## run Kubernetes' own tests of a node with runc and with kata; FOCUS="ConfigMap" chooses
	@tests/kubernetes/conformance.sh $(BUILD)
