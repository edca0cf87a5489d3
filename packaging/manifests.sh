#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The objects of a packed chart as plain YAML: manifests.sh HELM CHART OUT [HELM-OPTION...]. Without the chart's
# hooks: uninstalling without Helm is a command (docs/guide/kubernetes.md).
set -euo pipefail
helm=$1 chart=$2 out=$3
shift 3
command -v "$helm" >/dev/null || {
	echo "manifests: there is no $helm, which writes them; name one with HELM=" >&2
	exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work" "$out.part"' EXIT
HELM_CACHE_HOME=$work HELM_CONFIG_HOME=$work HELM_DATA_HOME=$work \
	"$helm" template kata-deploy "$chart" --namespace kube-system --no-hooks "$@" |
	# They are not Helm's, which would look for them among its releases.
	sed -e '/^ *app.kubernetes.io\/managed-by: Helm$/d' -e '/^ *helm.sh\/chart: /d' >"$out.part"
mv "$out.part" "$out"
echo "$out: $(grep -c '^kind: ' "$out") objects"
