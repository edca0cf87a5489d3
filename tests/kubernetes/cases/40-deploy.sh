# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Tests the chart on the cluster: it installs on every node, pods run and communicate, it upgrades while they run, and
# uninstalls. The cases depend on each other's state.

DAEMONSET=lab-kata-deploy

# Imports the images of the two releases on every node.
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

condition_of() { # NODE [FIELD]: prints that field of its condition KataReady
	kubectl get node "$1" -o json | jq -r --arg f "${2:-status}" '.status.conditions[] | select(.type == "KataReady") | .[$f]'
}

deployed() { # NODE...: waits until they are ready
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

deploy_pod() { # NODE [LABEL=VALUE]: prints the pod of the DaemonSet there, or nothing
	kubectl -n "$NAMESPACE" get pods -l "${2:-app.kubernetes.io/instance=$DAEMONSET}" --field-selector "spec.nodeName=$1" -o json |
		jq -r '[.items[] | select(.metadata.deletionTimestamp | not) | .metadata.name] | first // empty'
}

# Records the state for the comparison at the end. Every case that compares begins with this, whichever others are run.
deploy_begins() {
	[ ! -e "$LAB/keys" ] || return 0
	local node
	deploy_images
	cluster_settled
	for node in one two three; do node_digest "$node" >"$LAB/digest.$node"; done
	cluster_keys >"$LAB/keys"
}

helm_and_a_pod() {
	helm4 template lab "$CHART" >/dev/null
	pod_made floor 'exec sleep 3600' 'nodeName="one"'
	pod_is floor Running
}

chart_on_the_pilot() {
	deploy_chart install this --set-string nodeSelector.pilot=yes >/dev/null
	kubectl wait --for=condition=KataReady node/one --timeout=300s >/dev/null
}

# First installs on one node and compares the time with that of the plain command, if 30-plain.sh has measured it in this
# run. A cluster adds Helm, the controllers, the start of a pod, the turn, and the report: 5 s, or on a busy machine three
# times what Helm and a pod that does nothing take.
test_one_node_takes_little_longer_than_the_command() {
	local nothing took
	deploy_begins
	timed nothing helm_and_a_pod
	kubectl label node one pilot=yes >/dev/null
	timed took chart_on_the_pilot
	echo "    from helm install to KataReady: $took s; Helm and a pod that does nothing: $nothing s"
	if [ -e "$LAB/plain.seconds" ]; then
		awk -v took="$took" -v plain="$(<"$LAB/plain.seconds")" -v nothing="$nothing" 'BEGIN {
			printf "    %.1f s more than the plain command\n", took - plain
			exit !(plain > 0 && took - plain <= (nothing * 3 > 5 ? nothing * 3 : 5)) }'
	fi
	kubectl delete pod floor --wait >/dev/null
	expect "nodes with a pod" "$(kubectl get pods -A -l app.kubernetes.io/name=kata-deploy -o json | jq -r '.items[].spec.nodeName')" one
	deployed one
	kubectl label node one pilot- >/dev/null
}

test_install_turns_every_node() {
	local node
	deploy_begins
	deploy_chart upgrade this --install >"$LAB/notes"
	has "notes" "$(<"$LAB/notes")" 'rollout status daemonset/lab-kata-deploy'
	deployed one two three
	kubectl -n "$NAMESPACE" rollout status "daemonset/$DAEMONSET" --timeout=120s >/dev/null
	for node in one two three; do
		expect "instance of $node" "$(label_of "$node" kata-deploy.katacontainers.io/default)" true
		has "message of $node" "$(condition_of "$node" message)" 'containerd'
	done
	expect "rights that are missing" "$(kubectl -n "$NAMESPACE" logs -l "app.kubernetes.io/instance=$DAEMONSET" --all-containers --tail=-1 |
		grep -ci forbidden)" 0
	expect "Events of three that are missing" "$(deploy_events | jq -r '["WaitingForTurn", "Installing", "Ready"] -
		[.[] | select(.involvedObject.name == "three") | .reason] | join(" ")')" ""
}

