# SPDX-License-Identifier: Apache-2.0
#
# make chart: packs the Helm chart of this version into CHART. make manifests: has Helm write the chart's objects as plain
# YAML into MANIFESTS, for clusters without Helm; HELM_ARGS sets its values ("--set a=b -f FILE").
CHART      ?= $(BUILD)/kata-deploy-$(VERSION).tgz
MANIFESTS  ?= $(BUILD)/kata-deploy-$(VERSION).yaml
HELM       ?= helm
HELM_ARGS  ?=

.PHONY: chart manifests
chart: ## pack the Helm chart: CHART=FILE
	@packaging/chart.sh packaging/helm/kata-deploy '$(VERSION)' '$(CHART)'

manifests: chart ## write the chart's objects as plain YAML: MANIFESTS=FILE HELM=PROGRAM HELM_ARGS="--set ..."
	@packaging/manifests.sh '$(HELM)' '$(CHART)' '$(MANIFESTS)' $(HELM_ARGS)
