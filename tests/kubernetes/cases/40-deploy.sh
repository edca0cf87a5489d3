# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# kata-deploy as a chart: every node is turned, pods run and are talked to, an upgrade comes while they do, and
# all of it is taken back. The cases follow each other on the same cluster.

DAEMONSET=lab-kata-deploy

# Images of the two releases on every node, with their names in the chart.
deploy_images() {
	local which
	for which in this next; do
		cluster_image_tar "$BUILD/demo/image-$which.tar" || return
	done
}

deploy_chart() { # install|upgrade this|next [OPTION...]
	local verb=$1 which=$2
	shift 2
	helm4 "$verb" lab "$CHART" --namespace "$NAMESPACE" --set image.reference=localhost/kata-deploy \
		--set image.tag="$which" --set imagePullPolicy=Never "$@"
}

label_of() { # NODE LABEL
	kubectl get node "$1" -o json | jq -r --arg l "$2" '.metadata.labels[$l] // ""'
}

condition_of() { # NODE [FIELD]: of KataReady
	kubectl get node "$1" -o json | jq -r --arg f "${2:-status}" '.status.conditions[] | select(.type == "KataReady") | .[$f]'
}

deployed() { # NODE...: they are turned
	local node
	for node; do
		until_is "KataReady of $node" True condition_of "$node" || {
			condition_of "$node" message
			kubectl -n "$NAMESPACE" logs "$(deploy_pod "$node")" node --tail=20
			kubectl -n "$NAMESPACE" logs "$(deploy_pod "$node")" report --tail=20
			return 1
		}
		until_is "label of $node" true label_of "$node" katacontainers.io/kata-runtime
	done
}

deploy_pod() { # NODE
	kubectl -n "$NAMESPACE" get pods -l app.kubernetes.io/name=kata-deploy --field-selector "spec.nodeName=$1" \
		-o 'jsonpath={.items[0].metadata.name}'
}

test_install_turns_every_node() {
	local node
	deploy_images
	for node in one two three; do node_digest "$node" >"$LAB/digest.$node"; done
	deploy_chart install this >"$LAB/notes"
	has "notes" "$(<"$LAB/notes")" 'rollout status daemonset/lab-kata-deploy'
	deployed one two three
	kubectl -n "$NAMESPACE" rollout status "daemonset/$DAEMONSET" --timeout=120s >/dev/null
	for node in one two three; do
		expect "instance of $node" "$(label_of "$node" kata-deploy.katacontainers.io/default)" true
		has "message of $node" "$(condition_of "$node" message)" 'containerd'
	done
	kubectl get events -A -o json | jq -r '.items[] | select(.source.component == "katacontainers.io/kata-deploy") | .reason' | sort | uniq -c
}

test_pod_with_the_class_serves() {
	pod_serves served 'runtimeClassName="kata"'
	[ "$(kubectl exec served -- uname -r)" != "$(uname -r)" ]
	has "helm test" "$(helm4 test lab --namespace "$NAMESPACE" --logs --timeout 3m)" '"kernel": "6'
	pod_gone served
}

test_upgrade_under_pods() {
	local node before after i
	for node in one two three; do
		for i in 1 2 3; do
			pod_made "held-$node-$i" 'exec sleep 36000' 'runtimeClassName="kata"' "nodeName=\"$node\""
		done
	done
	for node in one two three; do
		for i in 1 2 3; do pod_is "held-$node-$i" Running; done
	done
	before=$(for node in one two three; do node_run "$node" systemctl show -P MainPID containerd; done)
	deploy_chart upgrade next >/dev/null
	kubectl -n "$NAMESPACE" rollout status "daemonset/$DAEMONSET" --timeout=300s >/dev/null
	deployed one two three
	for node in one two three; do
		expect "version on $node" "$(node_version "$node")" 0.1.0.1
		until_is "version that $node reports" 0.1.0.1 node_annotation "$node" version
		for i in 1 2 3; do
			expect "exec in held-$node-$i" "$(kubectl exec "held-$node-$i" -- echo alive)" alive
			expect "restarts of held-$node-$i" "$(kubectl get pod "held-$node-$i" -o 'jsonpath={.status.containerStatuses[0].restartCount}')" 0
		done
	done
	after=$(for node in one two three; do node_run "$node" systemctl show -P MainPID containerd; done)
	expect "container managers" "$after" "$before"
}

test_rollback_under_pods() {
	local node
	helm4 rollback lab 1 --namespace "$NAMESPACE" >/dev/null
	kubectl -n "$NAMESPACE" rollout status "daemonset/$DAEMONSET" --timeout=300s >/dev/null
	for node in one two three; do
		expect "version on $node" "$(node_version "$node")" 0.1.0
		until_is "version that $node reports" 0.1.0 node_annotation "$node" version
		expect "exec in held-$node-1" "$(kubectl exec "held-$node-1" -- echo alive)" alive
	done
}

# The cluster and every node are what they were.
test_uninstall_leaves_nothing() {
	local node
	kubectl delete pod -l app --wait >/dev/null
	helm4 uninstall lab --namespace "$NAMESPACE" --timeout 15m >/dev/null || {
		kubectl -n "$NAMESPACE" logs -l app.kubernetes.io/name=kata-deploy-withdraw
		return 1
	}
	for node in one two three; do
		node_ready "$node"
		diff "$LAB/digest.$node" <(node_digest "$node")
		expect "what $node has of us" "$(kubectl get node "$node" -o json | jq -c '[.metadata.labels, .metadata.annotations |
			keys[] | select(test("kata"))] + [.status.conditions[].type | select(test("Kata"))] + [.spec.taints // [] | .[].key | select(test("kata"))]')" '[]'
	done
	until_is "objects" "" deploy_objects
}

deploy_objects() {
	kubectl get daemonsets,jobs,pods,serviceaccounts,roles,rolebindings,leases,configmaps,secrets -A -o name | grep -i kata
	kubectl get runtimeclasses,clusterroles,clusterrolebindings -o name | grep -i kata
	true
}

node_version() { # NODE
	node_run "$1" /opt/kata/bin/kata-deploy status --json | jq -r '.generations[] | select(.current) | .version'
}

node_annotation() { # NODE WHAT
	kubectl get node "$1" -o json | jq -r --arg a "kata-deploy.katacontainers.io/default.$2" '.metadata.annotations[$a] // ""'
}
