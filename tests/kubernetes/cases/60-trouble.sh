# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Complete installations on a cluster with faults. Each starts with nodes without an installation, and leaves them so.

LONG+=(test_nodes_in_trouble test_api_server_in_trouble test_two_installations_at_once)

spec_of() { # NODE: prints its spec without the parts that are ours
	kubectl get node "$1" -o json | jq -cS '.spec | .taints |= ((. // []) | map(del(.timeAdded)) | sort_by(.key, .effect))'
}

is_cordoned() { spec_of "$1" | grep -q node.kubernetes.io/unschedulable; } # NODE

# One node is cordoned, one has a foreign taint, and one loses its power just after it has started to install.
test_nodes_in_trouble() {
	local node lost journal
	deploy_begins
	kubectl cordon one >/dev/null
	kubectl taint node two others.example/mine=x:NoSchedule >/dev/null
	until_true 60 is_cordoned one
	for node in one two three; do spec_of "$node" >"$LAB/spec.$node"; done
	deploy_chart install this >/dev/null
	journal=$(caught_in_the_middle "$(journal_of one)" "$(journal_of two)" "$(journal_of three)")
	lost=${journal#"$LAB"/} lost=${lost%%/*}
	node_power_off "$lost"
	[ -e "$journal" ]
	node_power_on "$lost"
	node_ready "$lost"
	deployed one two three
	[ ! -e "$journal" ]
	has "what $lost went on with" "$(kubectl -n "$NAMESPACE" logs "$(deploy_pod "$lost")" -c node)" 'phase=installing'
	class_serves kata "$lost"
	for node in one two three; do
		until_is "what others set on $node" "$(<"$LAB/spec.$node")" spec_of "$node"
	done
	deploy_away lab
	for node in one two three; do
		expect "what others set on $node" "$(spec_of "$node")" "$(<"$LAB/spec.$node")"
	done
	node_is_as_it_was one two three
	kubectl uncordon one >/dev/null
	kubectl taint node two others.example/mine- >/dev/null
	cluster_is_as_it_was
}

# Recreates the service account, so that the tokens in the pods become invalid.
tokens_end() {
	kubectl -n "$NAMESPACE" get serviceaccount "$DAEMONSET" -o json |
		jq 'del(.metadata.uid, .metadata.resourceVersion, .metadata.creationTimestamp, .secrets)' |
		kubectl replace --force -f - >/dev/null
}

token_is_refused() {
	kubectl -n "$NAMESPACE" logs -l "app.kubernetes.io/instance=$DAEMONSET" -c report | grep -q 'does not know the token'
}

# Stops the API server half of the time until FILE is removed.
server_is_slow() { # FILE
	local pid
	pid=$(<"$LAB/apiserver.pid")
	while [ -e "$1" ]; do
		kill -STOP "$pid"
		sleep 4
		kill -CONT "$pid"
		sleep 4
	done
}

test_api_server_in_trouble() {
	local node slow
	deploy_begins
	deploy_chart install this >/dev/null
	caught_in_the_middle "$(journal_of one)" "$(journal_of two)" "$(journal_of three)" >/dev/null
	tokens_end
	until_true 120 token_is_refused
	cluster_end apiserver KILL
	sleep 10
	cluster_apiserver
	# A kubelet renews tokens in time, but after the account was recreated only when the kubelet is restarted.
	for node in one two three; do node_run "$node" systemctl restart kubelet; done
	touch "$LAB/slow"
	server_is_slow "$LAB/slow" &
	slow=$!
	deployed one two three
	rm "$LAB/slow"
	wait "$slow"
	for node in one two three; do class_serves kata "$node"; done
	deploy_away lab
	node_is_as_it_was one two three
	cluster_is_as_it_was
}

failures() {
	deploy_events | jq '[.[] | select(.reason == "Failed") | 1 + (.series.count // 0)] | add // 0'
}

# Two installations at the same time: on every node one waits for the other, which is no failure; also at the uninstall.
test_two_installations_at_once() {
	local node before pid status=0
	deploy_begins
	before=$(failures)
	deploy_chart install this --set pace.restarts=100% >/dev/null
	deploy_beside --set pace.restarts=100%
	deployed one two three
	for node in one two three; do
		until_is "the second on $node" "true true True" instance_of "$node" b
	done
	expect "failures" "$(failures)" "$before"
	class_serves kata one
	class_serves kata-b one
	deploy_away beside &
	pid=$!
	deploy_away lab
	wait "$pid" || status=$?
	expect "status of the other's uninstall" "$status" 0
	expect "failures" "$(failures)" "$before"
	node_is_as_it_was one two three
	cluster_is_as_it_was
}