test_pod_with_the_class_serves() {
	pod_serves served 'runtimeClassName="kata"'
	[ "$(kubectl exec served -- uname -r)" != "$(uname -r)" ]
	has "helm test" "$(helm4 test lab --namespace "$NAMESPACE" --logs --timeout 3m)" '"kernel": "6'
	# Helm keeps the pods of its test for their logs, as the chart's notes say.
	kubectl -n "$NAMESPACE" delete pods -l "app.kubernetes.io/name=kata-deploy-test,app.kubernetes.io/instance=$DAEMONSET" --wait >/dev/null
	pod_gone served
}

# The ten pods of test_upgrade_under_pods: NODE-NUMBER.
held_pods() {
	printf '%s\n' one-{1,2,3,4} two-{1,2,3} three-{1,2,3}
}

test_upgrade_under_pods() {
	local node before after pod
	for pod in $(held_pods); do
		pod_made "held-$pod" 'exec sleep 36000' 'runtimeClassName="kata"' "nodeName=\"${pod%-*}\""
	done
	for pod in $(held_pods); do pod_is "held-$pod" Running; done
	before=$(for node in one two three; do node_run "$node" systemctl show -P MainPID containerd; done)
	deploy_chart upgrade next >/dev/null
	kubectl -n "$NAMESPACE" rollout status "daemonset/$DAEMONSET" --timeout=300s >/dev/null
	deployed one two three
	for node in one two three; do
		expect "version on $node" "$(node_version "$node")" 0.1.0.1
		until_is "version that $node reports" 0.1.0.1 node_annotation "$node" version
	done
	for pod in $(held_pods); do
		expect "exec in held-$pod" "$(kubectl exec "held-$pod" -- echo alive)" alive
		expect "restarts of held-$pod" "$(kubectl get pod "held-$pod" -o 'jsonpath={.status.containerStatuses[0].restartCount}')" 0
	done
	after=$(for node in one two three; do node_run "$node" systemctl show -P MainPID containerd; done)
	expect "container managers" "$after" "$before"
}

test_rollback_under_pods() {
	local node
	# Back to the revision before the last upgrade.
	helm4 rollback lab --namespace "$NAMESPACE" >/dev/null
	kubectl -n "$NAMESPACE" rollout status "daemonset/$DAEMONSET" --timeout=300s >/dev/null
	for node in one two three; do
		expect "version on $node" "$(node_version "$node")" 0.1.0
		until_is "version that $node reports" 0.1.0 node_annotation "$node" version
		expect "exec in held-$node-1" "$(kubectl exec "held-$node-1" -- echo alive)" alive
	done
}

# Uninstalls with Helm, which waits for every node.
deploy_away() { # RELEASE
	helm4 uninstall "$1" --namespace "$NAMESPACE" --timeout 15m >/dev/null || {
		kubectl -n "$NAMESPACE" logs -l app.kubernetes.io/name=kata-deploy-withdraw
		return 1
	}
}

# Checks that nothing of ours is on the node or on its object.
node_is_as_it_was() { # NODE...
	local node
	for node; do
		node_ready "$node"
		diff "$LAB/digest.$node" <(node_digest "$node")
		expect "what $node has of us" "$(kubectl get node "$node" -o json | jq -c '[.metadata.labels, .metadata.annotations |
			keys[] | select(test("kata"))] + [.status.conditions[].type | select(test("Kata"))] + [.spec.taints // [] | .[].key | select(test("kata"))]')" '[]'
	done
}

# Checks that the cluster has no objects that did not exist at deploy_begins, and that no new Events appear.
cluster_is_as_it_was() {
	local events
	[ -e "$LAB/keys" ] || {
		echo "    the case has not begun with deploy_begins"
		return 1
	}
	until_is "objects that are left, or lost" "" keys_that_differ
	events=$(deploy_events | jq -c '[.[].metadata.resourceVersion] | sort')
	sleep 5
	expect "Events since" "$(deploy_events | jq -c '[.[].metadata.resourceVersion] | sort')" "$events"
}

keys_that_differ() { cluster_keys | diff "$LAB/keys" -; }

deploy_events() {
	kubectl get events -A -o json | jq -c '[.items[] | select(.reportingComponent == "katacontainers.io/kata-deploy")]'
}

node_version() { # NODE
	node_run "$1" /opt/kata/bin/kata-deploy status --json | jq -r '.generations[] | select(.current) | .version'
}

node_annotation() { # NODE WHAT
	kubectl get node "$1" -o json | jq -r --arg a "kata-deploy.katacontainers.io/default.$2" '.metadata.annotations[$a] // ""'
}
