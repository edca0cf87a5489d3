# SPDX-License-Identifier: Apache-2.0
#
# make chart: the Helm chart of this version, CHART. make manifests: the same as plain YAML, MANIFESTS, for those
# without Helm, as Helm makes it of the chart. What it is set to is said by HELM_ARGS ("--set a=b -f FILE").
CHART      ?= $(BUILD)/kata-deploy-$(VERSION).tgz
MANIFESTS  ?= $(BUILD)/kata-deploy-$(VERSION).yaml
HELM       ?= helm
HELM_ARGS  ?=

.PHONY: chart manifests
chart: ## pack the Helm chart: CHART=FILE
	@packaging/chart.sh packaging/helm/kata-deploy '$(VERSION)' '$(CHART)'

manifests: chart ## write the chart's objects as plain YAML: MANIFESTS=FILE HELM=PROGRAM HELM_ARGS="--set ..."
	@packaging/manifests.sh '$(HELM)' '$(CHART)' '$(MANIFESTS)' $(HELM_ARGS)
