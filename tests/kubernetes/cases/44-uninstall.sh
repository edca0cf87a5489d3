# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Uninstalls one of the two installations of 40-deploy.sh and 42-lives.sh, then the other.

test_uninstall_of_one_leaves_the_other() {
	local node
	expect "the second on one" "$(instance_of one b)" "true true True"
	kubectl delete pod -l 'app,app!=of-second' --wait >/dev/null
	deploy_away lab
	for node in one two; do
		expect "the first on $node" "$(instance_of "$node" default)" "- true -"
		expect "the second on $node" "$(instance_of "$node" b)" "true true True"
		node_ready "$node"
	done
	expect "the pod of the second" "$(kubectl exec of-second -- echo alive)" alive
	expect "its restarts" "$(kubectl get pod of-second -o 'jsonpath={.status.containerStatuses[0].restartCount}')" 0
	class_serves kata-b two
	# Pods without a RuntimeClass need runc.
	pod_made plain-one 'exec sleep 3600' 'nodeName="one"'
	pod_is plain-one Running
	node_is_as_it_was three
	kubectl delete pod of-second plain-one --wait >/dev/null
	deploy_away beside
	kubectl label node one two beside- >/dev/null
}

test_uninstall_leaves_nothing() {
	local node
	kubectl delete pod -l app --wait >/dev/null
	[ -z "$(helm4 list -q --namespace "$NAMESPACE")" ] || deploy_away lab
	for node in $(cluster_nodes); do node_is_as_it_was "$node"; done
	! grep -q four <(cluster_nodes) || node_removed four
	cluster_is_as_it_was
}
