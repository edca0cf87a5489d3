#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Writes the objects of a packed chart as plain YAML: manifests.sh HELM CHART OUT [HELM-OPTION...]. The chart's hooks
# are left out: without Helm a command uninstalls (docs/guide/kubernetes.md).
set -euo pipefail
helm=$1 chart=$2 out=$3
shift 3
command -v "$helm" >/dev/null || {
	echo "manifests: Helm is needed, and $helm was not found; name the program with HELM=" >&2
	exit 1
}
work=$(mktemp -d) part=$out.part.$$
trap 'rm -rf "$work" "$part"' EXIT
HELM_CACHE_HOME=$work HELM_CONFIG_HOME=$work HELM_DATA_HOME=$work \
	"$helm" template kata-deploy "$chart" --namespace kube-system --no-hooks "$@" |
	# Helm does not manage these objects, so they must not claim to be part of a Helm release.
	sed -e '/^ *app.kubernetes.io\/managed-by: Helm$/d' -e '/^ *helm.sh\/chart: /d' >"$part"
mv "$part" "$out"
echo "$out: $(grep -c '^kind: ' "$out") objects"
