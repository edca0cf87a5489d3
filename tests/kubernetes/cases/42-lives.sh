# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Events in the life of a cluster with kata-deploy (40-deploy.sh): nodes join, our programs are evicted, killed and run
# twice, and a second installation is added beside the first.

BESIDE=beside-kata-deploy-b

containerd_of() { # NODE: prints the pid of its containerd
	node_run "$1" systemctl show -P MainPID containerd
}

journal_of() { # NODE [PREFIX]: prints the path of the journal of a change, as seen from outside the node
	echo "$LAB/$1/layer/upper${2:-/opt/kata}/state/journal"
}

# Waits until a change is in progress.
caught_in_the_middle() { # FILE...: prints the first journal that exists
	local file end=$((SECONDS + 300))
	while [ "$SECONDS" -lt "$end" ]; do
		for file; do
			[ ! -e "$file" ] || {
				echo "$file"
				return
			}
		done
		sleep 0.05
	done
	echo "    nothing has begun" >&2
	return 1
}

# Prints the pid of the program `node` itself, which is PID 1 of its container.
program_of() { # NODE PREFIX
	local pid
	for pid in $(node_run "$1" pgrep -f "^/kata-deploy node --host=/host --prefix=$2 "); do
		! node_run "$1" grep -q '^NSpid:.*[[:space:]]1$' "/proc/$pid/status" || echo "$pid"
	done
}

# Kills the program at an arbitrary moment, like the OOM killer.
killed_like_by_the_kernel() { # NODE PREFIX
	node_run "$1" kill -KILL "$(program_of "$1" "$2")"
}

program_runs() { [ -n "$(program_of "$@")" ]; } # NODE PREFIX

# Succeeds if the node has another pod of the DaemonSet than POD: NODE POD [LABEL=VALUE]; with "" as POD: any.
pod_is_new() {
	local pod
	pod=$(deploy_pod "$1" "${3:-}")
	[ -n "$pod" ] && [ "$pod" != "$2" ]
}

node_says() { # POD PATTERN
	kubectl -n "$NAMESPACE" logs "$1" -c node | grep -q "$2"
}

pod_ready() { # POD
	kubectl -n "$NAMESPACE" get pod "$1" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
}

class_serves() { # CLASS NODE
	pod_made "try-$2" 'exec sleep 36000' "runtimeClassName=\"$1\"" "nodeName=\"$2\""
	pod_is "try-$2" Running
	[ "$(kubectl exec "try-$2" -- uname -r)" != "$(uname -r)" ]
	kubectl delete pod "try-$2" --wait >/dev/null
}

