# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Tests the cluster itself, on which the other cases rely, without any of our programs.

CLUSTER_IMAGE=localhost/kata-test:busybox

cluster_images() {
	mkdir -p "$LAB/pause"
	cp "$TOOLS/pause" "$LAB/pause/pause"
	cluster_image "$LAB/pause" '{"Entrypoint":["/pause"]}' "$PAUSE_IMAGE" || return
	lab_busybox "$LAB/busybox"
	cluster_image "$LAB/busybox" '{"Env":["PATH=/bin"],"Cmd":["sh"]}' "$CLUSTER_IMAGE"
}

# Creates a pod with one container that runs a shell script: NAME SCRIPT [KEY=VALUE of spec, as JSON ...]. Each volume is
# mounted on a directory with its name.
pod_made() {
	local name=$1 script=$2 more=""
	shift 2
	for member; do more+=",\"${member%%=*}\":${member#*=}"; done
	jq -n --arg name "$name" --arg script "$script" --arg image "$CLUSTER_IMAGE" --argjson more "{${more#,}}" '
		{apiVersion: "v1", kind: "Pod", metadata: {name: $name, labels: {app: $name}}, spec: ({
		 terminationGracePeriodSeconds: 1,
		 containers: [{name: "c", image: $image, imagePullPolicy: "Never", command: ["sh", "-c", $script],
		  volumeMounts: [$more.volumes // [] | .[] | {name, mountPath: "/\(.name)"}]}]
		} + $more)}' | kubectl apply -f - >/dev/null
}

pod_is() { # NAME PHASE
	until_is "phase of $1" "$2" kubectl get pod "$1" -o 'jsonpath={.status.phase}' || {
		kubectl describe pod "$1" | tail -n 12 >&2
		return 1
	}
}

test_nodes_are_ready() {
	expect "Ready nodes" "$(kubectl get nodes --no-headers | awk '$2 == "Ready" { print $1 }' | sort | paste -sd ' ')" \
		"one three two"
}

test_pod_on_every_node() {
	local node
	for node in one two three; do
		pod_made "plain-$node" 'echo here; hostname; exec sleep 3600' "nodeName=\"$node\""
	done
	for node in one two three; do
		pod_is "plain-$node" Running
		expect "log" "$(kubectl logs "plain-$node" | paste -sd ' ')" "here plain-$node"
		expect "exec" "$(kubectl exec "plain-$node" -- echo said)" said
	done
	# From one node to another, and to the API server as pods know it.
	local address
	address=$(kubectl get pod plain-three -o 'jsonpath={.status.podIP}')
	kubectl exec plain-one -- ping -c 1 -W 5 "$address" >/dev/null
	kubectl exec plain-one -- nc -w 5 10.96.0.1 443 -e true
	kubectl delete pod plain-one plain-two plain-three --wait >/dev/null
}

test_node_comes_back_after_a_power_cut() {
	local before after
	node_run two sh -c 'echo kept >/etc/kept; sync'
	before=$(node_run two cat /proc/1/stat | awk '{ print $22 }')
	node_power_off two
	node_power_on two
	node_ready two
	after=$(node_run two cat /proc/1/stat | awk '{ print $22 }')
	[ "$before" != "$after" ]
	expect "what was on its disk" "$(node_run two cat /etc/kept)" kept
	node_run two rm /etc/kept
	pod_made again 'exec sleep 3600' 'nodeName="two"'
	pod_is again Running
	kubectl delete pod again --wait >/dev/null
}