# Prints labels and condition of an instance on the node object: "OWN-LABEL SHARED-LABEL CONDITION".
instance_of() { # NODE INSTANCE
	kubectl get node "$1" -o json | jq -r --arg i "$2" '[.metadata.labels["kata-deploy.katacontainers.io/\($i)"] // "-",
		.metadata.labels["katacontainers.io/kata-runtime"] // "-",
		([.status.conditions[] | select(.type == (if $i == "default" then "KataReady" else "KataReady-\($i)" end)) | .status] | first // "-")] |
		join(" ")'
}

test_node_that_comes_later_is_turned() {
	node_made four
	node_digest four >"$LAB/digest.four"
	node_power_on four
	node_ready four
	deployed four
	class_serves kata four
}

test_node_pod_is_evicted_and_killed() {
	local pod before
	before=$(containerd_of one)
	pod=$(deploy_pod one)
	kubectl create --raw "/api/v1/namespaces/$NAMESPACE/pods/$pod/eviction" -f - >/dev/null <<-EOF
		{"apiVersion":"policy/v1beta1","kind":"Eviction","metadata":{"name":"$pod","namespace":"$NAMESPACE"}}
	EOF
	until_true 120 pod_is_new one "$pod"
	pod=$(deploy_pod one)
	until_is "the next pod is ready" True pod_ready "$pod"
	expect "what is said of one" "$(instance_of one default)" "true true True"
	until_true 60 program_runs one /opt/kata
	killed_like_by_the_kernel one /opt/kata
	until_is "restarts" 1 kubectl -n "$NAMESPACE" get pod "$pod" -o \
		'jsonpath={.status.containerStatuses[?(@.name=="node")].restartCount}'
	until_is "it is ready again" True pod_ready "$pod"
	expect "what is said of one" "$(instance_of one default)" "true true True"
	expect "containerd of one" "$(containerd_of one)" "$before"
}

# A second DaemonSet with the same image by mistake: its pod waits for the other one, and says so.
test_two_node_pods_by_mistake() {
	local before first second
	before=$(containerd_of one)
	first=$(deploy_pod one)
	kubectl -n "$NAMESPACE" get daemonset "$DAEMONSET" -o json | jq '{apiVersion, kind, metadata: {name: "mistake", namespace: .metadata.namespace},
		spec: (.spec | .selector.matchLabels = {app: "mistake"} | .template.metadata.labels = {app: "mistake"} |
			.template.spec.nodeSelector += {"kubernetes.io/hostname": "one"})}' | kubectl apply -f - >/dev/null
	until_true 120 pod_is_new one "" app=mistake
	second=$(deploy_pod one app=mistake)
	until_true 120 node_says "$second" 'another kata-deploy node runs on this node'
	expect "readiness of the second" "$(pod_ready "$second")" False
	expect "readiness of the first" "$(pod_ready "$first")" True
	expect "what is said of one" "$(instance_of one default)" "true true True"
	# When the first pod ends, the waiting one takes over, and the first one's replacement waits.
	kubectl -n "$NAMESPACE" delete pod "$first" --wait >/dev/null
	until_is "readiness of the second" True pod_ready "$second"
	until_true 120 pod_is_new one "$first"
	first=$(deploy_pod one)
	until_true 120 node_says "$first" 'another kata-deploy node runs on this node'
	expect "what is said of one" "$(instance_of one default)" "true true True"
	kubectl -n "$NAMESPACE" delete daemonset mistake --wait >/dev/null
	until_is "readiness of the first" True pod_ready "$first"
	expect "what is said of one" "$(instance_of one default)" "true true True"
	expect "containerd of one" "$(containerd_of one)" "$before"
}

deploy_beside() { # [OPTION...]: installs the other release beside the first one
	helm4 install beside "$CHART" --namespace "$NAMESPACE" --set image.reference=localhost/kata-deploy --set image.tag=next \
		--set imagePullPolicy=Never --set env.multiInstallSuffix=b "$@" >/dev/null
}

# A second installation, with a suffix, on two of the nodes; on one of them its program is killed in the middle.
test_second_installation_beside() {
	local node
	kubectl label node one two beside=yes >/dev/null
	deploy_beside --set-string nodeSelector.beside=yes
	caught_in_the_middle "$(journal_of two /opt/kata-b)" >/dev/null
	killed_like_by_the_kernel two /opt/kata-b
	[ -e "$(journal_of two /opt/kata-b)" ]
	for node in one two; do
		until_is "the second on $node" "true true True" instance_of "$node" b || {
			kubectl -n "$NAMESPACE" logs -l "app.kubernetes.io/instance=$BESIDE" --all-containers --prefix --tail=15
			return 1
		}
		expect "the first on $node" "$(instance_of "$node" default)" "true true True"
	done
	[ ! -e "$(journal_of two /opt/kata-b)" ]
	kubectl -n "$NAMESPACE" rollout status "daemonset/$BESIDE" --timeout=120s >/dev/null
	expect "classes" "$(kubectl get runtimeclasses -o name | sed 's/.*\///' | sort | paste -sd ' ')" "kata kata-b kata-qemu kata-qemu-b"
	# Both installations run pods with their own files.
	pod_made of-first 'exec sleep 36000' 'runtimeClassName="kata"' 'nodeName="one"'
	pod_made of-second 'exec sleep 36000' 'runtimeClassName="kata-qemu-b"' 'nodeName="one"'
	pod_is of-first Running
	pod_is of-second Running
	expect "shims" "$(node_run one sh -c 'ls -l /proc/[0-9]*/exe 2>/dev/null' | grep -o '/opt/kata[^/]*/.*shim-kata-v2' |
		cut -d/ -f3 | sort -u | paste -sd ' ')" "kata kata-b"
}
